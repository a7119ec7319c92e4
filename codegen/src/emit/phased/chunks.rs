//! Counts of chunks, between two launches.
//!
//! Up to as many items a chunk as a block ranks at a time, a count has 16 bits, two of which are in a word: so the second launch
//! reads half as much, which is what it waits for. Rows of counts are then a whole number of four words long.

use super::Phased;
use super::counting::Ids;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::phases::{MOST_CHUNKS, Phase};
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::room::{CHUNKS_OF_A_ROW, TURNS, packs, pair_words, words_of_counts};

/// Chunks whose counts of 32 bits a thread asks for before it adds up the first one.
const CHUNKS_AT_ONCE: u64 = 8;

/// A block's share of the items in each of two launches.
pub(super) struct Share<'m> {
    /// The first row, and the one behind the last, of the index type.
    pub(super) rows: [Val<'m>; 2],
    /// The first item, and the one behind the last, of the index type.
    pub(super) first: Val<'m>,
    pub(super) end: Val<'m>,
    /// Items that a lane has at a time, at least one; of the index type.
    pub(super) turns: Val<'m>,
    /// The block ranks all its items at a time, `i1`.
    pub(super) at_once: Val<'m>,
}

impl<'m> Phased<'_, 'm> {
    /// The block's share: whole rows, as many as give all blocks together all rows.
    pub(super) fn share(&self, ids: &Ids<'_, '_, 'm>) -> Share<'m> {
        let (b, ix) = (self.b, &ids.pull.ix);
        let (one, cols) = (ix.constant(1), ix.constant(ids.cols));
        let (rows, blocks) = (ids.pull.memory.rows(), ix.of_long(self.blocks));
        let of_a_block = b.divui(b.addi(rows, b.subi(blocks, one)), blocks);
        let first = b.minui(b.muli(ix.of_long(self.block), of_a_block), rows);
        let end = b.minui(b.addi(first, of_a_block), rows);
        let lanes = u64::from(self.ranking) * u64::from(self.warps.lanes());
        let times = b.divui(b.addi(b.muli(of_a_block, cols), ix.constant(lanes - 1)), ix.constant(lanes));
        let all = b.maxui(times, one);
        let at_once = b.cmpi(IntPredicate::Ule, all, ix.constant(TURNS));
        let turns = b.minui(all, ix.constant(TURNS));
        Share { rows: [first, end], first: b.muli(first, cols), end: b.muli(end, cols), turns, at_once }
    }

    /// The first of two launches: counts the block's chunk.
    pub(super) fn count_chunk(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        self.warps.wait_for_inputs(b);
        // What was there before this launch may be read by the second one from here on.
        self.warps.let_next_begin(b);
        self.clear(self.room.counts, words_of_counts(self.phases) as u32);
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let ids = self.counted(&pull, domains);
        let share = self.share(&ids);
        if let Some(rows) = self.phases.rows() {
            self.do_rows_of_chunk(rows, share.rows.into());
        }
        b.block_barrier();
        let from = b.addi(ids.to_pieces(share.first), pull.ix.of_long(self.thread));
        self.count_items(&ids, (from, ids.to_pieces(share.end)), |_| self.word(self.room.counts));
        b.block_barrier();
        self.by_size(share.at_once, || self.store_packed(), || self.store_wide());
    }

    /// Does one of the two, whichever suits chunks of that many items.
    fn by_size(&self, at_once: Val<'m>, packed: impl FnOnce(), wide: impl FnOnce()) {
        if !packs(self.phases.bins()) {
            return wide();
        }
        let packed = |_: &_| {
            packed();
            vec![]
        };
        let wide = |_: &_| {
            wide();
            vec![]
        };
        self.b.if_then_else(at_once, &[], packed, wide);
    }

    /// Where the counts of chunks are.
    pub(super) fn chunks(&self) -> Val<'m> {
        self.arguments.pointer(self.phases.chunks.expect("launches of several blocks have counts of chunks"))
    }

    /// A word for each two bins. Behind the last bin are the zeros of the second row of counts.
    fn store_packed(&self) {
        let b = self.b;
        let words = pair_words(self.phases.bins());
        let row = b.muli(self.short(self.block), self.word(words as u32));
        self.each(words, |pair| {
            let bin = b.shli(pair, self.word(1));
            let count = |more: u32| self.sum_of_copies(self.word(self.room.counts + more), bin);
            let both = b.ori(count(0), b.shli(count(1), self.word(16)));
            b.store(both, b.gep(self.chunks(), b.addi(row, pair), b.int(32)), 4);
        });
    }

    fn store_wide(&self) {
        let b = self.b;
        let row = b.muli(self.short(self.block), self.word(self.phases.bins() as u32));
        self.each(self.phases.bins(), |bin| {
            let count = self.sum_of_copies(self.word(self.room.counts), bin);
            b.store(count, b.gep(self.chunks(), b.addi(row, bin), b.int(32)), 4);
        });
    }

    /// The second launch, behind its wait: adds to the base of bins what they have in chunks before the own one, and to the counts what
    /// they have in all. The last of it is behind no barrier.
    pub(super) fn add_chunks(&self, at_once: Val<'m>) {
        self.by_size(at_once, || self.add_packed(), || self.add_wide());
    }

    /// Counts of so many chunks as fit 16 bits are added up to a row of the block's memory. Of the chunks in the own one's row, those
    /// before it are one row more, the last.
    fn add_packed(&self) {
        let (b, i32) = (self.b, self.b.int(32));
        let (block, blocks) = (self.short(self.block), self.short(self.blocks));
        let words = pair_words(self.phases.bins());
        let (groups, rows) = (words / 4, MOST_CHUNKS / CHUNKS_OF_A_ROW);
        let shift = self.word(CHUNKS_OF_A_ROW.trailing_zeros());
        let (own, last) = (b.shrui(block, shift), b.subi(blocks, self.word(1)));
        let four = b.lanes_of(i32, 4);
        let zero = b.const_zero(four);
        let to = |row: Val<'m>, group: Val<'m>| {
            self.word_at(self.room.pairs, b.addi(b.muli(row, self.word(words as u32)), b.shli(group, self.word(2))))
        };
        self.each(groups * rows, |task| {
            let groups = self.word(groups as u32);
            let (row, group) = (b.divui(task, groups), b.remui(task, groups));
            let first = b.shli(row, shift);
            b.if_then(b.cmpi(IntPredicate::Ult, first, blocks), |_| {
                let load = |n: u64| {
                    let chunk = b.addi(first, self.word(n as u32));
                    let at = b.addi(b.muli(b.minui(chunk, last), self.word(words as u32)), b.shli(group, self.word(2)));
                    (chunk, b.load(b.gep(self.chunks(), at, i32), four, 16, false))
                };
                let counts: Vec<_> = (0..CHUNKS_OF_A_ROW).map(load).collect();
                let up_to = |end: Val<'m>| {
                    let of = |(chunk, count): &(Val<'m>, Val<'m>)| {
                        b.select(b.cmpi(IntPredicate::Ult, *chunk, end), *count, zero)
                    };
                    counts.iter().map(of).reduce(|x, y| b.addi(x, y)).unwrap_or(zero)
                };
                let is_whole = b.cmpi(IntPredicate::Ule, b.addi(first, self.word(CHUNKS_OF_A_ROW as u32)), blocks);
                let is_own = b.cmpi(IntPredicate::Eq, row, own);
                let simple = b.andi(is_whole, b.not(is_own));
                let sum = b.if_then_else(
                    simple,
                    &[four],
                    |_| vec![counts.iter().map(|c| c.1).reduce(|x, y| b.addi(x, y)).unwrap_or(zero)],
                    |_| {
                        b.if_then(is_own, |_| b.store(up_to(block), to(self.word(rows as u32), group), 16));
                        vec![up_to(blocks)]
                    },
                );
                b.store(sum[0], to(row, group), 16);
            });
        });
        b.block_barrier();
        self.add_packed_rows(words as u32, rows as u32, own);
    }

    /// Of the rows of packed counts, those before the own one and the last one to the base, and all but the last one to the counts. All
    /// threads share the rows.
    fn add_packed_rows(&self, words: u32, rows: u32, own: Val<'m>) {
        let b = self.b;
        let scope = self.job.machine.atomic_scope();
        let shift = self.word(CHUNKS_OF_A_ROW.trailing_zeros());
        let all = b.shrui(b.addi(self.short(self.blocks), self.word(CHUNKS_OF_A_ROW as u32 - 1)), shift);
        let parts = (self.threads / words).clamp(1, rows);
        let each = rows.div_ceil(parts);
        let zero = self.word(0);
        self.each(u64::from(words * parts), |task| {
            let (part, pair) = (b.divui(task, self.word(words)), b.remui(task, self.word(words)));
            let packed = |row: Val<'m>| {
                let at = b.addi(b.muli(b.minui(row, self.word(rows)), self.word(words)), pair);
                self.load_word(self.word_at(self.room.pairs, at))
            };
            let row = |n: u32| b.addi(b.muli(part, self.word(each)), self.word(n));
            let some: Vec<_> = (0..each).map(row).map(|row| (row, packed(row))).collect();
            let halves = |both: Val<'m>| [b.andi(both, self.word(0xffff)), b.shrui(both, self.word(16))];
            let is_first = b.cmpi(IntPredicate::Eq, part, zero);
            let of_own = halves(b.select(is_first, packed(self.word(rows)), zero));
            let sums = |from: [Val<'m>; 2], end: Val<'m>| {
                some.iter().fold(from, |sums, (row, both)| {
                    let counts =
                        b.andi(b.cmpi(IntPredicate::Ult, *row, end), b.cmpi(IntPredicate::Ult, *row, self.word(rows)));
                    let more = halves(b.select(counts, *both, zero));
                    [b.addi(sums[0], more[0]), b.addi(sums[1], more[1])]
                })
            };
            let sums = [(self.room.base, sums(of_own, own)), (self.room.shared[0], sums([zero; 2], all))];
            for n in 0..2 {
                let bin = b.addi(b.shli(pair, self.word(1)), self.word(n));
                b.if_then(b.cmpi(IntPredicate::Ult, bin, self.word(self.phases.bins() as u32)), |b| {
                    for (to, sums) in sums {
                        b.atomic_add(self.word_at(to, bin), sums[n as usize], 4, scope);
                    }
                });
            }
        });
    }

    /// Counts of 32 bits: each thread adds up some chunks of neighbouring bins, and then to what the others have.
    fn add_wide(&self) {
        let (b, i32) = (self.b, self.b.int(32));
        let bins = self.phases.bins();
        let width = 1 << bins.trailing_zeros().min(2);
        let groups = bins / width;
        let parts = (u64::from(self.threads) / groups).max(1);
        let vector = b.lanes_of(i32, width as u32);
        let scope = self.job.machine.atomic_scope();
        let (block, blocks) = (self.short(self.block), self.short(self.blocks));
        let last = b.subi(blocks, self.word(1));
        let zero = b.const_zero(vector);
        self.each(groups * parts, |task| {
            let (part, group) = (b.divui(task, self.word(groups as u32)), b.remui(task, self.word(groups as u32)));
            let first = b.muli(group, self.word(width as u32));
            let step = self.word((parts * CHUNKS_AT_ONCE) as u32);
            let sums = b.for_loop_carrying((part, blocks, step), &[zero, zero], |_, from, sums| {
                let load = |n: u64| {
                    let chunk = b.addi(from, self.word((n * parts) as u32));
                    let row = b.muli(b.minui(chunk, last), self.word(bins as u32));
                    let at = b.gep(self.chunks(), b.addi(row, first), i32);
                    (chunk, b.load(at, vector, 4 * width as u32, false))
                };
                let counts: Vec<_> = (0..CHUNKS_AT_ONCE).map(load).collect();
                let add = |sum: Val<'m>, (chunk, count): &(Val<'m>, Val<'m>), end: Val<'m>| {
                    b.addi(sum, b.select(b.cmpi(IntPredicate::Ult, *chunk, end), *count, zero))
                };
                let before = counts.iter().fold(sums[0], |sum, c| add(sum, c, block));
                let all = counts.iter().fold(sums[1], |sum, c| add(sum, c, blocks));
                vec![before, all]
            });
            for (sum, row) in sums.iter().zip([self.room.base, self.room.shared[0]]) {
                for lane in 0..width {
                    let bin = b.addi(first, self.word(lane as u32));
                    b.atomic_add(self.word_at(row, bin), b.extract(*sum, lane as u32), 4, scope);
                }
            }
        });
    }
}
