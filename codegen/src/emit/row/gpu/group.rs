//! The lane machine: how the lanes that share a row talk. Emitters of row values know nothing else of a target.
//!
//! Up to a warp's lanes talk by shuffles; more of them, all threads of a block, through shared memory. Everything here is
//! emitted where all lanes of the warp, or all threads of the block, are.

use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::schedule::RowShape;
use routefuse_ir::target::{Target, TargetKind};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The lanes of a row.
pub(in crate::emit) struct Group<'a, 'm> {
    b: &'a Builder<'m>,
    kind: TargetKind,
    /// Lanes of a warp.
    warp: u32,
    /// A warp finds its largest word in one instruction.
    has_warp_max: bool,
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
    /// Words of this row that any of its lanes may give and take, behind those of exchanges.
    slots: Option<Val<'m>>,
    /// The lane's own first entry, of 64 bits; the next one lies behind that of all threads.
    entries: Option<Val<'m>>,
    entry_count: u32,
    /// Threads of the block.
    threads: u32,
    /// By span, the lanes before this one in its aligned group of so many, a bit each in a word of the warp's width.
    before: RefCell<HashMap<u32, Val<'m>>>,
}

impl<'a, 'm> Group<'a, 'm> {
    /// Words of shared memory that exchanges need in a block of this shape.
    fn exchange_words(shape: RowShape, target: Target) -> u32 {
        if shape.lanes > target.info().warp { 2 * shape.lanes } else { 0 }
    }

    /// Words of shared memory that a block of this shape needs, with so many slots a row, a multiple of two, and entries a
    /// lane.
    pub fn shared_words(shape: RowShape, target: Target, slots: u32, entries: u32) -> u32 {
        Self::entry_words(shape, target, slots) + 2 * entries * shape.threads
    }

    /// Words before the lanes' entries.
    fn entry_words(shape: RowShape, target: Target, slots: u32) -> u32 {
        (Self::exchange_words(shape, target) + shape.rows() * slots).next_multiple_of(4)
    }

    /// `memory` is the slots of a row and the entries of a lane, `thread` the number of the thread in its block, `i32`.
    pub fn new(
        b: &'a Builder<'m>,
        target: Target,
        shape: RowShape,
        memory: (u32, u32),
        thread: Val<'m>,
    ) -> Group<'a, 'm> {
        let i32 = b.int(32);
        let (slot_count, entry_count) = memory;
        let slots = (slot_count > 0).then(|| {
            let row = b.shrui(thread, b.const_int(i32, i64::from(shape.lanes.trailing_zeros())));
            let first = b.extui(b.muli(row, b.const_int(i32, i64::from(slot_count))), b.int(64));
            b.gep_const(b.gep(b.shared_words(), first, i32), Self::exchange_words(shape, target) as i32, i32)
        });
        let entries = (entry_count > 0).then(|| {
            let first = b.gep_const(b.shared_words(), Self::entry_words(shape, target, slot_count) as i32, i32);
            b.gep(first, b.extui(thread, b.int(64)), b.int(64))
        });
        let warp = target.info().warp;
        let below = |n: u32| b.andi(thread, b.const_int(b.int(32), i64::from(n) - 1));
        Group {
            b,
            kind: target.kind(),
            warp,
            has_warp_max: target.has_warp_max(),
            lanes: shape.lanes,
            lane: below(shape.lanes),
            warp_lane: below(warp),
            shared: (shape.lanes > warp).then(|| b.shared_words()),
            turn: Cell::new(false),
            slots,
            entries,
            entry_count,
            threads: shape.threads,
            before: RefCell::default(),
        }
    }

    fn word(&self, value: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(value))
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
        match self.kind {
            TargetKind::Amdgpu if mask < 32 => b.swizzle_xor(word, mask),
            TargetKind::Amdgpu => b.permute_from(word, b.xori(self.warp_lane, self.word(mask))),
            _ => b.shuffle_xor(word, mask),
        }
    }

    /// The word of this lane of the row. Of `lane`, `i32`, only the bits below [`Self::lanes`] count.
    pub fn from(&self, word: Val<'m>, lane: Val<'m>) -> Val<'m> {
        let b = self.b;
        let low = |x: Val<'m>| b.andi(x, self.word(self.lanes - 1));
        match self.kind {
            _ if self.is_block() => self.exchange(word, low(lane)),
            TargetKind::Amdgpu if self.lanes == self.warp => b.permute_from(word, low(lane)),
            TargetKind::Amdgpu => {
                let first = b.andi(self.warp_lane, self.word(!(self.lanes - 1)));
                b.permute_from(word, b.ori(first, low(lane)))
            }
            _ => b.shuffle_from(word, lane, self.lanes),
        }
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
        if self.is_block() || self.slots.is_some() {
            self.settle_memory();
        }
    }

    /// What any lane of the row reads and writes of memory before this comes before what any of them does behind.
    pub fn settle_memory(&self) {
        match self.kind {
            _ if self.is_block() => self.b.block_barrier(),
            TargetKind::Nvptx => self.b.warp_barrier(),
            // A wavefront runs in lock step.
            _ => self.b.wave_barrier(),
        }
    }

    /// Writes a slot of the row. [`Self::settle_memory`] stands between this and whoever takes it.
    pub fn give(&self, word: Val<'m>, slot: Val<'m>) {
        self.b.store(word, self.slot(slot), 4);
    }

    /// The address of an entry of the lane.
    pub fn entry(&self, entry: u32) -> Val<'m> {
        let entries = self.entries.expect("the kernel says how many entries it needs");
        self.next_entry(entries, entry)
    }

    /// The address of the entry that is so many further.
    pub fn next_entry(&self, entry: Val<'m>, by: u32) -> Val<'m> {
        self.b.gep_const(entry, (by * self.threads) as i32, self.b.int(64))
    }

    /// Writes an entry.
    pub fn write_entry(&self, entry: Val<'m>, words: [Val<'m>; 2]) {
        self.b.store(self.b.gather_lanes(&words), entry, 8);
    }

    /// Reads an entry.
    pub fn read_entry(&self, entry: Val<'m>) -> [Val<'m>; 2] {
        let words = self.b.load(entry, self.b.lanes_of(self.b.int(32), 2), 8, false);
        [0, 1].map(|word| self.b.extract(words, word))
    }

    /// Whether lanes have so many entries.
    pub fn has_entries(&self, count: usize) -> bool {
        self.entries.is_some() && count <= self.entry_count as usize
    }

    /// Writes a slot of the row where the condition holds.
    pub fn give_where(&self, condition: Val<'m>, word: Val<'m>, slot: Val<'m>) {
        let address = self.slot(slot);
        match self.kind {
            TargetKind::Nvptx => self.b.store_shared_where(condition, word, address),
            _ => self.b.if_then(condition, |b| b.store(word, address, 4)),
        }
    }

    /// Reads a slot of the row.
    pub fn take(&self, slot: Val<'m>) -> Val<'m> {
        self.b.load(self.slot(slot), self.b.int(32), 4, false)
    }

    fn slot(&self, slot: Val<'m>) -> Val<'m> {
        let slots = self.slots.expect("the kernel says how many slots it needs");
        self.b.gep(slots, self.b.extui(slot, self.b.int(64)), self.b.int(32))
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

    /// A bit for each lane of the warp.
    fn ballot(&self, bit: Val<'m>) -> Val<'m> {
        match self.kind {
            TargetKind::Amdgpu => self.b.wave_ballot(bit, self.warp),
            _ => self.b.warp_ballot(bit),
        }
    }

    /// The largest word, unsigned, of each aligned group of `span` lanes.
    pub fn max(&self, word: Val<'m>, span: u32) -> Val<'m> {
        let b = self.b;
        if self.has_warp_max && span >= self.warp {
            return self.max_of_warps(b.warp_max(word), span);
        }
        let mut mask = span.min(self.warp) / 2;
        let mut max = word;
        while mask > 0 {
            max = b.maxui(max, self.xor(max, mask));
            mask /= 2;
        }
        self.max_of_warps(max, span)
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
