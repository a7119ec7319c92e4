//! Ranks of a block's items.

use super::Phased;
use super::counting::Ids;
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;

impl<'m> Phased<'_, 'm> {
    /// Each of the warps that have items goes through its own in order, as many at a time as it has lanes. A lane's rank is the
    /// count of its bin so far, and one more for each lane before it that has the same bin.
    pub(super) fn rank(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        let rank = phase.kernel.values().find_map(|(id, v)| v.kind.row_value().map(|row| (id, row.value)));
        let Some((rank, ids)) = rank else { return };
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let ids = Ids { pull: &pull, ids, cols: phase.kernel.value(ids).space.cols, width: 1 };
        let (first, end) = self.items_of_own_warp(&ids);
        let row = b.trunci(b.muli(self.warp, self.long(self.phases.bins())), b.int(32));
        let row = b.addi(row, self.row_of_counts(0));
        let ranks = b.cmpi(IntPredicate::Ult, self.warp, self.long(self.sharing().into()));
        let lanes = pull.ix.constant(self.warps.lanes().into());
        let index_of = |from: Val<'m>| {
            let item = b.addi(from, pull.ix.of_long(self.lane));
            let last = b.subi(end, pull.ix.constant(1));
            (b.cmpi(IntPredicate::Ult, item, end), ids.index(b.minui(item, last)))
        };
        // What the next turn asks of memory is on its way while this one ranks.
        let ask = |from: Val<'m>| {
            let (is_one, index) = index_of(from);
            let (inside, bin) = ids.bins_at(self, &index)[0];
            [b.andi(is_one, inside), bin]
        };
        let has_some = b.andi(ranks, b.cmpi(IntPredicate::Ult, first, end));
        b.if_then(has_some, |_| {
            let first_ones = pull.scopes.scoped(|| ask(first));
            b.for_loop_carrying((first, end, lanes), &first_ones, |_, from, own| {
                pull.scopes.scoped(|| {
                    let next = pull.scopes.scoped(|| ask(b.addi(from, lanes)));
                    let (is_one, index) = index_of(from);
                    let ranked = self.rank_lanes(own[0], own[1], row);
                    pull.remember(rank, &index, Lanes::exact(ranked, 1));
                    b.if_then(is_one, |_| {
                        pull.scopes.scoped(|| domains.iter().for_each(|d| pull.piece(&d.stores, &index)));
                    });
                    next.to_vec()
                })
            });
        });
    }

    /// The rank of each lane of a warp, −1 where it does not count, with the counts of bins so far in this row; which it advances.
    fn rank_lanes(&self, counts: Val<'m>, bin: Val<'m>, row: Val<'m>) -> Val<'m> {
        let b = self.b;
        let lanes = self.warps.lanes();
        let mask = b.int(lanes);
        let number = |n: i64| b.const_int(mask, n);
        let mut same = self.warps.ballot(b, counts);
        for bit in 0..u64::BITS - (self.phases.bins() - 1).leading_zeros() {
            let is_set = b.cmpi(IntPredicate::Ne, b.andi(bin, self.word(1 << bit)), self.word(0));
            let differs = b.xori(self.warps.ballot(b, is_set), b.select(is_set, number(-1), number(0)));
            same = b.andi(same, b.xori(differs, number(-1)));
        }
        let lane = if lanes > 32 { self.lane } else { b.trunci(self.lane, mask) };
        let before = b.andi(same, b.subi(b.shli(number(1), lane), number(1)));
        let count = |bits: Val<'m>| {
            let ones = b.count_ones(bits);
            if lanes > 32 { b.trunci(ones, b.int(32)) } else { ones }
        };
        let (before, all) = (count(before), count(same));
        let so_far = self.count_of(row, bin);
        let old = b.load(so_far, b.int(32), 4, false);
        self.warps.settle_memory(b);
        let is_first = b.andi(counts, b.cmpi(IntPredicate::Eq, before, self.word(0)));
        self.warps.store_where(b, is_first, b.addi(old, all), so_far);
        self.warps.settle_memory(b);
        b.select(counts, b.addi(old, before), self.word(u32::MAX))
    }
}
