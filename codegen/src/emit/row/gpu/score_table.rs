//! Scores that are looked up in a table, where rows are many and blocks go on with further ones.
//!
//! A block fills its table by the code of the score itself, before it waits for anything. A logit then takes four instructions where
//! a sigmoid takes twenty: the magnitudes of two `bf16` in a word are brought into the table's range together, and each half with its
//! sign is the offset of its entry. So the entries of numbers below zero lie 32 KiB behind the others.
//!
//! What has no entry is looked for before: a NaN, and where the last entry does not stand for all magnitudes beyond, these. A warp
//! that has such a number takes a longer way, in which a NaN has its own score, or all scores are computed.

use crate::emit::pull::index::Index;
use crate::emit::pull::job::Job;
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::lanewise::NAN;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{self, ScoreTable, TABLE_ENTRIES};
use routefuse_ir::kernel::schedule::RowShape;
use routefuse_ir::kernel::schedule::sorted::NAN_WORD;
use routefuse_ir::kernel::{Kernel, ValueId, ValueKind};

/// The bits of a 16-bit float that are its magnitude's.
const MAGNITUDE: u32 = 0x7fff;

/// That of its sign, which is also how many bytes the entries below zero lie behind the others.
const SIGN: u32 = 0x8000;

/// The magnitude of an infinite `bf16`.
const INFINITY: u32 = 0x7f80;

/// How many bytes the score of a NaN lies behind the first entry.
const NAN_OFFSET: u32 = 4 * NAN_WORD as u32;

/// Entries that a thread computes at once: none of them waits for another.
const AT_ONCE: u32 = 4;

/// A table of scores in shared memory, at its beginning.
pub(super) struct ByTable<'a, 'm> {
    b: &'a Builder<'m>,
    kernel: &'a Kernel,
    table: ScoreTable,
}

impl<'a, 'm> ByTable<'a, 'm> {
    /// The table of a kernel, if blocks of this shape have one.
    pub fn of(job: Job<'a, 'm>, shape: RowShape) -> Option<ByTable<'a, 'm>> {
        let Job { b, kernel, .. } = job;
        let table = analysis::score_table(kernel).filter(|_| shape.table > 0)?;
        Some(ByTable { b, kernel, table })
    }

    /// Fills the table by all threads of a block, of which this is one, and waits for the others.
    pub fn fill(&self, pull: &Pull<'_, 'm>, thread: Val<'m>, threads: u32) {
        let (b, entries) = (self.b, u32::from(TABLE_ENTRIES));
        let number = b.trunci(thread, b.int(32));
        b.for_loop(number, self.word(2 * entries / AT_ONCE), self.word(threads), |_, number| {
            let number = b.shli(number, self.word(AT_ONCE.trailing_zeros()));
            let above = b.andi(number, self.word(entries - 1));
            let sign = b.muli(b.shrui(number, self.word(entries.trailing_zeros())), self.word(SIGN));
            let first = b.ori(sign, b.addi(above, self.word(self.table.window.least.into())));
            let bits: Vec<Val<'m>> =
                (0..AT_ONCE).map(|more| b.trunci(b.addi(first, self.word(more)), b.int(16))).collect();
            let scores = pull.scopes.scoped(|| self.computed(pull, Lanes::exact(b.gather_lanes(&bits), AT_ONCE)));
            b.store(scores, self.entry(b.ori(sign, b.shli(above, self.word(2)))), 4 * AT_ONCE);
        });
        // All threads write the same.
        b.store(b.const_f32_bits(NAN, 1), self.entry(self.word(NAN_OFFSET)), 4);
        b.block_barrier();
    }

    fn word(&self, value: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(value))
    }

    /// The address of the entry that is so many bytes behind the first one.
    fn entry(&self, offset: Val<'m>) -> Val<'m> {
        let b = self.b;
        b.gep(b.shared_words(), b.extui(offset, b.int(64)), b.int(8))
    }

    /// The score of what has an entry.
    fn look_up(&self, offset: Val<'m>) -> Val<'m> {
        self.b.load(self.entry(offset), self.b.f32(), 4, false)
    }

    /// The scores by the operations that they are defined by, with the canonical NaN.
    fn computed(&self, pull: &Pull<'_, 'm>, x: Lanes<'m>) -> Val<'m> {
        let computed = self.applied(pull, self.table.value, x);
        pull.lanewise.spread(pull.lanewise.settled(computed).value, x.lanes)
    }

    fn applied(&self, pull: &Pull<'_, 'm>, id: ValueId, x: Lanes<'m>) -> Lanes<'m> {
        match &self.kernel.value(id).kind {
            _ if id == self.table.source => x,
            ValueKind::Const(literal) => pull.lanewise.constant(*literal),
            ValueKind::Scalar(op, operands) => {
                let dtypes: Vec<DType> = operands.iter().map(|o| self.kernel.value(*o).dtype).collect();
                let lanes: Vec<Lanes<'m>> = operands.iter().map(|o| self.applied(pull, *o, x)).collect();
                pull.lanewise.scalar(*op, &lanes, &dtypes)
            }
            // A chain has nothing else.
            _ => pull.evaluate(id, &Index::nowhere()),
        }
    }

    /// The largest magnitude that needs no longer way.
    fn most(&self) -> u32 {
        if self.table.window.saturates { INFINITY } else { self.table.window.most().into() }
    }

    /// Two halves of a word, a 16-bit integer each, as a vector.
    fn halves(&self, word: Val<'m>) -> Val<'m> {
        self.b.bitcast(word, self.b.lanes_of(self.b.int(16), 2))
    }

    /// The offsets of two entries in a word, of magnitudes and signs in a word each.
    fn offsets(&self, magnitudes: Val<'m>, pair: Val<'m>) -> Val<'m> {
        let (b, halves) = (self.b, self.halves(magnitudes));
        let both = |value: i32| b.const_int(b.type_of(halves), i64::from(value));
        let least = i32::from(self.table.window.least);
        // Magnitudes have 15 bits, so that nothing is lost.
        // In this order: one instruction of NVIDIA's does all three.
        let above = b.minsi(b.addi(halves, both(-least)), both(i32::from(TABLE_ENTRIES) - 1));
        let above = b.maxsi(above, both(0));
        let above = b.bitcast(above, b.int(32));
        b.ori(b.andi(pair, self.word(SIGN << 16 | SIGN)), b.shli(above, self.word(2)))
    }

    /// The scores of words of two `bf16` each.
    fn scores(&self, pairs: &[Val<'m>], magnitudes: &[Val<'m>], nans: bool) -> Vec<Val<'m>> {
        let b = self.b;
        let low = |word: Val<'m>| b.andi(word, self.word(0xffff));
        let high = |word: Val<'m>| b.shrui(word, self.word(16));
        // What is chosen is the offset: a score that is chosen afterwards would keep a register meanwhile.
        let score = |offset: Val<'m>, magnitude: Val<'m>| {
            if !nans {
                return self.look_up(offset);
            }
            let is_nan = b.cmpi(IntPredicate::Ugt, magnitude, self.word(INFINITY));
            self.look_up(b.select(is_nan, self.word(NAN_OFFSET), offset))
        };
        let of_pair = |(pair, both): (&Val<'m>, &Val<'m>)| {
            let offsets = self.offsets(*both, *pair);
            [score(low(offsets), low(*both)), score(high(offsets), high(*both))]
        };
        pairs.iter().zip(magnitudes).flat_map(of_pair).collect()
    }

    /// Whether some magnitude, two of which are in a word, is more than there are entries for.
    fn any_beyond(&self, magnitudes: &[Val<'m>]) -> Val<'m> {
        let b = self.b;
        let halves = magnitudes.iter().map(|both| self.halves(*both));
        let largest = halves.reduce(|x, y| b.maxui(x, y)).expect("there are columns");
        let largest = b.bitcast(largest, b.int(32));
        let low = b.cmpi(IntPredicate::Ugt, b.andi(largest, self.word(0xffff)), self.word(self.most()));
        b.ori(low, b.cmpi(IntPredicate::Ugt, largest, self.word(self.most() << 16 | 0xffff)))
    }
}

impl<'m> Shortcut<'m> for ByTable<'_, 'm> {
    fn value(&self, pull: &Pull<'_, 'm>, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        if id != self.table.value {
            return None;
        }
        let b = self.b;
        let x = pull.evaluate(self.table.source, index);
        // One of an odd number has an empty half beside it.
        let pairs: Vec<Val<'m>> = if x.lanes.is_multiple_of(2) {
            let pairs = b.bitcast(x.value, b.lanes_of(b.int(32), x.lanes / 2));
            (0..x.lanes / 2).map(|pair| b.extract(pairs, pair)).collect()
        } else {
            (0..x.lanes).map(|lane| b.extui(b.extract(x.value, lane), b.int(32))).collect()
        };
        let magnitudes: Vec<Val<'m>> =
            pairs.iter().map(|pair| b.andi(*pair, self.word(MAGNITUDE << 16 | MAGNITUDE))).collect();
        let of_all = |scores: Vec<Val<'m>>| {
            let own: Vec<Val<'m>> = scores.into_iter().step_by(if x.lanes.is_multiple_of(2) { 1 } else { 2 }).collect();
            vec![b.gather_lanes(&own)]
        };
        let beyond = self.any_beyond(&magnitudes);
        let longer = |_: &Builder<'m>| match self.table.window.saturates {
            true => of_all(self.scores(&pairs, &magnitudes, true)),
            false => vec![pull.scopes.scoped(|| self.computed(pull, x))],
        };
        let shorter = |_: &Builder<'m>| of_all(self.scores(&pairs, &magnitudes, false));
        let value = b.if_then_else(beyond, &[b.lanes_of(b.f32(), x.lanes)], longer, shorter)[0];
        Some(Lanes { value, lanes: x.lanes, nans: Nans::Canonical, trap: x.trap })
    }
}
