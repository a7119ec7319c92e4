//! Ranks in bins: each lane compares its ids with those of all rows before. Nobody waits for anybody, and nothing is kept.

use super::RowGpu;
use super::spread::Spread;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::row::Segments;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::Dim;
use routefuse_ir::kernel::Bounds;
use routefuse_ir::op::OutOfRange;

/// The widest row whose columns are written out.
const UNROLLED: u64 = 32;

impl<'m> RowGpu<'_, 'm> {
    /// The rank of each of a lane's columns.
    pub(super) fn rank_ids(&self, of: Segments, bins: u64, spread: &Spread<'m>, index: &Index<'m>) -> Lanes<'m> {
        let (b, i64) = (self.b, self.b.int(64));
        let value = self.pull.kernel.value(of.operand);
        let operand = self.pull.evaluate(of.operand, index);
        let own = self.registers(operand.value, spread.columns.len());
        let long = |n: u64| b.const_int(i64, n as i64);
        let row = index.row[0];
        let id_at = |row: Ix<'m>, column: Ix<'m>| {
            self.pull.evaluate(of.operand, &Index::new(vec![row], vec![column], None)).value
        };
        // One more where an id is the own one.
        let counted =
            |counts: &[Val<'m>], id: Val<'m>, counts_for: &dyn Fn(usize) -> Option<Val<'m>>| -> Vec<Val<'m>> {
                let one = |(i, (count, own)): (usize, (&Val<'m>, &Val<'m>))| {
                    let same = b.cmpi(IntPredicate::Eq, id, *own);
                    let same = counts_for(i).map_or(same, |counts| b.andi(same, counts));
                    b.addi(*count, b.extui(same, b.int(32)))
                };
                counts.iter().zip(&own).enumerate().map(one).collect()
            };
        let mut counts = vec![self.word(0); own.len()];
        if self.pull.kernel.rows.is_some() {
            let before = self.ix.to_long(self.ix.materialise(row));
            counts = b.for_loop_carrying((long(0), before, long(1)), &counts, |_, earlier, counts| {
                self.pull.scopes.scoped(|| {
                    self.pull.leave_row();
                    let row = Ix::value(self.ix.of_long(earlier), 1);
                    self.each_column(of.width, counts, |column, counts| counted(counts, id_at(row, column), &|_| None))
                })
            });
        }
        // Of the own row, the columns before.
        let places: Vec<Val<'m>> = spread.columns.iter().map(|c| self.ix.materialise(c.at)).collect();
        counts = self.each_column(of.width, &counts, |column, counts| {
            let at = self.ix.materialise(column);
            let before = |i: usize| Some(b.cmpi(IntPredicate::Ult, at, places[i]));
            counted(counts, id_at(row, column), &before)
        });
        let ranked = |(count, own): (&Val<'m>, &Val<'m>)| {
            let id = Lanes::exact(*own, 1);
            let checked = self.pull.checked(id, value.dtype, Dim::Const(bins), Bounds::Checked(OutOfRange::Pass));
            checked.inside.map_or(*count, |inside| b.select(inside, *count, b.const_int(b.int(32), -1)))
        };
        let ranks: Vec<Val<'m>> = counts.iter().zip(&own).map(ranked).collect();
        let trap = self.trap_of_segments(operand.trap, spread).map(|trap| {
            let of_turn = self.registers(trap, spread.turns as usize);
            let each = of_turn.iter().flat_map(|t| std::iter::repeat_n(*t, spread.registers as usize));
            b.gather_lanes(&each.collect::<Vec<_>>())
        });
        Lanes { value: b.gather_lanes(&ranks), lanes: spread.columns.len() as u32, nans: Nans::Exact, trap }
    }

    /// Goes through a row's columns with numbers that each column changes.
    fn each_column(
        &self,
        width: u64,
        first: &[Val<'m>],
        step: impl Fn(Ix<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        if width <= UNROLLED {
            return (0..width).fold(first.to_vec(), |numbers, column| step(Ix::constant(column), &numbers));
        }
        let long = |n: u64| self.b.const_int(self.b.int(64), n as i64);
        self.b.for_loop_carrying((long(0), long(width), long(1)), first, |_, column, numbers| {
            self.pull.scopes.scoped(|| step(Ix::value(self.ix.of_long(column), 1), numbers))
        })
    }
}
