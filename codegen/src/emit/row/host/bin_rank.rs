//! Ranks in bins on the host: rows come one after the other, so a number for each bin says how many were seen.

use super::RowHost;
use super::workspace::Workspace;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::row::Segments;
use crate::mlir::builder::Val;
use routefuse_ir::Dim;
use routefuse_ir::kernel::Bounds;
use routefuse_ir::op::OutOfRange;

/// The widest row whose columns are written out.
const UNROLLED: u64 = 32;

impl<'m> RowHost<'_, 'm> {
    /// Memory for a number for each bin, and for what is of none, all 0. To be asked for at the beginning of the function.
    pub(super) fn nothing_seen(&self, bins: u64) -> Val<'m> {
        let seen = self.stack.memory(self.b.int(32), 4, bins + 1);
        self.clear_counts(seen, bins);
        seen
    }

    /// Makes the numbers of the bins 0, and that of what is of none.
    pub(super) fn clear_counts(&self, counts: Val<'m>, bins: u64) {
        let (b, i32) = (self.b, self.b.int(32));
        self.columns(Ix::constant(0), bins + 1, |at| {
            let zero = b.const_int(b.lanes_of(i32, at.len() as u32), 0);
            self.stack.write_at(counts, i32, 4, at[0], zero);
        });
    }

    /// The rank of each column of the row; the numbers of the bins go on.
    pub(super) fn rank_ids(&self, work: &Workspace<'m>, of: Segments, bins: u64, row: &Index<'m>) {
        let (b, i32) = (self.b, self.b.int(32));
        let Some(seen) = work.seen else { return };
        let dtype = self.pull.kernel.value(of.operand).dtype;
        let one = |column: Ix<'m>| {
            let id = self.neighbouring(of.operand, row, column, 1);
            let checked = self.pull.checked(id, dtype, Dim::Const(bins), Bounds::Checked(OutOfRange::Pass));
            let place = checked.safe[0];
            let before = self.stack.read_at(seen, i32, 4, &[place]);
            let (rank, counted) = match checked.inside {
                // Of an id in no bin, nothing is counted: the number that is written is the one that was read.
                Some(inside) => (b.select(inside, before, b.const_int(i32, -1)), b.addi(before, b.extui(inside, i32))),
                None => (before, b.addi(before, b.const_int(i32, 1))),
            };
            self.stack.write_at(seen, i32, 4, place, counted);
            self.stack.write(&work.out, &[column], Lanes::exact(rank, 1));
        };
        if of.width <= UNROLLED {
            (0..of.width).for_each(|column| one(Ix::constant(column)));
        } else {
            self.loop_over(of.width, 1, one);
        }
        let trap = self.segment_trap(work, (of.operand, row), Ix::constant(0), of.width);
        self.stack.write_trap(&work.out, Ix::constant(0), trap);
    }
}
