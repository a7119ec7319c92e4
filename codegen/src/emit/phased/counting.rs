//! Counts of bins, in all and before the own items.

use super::Phased;
use crate::emit::pull::Pull;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::Dim;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::room::{copies_of_counts, words_of_counts};
use routefuse_ir::kernel::{Bounds, ValueId};
use routefuse_ir::op::OutOfRange;

/// Pieces of ids that a thread asks for before it counts the first one.
const FIRST_PIECES: u64 = 2;

/// How many more it then asks for, by how many ids are in a piece, if there are as many: a thread waits for all of them once.
fn more_pieces(width: u64) -> u64 {
    match width {
        1 => 8,
        2 => 4,
        _ => 2,
    }
}

impl<'m> Phased<'_, 'm> {
    /// One launch: counts all items, and makes of the counts where the ranks of the own items begin, and the counts of all.
    pub(super) fn count_all(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        self.clear(self.room.counts, words_of_counts(self.phases) as u32);
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let ids = self.counted(&pull, domains);
        let (first, _) = self.items_of_block(&ids);
        b.block_barrier();
        let all = (pull.ix.of_long(self.thread), ids.to_pieces(ids.items()));
        self.count_items(&ids, all, |item| {
            // Pieces do not lie across the ends of blocks.
            let is_before = b.cmpi(IntPredicate::Ult, item, first);
            b.select(is_before, self.word(self.room.counts), self.row_behind())
        });
        b.block_barrier();
        self.each(self.phases.bins(), |bin| {
            let before = self.sum_of_copies(self.word(self.room.counts), bin);
            let rest = self.sum_of_copies(self.row_behind(), bin);
            if copies_of_counts(self.phases) > 1 {
                b.store(before, self.word_at(self.room.counts, bin), 4);
            }
            b.store(b.addi(before, rest), self.word_at(self.room.shared[0], bin), 4);
        });
        b.block_barrier();
    }

    /// The ids that are counted, in pieces as the schedule has them.
    pub(super) fn counted<'p, 'a>(&self, pull: &'p Pull<'a, 'm>, domains: &[Domain]) -> Ids<'p, 'a, 'm> {
        let store = pull.kernel.stores[0];
        let width = domains.first().map_or(1, |d| u64::from(d.piece.width()));
        Ids { pull, ids: store.element().unwrap_or(store.value), cols: pull.kernel.store_cols(&store), width }
    }

    /// The items of the block in one launch: the first one, and the one behind the last, both of the index type. As many times the
    /// lanes of a warp as give all blocks together all items.
    pub(super) fn items_of_block(&self, ids: &Ids<'_, '_, 'm>) -> (Val<'m>, Val<'m>) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let lanes = u64::from(self.warps.lanes());
        let together = b.muli(ix.of_long(self.blocks), ix.constant(lanes));
        let up = b.addi(ids.items(), b.subi(together, ix.constant(1)));
        let each = b.muli(b.divui(up, together), ix.constant(lanes));
        let first = b.minui(b.muli(ix.of_long(self.block), each), ids.items());
        (first, b.minui(b.addi(first, each), ids.items()))
    }

    /// The word at which the second row of counts begins, `i32`.
    fn row_behind(&self) -> Val<'m> {
        self.word(self.room.counts + self.phases.bins() as u32)
    }

    /// The count of a bin in the row of counts that begins at this word and in the copies of it; all `i32`.
    pub(super) fn sum_of_copies(&self, row: Val<'m>, bin: Val<'m>) -> Val<'m> {
        let b = self.b;
        let copies = copies_of_counts(self.phases);
        let copy = |n: u64| {
            let first = self.word((2 * n * self.phases.bins()) as u32);
            self.load_word(self.count_of(if n == 0 { row } else { b.addi(row, first) }, bin))
        };
        let counts: Vec<_> = (0..copies).map(copy).collect();
        counts.into_iter().reduce(|x, y| b.addi(x, y)).unwrap_or_else(|| self.word(0))
    }

    /// How many words a thread's copy of the counts lies behind the first one: threads with the same columns have different ones. None
    /// where there is one copy.
    fn copy_of_thread(&self, pieces: u64) -> Option<Val<'m>> {
        let b = self.b;
        let copies = copies_of_counts(self.phases);
        let row = b.divui(self.short(self.thread), self.word(pieces.max(1) as u32));
        let copy = b.andi(row, self.word(copies as u32 - 1));
        (copies > 1).then(|| b.muli(copy, self.word(2 * self.phases.bins() as u32)))
    }

    /// The address of a bin's count in the row that begins at this word; both `i32`.
    pub(super) fn count_of(&self, row: Val<'m>, bin: Val<'m>) -> Val<'m> {
        self.word_at(0, self.b.addi(row, bin))
    }

    /// Counts a piece for each thread from the first one on, and so on before `end`, each into the row of counts that its first
    /// item has.
    pub(super) fn count_items(
        &self,
        ids: &Ids<'_, '_, 'm>,
        (from, end): (Val<'m>, Val<'m>),
        row: impl Fn(Val<'m>) -> Val<'m>,
    ) {
        let (b, ix) = (self.b, &ids.pull.ix);
        let step = u64::from(self.threads);
        let scope = self.job.machine.atomic_scope();
        let all = FIRST_PIECES + more_pieces(ids.width);
        let copy = self.copy_of_thread(ids.cols / ids.width);
        b.for_loop(from, end, ix.constant(step * all), |_, first| {
            let last = b.subi(end, ix.constant(1));
            let ask = |n: u64| {
                let piece = b.addi(first, ix.constant(n * step));
                let safe = if n == 0 { first } else { b.minui(piece, last) };
                let index = ids.index(safe);
                (n, piece, safe, ids.at(&index), index)
            };
            let count = |(n, piece, safe, ids_of_piece, index): (u64, Val<'m>, Val<'m>, Lanes<'m>, Index<'m>)| {
                let count = || {
                    let row = row(b.muli(safe, ix.constant(ids.width)));
                    let row = copy.map_or(row, |copy| b.addi(row, copy));
                    for (inside, bin) in ids.bins_of(self, ids_of_piece, &index) {
                        b.if_then(inside, |b| {
                            b.atomic_add(self.count_of(row, bin), self.word(1), 4, scope);
                        });
                    }
                };
                if n == 0 { count() } else { b.if_then(b.cmpi(IntPredicate::Ult, piece, end), |_| count()) }
            };
            ids.pull.scopes.scoped(|| {
                let some: Vec<_> = (0..FIRST_PIECES).map(ask).collect();
                // Both are on their way together; where ids are few, the code for more is not gone through.
                let has_more = b.cmpi(IntPredicate::Ult, b.addi(first, ix.constant(FIRST_PIECES * step)), end);
                b.if_then(has_more, |_| {
                    ids.pull.scopes.scoped(|| {
                        let more: Vec<_> = (FIRST_PIECES..all).map(ask).collect();
                        more.into_iter().for_each(count);
                    });
                });
                some.into_iter().for_each(count);
            });
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

    /// Of a number of items, a multiple of those of a piece.
    pub(super) fn to_pieces(&self, items: Val<'m>) -> Val<'m> {
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

    /// The ids of a piece.
    pub(super) fn at(&self, index: &Index<'m>) -> Lanes<'m> {
        self.pull.evaluate(self.ids, index)
    }

    /// For each id of a piece whether it is a bin, and which, `i32`; any if it is none.
    pub(super) fn bins_at(&self, of: &Phased<'_, 'm>, index: &Index<'m>) -> Vec<(Val<'m>, Val<'m>)> {
        self.bins_of(of, self.at(index), index)
    }

    /// The same of ids that are there.
    pub(super) fn bins_of(&self, of: &Phased<'_, 'm>, ids: Lanes<'m>, index: &Index<'m>) -> Vec<(Val<'m>, Val<'m>)> {
        let (b, pull) = (self.pull.b, self.pull);
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
