//! Sums over the threads of a block.

use super::Phased;
use crate::mlir::builder::{IntPredicate, Val};

impl<'m> Phased<'_, 'm> {
    /// Of a number of each thread, `i32`, the sum of those of the threads before, and of all. A barrier of the block is in between:
    /// there has to be another one before this is done again.
    pub(super) fn sums_before(&self, own: Val<'m>) -> (Val<'m>, Val<'m>) {
        let (b, zero) = (self.b, self.word(0));
        let lane = self.short(self.lane);
        let running = self.running(own, |word, from| self.warps.from(b, word, lane, from, self.warps.lanes()));
        let totals = self.room.totals;
        self.store_total(|b| b.store(running, self.word_at(totals, self.short(self.warp)), 4));
        b.block_barrier();
        let warps = self.threads / self.warps.lanes();
        let total = self.load_word(self.word_at(totals, b.minui(lane, self.word(warps - 1))));
        let below = |end: Val<'m>| b.select(b.cmpi(IntPredicate::Ult, lane, end), total, zero);
        let before = self.warps.sum(b, below(self.short(self.warp)), lane);
        let all = self.warps.sum(b, below(self.word(warps)), lane);
        (b.addi(before, b.subi(running, own)), all)
    }

    /// Of a number of each thread, `i64`, the sum of those of the threads before.
    pub(super) fn long_sums_before(&self, own: Val<'m>) -> Val<'m> {
        let (b, i64) = (self.b, self.b.int(64));
        let lane = self.short(self.lane);
        let moved = |word, from| self.warps.from(b, word, lane, from, self.warps.lanes());
        let running = self.running(own, |long, from| {
            let low = b.extui(moved(self.short(long), from), i64);
            let high = b.extui(moved(self.short(b.shrui(long, self.long(32))), from), i64);
            b.ori(b.shli(high, self.long(32)), low)
        });
        let totals = self.words_at(self.room.totals);
        self.store_total(|b| b.store(running, b.gep(totals, self.warp, i64), 8));
        b.block_barrier();
        let mut sum = b.subi(running, own);
        for warp in 0..self.threads / self.warps.lanes() - 1 {
            let total = b.load(b.gep_const(totals, warp as i32, i64), i64, 8, false);
            let is_before = b.cmpi(IntPredicate::Ugt, self.warp, self.long(warp.into()));
            sum = b.addi(sum, b.select(is_before, total, self.long(0)));
        }
        sum
    }

    /// The sum of the numbers of the warp's lanes up to the own one. `moved` gives the number of another lane.
    fn running(&self, own: Val<'m>, moved: impl Fn(Val<'m>, Val<'m>) -> Val<'m>) -> Val<'m> {
        let b = self.b;
        let (lane, lanes) = (self.short(self.lane), self.warps.lanes());
        let zero = b.const_int(b.type_of(own), 0);
        let mut running = own;
        let mut distance = 1;
        while distance < lanes {
            let other = moved(running, b.subi(lane, self.word(distance)));
            let has = b.cmpi(IntPredicate::Uge, lane, self.word(distance));
            running = b.addi(running, b.select(has, other, zero));
            distance *= 2;
        }
        running
    }

    /// Does it on the last lane of each warp.
    fn store_total(&self, store: impl FnOnce(&crate::mlir::builder::Builder<'m>)) {
        let is_last = self.b.cmpi(IntPredicate::Eq, self.short(self.lane), self.word(self.warps.lanes() - 1));
        self.b.if_then(is_last, store);
    }
}
