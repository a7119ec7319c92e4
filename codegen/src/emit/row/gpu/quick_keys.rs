//! Keys that are quicker to make than rank keys, and nearly always give the same columns.
//!
//! A selection by sorted lists compares quick keys first. If then the rank keys could say otherwise for any row of the warp,
//! all of it is done once more with rank keys, by the same code. Two kinds are known, and for each what makes it doubtful:
//!
//! - **−∞ that is no candidate.** The rank keys of all floats do where the last of the best is above −∞. Else a NaN, which is a
//!   candidate, should have come before −∞, which is none.
//! - **Dividends** of one divisor, as the powers of a softmax: numbers above zero are in the order of their bits. Quotients are
//!   rounded, so two dividends may have one quotient, and then the lower column comes first. A quotient is within 2⁻²⁴ of its
//!   value, so of two dividends that are 4 units in the last place apart, 2⁻²² of their value at least, quotients that are
//!   normal numbers differ. Doubtful are therefore neighbours among the best that are less than that apart and not equal,
//!   others so near to the last of the best, one of the best that is so small or large that its quotient could be no normal
//!   number, and a divisor far from 1, or NaN.

use super::RowGpu;
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::math::order::{self, NEG_INF_KEY};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, UnaryOp};

/// Units in the last place, less one, within which two dividends are too near to each other.
pub(super) const NEAR: u32 = 3;

/// The least dividend whose quotient is certainly a normal number, with divisors between [`LEAST_DIVISOR`] and its inverse.
const LEAST_DIVIDEND: f32 = f32::from_bits((127 - 90) << 23);

/// The largest one whose quotient is certainly finite.
const MOST_DIVIDEND: f32 = f32::from_bits((127 + 90) << 23);

/// 2⁻³⁰.
const LEAST_DIVISOR: f32 = f32::from_bits((127 - 30) << 23);

/// The keys of a selection, one a register; 0 where a lane has no column of its own.
pub(super) struct QuickKeys<'m> {
    pub keys: Vec<Val<'m>>,
    /// What makes them doubtful, if they are not rank keys.
    pub doubt: Option<Doubt<'m>>,
    pub trap: Option<Val<'m>>,
}

/// What makes keys doubtful.
#[derive(Clone, Copy)]
pub(super) enum Doubt<'m> {
    /// They are the rank keys of −∞ as well.
    NegInf,
    /// They are the bits of dividends, and one more where `added`.
    Dividends { divisor: Val<'m>, of: ValueId, added: bool },
}

impl<'m> RowGpu<'_, 'm> {
    /// The quickest keys that there are of a value at a spread of its columns.
    pub(super) fn quick_keys(
        &self,
        id: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
        candidates: Candidates,
    ) -> QuickKeys<'m> {
        if let Some(found) = self.dividends(id, spread, index) {
            return found;
        }
        if candidates == Candidates::AboveNegInf && self.pull.kernel.value(id).dtype.is_float() {
            let (keys, trap) = self.own_keys(id, spread, index, Candidates::All);
            return QuickKeys { keys, doubt: Some(Doubt::NegInf), trap };
        }
        let (keys, trap) = self.own_keys(id, spread, index, candidates);
        QuickKeys { keys, doubt: None, trap }
    }

    /// Numbers that are not negative, of which the value is what they give divided by one number of the row. They are all
    /// candidates.
    fn dividends(&self, id: ValueId, spread: &Spread<'m>, index: &Index<'m>) -> Option<QuickKeys<'m>> {
        let (b, kernel) = (self.b, self.pull.kernel);
        let ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) = &kernel.value(id).kind else { return None };
        let (dividend, divisor) = (kernel.value(operands[0]), kernel.value(operands[1]));
        let positive = matches!(
            &dividend.kind,
            ValueKind::Scalar(ScalarOp::Unary(UnaryOp::Exp | UnaryOp::Exp2 | UnaryOp::Sigmoid | UnaryOp::Softplus), _)
        );
        if !positive || dividend.dtype != DType::F32 || divisor.space.cols > 1 || spread.segments > 1 {
            return None;
        }
        let own = self.pull.evaluate(operands[0], index);
        let by = self.pull.evaluate(operands[1], index);
        if by.lanes > 1 {
            return None;
        }
        let added = spread.columns.iter().any(|column| column.valid.is_some());
        let (one, zero) = (self.word(1), self.word(0));
        let key = |(float, valid): (&Val<'m>, Option<Val<'m>>)| {
            let bits = b.bitcast(*float, b.int(32));
            let key = if added { b.addi(bits, one) } else { bits };
            valid.map_or(key, |valid| b.select(valid, key, zero))
        };
        let floats = self.registers(own.value, spread.columns.len());
        let keys = floats.iter().zip(spread.columns.iter().map(|column| column.valid)).map(key).collect();
        let trap = self.lanewise.either(own.trap, by.trap);
        Some(QuickKeys { keys, doubt: Some(Doubt::Dividends { divisor: by.value, of: id, added }), trap })
    }

    /// Whether quick keys may have given other columns than rank keys, by what is among the best `k`; for the lane's row.
    pub(super) fn quick_keys_are_doubtful(&self, doubt: Doubt<'m>, best: &[Val<'m>]) -> Val<'m> {
        let b = self.b;
        let last = best[best.len() - 1];
        match doubt {
            Doubt::NegInf => b.cmpi(IntPredicate::Ule, last, self.word(NEG_INF_KEY + self.added_to_keys())),
            Doubt::Dividends { divisor, .. } => {
                let small = b.cmpi(IntPredicate::Ult, last, self.word(LEAST_DIVIDEND.to_bits() + 1));
                // NaNs are too.
                let large = b.cmpi(IntPredicate::Ugt, best[0], self.word(MOST_DIVIDEND.to_bits()));
                // Neither holds of a NaN.
                let above = b.cmpf(FloatPredicate::Oge, divisor, b.const_f32(LEAST_DIVISOR, 1));
                let below = b.cmpf(FloatPredicate::Ole, divisor, b.const_f32(1.0 / LEAST_DIVISOR, 1));
                let wild = b.ori(b.ori(small, large), b.not(b.andi(above, below)));
                let near = |two: &[Val<'m>]| {
                    let apart = b.subi(b.subi(two[0], two[1]), self.word(1));
                    b.cmpi(IntPredicate::Ult, apart, self.word(NEAR))
                };
                best.windows(2).map(near).fold(wild, |any, near| b.ori(any, near))
            }
        }
    }

    /// The rank keys of what these are the quick keys of.
    pub(super) fn rank_keys_of(
        &self,
        doubt: Doubt<'m>,
        keys: &[Val<'m>],
        (spread, turn): (&Spread<'m>, u32),
        candidates: Candidates,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        match doubt {
            Doubt::NegInf => {
                keys.iter().map(|key| order::only(&mut self.lanewise.math(1), *key, Candidates::AboveNegInf)).collect()
            }
            Doubt::Dividends { divisor, of, added } => {
                let rank_key = |(key, valid): (&Val<'m>, Option<Val<'m>>)| {
                    let bits = if added { b.subi(*key, self.word(1)) } else { *key };
                    let dividend = b.bitcast(bits, b.f32());
                    let quotient = self.pull.machine.divide(b, dividend, divisor);
                    let quotient = Lanes { nans: Nans::Free, ..Lanes::exact(quotient, 1) };
                    let key = self.float_keys(of, quotient, candidates).value;
                    valid.map_or(key, |valid| b.select(valid, key, self.word(0)))
                };
                let columns = spread.columns[spread.turn(turn)].iter().map(|column| column.valid);
                keys.iter().zip(columns).map(rank_key).collect()
            }
        }
    }
}
