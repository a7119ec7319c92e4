//! What every block computes in its own memory: one row, a column a thread.

use super::Phased;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Held, Pull};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;
use std::rc::Rc;

impl<'m> Phased<'_, 'm> {
    pub(super) fn one_row(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        let pull = self.pull_of(phase);
        for (id, value) in phase.kernel.values() {
            if let Some(row) = value.kind.row_value()
                && pull.is_reached(id)
            {
                self.add_up(&pull, row.value, row.width);
                let held = InMemory {
                    b,
                    ix: Rc::clone(&pull.ix),
                    sums: self.words_at(self.room.sums),
                    ty: b.int(value.dtype.bits()),
                };
                pull.hold(id, Rc::new(held));
            }
        }
        pull.evaluate_uniforms();
        for domain in domains {
            self.each(domain.cols, |column| {
                pull.scopes.scoped(|| {
                    let column = Ix::value(pull.ix.of_long(column), 1);
                    pull.piece(&domain.stores, &Index::new(vec![Ix::constant(0)], vec![column], None));
                });
            });
        }
        b.block_barrier();
    }

    /// Running sums of an integer's columns, as numbers of 64 bits of which the low ones are those of any fewer bits. A thread has
    /// neighbouring columns, lanes of a warp hear of each other's sums, and warps of each other's by way of memory.
    fn add_up(&self, pull: &Pull<'_, 'm>, operand: ValueId, cols: u64) {
        let (b, i64) = (self.b, self.b.int(64));
        let each = cols.div_ceil(self.threads.into());
        let first = b.muli(self.thread, self.long(each));
        let own: Vec<(Val<'m>, Val<'m>, Val<'m>)> = (0..each)
            .map(|n| {
                let column = b.addi(first, self.long(n));
                let is_one = b.cmpi(IntPredicate::Ult, column, self.long(cols));
                let safe = Ix::value(pull.ix.of_long(b.minui(column, self.long(cols - 1))), 1);
                let index = Index::new(vec![Ix::constant(0)], vec![safe], None);
                let value = pull.evaluate(operand, &index).value;
                let wide = if b.width(b.type_of(value)) < 64 { b.extui(value, i64) } else { value };
                (column, is_one, b.select(is_one, wide, self.long(0)))
            })
            .collect();
        let sum = own.iter().fold(self.long(0), |sum, (_, _, x)| b.addi(sum, *x));
        let lanes = self.warps.lanes();
        let lane = b.trunci(self.lane, b.int(32));
        let mut running = sum;
        let mut distance = 1;
        while distance < lanes {
            let from = b.subi(lane, self.word(distance));
            let other = self.moved(running, |word| self.warps.from(b, word, lane, from, lanes));
            let has = b.cmpi(IntPredicate::Uge, lane, self.word(distance));
            running = b.addi(running, b.select(has, other, self.long(0)));
            distance *= 2;
        }
        let totals = self.words_at(self.room.totals);
        let is_last = b.cmpi(IntPredicate::Eq, lane, self.word(lanes - 1));
        b.if_then(is_last, |b| b.store(running, b.gep(totals, self.warp, i64), 8));
        b.block_barrier();
        let mut sum = b.subi(running, sum);
        for warp in 0..self.threads / lanes - 1 {
            let total = b.load(b.gep_const(totals, warp as i32, i64), i64, 8, false);
            let is_before = b.cmpi(IntPredicate::Ugt, self.warp, self.long(warp.into()));
            sum = b.addi(sum, b.select(is_before, total, self.long(0)));
        }
        let sums = self.words_at(self.room.sums);
        for (column, is_one, x) in own {
            sum = b.addi(sum, x);
            b.if_then(is_one, |b| b.store(sum, b.gep(sums, column, i64), 8));
        }
        b.block_barrier();
    }

    /// A number of 64 bits, moved in words of 32.
    fn moved(&self, long: Val<'m>, by: impl Fn(Val<'m>) -> Val<'m>) -> Val<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let low = b.extui(by(b.trunci(long, i32)), b.int(64));
        let high = b.extui(by(b.trunci(b.shrui(long, self.long(32)), i32)), b.int(64));
        b.ori(b.shli(high, self.long(32)), low)
    }
}

/// Running sums in the block's memory.
struct InMemory<'a, 'm> {
    b: &'a Builder<'m>,
    ix: Rc<Indexing<'a, 'm>>,
    sums: Val<'m>,
    /// What is seen of 64 bits.
    ty: Type<'m>,
}

impl<'m> Held<'m> for InMemory<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let (b, i64) = (self.b, self.b.int(64));
        let one = |column: &Ix<'m>| {
            let at = self.ix.to_long(self.ix.materialise(*column));
            let sum = b.load(b.gep(self.sums, at, i64), i64, 8, false);
            if b.width(self.ty) < 64 { b.trunci(sum, self.ty) } else { sum }
        };
        let sums: Vec<Val<'m>> = index.column.iter().map(one).collect();
        Some(Lanes::exact(b.gather_lanes(&sums), sums.len() as u32))
    }
}
