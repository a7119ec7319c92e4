//! The schedule of rows whose blocks count what they make, and of the launch behind them.

use super::{phased, row};
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::phases::Phases;
use routefuse_ir::kernel::schedule::in_chunks::words_of_counting;
use routefuse_ir::kernel::schedule::room::MOST_SHARED_WORDS;
use routefuse_ir::kernel::schedule::{RowShape, Schedule};
use routefuse_ir::target::Target;

/// Threads of a block that has rows, at most.
const MOST_THREADS: u32 = 256;

/// The target on which it was measured for which rows it is quicker. They are the same on all.
const MEASURED: &str = "sm_90";

pub(super) fn schedule(phases: &Phases, rows: &Kernel, target: Target) -> Schedule {
    let (of_many, held, of_rows) = match row::schedule(rows, target) {
        Schedule::Row { shapes, held, domains, .. } => (many(&shapes), held, domains),
        _ => (None, vec![], vec![]),
    };
    let shape = shape(phases, rows, (of_many, target));
    let mut domains = phased::domains_of(phases, target);
    domains[0] = of_rows;
    Schedule::InChunks {
        rows_of_a_block: u64::from(shape.rows()),
        shape,
        threads: phased::threads_of_two(phases, target),
        warps: phased::warps(phases, target),
        held,
        domains,
    }
}

/// Where it was measured, the most rows that are few to the row schedule, and rows that a block does at a time.
pub(crate) fn few_rows_and_at_once(phases: &Phases, rows: &Kernel) -> (u64, u64) {
    let Ok(target) = Target::named(MEASURED) else { return (0, 0) };
    let by_row = row::schedule(rows, target);
    let few = by_row.shapes().first().and_then(|shape| shape.most_rows).unwrap_or(0);
    (few, u64::from(shape(phases, rows, (many(by_row.shapes()), target)).rows()))
}

/// The shape for many rows in blocks that come and go: one that fills a table of scores first is for yet more of them.
fn many(shapes: &[RowShape]) -> Option<RowShape> {
    shapes.iter().rev().find(|shape| !shape.persistent && shape.table == 0).copied()
}

/// Rows are shared as the row schedule would where they are `many`. A block has as many threads as find room in its memory.
fn shape(phases: &Phases, rows: &Kernel, (many, target): (Option<RowShape>, Target)) -> RowShape {
    let (warp, in_registers) = (target.info().warp, target.abilities().keys_in_registers);
    let many = many.unwrap_or_else(|| RowShape::of(warp, warp)).any_rows();
    // What a block of one warp takes, times warps: lists that find room in the memory of a few do so in that of one.
    let of_a_warp = RowShape { threads: warp, ..many };
    let none = RowShape { threads: 0, ..many };
    let fixed = words_of_counting(phases, rows, none, in_registers);
    let each = words_of_counting(phases, rows, of_a_warp, in_registers).saturating_sub(fixed);
    let mut threads = MOST_THREADS;
    while threads > warp && u64::from(threads / warp).saturating_mul(each).saturating_add(fixed) > MOST_SHARED_WORDS {
        threads /= 2;
    }
    RowShape { threads, ..many }
}
