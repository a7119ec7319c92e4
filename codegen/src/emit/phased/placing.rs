//! The second of two launches: the block's items are ranked and put in the order of bins in the block's memory while the first launch
//! still runs, and then stored from there, so that neighbouring lanes store to neighbouring places.

use super::Phased;
use super::chunks::Share;
use super::counting::Ids;
use crate::emit::pull::Pull;
use crate::emit::pull::index::Ix;
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::value_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::room::{TURNS, local_words, pair_words, tile};
use std::ops::Range;

/// Turns that are gone through or left out together.
const GROUPS: [(u64, u64); 4] = [(0, 1), (1, 4), (4, 8), (8, TURNS)];

/// The values of a phase that ranks.
struct Ranks<'p, 'a, 'm> {
    pull: &'p Pull<'a, 'm>,
    ids: Ids<'p, 'a, 'm>,
    /// The rank.
    rank: ValueId,
}

/// Items that a lane has at a time: the bin of each, −1 if it has none, and where it is in the order of bins; `i32`.
struct Own<'m> {
    bins: Vec<Val<'m>>,
    places: Vec<Val<'m>>,
}

impl<'m> Phased<'_, 'm> {
    /// `compute` is what every block does when it knows the counts.
    pub(super) fn place(&self, counted: &Phase, ranked: Option<(&Phase, &Vec<Domain>)>, compute: &dyn Fn()) {
        let b = self.b;
        let bins = self.phases.bins();
        // Ids that the first launch makes are not there before it ends.
        if self.phases.rows().is_some() {
            self.warps.wait_for_inputs(b);
        }
        let counting = self.pull_of(counted);
        let share = self.share(&self.counted(&counting, &[]));
        self.clear(self.room.base, bins.next_multiple_of(4) as u32);
        self.clear(self.room.shared[0], bins.next_multiple_of(4) as u32);
        let then = || {
            self.warps.wait_for_inputs(b);
            self.where_counts_are_asked_for(&|| {
                b.block_barrier();
                self.add_chunks(share.at_once);
                b.block_barrier();
                compute();
            });
        };
        let rank = ranked.and_then(|(phase, domains)| {
            let (rank, ids) =
                phase.kernel.values().find_map(|(id, v)| v.kind.row_value().map(|row| (id, row.value)))?;
            Some((phase, domains, rank, ids))
        });
        let Some((phase, domains, rank, ids)) = rank else { return then() };
        let pull = self.pull_of(phase);
        let cols = phase.kernel.value(ids).space.cols;
        let ranks = Ranks { pull: &pull, ids: Ids { pull: &pull, ids, cols, width: 1 }, rank };
        // Items are given out many at a time, and most often once. At the first time what comes of the counts is found out.
        let ix = &pull.ix;
        let lanes = u64::from(self.ranking) * u64::from(self.warps.lanes());
        let step = b.muli(share.turns, ix.constant(lanes));
        let end = b.maxui(share.end, b.addi(share.first, ix.constant(1)));
        b.for_loop(share.first, end, step, |_, from| {
            pull.scopes.scoped(|| {
                let (own, all) = self.order(&ranks, &share, from);
                b.if_then(b.cmpi(IntPredicate::Eq, from, share.first), |_| then());
                b.block_barrier();
                self.store_in_order_of_items(&ranks, domains, &share, (from, &own));
                self.store_in_order_of_bins(&ranks, domains, (from, all));
                let is_last = b.cmpi(IntPredicate::Uge, b.addi(from, step), share.end);
                b.if_then(b.not(is_last), |_| self.go_on());
            });
        });
    }

    /// Ranks the items from one on among those of the block, and puts them in the order of bins. How many they are is `i32`.
    fn order(&self, ranks: &Ranks<'_, '_, 'm>, share: &Share<'m>, from: Val<'m>) -> (Own<'m>, Val<'m>) {
        let (b, i32) = (self.b, self.b.int(32));
        let (words, zero, none) = (pair_words(self.phases.bins()), self.word(0), self.word(u32::MAX));
        let ranks_some = b.andi(
            b.cmpi(IntPredicate::Ult, from, share.end),
            b.cmpi(IntPredicate::Ult, self.warp, self.long(self.ranking.into())),
        );
        // Where items are few, the code for more turns is not gone through.
        let in_groups = |none: Val<'m>, values: &dyn Fn(Range<u64>) -> Vec<Val<'m>>| {
            let of = |(first, end): (u64, u64)| {
                let goes = b.cmpi(IntPredicate::Ugt, share.turns, ranks.pull.ix.constant(first));
                let count = (end - first) as usize;
                let some = |_: &_| values(first..end);
                let types = vec![b.type_of(none); count];
                b.if_then_else(b.andi(ranks_some, goes), &types, some, |_| vec![none; count])
            };
            GROUPS.into_iter().flat_map(of).collect::<Vec<_>>()
        };
        // The ids of all turns are on their way before any is looked at, while the counters become 0.
        let at = |item: Val<'m>| {
            let last = b.subi(share.end, ranks.pull.ix.constant(1));
            ranks.ids.index(b.minui(item, last))
        };
        let id = |turn: u64| ranks.pull.scopes.scoped(|| ranks.ids.at(&at(self.item(ranks, share, from, turn))).value);
        let no_id = b.const_zero(value_type(b, ranks.pull.kernel.value(ranks.ids.ids).dtype));
        let ids = in_groups(no_id, &|turns| turns.map(id).collect());
        self.clear(self.room.pairs, (u64::from(self.ranking) * words) as u32);
        b.block_barrier();
        let bin = |turn: u64| {
            ranks.pull.scopes.scoped(|| {
                let item = self.item(ranks, share, from, turn);
                let id = Lanes::exact(ids[turn as usize], 1);
                let (inside, bin) = ranks.ids.bins_of(self, id, &at(item))[0];
                let is_one = b.andi(
                    b.cmpi(IntPredicate::Ult, item, share.end),
                    b.cmpi(IntPredicate::Ult, ranks.pull.ix.constant(turn), share.turns),
                );
                b.select(b.andi(inside, is_one), bin, none)
            })
        };
        let bins = in_groups(none, &|turns| turns.map(bin).collect());
        let row = self.short(b.muli(self.warp, self.long(words)));
        let row = b.addi(row, self.word(self.room.pairs));
        let counter = |bin: Val<'m>| b.gep(self.word_at(0, row), bin, b.int(16));
        let in_warp = in_groups(zero, &|turns| {
            let some = turns.map(|turn| bins[turn as usize]);
            let some = some.map(|bin| (b.cmpi(IntPredicate::Sge, bin, zero), b.maxsi(bin, zero)));
            // All votes come before the first counter, which each turn waits for.
            let alike: Vec<_> = some.map(|some| (some, self.alike(some))).collect();
            let rank = |((counts, bin), alike)| self.count_on(counts, alike, (counter(bin), 16));
            alike.into_iter().map(rank).collect()
        });
        b.block_barrier();
        let all = self.start_locally();
        b.block_barrier();
        let place = |turn: u64| {
            let bin = bins[turn as usize];
            let safe = b.maxsi(bin, zero);
            let start = b.extui(b.load(counter(safe), b.int(16), 2, false), i32);
            let place = b.addi(start, in_warp[turn as usize]);
            b.if_then(b.cmpi(IntPredicate::Sge, bin, zero), |_| {
                let item = Ix::value(b.subi(self.item(ranks, share, from, turn), from), 1);
                let both = b.ori(b.shli(bin, self.word(self.item_bits())), ranks.pull.ix.to_word(item));
                b.store(both, self.word_at(self.room.ordered, place), 4);
            });
            place
        };
        let places = in_groups(zero, &|turns| turns.map(place).collect());
        (Own { bins, places }, all)
    }

    /// The item that the lane has in a turn, of the index type.
    fn item(&self, ranks: &Ranks<'_, '_, 'm>, share: &Share<'m>, from: Val<'m>, turn: u64) -> Val<'m> {
        let (b, ix) = (self.b, &ranks.pull.ix);
        let turns = b.addi(b.muli(ix.of_long(self.warp), share.turns), ix.constant(turn));
        let lanes = b.muli(turns, ix.constant(self.warps.lanes().into()));
        b.addi(b.addi(from, lanes), ix.of_long(self.lane))
    }

    /// Bits of an item's number among those that the block ranks at a time.
    fn item_bits(&self) -> u32 {
        tile(self.ranking.into(), self.warps.lanes().into()).next_power_of_two().trailing_zeros()
    }

    /// Of the counts of each warp, where its items of a bin begin among the items of the block; and where bins begin there, which is
    /// what a rank begins with less. All items are returned.
    fn start_locally(&self) -> Val<'m> {
        let b = self.b;
        let words = pair_words(self.phases.bins());
        let each = words.div_ceil(self.threads.into());
        let first = b.muli(self.short(self.thread), self.word(each as u32));
        let of_warp = |warp: u32, pair: Val<'m>| self.word_at(self.room.pairs + warp * words as u32, pair);
        let mut own = vec![];
        let mut sum = self.word(0);
        for n in 0..each {
            let pair = b.addi(first, self.word(n as u32));
            let is_one = b.cmpi(IntPredicate::Ult, pair, self.word(words as u32));
            let counts = b.if_then_else(
                is_one,
                &vec![b.int(32); self.ranking as usize],
                |_| (0..self.ranking).map(|warp| self.load_word(of_warp(warp, pair))).collect(),
                |_| vec![self.word(0); self.ranking as usize],
            );
            let both = counts.iter().fold(self.word(0), |sum, count| b.addi(sum, *count));
            let (low, high) = (b.andi(both, self.word(0xffff)), b.shrui(both, self.word(16)));
            sum = b.addi(sum, b.addi(low, high));
            own.push((pair, is_one, low, high, counts));
        }
        let (mut before, all) = self.sums_before(sum);
        for (pair, is_one, low, high, counts) in own {
            let bin = b.shli(pair, self.word(1));
            let second = b.addi(before, low);
            b.if_then(is_one, |_| {
                let starts = b.ori(before, b.shli(second, self.word(16)));
                counts.iter().zip(0..).fold(starts, |start, (count, warp)| {
                    b.store(start, of_warp(warp, pair), 4);
                    b.addi(start, *count)
                });
                for (n, start) in [before, second].into_iter().enumerate() {
                    let bin = b.addi(bin, self.word(n as u32));
                    b.store(start, self.word_at(self.room.local, bin), 4);
                    b.if_then(b.cmpi(IntPredicate::Ult, bin, self.word(self.phases.bins() as u32)), |_| {
                        let base = self.word_at(self.room.base, bin);
                        b.store(b.subi(self.load_word(base), start), base, 4);
                    });
                }
            });
            before = b.addi(second, high);
        }
        let is_first = b.cmpi(IntPredicate::Eq, self.thread, self.long(0));
        let end = (local_words(self.phases.bins()) - 4) as u32;
        b.if_then(is_first, |_| b.store(all, self.words_at(self.room.local + end), 4));
        all
    }

    /// What a later item's rank begins with counts those that were stored now.
    fn go_on(&self) {
        let b = self.b;
        b.block_barrier();
        self.each(self.phases.bins(), |bin| {
            let end = self.load_word(self.word_at(self.room.local + 1, bin));
            let base = self.word_at(self.room.base, bin);
            b.store(b.addi(self.load_word(base), end), base, 4);
        });
        b.block_barrier();
    }

    /// Stores that are at an item's own row and column, where neighbouring lanes have neighbouring items.
    fn store_in_order_of_items(
        &self,
        ranks: &Ranks<'_, '_, 'm>,
        domains: &[Domain],
        share: &Share<'m>,
        (from, own): (Val<'m>, &Own<'m>),
    ) {
        let b = self.b;
        let stores = self.stores(ranks, domains, false);
        if stores.is_empty() {
            return;
        }
        for (turn, (bin, place)) in own.bins.iter().zip(&own.places).enumerate() {
            let item = self.item(ranks, share, from, turn as u64);
            let has = b.andi(
                b.cmpi(IntPredicate::Ult, item, share.end),
                b.andi(
                    b.cmpi(IntPredicate::Ult, self.warp, self.long(self.ranking.into())),
                    b.cmpi(IntPredicate::Ult, ranks.pull.ix.constant(turn as u64), share.turns),
                ),
            );
            b.if_then(has, |_| {
                ranks.pull.scopes.scoped(|| {
                    let index = ranks.ids.index(item);
                    let base = self.load_word(self.word_at(self.room.base, b.maxsi(*bin, self.word(0))));
                    let counts = b.cmpi(IntPredicate::Sge, *bin, self.word(0));
                    let rank = b.select(counts, b.addi(base, *place), self.word(u32::MAX));
                    ranks.pull.remember(ranks.rank, &index, Lanes::exact(rank, 1));
                    ranks.pull.piece(&stores, &index);
                });
            });
        }
    }

    /// Stores that are where an item's bin begins and as many places on as it ranks. Of no other item is anything put.
    fn store_in_order_of_bins(&self, ranks: &Ranks<'_, '_, 'm>, domains: &[Domain], (from, all): (Val<'m>, Val<'m>)) {
        let b = self.b;
        let stores = self.stores(ranks, domains, true);
        if stores.is_empty() {
            return;
        }
        let bits = self.item_bits();
        // Unrolled, what several places look up is on its way together.
        b.direct_loops(None);
        b.for_loop(self.short(self.thread), all, self.word(self.threads), |_, place| {
            ranks.pull.scopes.scoped(|| {
                let both = self.load_word(self.word_at(self.room.ordered, place));
                let bin = b.shrui(both, self.word(bits));
                let item = b.andi(both, self.word((1 << bits) - 1));
                let item = ranks.pull.ix.materialise(ranks.pull.ix.of_word(item));
                let index = ranks.ids.index(b.addi(from, item));
                let rank = b.addi(self.load_word(self.word_at(self.room.base, bin)), place);
                ranks.pull.remember(ranks.rank, &index, Lanes::exact(rank, 1));
                let dtype = ranks.pull.kernel.value(ranks.ids.ids).dtype;
                let id = match dtype.bits() {
                    32 => bin,
                    bits if bits < 32 => b.trunci(bin, value_type(b, dtype)),
                    _ => b.extui(bin, value_type(b, dtype)),
                };
                ranks.pull.remember(ranks.ids.ids, &index, Lanes::exact(id, 1));
                ranks.pull.piece(&stores, &index);
            });
        });
        b.direct_loops(self.job.machine.keeps_loop());
    }

    /// The stores that put, or those that do not.
    fn stores(&self, ranks: &Ranks<'_, '_, 'm>, domains: &[Domain], puts: bool) -> Vec<u32> {
        let all = domains.iter().flat_map(|d| &d.stores);
        all.copied().filter(|s| ranks.pull.kernel.stores[*s as usize].put_at.is_some() == puts).collect()
    }
}
