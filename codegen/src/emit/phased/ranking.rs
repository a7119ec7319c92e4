//! Ranks of a block's items.

use super::Phased;
use super::counting::Ids;
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;

impl<'m> Phased<'_, 'm> {
    /// One launch: the first warp goes through the block's items in order, as many at a time as it has lanes. A lane's rank is the
    /// count of its bin so far, and one more for each lane before it that has the same bin.
    pub(super) fn rank(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        let rank = phase.kernel.values().find_map(|(id, v)| v.kind.row_value().map(|row| (id, row.value)));
        let Some((rank, ids)) = rank else { return };
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let ids = Ids { pull: &pull, ids, cols: phase.kernel.value(ids).space.cols, width: 1 };
        let (first, end) = self.items_of_block(&ids);
        let lanes = pull.ix.constant(self.warps.lanes().into());
        b.if_then(b.cmpi(IntPredicate::Eq, self.warp, self.long(0)), |_| {
            b.for_loop(first, end, lanes, |_, from| {
                pull.scopes.scoped(|| {
                    let item = b.addi(from, pull.ix.of_long(self.lane));
                    let is_one = b.cmpi(IntPredicate::Ult, item, end);
                    let index = ids.index(b.minui(item, b.subi(end, pull.ix.constant(1))));
                    let (inside, bin) = ids.bins_at(self, &index)[0];
                    let so_far = self.word_at(self.room.counts, bin);
                    let counts = b.andi(is_one, inside);
                    let ranked = self.count_on(counts, self.alike((counts, bin)), (so_far, 32));
                    pull.remember(rank, &index, Lanes::exact(ranked, 1));
                    b.if_then(is_one, |_| {
                        pull.scopes.scoped(|| domains.iter().for_each(|d| pull.piece(&d.stores, &index)));
                    });
                });
            });
        });
    }

    /// The rank of each lane of a warp, −1 where it does not count: of the lanes that have its bin there are so many before, and in all.
    /// The count of its bin so far is a number of so many bits, which is advanced.
    pub(super) fn count_on(
        &self,
        counts: Val<'m>,
        (before, all): (Val<'m>, Val<'m>),
        (so_far, bits): (Val<'m>, u32),
    ) -> Val<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let old = b.load(so_far, b.int(bits), bits / 8, false);
        let old = if bits < 32 { b.extui(old, i32) } else { old };
        self.warps.settle_memory(b);
        let is_first = b.andi(counts, b.cmpi(IntPredicate::Eq, before, self.word(0)));
        let new = b.addi(old, all);
        match bits {
            32 => self.warps.store_where(b, is_first, new, so_far),
            _ => b.if_then(is_first, |b| b.store(b.trunci(new, b.int(bits)), so_far, bits / 8)),
        }
        self.warps.settle_memory(b);
        b.select(counts, b.addi(old, before), self.word(u32::MAX))
    }

    /// For a lane that counts, of the lanes of the warp that count and have the same bin, how many are before it, and all.
    pub(super) fn alike(&self, (counts, bin): (Val<'m>, Val<'m>)) -> (Val<'m>, Val<'m>) {
        let (b, i32) = (self.b, self.b.int(32));
        let lanes = self.warps.lanes();
        let mask = b.int(lanes);
        let number = |n: i64| b.const_int(mask, n);
        let bits = 0..u64::BITS - (self.phases.bins() - 1).leading_zeros();
        let same = bits.fold(self.warps.ballot(b, counts), |same, bit| self.warps.alike(b, same, bin, bit));
        let lane = if lanes > 32 { self.lane } else { b.trunci(self.lane, mask) };
        let before = b.andi(same, b.subi(b.shli(number(1), lane), number(1)));
        let count = |bits: Val<'m>| {
            let ones = b.count_ones(bits);
            if lanes > 32 { b.trunci(ones, i32) } else { ones }
        };
        (count(before), count(same))
    }
}
