//! What a row schedule keeps of a row at once, and how much there is room for.

use crate::kernel::{Kernel, RowOp, RowValue, ValueId};
use crate::op::ReduceOp;

/// The most bytes of a host kernel's stack frame. Threads may have stacks of few pages, and a frame is not probed.
pub const MOST_FRAME: u64 = 64 << 10;

/// The most bytes of a frame for what is kept of a row; the rest is for what does not fit the registers. A kernel that keeps
/// more has all of it in *scratch memory*, which a plan makes when it is prepared.
pub const MOST_KEPT_IN_FRAME: u64 = 48 << 10;

/// The most bytes of scratch memory that one call of a host kernel may use. As many calls run at once as there are processors.
pub const MOST_SCRATCH: u64 = 16 << 20;

/// Where kept memory begins on the host: at a cache line.
pub const LINE: u64 = 64;

/// The most columns of one value that a lane of a GPU may keep: twice the registers of any GPU, and code for each column is
/// written out.
pub const MOST_COLUMNS: u64 = 512;

/// Bytes of the host's memory for what is kept of a row: row values, with what is needed on the way to them, and the values
/// that the schedule holds. No less than what code generation takes.
pub fn kept_bytes(kernel: &Kernel, held: &[ValueId]) -> u64 {
    let lines = |elements: u64, size: u64| {
        let bytes = elements.checked_mul(size).and_then(|n| n.checked_next_multiple_of(LINE));
        bytes.unwrap_or(u64::MAX)
    };
    let of = |id: ValueId| {
        let value = kernel.value(id);
        // A column more, which nobody reads; rank keys have four bytes. And a byte for whether it trapped.
        let columns = value.space.cols.saturating_add(1);
        let own = lines(columns, value.dtype.size().max(4)).saturating_add(lines(columns, 1));
        let on_the_way = match value.kind.row_value() {
            Some(RowValue { op: RowOp::Reduce(ReduceOp::Sum), value, width }) => {
                lines(width.saturating_add(1) / 2, kernel.value(*value).dtype.size()).saturating_mul(2)
            }
            // Keys up to the next power of two of blocks, the blocks' best, and the chosen columns to be sorted.
            Some(RowValue { op: RowOp::TopK { .. } | RowOp::TopKMask { .. }, width, .. }) => {
                let keys = width.saturating_add(LINE).checked_next_power_of_two().unwrap_or(u64::MAX);
                lines(keys, 4).saturating_mul(2).saturating_add(LINE)
            }
            Some(RowValue { op: RowOp::Reduce(_) | RowOp::CumSum, .. }) | None => 0,
        };
        own.saturating_add(on_the_way)
    };
    let rows = kernel.values().filter(|(_, v)| v.kind.is_row_value()).map(|(id, _)| id);
    held.iter().copied().chain(rows).fold(0, |sum, id| sum.saturating_add(of(id)))
}

/// Bytes of scratch memory that a call of the host's code takes; 0 where what is kept lies in its frame. It does not depend on
/// the order of the kernel's values.
pub fn scratch_bytes(kernel: &Kernel, held: &[ValueId]) -> u64 {
    let kept = kept_bytes(kernel, held);
    if kept > MOST_KEPT_IN_FRAME { kept } else { 0 }
}

/// Columns that each of a row's `lanes` lanes keeps of the widest operand of a row value.
pub fn columns_of_a_lane(kernel: &Kernel, lanes: u32) -> u64 {
    let operands = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(|row| row.value);
    operands.map(|o| kernel.value(o).space.cols.div_ceil(u64::from(lanes))).max().unwrap_or(1)
}
