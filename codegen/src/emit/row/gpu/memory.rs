//! How much shared memory the lanes of a row need.

use super::rounds::pairs_of_list;
use super::shelves;
use crate::machine::Warps;
use crate::machine::shared_memory::SharedMemory;
use routefuse_ir::kernel::schedule::laid::Laid;
use routefuse_ir::kernel::schedule::room::chosen_columns;
use routefuse_ir::kernel::schedule::{RowShape, Selecting, sorted};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, Value};

/// Pairs of a lane's list, at least and at most: 3 KiB a warp, of which a multiprocessor has 64. Lists of a few keys are
/// shifted as fast.
const PAIRS: std::ops::RangeInclusive<u32> = 5..=12;

/// What a block of this shape shares for one kernel.
pub(super) fn shared(kernel: &Kernel, warps: &dyn Warps, shape: RowShape) -> SharedMemory {
    let (cells, keys) = (chosen_columns(kernel) as u32, keys_of_a_lane(kernel, shape));
    let in_registers = warps.keeps_keys();
    SharedMemory {
        cells,
        pairs: pairs_of_a_lane(kernel, warps, shape),
        keys: if in_registers { 0 } else { keys },
        places: if in_registers && keys > 0 { cells } else { 0 },
        shelf: shelves::words(kernel, warps, shape),
        table: if shape.table > 0 { [sorted::TABLE_WORDS, sorted::FREE_IN_TABLE[0]].map(|n| n as u32) } else { [0; 2] },
    }
}

/// Pairs that the longest sorted list takes, where lists are kept in memory: if they leave a multiprocessor's warps enough of
/// it.
fn pairs_of_a_lane(kernel: &Kernel, warps: &dyn Warps, shape: RowShape) -> u32 {
    if shape.selecting != Selecting::InMemory || shape.lanes > warps.lanes() {
        return 0;
    }
    let pairs = |v: &Value| match v.kind.row_value().copied() {
        Some(RowValue { op: RowOp::TopK { k, .. }, value, width }) => {
            let segments = kernel.value(value).space.cols / width;
            let Laid { registers, .. } = Laid::of(kernel, shape, segments, width);
            pairs_of_list(registers, k)
        }
        _ => 0,
    };
    let most = kernel.values.iter().map(pairs).max().unwrap_or(0);
    if PAIRS.contains(&most) { most } else { 0 }
}

/// Words for the most keys that a lane selects from by sorted lists.
fn keys_of_a_lane(kernel: &Kernel, shape: RowShape) -> u32 {
    let words = |v: &Value| match v.kind.row_value().copied() {
        Some(RowValue { op: RowOp::TopK { k, .. }, value, width }) => {
            let Laid { registers, .. } = Laid::of(kernel, shape, kernel.value(value).space.cols / width, width);
            if sorted::applies(shape, registers, k) { sorted::words_of_keys(registers) } else { 0 }
        }
        _ => 0,
    };
    kernel.values.iter().map(words).max().unwrap_or(0)
}
