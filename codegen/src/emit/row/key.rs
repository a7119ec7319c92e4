//! Rank keys: see [`routefuse_ir::eval::row`].

use super::spread::Spread;
use crate::emit::index::Index;
use crate::emit::lanes::{Lanes, Nans};
use crate::emit::scope::Emitter;
use crate::mlir_builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::eval::row::{NAN_KEY, NEG_INF_KEY, rank_key};
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, UnaryOp};

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
                Lanes::exact(self.word(key), 1)
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
                let positive = value.dtype == DType::F32 && self.has_no_negative_zero(id);
                self.keys_of(self.evaluate(id, &index), value.dtype, candidates, positive)
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
        let some = b.cmpi(IntPredicate::Ne, all, b.const_int(words, i64::from(NEG_INF_KEY)));
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

    /// The rank keys of elements.
    fn keys_of(&self, x: Lanes<'m>, dtype: DType, candidates: Candidates, no_negative_zero: bool) -> Lanes<'m> {
        let b = self.b;
        let words = b.lanes_of(b.int(32), x.lanes);
        let constant = |v: u32| b.const_int(words, i64::from(v));
        if !dtype.is_float() {
            let wide = if dtype.bits() < 32 { self.cast(x, dtype, DType::I32).value } else { x.value };
            let ordered = if dtype.is_signed() { b.xori(wide, constant(SIGN)) } else { wide };
            return Lanes { value: b.maxui(ordered, constant(1)), nans: Nans::Exact, ..x };
        }
        let x = self.cast(x, dtype, DType::F32);
        // −0.0 becomes 0.0.
        let sum = if no_negative_zero { x.value } else { b.addf(x.value, b.const_f32(0.0, x.lanes)) };
        let ordered = self.ordered(sum, words);
        let is_nan = b.cmpf(FloatPredicate::Uno, x.value, x.value);
        let mut key = b.select(is_nan, constant(NAN_KEY), ordered);
        if candidates == Candidates::AboveNegInf {
            let free = b.cmpi(IntPredicate::Eq, key, constant(NEG_INF_KEY));
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
        b.select(is_nan, b.const_f32_bits(routefuse_ir::math::F32_NAN.to_bits(), 1), self.unordered(key))
    }
}
