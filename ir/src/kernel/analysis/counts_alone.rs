//! Phases that are counts and nothing that asks for them.

use super::super::phases::{Phase, Phases, Place, Reach};
use super::super::{Role, Store, ValueKind};

/// The most columns of a row that a thread goes through by itself: those of its items together, and of each store.
pub const MOST_COLUMNS_OF_A_THREAD: u64 = 32;

/// Whether no row needs to know what is counted, and rows are so narrow that a thread has whole ones: counts are made outputs, as they are
/// or by functions of each column, and what else is stored of a row is stored by whoever counts it. Then there is no reason for every
/// block to know all counts.
pub fn counts_alone(phases: &Phases) -> bool {
    let is_narrow = |p: &Phase| {
        let columns = |s: &Store| p.kernel.store_cols(s) <= MOST_COLUMNS_OF_A_THREAD;
        p.kernel.rows.is_some() && p.kernel.stores.iter().all(columns) && !p.kernel.has_row_values()
    };
    let rows = |p: &Phase| p.kernel.rows.map(|s| p.symbols[s.0 as usize]);
    let of_rows = phases.counted().and_then(rows);
    let is_copied = |place: &Place| phases.copied.iter().any(|(at, _)| *place == Place::Shared(*at));
    let is_alone = |p: &Phase| match p.reach {
        Reach::Rows => true,
        Reach::Counted => is_narrow(p),
        Reach::Divided => {
            let asks = p.places.iter().any(|place| matches!(place, Place::Shared(_)));
            let plain = p.kernel.stores.iter().all(|s| s.element().is_none());
            is_narrow(p) && plain && !asks && rows(p) == of_rows
        }
        Reach::EveryBlock => {
            let mut params = p.kernel.params.iter().zip(&p.places);
            let fits = params.all(|(param, place)| match (param.role, place) {
                (Role::Output, place) => is_copied(place),
                (_, place) => matches!(place, Place::Param(_) | Place::Shared(0)),
            });
            let is_shared = |table: u32| matches!(p.places[table as usize], Place::Shared(_));
            let gathers =
                p.kernel.values.iter().any(|v| matches!(v.kind, ValueKind::Gather { table, .. } if is_shared(table.0)));
            fits && !gathers && !p.kernel.has_row_values() && p.kernel.stores.iter().all(|s| s.element().is_none())
        }
        Reach::Ranked | Reach::Padding { .. } => false,
    };
    !phases.copied.is_empty() && phases.chunks.is_some() && phases.list.iter().all(is_alone)
}
