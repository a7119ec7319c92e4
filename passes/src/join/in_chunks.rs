//! A kernel of rows and the phases of what it makes, in two launches, for many rows.
//!
//! The first launch does rows, and each of its blocks counts the items that its own rows make; so no launch is needed that counts
//! alone. The second one is what it is behind such a launch.
//!
//! There are no more blocks than chunks, so many rows are several for each team of lanes, one after the other. The same rows in small
//! blocks, of which a multiprocessor has several, are then quicker by more than a launch takes.

use super::behind_rows::{New, can_be_first};
use crate::schedule::in_chunks::few_rows_and_at_once;
use crate::schedule::phased::most_rows;
use routefuse_ir::Diagnostics;
use routefuse_ir::kernel::phases::{MOST_CHUNKS, Phases};
use routefuse_ir::kernel::schedule::in_chunks::fits_in_chunks;
use routefuse_ir::program::{Program, Step, Taken};

/// Up to so many rows a block has too few of them: on an H100 2,049 rows of 256 columns took 9.5 µs instead of 9.3, and 3,000 rows 9.9
/// instead of 10.1.
const FEWEST_ROWS: u64 = 2560;

/// The step that is this one and the next one, for more rows than one launch of the next one takes; none if they cannot be one.
/// Fewer than `least` rows have another.
pub(super) fn in_chunks(program: &Program, at: usize, least: u64) -> Result<Option<Step>, Diagnostics> {
    let (rows, behind) = (&program.steps[at], &program.steps[at + 1]);
    let Some(phases) = behind.kernel.phases.as_deref() else { return Ok(None) };
    let Some(chunks) = phases.chunks else { return Ok(None) };
    if !can_be_first(program, rows, behind) || !fits_in_chunks(phases, &rows.kernel) {
        return Ok(None);
    }
    let (few, at_once) = few_rows_and_at_once(phases, &rows.kernel);
    let first = most_rows(phases.items()).max(few).max(FEWEST_ROWS) + 1;
    let most = MOST_CHUNKS * at_once;
    if least >= first || most < first {
        return Ok(None);
    }
    let mut new = New::keeping(program, phases.shared.len(), vec![]);
    let mut list = vec![new.rows(rows, |_| true)];
    list.extend(phases.list.iter().map(|phase| new.phase(phase, behind)));
    let copied = phases.copied.iter().map(|(shared, p)| (*shared, new.param(*p, behind))).collect();
    let chunks = Some(new.param(chunks, behind));
    let phases = Phases { shared: phases.shared.clone(), list, copied, chunks };
    let Some(symbol) = rows.rows() else { return Ok(None) };
    let taken = Taken { symbol, least: first, most: Some(most), except: None };
    Ok(Some(new.step(format!("{}.in_chunks", behind.kernel.name), phases, taken)?))
}
