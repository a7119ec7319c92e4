//! Memory for row values, before any loop.

use super::RowHost;
use super::reduce::UNROLLED;
use super::topk::blocks;
use super::workspace::Workspace;
use crate::emit::pull::index::Ix;
use crate::emit::pull::types::memory_type;
use routefuse_ir::kernel::{RowOp, RowValue, ValueId};
use routefuse_ir::op::{ReduceOp, TopKOrder};

impl<'m> RowHost<'_, 'm> {
    /// The workspace of a row value. To be asked for at the beginning of the function.
    pub(super) fn workspace(&self, id: ValueId, row_value: RowValue, may_trap: &[bool]) -> Workspace<'m> {
        let (b, value) = (self.b, self.pull.kernel.value(id));
        let (i32, cols) = (b.int(32), value.space.cols);
        let RowValue { op, value: operand, width } = row_value;
        let traps = may_trap[operand.0 as usize];
        let each = op.columns(width);
        // Reductions and sums are settled, everything else is no `f32`, so NaNs are what they are.
        let out = self.stack.room(value.dtype, cols + 1, traps.then_some(each));
        let mut work = Workspace { out, trash: cols, keys: None, maxima: None, sorted: None, halves: None, trap: None };
        work.trap = traps.then(|| b.stack(b.int(8), 1, 1));
        match op {
            RowOp::Reduce(ReduceOp::Sum) if width.div_ceil(self.vectors.lanes()) > UNROLLED => {
                let dtype = self.pull.kernel.value(operand).dtype;
                let half = width.next_power_of_two() / 2;
                work.halves = Some(self.stack.memory(memory_type(self.b, dtype), dtype.size(), half));
            }
            RowOp::TopK { .. } | RowOp::TopKMask { .. } => {
                if let Some((block, count)) = blocks(width) {
                    let keys = self.stack.memory(i32, 4, block * count);
                    self.columns(Ix::constant(width), block * count - width, |at| {
                        let zero = b.const_int(b.lanes_of(i32, at.len() as u32), 0);
                        self.stack.write_at(keys, i32, 4, at[0], zero);
                    });
                    work.keys = Some(keys);
                    work.maxima = Some(self.stack.memory(i32, 4, count));
                }
                if let RowOp::TopK { k, order: TopKOrder::Column, .. } = op {
                    work.sorted = Some(self.stack.memory(i32, 4, k.next_power_of_two()));
                }
            }
            RowOp::Reduce(_) | RowOp::CumSum => {}
        }
        work
    }
}
