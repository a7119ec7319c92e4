//! Rank keys: see [`routefuse_ir::eval::row`].

use super::spread::Spread;
use crate::emit::pull::Emitter;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::eval::row::{NAN_KEY, NEG_INF_KEY, rank_key};
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, UnaryOp};
use routefuse_ir::target::TargetKind;

/// What is added to the keys of floats on NVIDIA, so that the word of the NaN that its arithmetic gives, 0x7fff_ffff, becomes
/// [`NAN_KEY`] by itself; none is so large that it would wrap.
const NAN_WRAPS: u32 = 2;

/// The sign bit of a word.
const SIGN: u32 = 1 << 31;

impl<'m> Emitter<'_, 'm> {
    /// The rank keys of a value at a spread of its columns, one a register; 0 where a lane has no column of its own.
    pub fn own_keys(
        &self,
        id: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
        candidates: Candidates,
    ) -> (Vec<Val<'m>>, Option<Val<'m>>) {
        let keys = self.keys(id, index, candidates);
        let trap = keys.trap;
        let keys = self.registers(keys.value, spread.places.len());
        let zero = self.word(0);
        let own = keys.iter().zip(&spread.places);
        (own.map(|(key, place)| place.valid.map_or(*key, |valid| self.b.select(valid, *key, zero))).collect(), trap)
    }

    /// The rank keys of a value. Those of a selection are a selection of keys, so that what selects groups of columns does
    /// not make their keys anew.
    pub fn keys(&self, id: ValueId, index: &Index<'m>, candidates: Candidates) -> Lanes<'m> {
        let value = self.kernel.value(id);
        let index = self.seen_by(id, index);
        let memory = (id, candidates, index.key());
        if let Some(known) = self.known_keys(&memory) {
            return known;
        }
        let keys = match &value.kind {
            ValueKind::Const(literal) => {
                let key = rank_key(value.dtype, literal.bits(), candidates);
                let added = if value.dtype.is_float() && key > NAN_KEY { self.added_to_keys() } else { 0 };
                Lanes::exact(self.word(key + added), 1)
            }
            ValueKind::Scalar(ScalarOp::Select, operands) => {
                let condition = self.evaluate(operands[0], &index);
                if let Some(keys) = self.keys_but_masked(condition, operands, &index, candidates) {
                    self.remember_keys(memory, keys);
                    return keys;
                }
                let x = self.keys(operands[1], &index, candidates);
                let y = self.keys(operands[2], &index, candidates);
                let chosen = self.scalar(ScalarOp::Select, &[condition, x, y], &[DType::Bool, DType::U32, DType::U32]);
                Lanes { nans: Nans::Exact, ..chosen }
            }
            _ => {
                let x = self.evaluate(id, &index);
                if value.dtype.is_float() {
                    self.float_keys(id, x, candidates)
                } else {
                    self.integer_keys(x, value.dtype)
                }
            }
        };
        self.remember_keys(memory, keys);
        keys
    }

    /// The rank keys of a selection of something that is no candidate for the other columns: one selection for that and for
    /// what is no candidate by itself.
    fn keys_but_masked(
        &self,
        condition: Lanes<'m>,
        operands: &[ValueId],
        index: &Index<'m>,
        candidates: Candidates,
    ) -> Option<Lanes<'m>> {
        let (b, other) = (self.b, self.kernel.value(operands[2]));
        let ValueKind::Const(literal) = other.kind else { return None };
        if candidates == Candidates::All || rank_key(other.dtype, literal.bits(), candidates) != 0 {
            return None;
        }
        let keys = self.keys(operands[1], index, Candidates::All);
        let lanes = keys.lanes.max(condition.lanes);
        let words = b.lanes_of(b.int(32), lanes);
        let all = self.spread(keys.value, lanes);
        let some = b.cmpi(IntPredicate::Ne, all, b.const_int(words, i64::from(NEG_INF_KEY + self.added_to_keys())));
        let own = b.andi(some, self.spread(condition.value, lanes));
        let value = b.select(own, all, b.const_int(words, 0));
        Some(Lanes { trap: self.either(condition.trap, keys.trap), ..Lanes::exact(value, lanes) })
    }

    /// Whether a value is never −0.0.
    fn has_no_negative_zero(&self, id: ValueId) -> bool {
        match &self.kernel.value(id).kind {
            ValueKind::Const(literal) => literal.bits() as u32 != (-0.0f32).to_bits(),
            ValueKind::Scalar(
                ScalarOp::Unary(UnaryOp::Sigmoid | UnaryOp::Exp | UnaryOp::Softplus | UnaryOp::Abs),
                _,
            ) => true,
            // Only −0.0 + −0.0 is −0.0.
            ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), operands) => {
                operands.iter().any(|o| self.has_no_negative_zero(*o))
            }
            _ => false,
        }
    }

    /// Whether a value is what the machine's arithmetic gives, NaNs included.
    fn is_computed(&self, id: ValueId) -> bool {
        let is_const = |o: &ValueId| matches!(self.kernel.value(*o).kind, ValueKind::Const(_));
        match &self.kernel.value(id).kind {
            ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), operands) => {
                !operands.iter().any(is_const)
            }
            _ => false,
        }
    }

    fn added_to_keys(&self) -> u32 {
        if self.kind == TargetKind::Nvptx { NAN_WRAPS } else { 0 }
    }

    /// The rank keys of integers.
    fn integer_keys(&self, x: Lanes<'m>, dtype: DType) -> Lanes<'m> {
        let b = self.b;
        let constant = |v: u32| b.const_int(b.lanes_of(b.int(32), x.lanes), i64::from(v));
        let wide = if dtype.bits() < 32 { self.cast(x, dtype, DType::I32).value } else { x.value };
        let ordered = if dtype.is_signed() { b.xori(wide, constant(SIGN)) } else { wide };
        let key = b.addi(b.minui(ordered, constant(u32::MAX - 1)), constant(1));
        Lanes { value: key, nans: Nans::Exact, ..x }
    }

    /// The rank keys of a value's floats; those of numbers are larger by [`Self::added_to_keys`].
    fn float_keys(&self, id: ValueId, x: Lanes<'m>, candidates: Candidates) -> Lanes<'m> {
        let (b, dtype, added) = (self.b, self.kernel.value(id).dtype, self.added_to_keys());
        let words = b.lanes_of(b.int(32), x.lanes);
        let constant = |v: u32| b.const_int(words, i64::from(v));
        let x = self.cast(x, dtype, DType::F32);
        // −0.0 becomes 0.0.
        let positive = dtype == DType::F32 && self.has_no_negative_zero(id);
        let sum = if positive { x.value } else { b.addf(x.value, b.const_f32(0.0, x.lanes)) };
        let mut key = self.ordered(sum, words);
        if added > 0 {
            key = b.addi(key, constant(added));
        }
        // What is computed has wrapped.
        if added == 0 || !(positive && self.is_computed(id)) {
            let is_nan = b.cmpf(FloatPredicate::Uno, x.value, x.value);
            key = b.select(is_nan, constant(NAN_KEY), key);
        }
        if candidates == Candidates::AboveNegInf {
            let free = b.cmpi(IntPredicate::Eq, key, constant(NEG_INF_KEY + added));
            key = b.select(free, constant(0), key);
        }
        Lanes { value: key, nans: Nans::Exact, ..x }
    }

    /// Floats as words in the order of all floats, −0 before +0.
    pub fn ordered(&self, x: Val<'m>, words: melior::ir::Type<'m>) -> Val<'m> {
        let b = self.b;
        let bits = b.bitcast(x, words);
        let sign = b.shrsi(bits, b.const_int(words, 31));
        b.xori(bits, b.ori(sign, b.const_int(words, i64::from(SIGN))))
    }

    /// The float that [`Self::ordered`] made a word of.
    pub fn unordered(&self, word: Val<'m>) -> Val<'m> {
        let b = self.b;
        let sign = b.shrsi(b.xori(word, self.word(u32::MAX)), self.word(31));
        b.bitcast(b.xori(word, b.ori(sign, self.word(SIGN))), b.f32())
    }

    /// The float that a rank key stands for.
    pub fn ranked_float(&self, key: Val<'m>) -> Val<'m> {
        let b = self.b;
        let is_nan = b.cmpi(IntPredicate::Ule, key, self.word(NAN_KEY));
        b.select(
            is_nan,
            b.const_f32_bits(routefuse_ir::math::F32_NAN.to_bits(), 1),
            self.unordered(b.subi(key, self.word(self.added_to_keys()))),
        )
    }
}
