//! How the lanes that share a row talk: a *team*.
//!
//! Up to a warp's lanes talk by shuffles; more of them, all threads of a block, through shared memory. Everything here is
//! emitted where all lanes of the warp, or all threads of the block, are.

use super::shared_memory::SharedMemory;
use super::{Scalars, Warps};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::schedule::{RowShape, Selecting};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The lanes of a row.
pub(crate) struct Team<'a, 'm> {
    pub(super) b: &'a Builder<'m>,
    pub(super) warps: &'a dyn Warps,
    /// Lanes of a warp.
    warp: u32,
    /// Rows are few.
    few: bool,
    /// Lanes of a row, a power of two.
    pub lanes: u32,
    /// The own number among them, `i32`.
    pub lane: Val<'m>,
    /// The own number in the warp, `i32`.
    warp_lane: Val<'m>,
    /// For more lanes than a warp has: two words for each.
    shared: Option<Val<'m>>,
    /// Which of the two words the next exchange uses.
    turn: Cell<bool>,
    /// The row's cells.
    pub(super) cells: Option<Val<'m>>,
    /// The lane's own first pair; the next one lies behind that of all threads.
    pairs: Option<Val<'m>>,
    pair_count: u32,
    /// The lane's own first key.
    pub(super) keys: Option<Val<'m>>,
    /// Words between the first keys of two lanes.
    pub(super) keys_apart: u32,
    /// The row's first place, and the lane's own for what is not chosen.
    pub(super) places: Option<[Val<'m>; 2]>,
    /// The row's shelf, its words, and how many of them are given away.
    pub(super) shelf: Option<(Val<'m>, u32)>,
    pub(super) shelved: Cell<u32>,
    /// Whether some lane may still have to read a cell, as far as it is emitted: see [`cells`](super::cells).
    pub(super) taken: Cell<bool>,
    /// Threads of the block.
    threads: u32,
    /// By span, the lanes before this one in its aligned group of so many, a bit each in a word of the warp's width.
    before: RefCell<HashMap<u32, Val<'m>>>,
}

impl<'a, 'm> Team<'a, 'm> {
    /// `thread` is the number of the thread in its block, `i32`.
    pub fn new(
        b: &'a Builder<'m>,
        warps: &'a dyn Warps,
        shape: RowShape,
        memory: SharedMemory,
        thread: Val<'m>,
    ) -> Team<'a, 'm> {
        let i32 = b.int(32);
        let cells = (memory.cells > 0).then(|| {
            let row = b.shrui(thread, b.const_int(i32, i64::from(shape.lanes.trailing_zeros())));
            let first = b.extui(b.muli(row, b.const_int(i32, i64::from(memory.cells))), b.int(64));
            b.gep_const(b.gep(b.shared_words(), first, i32), memory.words_before_cells(shape, warps) as i32, i32)
        });
        let pairs = (memory.pairs > 0).then(|| {
            let first = b.gep_const(b.shared_words(), memory.words_before_pairs(shape, warps) as i32, i32);
            b.gep(first, b.extui(thread, b.int(64)), b.int(64))
        });
        let keys = (memory.keys > 0).then(|| {
            let first = b.gep_const(b.shared_words(), memory.words_before_keys(shape, warps) as i32, i32);
            let own = b.muli(thread, b.const_int(i32, i64::from(memory.keys)));
            b.gep(first, b.extui(own, b.int(64)), i32)
        });
        let places = (memory.places > 0).then(|| {
            let at = |words: u32, number: Val<'m>, apart: u32| {
                let first = b.gep_const(b.shared_words(), words as i32, i32);
                let own = b.muli(number, b.const_int(i32, i64::from(apart)));
                b.gep(first, b.extui(own, b.int(64)), i32)
            };
            let row = b.shrui(thread, b.const_int(i32, i64::from(shape.lanes.trailing_zeros())));
            [
                at(memory.words_before_places(shape, warps), row, 2 * memory.places),
                at(memory.words_before_unchosen(shape, warps), thread, 2),
            ]
        });
        let shelf = (memory.shelf > 0).then(|| {
            let first = b.gep_const(b.shared_words(), memory.words_before_shelves(shape, warps) as i32, i32);
            let row = b.shrui(thread, b.const_int(i32, i64::from(shape.lanes.trailing_zeros())));
            let own = b.muli(row, b.const_int(i32, i64::from(memory.shelf)));
            (b.gep(first, b.extui(own, b.int(64)), i32), memory.shelf)
        });
        let warp = warps.lanes();
        let below = |n: u32| b.andi(thread, b.const_int(b.int(32), i64::from(n) - 1));
        Team {
            b,
            warps,
            warp,
            few: shape.selecting == Selecting::InRegisters,
            lanes: shape.lanes,
            lane: below(shape.lanes),
            warp_lane: below(warp),
            shared: (shape.lanes > warp).then(|| b.shared_words()),
            turn: Cell::new(false),
            cells,
            pairs,
            pair_count: memory.pairs,
            keys,
            keys_apart: memory.keys,
            places,
            shelf,
            shelved: Cell::new(0),
            taken: Cell::new(false),
            threads: shape.threads,
            before: RefCell::default(),
        }
    }

    /// All lanes of the warp as the team of one row, which share no memory.
    pub fn of_warp(&self) -> Team<'a, 'm> {
        Team {
            b: self.b,
            warps: self.warps,
            warp: self.warp,
            few: self.few,
            lanes: self.warp,
            lane: self.warp_lane,
            warp_lane: self.warp_lane,
            shared: None,
            turn: Cell::new(false),
            cells: None,
            pairs: None,
            pair_count: 0,
            keys: None,
            keys_apart: 0,
            places: None,
            shelf: None,
            shelved: Cell::new(0),
            taken: Cell::new(false),
            threads: self.threads,
            before: RefCell::default(),
        }
    }

    pub(super) fn word(&self, value: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(value))
    }

    /// The first of the lanes of the own row, among those of the warp, `i32`.
    pub fn first_of_row(&self) -> Val<'m> {
        self.b.andi(self.warp_lane, self.word(!(self.lanes - 1)))
    }

    /// The word of this lane of the warp.
    pub fn of_warp_lane(&self, word: Val<'m>, lane: Val<'m>) -> Val<'m> {
        self.warps.from(self.b, word, self.warp_lane, lane, self.warp)
    }

    /// Whether the lanes of a row are more than a warp's.
    pub fn is_block(&self) -> bool {
        self.shared.is_some()
    }

    /// The word of the lane whose number differs in the bits of `mask`.
    pub fn xor(&self, word: Val<'m>, mask: u32) -> Val<'m> {
        let b = self.b;
        if mask >= self.warp {
            return self.exchange(word, b.xori(self.lane, self.word(mask)));
        }
        self.warps.xor(b, word, self.warp_lane, mask)
    }

    /// Whether [`Self::xor`] does not go by way of memory.
    pub fn has_xor(&self, mask: u32) -> bool {
        mask < self.warp && self.warps.has_xor(mask)
    }

    /// The word of this lane of the row. Of `lane`, `i32`, only the bits below [`Self::lanes`] count.
    pub fn from(&self, word: Val<'m>, lane: Val<'m>) -> Val<'m> {
        if self.is_block() {
            return self.exchange(word, self.b.andi(lane, self.word(self.lanes - 1)));
        }
        self.warps.from(self.b, word, self.warp_lane, lane, self.lanes)
    }

    /// Through shared memory. Two words a lane, in turns, so that one barrier an exchange is enough: whoever writes a word
    /// again has seen all others pass the barrier after they read it.
    fn exchange(&self, word: Val<'m>, lane: Val<'m>) -> Val<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let shared = self.shared.expect("more lanes than a warp has share memory");
        let turn = self.turn.replace(!self.turn.get());
        let words = b.gep_const(shared, if turn { self.lanes as i32 } else { 0 }, i32);
        let address = |lane: Val<'m>| b.gep(words, b.extui(lane, b.int(64)), i32);
        b.store(word, address(self.lane), 4);
        b.block_barrier();
        b.load(address(lane), i32, 4, false)
    }

    /// To be emitted at the end of a loop's body: the next turn of the loop begins with either word.
    pub fn end_of_turn(&self) {
        if self.is_block() || self.cells.is_some() {
            self.settle_memory();
        }
    }

    /// What any lane of the row reads and writes of memory before this comes before what any of them does behind.
    pub fn settle_memory(&self) {
        self.taken.set(false);
        if self.is_block() { self.b.block_barrier() } else { self.warps.settle_memory(self.b) }
    }

    /// The address of a pair of the lane.
    pub fn pair(&self, pair: u32) -> Val<'m> {
        let pairs = self.pairs.expect("the kernel says how many pairs it needs");
        self.next_pair(pairs, pair)
    }

    /// The address of the pair that is so many further.
    pub fn next_pair(&self, pair: Val<'m>, by: u32) -> Val<'m> {
        self.b.gep_const(pair, (by * self.threads) as i32, self.b.int(64))
    }

    /// Writes a pair.
    pub fn write_pair(&self, pair: Val<'m>, words: [Val<'m>; 2]) {
        self.b.store(self.b.gather_lanes(&words), pair, 8);
    }

    /// Reads a pair.
    pub fn read_pair(&self, pair: Val<'m>) -> [Val<'m>; 2] {
        let words = self.b.load(pair, self.b.lanes_of(self.b.int(32), 2), 8, false);
        [0, 1].map(|word| self.b.extract(words, word))
    }

    /// Whether lanes have so many pairs.
    pub fn has_pairs(&self, count: usize) -> bool {
        self.pairs.is_some() && count <= self.pair_count as usize
    }

    /// Whether a row has places, instead of keys of its lanes in memory.
    pub fn has_places(&self) -> bool {
        self.places.is_some()
    }

    /// Emits what [`Self::is_first`] needs of a span, to be called before any loop.
    pub fn prepare_first(&self, span: u32) {
        if span <= self.warp && !self.before.borrow().contains_key(&span) {
            let before = self.lanes_before(span);
            self.before.borrow_mut().insert(span, before);
        }
    }

    fn lanes_before(&self, span: u32) -> Val<'m> {
        let b = self.b;
        let ty = b.int(self.warp);
        let wide = |x: Val<'m>| if self.warp > 32 { b.extui(x, ty) } else { x };
        let ones = |n: Val<'m>| b.subi(b.shli(b.const_int(ty, 1), wide(n)), b.const_int(ty, 1));
        let first = b.andi(self.warp_lane, self.word(!(span - 1)));
        b.xori(ones(self.warp_lane), ones(first))
    }

    /// Whether the own lane is the first of its aligned group of `span` lanes that has the bit set.
    pub fn is_first(&self, bit: Val<'m>, span: u32) -> Val<'m> {
        let b = self.b;
        if span > self.warp {
            return b.andi(bit, b.cmpi(IntPredicate::Eq, self.first(bit, span), self.lane));
        }
        let known = self.before.borrow().get(&span).copied();
        let before = known.unwrap_or_else(|| self.lanes_before(span));
        let others = b.andi(self.ballot(bit), before);
        b.andi(b.cmpi(IntPredicate::Eq, others, b.const_int(b.type_of(others), 0)), bit)
    }

    /// Of how many lanes of the own aligned group of `span`, within a warp, the bit is set.
    pub fn count(&self, bit: Val<'m>, span: u32) -> Val<'m> {
        let b = self.b;
        let bits = self.ballot(bit);
        let shift = b.andi(self.warp_lane, self.word(!(span - 1)));
        let shift = if self.warp > 32 { b.extui(shift, b.int(64)) } else { shift };
        let own = b.shli(b.const_int(b.type_of(bits), (1i64 << span) - 1), shift);
        let count = b.count_ones(b.andi(bits, own));
        if self.warp > 32 { b.trunci(count, b.int(32)) } else { count }
    }

    /// Runs `body` from the first number to before the end, both signed and the same on all lanes of a warp.
    pub fn each_turn(&self, (first, end, step): (Val<'m>, Val<'m>, Val<'m>), body: impl FnOnce(Val<'m>)) {
        let b = self.b;
        if !self.warps.votes_to_go_on() {
            b.for_loop(first, end, step, |_, at| body(at));
            return;
        }
        b.repeat_while(
            &[first],
            |b, at| (self.any(b.cmpi(IntPredicate::Slt, at[0], end)), at.to_vec()),
            |b, at| {
                body(at[0]);
                vec![b.addi(at[0], step)]
            },
        );
    }

    /// Whether any lane of the warp has the bit set: one answer for the warp.
    pub fn any(&self, bit: Val<'m>) -> Val<'m> {
        if !self.few {
            return self.warps.any(self.b, bit);
        }
        // The assembler knows that all lanes go the same way behind a vote, and moves so much to other places for it that a row of a
        // router of 512 columns, 22 of which are chosen, had 1,440 instructions on sm_120, and 1,360 so.
        let bits = self.ballot(bit);
        self.b.cmpi(IntPredicate::Ne, bits, self.b.const_int(self.b.type_of(bits), 0))
    }

    /// Whether the machine has a way of its own to [`Self::max`] of so many lanes, which are all of a warp.
    pub fn has_max(&self, span: u32) -> bool {
        span == self.warp && self.warps.has_max()
    }

    /// The lanes of the row, at most a warp's, of which the bit is set, a bit each; where they are all of a warp.
    pub fn having(&self, bit: Val<'m>) -> Val<'m> {
        self.ballot(bit)
    }

    /// A bit for each lane of the warp.
    fn ballot(&self, bit: Val<'m>) -> Val<'m> {
        self.warps.ballot(self.b, bit)
    }

    /// The largest word, unsigned, of each aligned group of `span` lanes.
    pub fn max(&self, word: Val<'m>, span: u32) -> Val<'m> {
        let b = self.b;
        if let Some(max) = self.warps.max(b, word, self.warp_lane, span.min(self.warp)) {
            return self.max_of_warps(max, span);
        }
        let masks = self.masks(span.min(self.warp));
        let max = masks.into_iter().fold(word, |max, mask| b.maxui(max, self.across(max, mask)));
        self.max_of_warps(max, span)
    }

    /// The masks of [`Self::across`] until all of `span` lanes have heard of all, in the order of the exchanges.
    pub fn masks(&self, span: u32) -> Vec<u32> {
        let masks = (0..span.ilog2()).map(|bit| 1 << bit);
        if self.warps.nearest_first() { masks.collect() } else { masks.rev().collect() }
    }

    /// The word of some lane in the aligned group of `mask` lanes beside the own one, in exchanges in the order of
    /// [`Self::masks`] after each of which all lanes that have heard of each other have the same words.
    pub fn across(&self, word: Val<'m>, mask: u32) -> Val<'m> {
        if mask >= self.warp { self.xor(word, mask) } else { self.warps.across(self.b, word, self.warp_lane, mask) }
    }

    /// What all lanes of a row, which are a warp's, agree on without memory.
    pub fn scalars(&self) -> Option<&'a dyn Scalars> {
        self.warps.scalars().filter(|_| self.lanes == self.warp)
    }

    /// Of each warp's largest word, the largest of `span` lanes.
    fn max_of_warps(&self, max: Val<'m>, span: u32) -> Val<'m> {
        let (b, warps) = (self.b, span / self.warp);
        if warps <= 1 {
            return max;
        }
        // Every lane takes the word of one warp; the warps of a span are at most the lanes of one.
        let base = b.andi(self.lane, self.word(!(span - 1)));
        let one = b.muli(b.andi(self.lane, self.word(warps - 1)), self.word(self.warp));
        let other = self.exchange(max, b.ori(base, one));
        if span == self.lanes && self.warps.has_max() && self.warps.scalars().is_none() {
            // A warp has lanes enough to take one of each.
            return self.max(other, self.warp);
        }
        self.max(other, warps)
    }

    /// In each aligned group of `span` lanes the first one that has the bit set: its number in the row, `i32`. Any number
    /// if none has; [`Self::from`] takes it.
    pub fn first(&self, bit: Val<'m>, span: u32) -> Val<'m> {
        let b = self.b;
        let low = self.word(span - 1);
        let base = b.andi(self.lane, self.word(!(span - 1)));
        if span > self.warp {
            let from_end = b.subi(self.word(span), b.andi(self.lane, low));
            let found = self.max(b.select(bit, from_end, self.word(0)), span);
            return b.ori(base, b.andi(b.subi(self.word(span), found), low));
        }
        let bits = self.ballot(bit);
        let own = if span == self.warp {
            bits
        } else {
            let shift = b.andi(self.warp_lane, self.word(!(span - 1)));
            b.shrui(bits, if self.warp > 32 { b.extui(shift, b.int(64)) } else { shift })
        };
        let found = b.trailing_zeros(own);
        let found = if self.warp > 32 { b.trunci(found, b.int(32)) } else { found };
        if span == self.lanes { found } else { b.ori(base, b.andi(found, low)) }
    }

    /// Of each aligned group of `span` lanes of a warp, of which `count` have the bit set, the one of this number among those: its
    /// number in the row, `i32`, as [`Self::from`] takes it.
    pub fn nth(&self, bit: Val<'m>, number: Val<'m>, count: u32, span: u32) -> Val<'m> {
        let b = self.b;
        let bits = self.ballot(bit);
        let shift = b.andi(self.warp_lane, self.word(!(span - 1)));
        let own = b.shrui(bits, if self.warp > 32 { b.extui(shift, b.int(64)) } else { shift });
        let one = b.const_int(b.type_of(own), 1);
        let mut left = vec![own];
        for _ in 1..count {
            let last = left[left.len() - 1];
            left.push(b.andi(last, b.subi(last, one)));
        }
        for bit in (0..count.ilog2()).map(|bit| 1 << bit) {
            let odd = b.cmpi(IntPredicate::Ne, b.andi(number, self.word(bit)), self.word(0));
            left = left.chunks(2).map(|two| b.select(odd, two[1], two[0])).collect();
        }
        let found = b.trailing_zeros(left[0]);
        let found = if self.warp > 32 { b.trunci(found, b.int(32)) } else { found };
        if span == self.lanes {
            return found;
        }
        b.ori(b.andi(self.lane, self.word(!(span - 1))), b.andi(found, self.word(span - 1)))
    }

    /// Whether the own lane's number has this bit.
    pub fn has(&self, bit: u32) -> Val<'m> {
        let b = self.b;
        b.cmpi(IntPredicate::Ne, b.andi(self.lane, self.word(bit)), self.word(0))
    }

    /// A scalar of any type, moved by `by` in words of 32 bits.
    pub fn moved(&self, value: Val<'m>, by: impl Fn(Val<'m>) -> Val<'m>) -> Val<'m> {
        let (b, ty) = (self.b, self.b.type_of(value));
        let i32 = b.int(32);
        if ty == b.f32() {
            return b.bitcast(by(b.bitcast(value, i32)), ty);
        }
        match b.width(ty) {
            32 => by(value),
            64 => {
                let half = b.const_int(ty, 32);
                let low = b.extui(by(b.trunci(value, i32)), ty);
                let high = b.extui(by(b.trunci(b.shrui(value, half), i32)), ty);
                b.ori(b.shli(high, half), low)
            }
            _ => b.trunci(by(b.extui(value, i32)), ty),
        }
    }
}
