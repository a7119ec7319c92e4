//! A kernel of rows that adds to counts itself, and their zeros, for the rows of which that is quicker than phases.
//!
//! Where a router was parted so that phases count what it stores (`counts_apart`), the program before has a kernel that writes zeros and
//! the router, which adds to them. That is two launches, as the router and its phases are. The first one needs nothing of the second one
//! and is short, and while few rows add to a count, they do so beside what the router does anyway.

use super::Joined;
use super::behind_rows::hull;
use crate::schedule::row::widest;
use routefuse_ir::program::{Program, Step, Taken};

/// So many items for each column of a row can be added, while phases are no quicker. Wide rows take longer, and hide more additions. On an
/// H100, in µs, with 16 items a row that are added to 264 counts: 1,024 rows of 256 columns took 5.56 added and 5.91 by phases, and 4,096
/// rows 14.4 and 8.2. With 136 counts, 512 rows of 128 columns took 4.16 both ways, and 1,024 rows 5.85 and 5.51.
const ITEMS_OF_A_COLUMN: u64 = 64;

/// The most rows of which it was measured that they are quicker added.
const MOST_ROWS: u64 = 1024;

/// The kernels that this one and the phases behind it were, and the most rows of theirs; none if they were others, if anything else is
/// made of them, or if there are no such rows.
pub(super) fn added(joined: &Joined, before: &Program, at: usize) -> Option<([Step; 2], u64)> {
    let (rows, behind) = (&joined.program.steps[at], &joined.program.steps[at + 1]);
    let phases = behind.kernel.phases.as_deref().filter(|phases| phases.rows().is_none())?;
    let was = hull(&joined.from[at..at + 2]);
    let [zeros, adding] = before.steps.get(was.clone())? else { return None };
    let has_part = |(n, from): (usize, &std::ops::Range<usize>)| {
        n != at && n != at + 1 && from.start < was.end && was.start < from.end
    };
    let is_parted = rows.kernel.has_row_values() && rows.kernel.phases.is_none() && *rows.kernel != *adding.kernel;
    let adds = adding.kernel.stores.iter().any(|store| store.add_at.is_some()) && adding.kernel.has_row_values();
    let same_rows = adding.rows().is_some() && [rows, behind].iter().all(|step| step.rows() == adding.rows());
    let always = [rows, behind, zeros, adding].iter().all(|step| step.taken.is_none());
    if zeros.rows().is_some() || joined.from.iter().enumerate().any(has_part) {
        return None;
    }
    if !is_parted || !adds || !same_rows || !always {
        return None;
    }
    let items = widest(&adding.kernel).saturating_mul(ITEMS_OF_A_COLUMN);
    let most = (items / phases.items().max(1)).min(MOST_ROWS);
    let taken = adding.rows().map(|symbol| Taken { symbol, least: 0, most: Some(most), except: None });
    Some(([zeros, adding].map(|step| Step { taken, ..step.clone() }), most))
}
