//! Top-k on the host.
//!
//! A short segment is ranked by counting: a key's rank is the number of keys that come before it. Of a long one the keys are
//! put on the stack in blocks of neighbouring columns, whose best keys are in one vector. Each of the k rounds finds the
//! first block of the best key and in it the first column, takes the key out and looks for the block's next best.

use super::RowHost;
use super::fold::{EIGHT, fold_eight, fold_lanes};
use super::workspace::Workspace;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::row::{Segments, Selection};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::schedule::key_blocks::key_blocks;
use routefuse_ir::op::{Candidates, TopKOrder};

/// Blocks whose best keys are found in straight code.
const UNROLLED_BLOCKS: u64 = 16;

/// The keys of a long segment.
#[derive(Clone, Copy)]
pub(super) struct Ranked<'m> {
    /// Where they are.
    pub keys: Val<'m>,
    /// Columns of a block, and the number of blocks.
    pub blocks: (u64, u64),
    /// The best of every block, a lane each.
    pub maxima: Val<'m>,
}

/// A key that was taken out of its block.
struct Taken<'m> {
    /// The key, in every lane of a vector; 0 where no candidate was left.
    best: Val<'m>,
    /// The number of its block, `i64`.
    block: Val<'m>,
    /// The block's first column, `i64`.
    from: Val<'m>,
    /// Which of the block's columns it is, `i64`.
    lane: Val<'m>,
    /// The keys that are left in the block.
    left: Val<'m>,
}

impl<'m> RowHost<'_, 'm> {
    /// The columns of the k best of every segment.
    pub(super) fn select_columns(
        &self,
        work: &Workspace<'m>,
        of: Segments,
        what: Selection,
        order: TopKOrder,
        row: &Index<'m>,
    ) {
        let k = what.k;
        let body = |segment: Ix<'m>| {
            let first = self.ix.times(segment, of.width);
            let ids = match self.ranked_blocks(work, of, what.candidates, (first, row)) {
                None => self.counted_topk(of, what, order, (first, row)),
                Some(ranked) => {
                    let ids = self.rounds(&[ranked], k)[0];
                    self.arranged(work, ids, k, order)
                }
            };
            let trap = self.segment_trap(work, (of.operand, row), first, of.width);
            self.write_lanes(work, self.ix.times(segment, k), Lanes::exact(ids, 1), k);
            self.stack.write_trap(&work.out, segment, trap);
        };
        self.every_segment(of, body);
    }

    /// Whether each column is among the k best of its segment.
    pub(super) fn mark_columns(&self, work: &Workspace<'m>, of: Segments, what: Selection, row: &Index<'m>) {
        let width = of.width;
        let no = Lanes::exact(self.b.const_bool(false), 1);
        let body = |segment: Ix<'m>| {
            let first = self.ix.times(segment, width);
            if key_blocks(width).is_none() {
                let chosen = self.counted(of, what, (first, row)).1;
                self.write_lanes(work, first, Lanes::exact(chosen, 1), width);
            } else {
                self.columns(first, width, |at| self.stack.write(&work.out, at, no));
                if let Some(ranked) = self.ranked_blocks(work, of, what.candidates, (first, row)) {
                    self.mark_rounds(work, ranked, what.k, first);
                }
            }
            let trap = self.segment_trap(work, (of.operand, row), first, width);
            self.stack.write_trap(&work.out, segment, trap);
        };
        self.every_segment(of, body);
    }

    fn every_segment(&self, of: Segments, body: impl Fn(Ix<'m>)) {
        let segments = of.count(self.pull.kernel);
        if segments <= 2 {
            (0..segments).for_each(|segment| body(Ix::constant(segment)));
        } else {
            self.loop_over(segments, 1, body);
        }
    }

    /// Writes the first `count` lanes of a vector to the work, from a column on.
    pub(super) fn write_lanes(&self, work: &Workspace<'m>, first: Ix<'m>, x: Lanes<'m>, count: u64) {
        let lanes = u64::from(self.b.lanes(self.b.type_of(x.value)));
        let mut from = 0;
        while from < count {
            let run = 1u64 << (count - from).ilog2();
            let mask: Vec<i32> = (from..from + run).map(|lane| lane as i32).collect();
            let part = match run {
                run if run == lanes => x.value,
                1 => self.b.extract(x.value, from as u32),
                _ => self.b.shuffle(x.value, x.value, &mask),
            };
            let columns: Vec<Ix<'m>> = (from..from + run).map(|lane| first.offset(lane)).collect();
            self.stack.write(&work.out, &columns, Lanes::exact(part, run as u32));
            from += run;
        }
    }

    // Short segments.

    /// The rank of every column of a short segment, which no column has that is no candidate, and whether it is among the k
    /// best. The lanes are a power of two.
    fn counted(
        &self,
        Segments { operand, width }: Segments,
        Selection { k, candidates }: Selection,
        (first, row): (Ix<'m>, &Index<'m>),
    ) -> (Val<'m>, Val<'m>) {
        let b = self.b;
        let lanes = width.next_power_of_two();
        let zero = b.const_int(b.int(32), 0);
        let keys = |first: Ix<'m>, lanes: u64| self.ranked((operand, row), first, lanes, candidates);
        let keys = self.padded(first, (width, lanes), zero, &keys);
        let ty = b.type_of(keys);
        let constant = |v: i64| b.const_int(ty, v);
        let signed = b.xori(keys, constant(1 << 31));
        let mut counts = [constant(0), constant(0)];
        for other in 0..width {
            // A key comes before an equal one of a higher column. One less than no candidate wraps, and is not counted for.
            let less: Vec<i64> = (0..lanes).map(|lane| i64::from(lane > other)).collect();
            let other_key = b.splat(b.extract(signed, other as u32), lanes as u32);
            let before = b.cmpi(IntPredicate::Sgt, other_key, b.subi(signed, b.const_ints(b.int(32), &less)));
            let count = &mut counts[other as usize % 2];
            *count = b.subi(*count, b.extsi(before, b.int(32)));
        }
        let none = b.cmpi(IntPredicate::Eq, keys, constant(0));
        let ranks = b.select(none, constant(i64::from(i32::MAX)), b.addi(counts[0], counts[1]));
        (ranks, b.cmpi(IntPredicate::Slt, ranks, constant(k as i64)))
    }

    fn counted_topk(&self, of: Segments, what: Selection, order: TopKOrder, at: (Ix<'m>, &Index<'m>)) -> Val<'m> {
        let b = self.b;
        let (ranks, chosen) = self.counted(of, what, at);
        let i32 = b.int(32);
        // The lowest lane of these, or −1.
        let lowest = |bits: Val<'m>| {
            let ty = b.type_of(bits);
            let none = b.cmpi(IntPredicate::Eq, bits, b.const_int(ty, 0));
            b.select(none, b.const_int(i32, -1), self.lane_number(bits, 32))
        };
        let mut ids: Vec<Val<'m>> = Vec::new();
        let mut left = self.lane_bits(chosen);
        for number in 0..what.k {
            ids.push(match order {
                TopKOrder::Value => {
                    let number = b.const_int(b.type_of(ranks), number as i64);
                    lowest(self.lane_bits(b.cmpi(IntPredicate::Eq, ranks, number)))
                }
                TopKOrder::Column => {
                    let id = lowest(left);
                    let ty = b.type_of(left);
                    left = b.andi(left, b.subi(left, b.const_int(ty, 1)));
                    id
                }
            });
        }
        ids.resize(what.k.next_power_of_two() as usize, b.const_int(i32, -1));
        b.gather_lanes(&ids)
    }

    /// One bit a lane.
    fn lane_bits(&self, answers: Val<'m>) -> Val<'m> {
        let lanes = self.b.lanes(self.b.type_of(answers));
        self.b.bitcast(answers, self.b.int(lanes))
    }

    /// The lowest lane whose bit is set, as an integer of `bits` bits.
    fn lane_number(&self, set: Val<'m>, bits: u32) -> Val<'m> {
        let b = self.b;
        let width = b.width(b.type_of(set));
        // Two bits do not hold what a count of up to two needs.
        let set = if width < 8 { b.extui(set, b.int(8)) } else { set };
        let number = b.trailing_zeros(set);
        match width.max(8).cmp(&bits) {
            std::cmp::Ordering::Less => b.extui(number, b.int(bits)),
            std::cmp::Ordering::Equal => number,
            std::cmp::Ordering::Greater => b.trunci(number, b.int(bits)),
        }
    }

    // Long segments.

    /// The greatest lane in every lane.
    fn best_of_lanes(&self, x: Val<'m>) -> Val<'m> {
        let b = self.b;
        let lanes = b.lanes(b.type_of(x));
        let folded = fold_lanes(self.b, vec![x], 8.min(lanes), &|x, y| vec![b.maxui(x[0], y[0])])[0];
        let n = b.lanes(b.type_of(folded)) as i32;
        let mut best = folded;
        let mut distance = n / 2;
        while distance > 0 {
            let mask: Vec<i32> = (0..n).map(|lane| lane ^ distance).collect();
            best = b.maxui(best, b.shuffle(best, best, &mask));
            distance /= 2;
        }
        best
    }

    /// `best`, a vector of equal lanes, on `lanes` lanes.
    fn widen_splat(&self, best: Val<'m>, lanes: u32) -> Val<'m> {
        match self.b.lanes(self.b.type_of(best)) {
            n if n == lanes => best,
            // Whole vectors again, where a broadcast would take an instruction.
            n => self.b.shuffle(best, best, &(0..lanes).map(|lane| (lane % n) as i32).collect::<Vec<_>>()),
        }
    }

    /// The keys of a long segment in its memory, and the best of each block; none of a short one.
    pub(super) fn ranked_blocks(
        &self,
        work: &Workspace<'m>,
        Segments { operand, width }: Segments,
        candidates: Candidates,
        (first, row): (Ix<'m>, &Index<'m>),
    ) -> Option<Ranked<'m>> {
        let (Some(blocks), Some(keys)) = (key_blocks(width), work.keys) else { return None };
        self.columns(Ix::constant(0), width, |at| {
            let ranked = self.ranked((operand, row), self.ix.add(first, at[0]), at.len() as u64, candidates);
            self.stack.write_at(keys, self.b.int(32), 4, at[0], ranked);
        });
        Some(Ranked { keys, blocks, maxima: self.block_maxima(work, keys, blocks, width) })
    }

    /// The ids that k rounds choose of each of several rows, in the order of the rounds. The rows' rounds alternate, since
    /// each waits for the one before.
    pub(super) fn rounds(&self, rows: &[Ranked<'m>], k: u64) -> Vec<Val<'m>> {
        let (b, i32, i64) = (self.b, self.b.int(32), self.b.int(64));
        let ids = k.next_power_of_two();
        let no_ids = b.const_int(b.lanes_of(i32, ids as u32), -1);
        let start: Vec<Val<'m>> = rows.iter().flat_map(|row| [row.maxima, no_ids]).collect();
        let rounds = (b.const_int(i64, 0), b.const_int(i64, k as i64), b.const_int(i64, 1));
        let end = b.for_loop_carrying(rounds, &start, |_, round, state| {
            let of_row = |(row, state): (&Ranked<'m>, &[Val<'m>])| {
                let (column, valid, maxima) = self.round(Ranked { maxima: state[0], ..*row });
                let id = b.select(valid, b.trunci(column, i32), b.const_int(i32, -1));
                let number = b.splat(b.trunci(round, i32), ids as u32);
                let id = b.splat(id, ids as u32);
                let here = || b.cmpi(IntPredicate::Eq, self.iota(ids), number);
                [maxima, if ids == 1 { id } else { b.select(here(), id, state[1]) }]
            };
            rows.iter().zip(state.chunks(2)).flat_map(of_row).collect()
        });
        end.chunks(2).map(|state| state[1]).collect()
    }

    /// Sets a byte for each column that k rounds choose, from the segment's first column on.
    fn mark_rounds(&self, work: &Workspace<'m>, ranked: Ranked<'m>, k: u64, first: Ix<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let rounds = (b.const_int(i64, 0), b.const_int(i64, k as i64), b.const_int(i64, 1));
        b.for_loop_carrying(rounds, &[ranked.maxima], |_, _, state| {
            let (column, valid, maxima) = self.round(Ranked { maxima: state[0], ..ranked });
            let trash = b.const_int(i64, work.trash as i64);
            let marked = b.select(valid, b.addi(self.ix.materialise(first), column), trash);
            self.mark(work, Ix::value(marked, 1));
            vec![maxima]
        });
    }

    /// One round: the column, `i64`, whether there is one, and the best keys of the blocks without it.
    fn round(&self, Ranked { keys, blocks, maxima }: Ranked<'m>) -> (Val<'m>, Val<'m>, Val<'m>) {
        let (b, i32, count) = (self.b, self.b.int(32), blocks.1);
        let taken = self.take_best(keys, blocks, maxima);
        let next = self.widen_splat(self.best_of_lanes(taken.left), count as u32);
        let this = b.splat(b.trunci(taken.block, i32), count as u32);
        let maxima = b.select(b.cmpi(IntPredicate::Eq, self.iota(count), this), next, maxima);
        // 0 is no candidate.
        let valid = b.cmpi(IntPredicate::Ne, b.extract(taken.best, 0), b.const_int(i32, 0));
        (b.addi(taken.from, taken.lane), valid, maxima)
    }

    /// Ids in the order of the rounds as the order says.
    pub(super) fn arranged(&self, work: &Workspace<'m>, ids: Val<'m>, k: u64, order: TopKOrder) -> Val<'m> {
        if order == TopKOrder::Column && k > 1 { self.ascending(work, ids, k) } else { ids }
    }

    /// Takes the first of the best keys out of its block, by the best keys of all blocks.
    fn take_best(&self, keys: Val<'m>, (block, count): (u64, u64), maxima: Val<'m>) -> Taken<'m> {
        let (b, i32, i64) = (self.b, self.b.int(32), self.b.int(64));
        let block_vector = b.lanes_of(i32, block as u32);
        let best = self.best_of_lanes(maxima);
        let equal = b.cmpi(IntPredicate::Eq, maxima, self.widen_splat(best, count as u32));
        let number = self.lane_number(self.lane_bits(equal), 64);
        let from = b.muli(number, b.const_int(i64, block as i64));
        let at: Vec<Ix<'m>> = (0..block).map(|lane| Ix::value(from, block).offset(lane)).collect();
        let old = self.stack.read_at(keys, i32, 4, &at);
        let equal = b.cmpi(IntPredicate::Eq, old, self.widen_splat(best, block as u32));
        let bits = self.lane_bits(equal);
        let lane = self.lane_number(bits, 64);
        // Mostly one column has the best key, and which one need not be known to take it out.
        let bits_type = b.type_of(bits);
        let others = b.andi(bits, b.subi(bits, b.const_int(bits_type, 1)));
        let several = b.cmpi(IntPredicate::Ne, others, b.const_int(bits_type, 0));
        // What is stored is no selection, of which LLVM would make a masked store, which is slow.
        let without = |taken: Val<'m>| {
            let left = b.select(taken, b.const_int(block_vector, 0), old);
            vec![left, b.minui(old, b.not(b.extsi(taken, i32)))]
        };
        let first_only = |_: &_| {
            let here = b.splat(b.trunci(lane, i32), block as u32);
            without(b.cmpi(IntPredicate::Eq, self.iota(block), here))
        };
        let new = b.if_then_else(several, &[block_vector; 2], first_only, |_| without(equal));
        self.stack.write_at(keys, i32, 4, at[0], new[1]);
        Taken { best, block: number, from, lane, left: new[0] }
    }

    /// 0, 1, 2, …, a lane each, `i32`.
    fn iota(&self, lanes: u64) -> Val<'m> {
        self.b.const_ints(self.b.int(32), &(0..lanes as i64).collect::<Vec<_>>())
    }

    fn mark(&self, work: &Workspace<'m>, column: Ix<'m>) {
        let yes = Lanes::exact(self.b.const_bool(true), 1);
        self.stack.write(&work.out, &[column], yes);
    }

    /// The best key of every block.
    fn block_maxima(&self, work: &Workspace<'m>, keys: Val<'m>, (block, count): (u64, u64), width: u64) -> Val<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let combine = |x: &[Val<'m>], y: &[Val<'m>]| vec![b.maxui(x[0], y[0])];
        let read = |first: Ix<'m>, lanes: u64| {
            let at: Vec<Ix<'m>> = (0..lanes).map(|lane| first.offset(lane)).collect();
            self.stack.read_at(keys, i32, 4, &at)
        };
        let best_lanes = |first: Ix<'m>| fold_lanes(self.b, vec![read(first, block)], EIGHT as u32, &combine);
        if count < EIGHT {
            let maxima: Vec<Val<'m>> = (0..count)
                .map(|i| match i * block < width {
                    true => fold_lanes(self.b, best_lanes(Ix::constant(i * block)), 1, &combine)[0],
                    false => b.const_int(i32, 0),
                })
                .collect();
            return b.gather_lanes(&maxima);
        }
        if let (Some(maxima), true) = (work.maxima, count > UNROLLED_BLOCKS) {
            // What is past the end is 0 in the keys.
            self.loop_over(count, EIGHT, |first| {
                let states = (0..EIGHT).map(|i| best_lanes(self.ix.times(first.offset(i), block))).collect();
                self.stack.write_at(maxima, i32, 4, first, fold_eight(self.b, states, &combine)[0]);
            });
            let at: Vec<Ix<'m>> = (0..count).map(Ix::constant).collect();
            return self.stack.read_at(maxima, i32, 4, &at);
        }
        let nothing = || vec![b.const_int(b.lanes_of(i32, EIGHT as u32), 0)];
        let of_eight = |number: u64| {
            let state = |i: u64| {
                let first = (number * EIGHT + i) * block;
                if first < width { best_lanes(Ix::constant(first)) } else { nothing() }
            };
            fold_eight(self.b, (0..EIGHT).map(state).collect(), &combine)[0]
        };
        let mut vectors: Vec<Val<'m>> = (0..count / EIGHT).map(of_eight).collect();
        while vectors.len() > 1 {
            let join = |p: &[Val<'m>]| {
                let lanes = 2 * b.lanes(b.type_of(p[0])) as i32;
                b.shuffle(p[0], p[1], &(0..lanes).collect::<Vec<_>>())
            };
            vectors = vectors.chunks(2).map(join).collect();
        }
        vectors[0]
    }

    /// The first `k` lanes in ascending order, −1 last.
    fn ascending(&self, work: &Workspace<'m>, ids: Val<'m>, k: u64) -> Val<'m> {
        let (b, i32, i64) = (self.b, self.b.int(32), self.b.int(64));
        let Some(sorted) = work.sorted else { return ids };
        let ty = b.type_of(ids);
        let lanes = u64::from(b.lanes(ty));
        self.stack.write_at(sorted, i32, 4, Ix::constant(0), ids);
        let iota = self.iota(lanes);
        let all = (b.const_int(i64, 0), b.const_int(i64, k as i64), b.const_int(i64, 1));
        let ranks = b.for_loop_carrying(all, &[b.const_int(ty, 0)], |_, other, ranks| {
            let id = b.splat(self.stack.read_at(sorted, i32, 4, &[Ix::value(other, 1)]), lanes as u32);
            let lower = b.cmpi(IntPredicate::Ult, id, ids);
            let equal = b.cmpi(IntPredicate::Eq, id, ids);
            let earlier = b.cmpi(IntPredicate::Slt, b.splat(b.trunci(other, i32), lanes as u32), iota);
            let before = b.ori(lower, b.andi(equal, earlier));
            vec![b.subi(ranks[0], b.extsi(before, i32))]
        })[0];
        for lane in 0..k as u32 {
            let rank = b.extui(b.extract(ranks, lane), i64);
            self.stack.write_at(sorted, i32, 4, Ix::value(rank, 1), b.extract(ids, lane));
        }
        let at: Vec<Ix<'m>> = (0..lanes).map(Ix::constant).collect();
        self.stack.read_at(sorted, i32, 4, &at)
    }
}
