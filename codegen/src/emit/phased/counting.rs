//! Counts of bins, in all and before the own items.

use super::Phased;
use crate::emit::pull::Pull;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::Dim;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::{Domain, Part};
use routefuse_ir::kernel::{Bounds, ValueId};
use routefuse_ir::op::OutOfRange;

/// Pieces of ids that a thread asks for before it counts the first one.
const PIECES_AT_ONCE: u64 = 4;

/// Chunks whose counts of a bin a thread asks for before it adds up the first one.
const CHUNKS_AT_ONCE: u64 = 8;

impl<'m> Phased<'_, 'm> {
    pub(super) fn clear_counts(&self) {
        let rows = if self.part == Part::Placing { self.ranking + 1 } else { 2 };
        let (b, base) = (self.b, self.words_at(self.room.counts));
        self.each(u64::from(rows) * self.phases.bins(), |at| b.store(self.word(0), b.gep(base, at, b.int(32)), 4));
        if self.part == Part::Placing {
            let all = self.words_at(self.room.shared[0]);
            self.each(self.phases.bins(), |at| b.store(self.word(0), b.gep(all, at, b.int(32)), 4));
        }
    }

    /// Counts, and makes of the counts where each warp's ranks begin, and the counts of all.
    pub(super) fn count(&self, phase: &Phase, domains: &[Domain]) {
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let store = phase.kernel.stores[0];
        let (ids, width) = (store.element().unwrap_or(store.value), u64::from(domains[0].piece.width()));
        let ids = Ids { pull: &pull, ids, cols: phase.kernel.store_cols(&store), width };
        let (first, end) = self.own_items(&ids);
        match self.part {
            Part::Whole => {
                let all = (self.thread_ix(&ids), ids.pieces(), self.threads.into());
                let own = self.row_of_counts(1);
                self.count_items(&ids, all, |item| {
                    // Pieces do not lie across the ends of blocks.
                    let is_before = self.b.cmpi(IntPredicate::Ult, item, first);
                    self.b.select(is_before, self.row_of_counts(0), own)
                });
            }
            Part::Counting => {
                let from = self.b.addi(ids.to_pieces(first), self.thread_ix(&ids));
                self.count_items(&ids, (from, ids.to_pieces(end), self.threads.into()), |_| self.row_of_counts(0));
                self.b.block_barrier();
                return self.store_chunk();
            }
            Part::Placing => {
                self.add_chunks();
                self.count_own(&ids);
            }
        }
        self.b.block_barrier();
        self.add_rows();
        self.b.block_barrier();
    }

    /// The items of the block: the first one, and the one behind the last, both of the index type.
    fn own_items(&self, ids: &Ids<'_, '_, 'm>) -> (Val<'m>, Val<'m>) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let each = b.muli(self.items_of_a_warp(ids), ix.constant(self.sharing().into()));
        let first = b.minui(b.muli(ix.of_long(self.block), each), ids.items());
        (first, b.minui(b.addi(first, each), ids.items()))
    }

    /// Warps of a block that share its items.
    pub(super) fn sharing(&self) -> u32 {
        if self.part == Part::Whole { 1 } else { self.ranking }
    }

    /// Items of each of those warps: as many times its lanes as give all blocks together all items.
    fn items_of_a_warp(&self, ids: &Ids<'_, '_, 'm>) -> Val<'m> {
        let (b, ix) = (self.b, &ids.pull.ix);
        let lanes = u64::from(self.warps.lanes());
        let together = b.muli(ix.of_long(self.blocks), ix.constant(lanes * u64::from(self.sharing())));
        let up = b.addi(ids.items(), b.subi(together, ix.constant(1)));
        b.muli(b.divui(up, together), ix.constant(lanes))
    }

    fn thread_ix(&self, ids: &Ids<'_, '_, 'm>) -> Val<'m> {
        ids.pull.ix.of_long(self.thread)
    }

    /// The word of the block's memory at which a row of counts begins, `i32`.
    pub(super) fn row_of_counts(&self, row: u32) -> Val<'m> {
        self.word(self.room.counts + row * self.phases.bins() as u32)
    }

    /// The address of a bin's count in the row that begins at this word; both `i32`.
    pub(super) fn count_of(&self, row: Val<'m>, bin: Val<'m>) -> Val<'m> {
        let b = self.b;
        b.gep(self.memory, b.extui(b.addi(row, bin), b.int(64)), b.int(32))
    }

    /// Counts the pieces `from`, `from + step`, … before `end`, each into the row of counts that its first item has.
    fn count_items(
        &self,
        ids: &Ids<'_, '_, 'm>,
        (from, end, step): (Val<'m>, Val<'m>, u64),
        row: impl Fn(Val<'m>) -> Val<'m>,
    ) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let at_once = ix.constant(step * PIECES_AT_ONCE);
        let scope = self.job.machine.atomic_scope();
        b.for_loop(from, end, at_once, |_, first| {
            ids.pull.scopes.scoped(|| {
                let last = b.subi(end, ix.constant(1));
                let piece = |n: u64| {
                    let piece = b.addi(first, ix.constant(n * step));
                    let safe = b.minui(piece, last);
                    (b.cmpi(IntPredicate::Ult, piece, end), safe, ids.bins(self, safe))
                };
                let pieces: Vec<_> = (0..PIECES_AT_ONCE).map(piece).collect();
                for (is_one, safe, bins) in pieces {
                    let row = row(b.muli(safe, ix.constant(ids.width)));
                    for (inside, bin) in bins {
                        b.if_then(b.andi(is_one, inside), |b| {
                            b.atomic_add(self.count_of(row, bin), self.word(1), 4, scope);
                        });
                    }
                }
            });
        });
    }

    /// Each warp counts the items that it will rank.
    fn count_own(&self, ids: &Ids<'_, '_, 'm>) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let (first, end) = self.items_of_own_warp(ids);
        let row = b.trunci(b.muli(b.addi(self.warp, self.long(1)), self.long(self.phases.bins())), b.int(32));
        let row = b.addi(row, self.row_of_counts(0));
        let from = b.addi(ids.to_pieces(first), ix.of_long(self.lane));
        let ranks = b.cmpi(IntPredicate::Ult, self.warp, self.long(self.sharing().into()));
        b.if_then(ranks, |_| {
            ids.pull.scopes.scoped(|| {
                self.count_items(ids, (from, ids.to_pieces(end), self.warps.lanes().into()), |_| row);
            });
        });
    }

    /// The items of the own warp, if it is one that has some: the first, and the one behind the last.
    pub(super) fn items_of_own_warp(&self, ids: &Ids<'_, '_, 'm>) -> (Val<'m>, Val<'m>) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let of_a_warp = self.items_of_a_warp(ids);
        let (of_block, end) = self.own_items(ids);
        let first = b.minui(b.addi(of_block, b.muli(ix.of_long(self.warp), of_a_warp)), end);
        (first, b.minui(b.addi(first, of_a_warp), end))
    }

    /// The counts of the block's chunk, for the launch behind this one.
    fn store_chunk(&self) {
        let b = self.b;
        let bins = self.phases.bins();
        let to = b.gep(self.arguments.pointer(self.phases.chunks), b.muli(self.block, self.long(bins)), b.int(32));
        self.each(bins, |bin| {
            let count = b.load(self.count_of(self.row_of_counts(0), b.trunci(bin, b.int(32))), b.int(32), 4, false);
            b.store(count, b.gep(to, bin, b.int(32)), 4);
        });
    }

    /// Of the chunks' counts, those before the own one to row 0, and all to the counts: each thread adds up some chunks of
    /// neighbouring bins, and then to what the others have.
    fn add_chunks(&self) {
        let (b, i32) = (self.b, self.b.int(32));
        let bins = self.phases.bins();
        let width = 1 << bins.trailing_zeros().min(2);
        let groups = bins / width;
        let parts = (u64::from(self.threads) / groups).max(1);
        let (chunks, vector) = (self.arguments.pointer(self.phases.chunks), b.lanes_of(i32, width as u32));
        let scope = self.job.machine.atomic_scope();
        let last = b.subi(self.blocks, self.long(1));
        let zero = b.const_zero(vector);
        self.each(groups * parts, |task| {
            let (part, group) = (b.divui(task, self.long(groups)), b.remui(task, self.long(groups)));
            let first = b.muli(group, self.long(width));
            let step = self.long(parts * CHUNKS_AT_ONCE);
            let sums = b.for_loop_carrying((part, self.blocks, step), &[zero, zero], |_, from, sums| {
                let load = |n: u64| {
                    let chunk = b.addi(from, self.long(n * parts));
                    let row = b.muli(b.minui(chunk, last), self.long(bins));
                    let at = b.gep(chunks, b.addi(row, first), i32);
                    (chunk, b.load(at, vector, 4 * width as u32, false))
                };
                let counts: Vec<_> = (0..CHUNKS_AT_ONCE).map(load).collect();
                let add = |sum: Val<'m>, (chunk, count): &(Val<'m>, Val<'m>), end: Val<'m>| {
                    b.addi(sum, b.select(b.cmpi(IntPredicate::Ult, *chunk, end), *count, zero))
                };
                let before = counts.iter().fold(sums[0], |sum, c| add(sum, c, self.block));
                let all = counts.iter().fold(sums[1], |sum, c| add(sum, c, self.blocks));
                vec![before, all]
            });
            for (sum, row) in sums.iter().zip([self.row_of_counts(0), self.word(self.room.shared[0])]) {
                for lane in 0..width {
                    let bin = b.trunci(b.addi(first, self.long(lane)), i32);
                    b.atomic_add(self.count_of(row, bin), b.extract(*sum, lane as u32), 4, scope);
                }
            }
        });
    }

    /// Of the rows of counts, where each warp's ranks begin: the sum of those before. The sum of all are the counts, where chunks
    /// did not say them.
    fn add_rows(&self) {
        let b = self.b;
        self.each(self.phases.bins(), |bin| {
            let bin = b.trunci(bin, b.int(32));
            let at = |row: u32| self.count_of(self.row_of_counts(row), bin);
            let load = |row: u32| b.load(at(row), b.int(32), 4, false);
            let mut sum = load(0);
            for row in 1..self.sharing() {
                sum = b.addi(sum, load(row));
                b.store(sum, at(row), 4);
            }
            if self.part == Part::Whole {
                b.store(b.addi(sum, load(1)), self.count_of(self.word(self.room.shared[0]), bin), 4);
            }
        });
    }
}

/// Ids of rows, piece by piece.
pub(super) struct Ids<'p, 'a, 'm> {
    pub(super) pull: &'p Pull<'a, 'm>,
    pub(super) ids: ValueId,
    /// Ids of a row, and of a piece, which divides them and is a power of two.
    pub(super) cols: u64,
    pub(super) width: u64,
}

impl<'m> Ids<'_, '_, 'm> {
    /// All items, of the index type.
    pub(super) fn items(&self) -> Val<'m> {
        let ix = &self.pull.ix;
        ix.materialise(ix.times(Ix::value(self.pull.memory.rows(), 1), self.cols))
    }

    fn pieces(&self) -> Val<'m> {
        self.to_pieces(self.items())
    }

    /// Of a number of items, a multiple of those of a piece.
    fn to_pieces(&self, items: Val<'m>) -> Val<'m> {
        self.pull.b.shrui(items, self.pull.ix.constant(self.width.trailing_zeros().into()))
    }

    /// Where a piece is.
    pub(super) fn index(&self, piece: Val<'m>) -> Index<'m> {
        let ix = &self.pull.ix;
        let (piece, pieces) = (Ix::value(piece, 1), self.cols / self.width);
        let row = ix.divide(piece, pieces);
        let first = ix.times(ix.remainder(piece, pieces), self.width);
        let columns = (0..self.width).map(|lane| first.offset(lane)).collect();
        Index::new(vec![row], columns, Some((ix.times(piece, self.width), self.cols)))
    }

    /// For each id of a piece whether it is a bin, and which, `i32`; any if it is none.
    pub(super) fn bins(&self, of: &Phased<'_, 'm>, piece: Val<'m>) -> Vec<(Val<'m>, Val<'m>)> {
        self.bins_at(of, &self.index(piece))
    }

    pub(super) fn bins_at(&self, of: &Phased<'_, 'm>, index: &Index<'m>) -> Vec<(Val<'m>, Val<'m>)> {
        let (b, pull) = (self.pull.b, self.pull);
        let ids = pull.evaluate(self.ids, index);
        let bins = Dim::Const(of.phases.bins());
        let dtype = pull.kernel.value(self.ids).dtype;
        let ids = Lanes { value: pull.lanewise.spread(ids.value, index.lanes()), lanes: index.lanes(), ..ids };
        let checked = pull.checked(ids, dtype, bins, Bounds::Checked(OutOfRange::Pass));
        let lane = |(lane, bin): (u32, &Ix<'m>)| {
            let inside = checked.inside.map_or_else(|| b.const_bool(true), |inside| b.extract(inside, lane));
            (inside, pull.ix.to_word(*bin))
        };
        (0..).zip(&checked.safe).map(lane).collect()
    }
}
