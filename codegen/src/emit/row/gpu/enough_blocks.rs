//! How many blocks have to find room on a multiprocessor: that many registers are a lane's.

use super::is_few;
use crate::machine::Machine;
use routefuse_ir::kernel::schedule::room::columns_of_a_lane;
use routefuse_ir::kernel::schedule::{RowShape, Selecting};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, analysis};
use routefuse_ir::op::ReduceOp;

/// Threads on a multiprocessor that are enough where rows are few: as many rows as are few have a warp each at the same time, and
/// so have those of the next kernel.
const ENOUGH_THREADS: u32 = 1024;

/// The same where lanes of many rows have a softmax of more columns than [`CROWDED`]: without a word the assembler gives them 96
/// registers or 128, and five blocks of 128 threads find room, or four; with 80 it is six.
const ENOUGH_CROWDED_THREADS: u32 = 768;

/// The same where they have more columns than [`WIDE`] of something else, which is not summed. The assembler of NVIDIA's driver gave a router of 384
/// columns 147 registers, and three blocks found room. On an H100 four of them took 53.2 µs for 65,536 rows instead of 56.5, 8.1 for
/// 8,192 instead of 8.7, and 5.4 for 4,096 instead of 5.3; six took 51.7, 8.3 and 5.5. Of 288 columns they took 44.9 instead of 43.4.
const ENOUGH_WIDE_THREADS: u32 = 512;

/// Columns of a softmax that a lane has without being short of registers.
const CROWDED: u64 = 32;

/// Columns of anything else.
const WIDE: u64 = 40;

/// Columns of a lane at most for which the registers are enough that so many threads leave each other.
const MOST_COLUMNS_WITH_ROOM: u64 = 16;

/// So many blocks of this shape are enough on a multiprocessor, where that is known.
pub(super) fn enough_blocks(kernel: &Kernel, shape: RowShape, machine: &dyn Machine) -> Option<u32> {
    // A lane of many columns needs more registers than that leaves it.
    let has_room = columns_of_a_lane(kernel, shape.lanes) <= MOST_COLUMNS_WITH_ROOM;
    let threads = match is_few(shape) {
        // One block with a table has nearly all shared memory.
        _ if shape.table > 0 => shape.threads,
        true if has_room => ENOUGH_THREADS,
        false if has_crowded_lanes(kernel, shape, machine) => ENOUGH_CROWDED_THREADS,
        false if has_wide_lanes(kernel, shape) => ENOUGH_WIDE_THREADS,
        _ => return None,
    };
    Some(threads.div_ceil(shape.threads))
}

/// Whether lanes of many rows have so many columns of a softmax each that they are short of registers, where it is made behind the
/// choice from it: elsewhere words are spilled if they have fewer.
fn has_crowded_lanes(kernel: &Kernel, shape: RowShape, machine: &dyn Machine) -> bool {
    shape.selecting == Selecting::Sorted
        && columns_of_a_lane(kernel, shape.lanes) > CROWDED
        && machine.has_bf16_pairs()
        && kernel.values().any(|(id, _)| analysis::softmax_choice(kernel, id).is_some())
}

/// Whether lanes of many rows have many columns each, of which no sum is made.
fn has_wide_lanes(kernel: &Kernel, shape: RowShape) -> bool {
    let widest = columns_of_a_lane(kernel, 1);
    let sums = |row: &RowValue| row.op == RowOp::Reduce(ReduceOp::Sum) && row.width == widest;
    shape.selecting == Selecting::Sorted
        && columns_of_a_lane(kernel, shape.lanes) > WIDE
        && !kernel.values().filter_map(|(_, value)| value.kind.row_value()).any(sums)
}
