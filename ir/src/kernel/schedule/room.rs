//! What a row schedule keeps of a row at once, and how much there is room for.

use crate::kernel::{Kernel, RowOp, ValueId};
use crate::op::ReduceOp;

/// The most bytes of the host's stack that a row may take: threads of a pool have a few MiB.
pub const MOST_STACK: u64 = 1 << 20;

/// The most columns of one value that a lane of a GPU may keep: twice the registers of any GPU, and code for each column is
/// written out.
pub const MOST_COLUMNS: u64 = 512;

/// Bytes of the host's stack for what is kept of a row, about: row values, with what is needed on the way to them, and the
/// values that the schedule holds.
pub fn stack_bytes(kernel: &Kernel, held: &[ValueId]) -> u64 {
    let of = |id: ValueId| {
        let value = kernel.value(id);
        let own = value.space.cols.saturating_mul(value.dtype.size() + 1);
        let a_column = |row_op: RowOp, operand: ValueId| match row_op {
            RowOp::Reduce(ReduceOp::Sum) => kernel.value(operand).dtype.size(),
            RowOp::Reduce(_) | RowOp::CumSum => 0,
            // Keys up to the next power of two of blocks, and the blocks' best.
            RowOp::TopK { .. } | RowOp::TopKMask { .. } => 12,
        };
        let segment = value.kind.row_value().map_or(0, |r| r.width.saturating_mul(a_column(r.op, r.value)));
        own.saturating_add(segment)
    };
    let rows = kernel.values().filter(|(_, v)| v.kind.is_row_value()).map(|(id, _)| id);
    held.iter().copied().chain(rows).fold(0, |sum, id| sum.saturating_add(of(id)))
}

/// Columns that each of a row's `lanes` lanes keeps of the widest operand of a row value.
pub fn columns_of_a_lane(kernel: &Kernel, lanes: u32) -> u64 {
    let operands = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(|row| row.value);
    operands.map(|o| kernel.value(o).space.cols.div_ceil(u64::from(lanes))).max().unwrap_or(1)
}
