//! The schedule of few rows and what is made of their items, in one block.

use super::{phased, row};
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::phases::{FEW_THREADS, MOST_FEW, Phases};
use routefuse_ir::kernel::schedule::{RowShape, Schedule};
use routefuse_ir::target::Target;

/// Threads of a block that have rows, at most: more of them leave each too few registers.
const MOST_THREADS_OF_ROWS: u64 = 512;

/// Columns of the widest row that are few for a lane.
const COLUMNS: u64 = 16;

/// The most rows of so many items and of so many columns whose lanes are threads of one block.
pub(crate) fn most_rows(items: u64, widest: u64) -> u64 {
    (MOST_FEW / items.max(1)).min(MOST_THREADS_OF_ROWS * COLUMNS / widest.max(1))
}

/// Rows are shared as the row schedule would where they are few, by lanes of a warp. Some warps have none: they store what needs
/// no row while the others are at it.
pub(super) fn schedule(phases: &Phases, rows: &Kernel, target: Target) -> Schedule {
    let warp = target.info().warp;
    let (few, held, domains) = match row::schedule(rows, target) {
        Schedule::Row { shapes, held, domains, .. } => (shapes.first().copied(), held, domains),
        _ => (None, vec![], vec![]),
    };
    let most = most_rows(phases.items(), row::widest(rows));
    let mut lanes = few.map_or(warp, |few| few.lanes.min(warp));
    while lanes > 1 && u64::from(lanes) * most > MOST_THREADS_OF_ROWS {
        lanes /= 2;
    }
    let of_rows = (lanes * most as u32).next_multiple_of(warp);
    let mut all = phased::domains_of(phases, target);
    all[0] = domains;
    Schedule::AtOnce { rows: most, shape: RowShape::of(lanes, of_rows + FEW_THREADS), held, domains: all }
}
