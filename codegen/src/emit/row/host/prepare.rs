//! Memory for row values, before any loop.

use super::RowHost;
use super::reduce::UNROLLED;
use super::workspace::Workspace;
use crate::emit::pull::index::Ix;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::Val;
use routefuse_ir::kernel::schedule::key_blocks::key_blocks;
use routefuse_ir::kernel::{RowOp, RowValue, ValueId};
use routefuse_ir::op::{ReduceOp, TopKOrder};

impl<'m> RowHost<'_, 'm> {
    /// The workspace of a row value: for so many rows what they become, and for as many the keys of a top-k whose rounds come
    /// later. To be asked for at the beginning of the function.
    pub(super) fn workspace(
        &self,
        id: ValueId,
        row_value: RowValue,
        may_trap: &[bool],
        (rows, rows_of_keys): (u64, u64),
    ) -> Workspace<'m> {
        let (b, value) = (self.b, self.pull.kernel.value(id));
        let (i32, cols) = (b.int(32), value.space.cols);
        let RowValue { op, value: operand, width } = row_value;
        let traps = may_trap[operand.0 as usize];
        let each = op.columns(width);
        // Reductions and sums are settled, everything else is no `f32`, so NaNs are what they are.
        let out = self.stack.room(value.dtype, cols + 1, traps.then_some(each), rows);
        let (keys, maxima, sorted, halves) = (None, None, None, None);
        let mut work =
            Workspace { out, trash: cols, keys, maxima, strides: (0, 0), sorted, halves, seen: None, trap: None };
        work.trap = traps.then(|| b.stack(b.int(8), 1, 1));
        match op {
            RowOp::Reduce(ReduceOp::Sum) if width.div_ceil(self.vectors.lanes()) > UNROLLED => {
                let dtype = self.pull.kernel.value(operand).dtype;
                let half = width.next_power_of_two() / 2;
                work.halves = Some(self.stack.memory(memory_type(self.b, dtype), dtype.size(), half));
            }
            RowOp::TopK { .. } | RowOp::TopKMask { .. } => {
                if let Some((block, count)) = key_blocks(width) {
                    let (keys, stride) = self.stack.memory_of_rows(i32, 4, block * count, rows_of_keys);
                    let (maxima, maxima_stride) = self.stack.memory_of_rows(i32, 4, count, rows_of_keys);
                    if rows_of_keys == 1 {
                        self.no_keys_behind(keys, width);
                    }
                    (work.keys, work.maxima, work.strides) = (Some(keys), Some(maxima), (stride, maxima_stride));
                }
                if let RowOp::TopK { k, order: TopKOrder::Column, .. } = op {
                    work.sorted = Some(self.stack.memory(i32, 4, k.next_power_of_two()));
                }
            }
            RowOp::Rank { bins } => work.seen = Some(self.nothing_seen(bins)),
            RowOp::Reduce(_) | RowOp::CumSum => {}
        }
        work
    }

    /// Keys behind the end of a segment of so many columns are no candidates.
    pub(super) fn no_keys_behind(&self, keys: Val<'m>, width: u64) {
        let (b, i32) = (self.b, self.b.int(32));
        let Some((block, count)) = key_blocks(width) else { return };
        self.columns(Ix::constant(width), block * count - width, |at| {
            let zero = b.const_int(b.lanes_of(i32, at.len() as u32), 0);
            self.stack.write_at(keys, i32, 4, at[0], zero);
        });
    }
}
