//! Rank keys: see [`routefuse_ir::math::order`].

use super::RowHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::math::MathMachine;
use crate::mlir::builder::Val;
use routefuse_ir::DType;
use routefuse_ir::eval::row::rank_key;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::math::{ScalarMachine, order};
use routefuse_ir::op::{Candidates, ScalarOp};

impl<'m> RowHost<'_, 'm> {
    /// The rank keys of a value at `lanes` neighbouring columns: those that are held, if it is held as keys, and of a choice
    /// between such a value and a constant the choice between their keys.
    pub fn ranked(
        &self,
        (id, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        lanes: u64,
        candidates: Candidates,
    ) -> Val<'m> {
        let b = self.b;
        let value = self.pull.kernel.value(id);
        if let Some(keys) = self.keys.get(&id) {
            let at: Vec<Ix<'m>> = (0..lanes).map(|lane| first.offset(lane)).collect();
            return self.above(self.stack.read(&keys, &at).value, candidates);
        }
        if let ValueKind::Scalar(ScalarOp::Select, operands) = &value.kind
            && let ValueKind::Const(other) = self.pull.kernel.value(operands[2]).kind
            && self.keys.get(&operands[1]).is_some()
        {
            let condition = self.neighbouring(operands[0], row, first, lanes).value;
            let key = self.ranked((operands[1], row), first, lanes, candidates);
            let other = i64::from(rank_key(value.dtype, other.bits(), candidates));
            return b.select(condition, key, b.const_int(b.type_of(key), other));
        }
        self.rank_keys(self.neighbouring(id, row, first, lanes), value.dtype, candidates)
    }

    /// Keys of candidates of all kinds, without those that are none.
    fn above(&self, keys: Val<'m>, candidates: Candidates) -> Val<'m> {
        order::only(&mut self.math_of(keys), keys, candidates)
    }

    /// The rank keys of elements, `i32` a lane, to be compared as unsigned.
    pub(super) fn rank_keys(&self, x: Lanes<'m>, dtype: DType, candidates: Candidates) -> Val<'m> {
        if dtype.is_float() {
            let x = self.lanewise.widened(x, dtype);
            let m = &mut self.lanewise.math(x.lanes);
            // What is flipped comes before the answer whether it is a NaN, whose register it would take.
            let sum = order::positive_zero(m, x.value);
            let bits = m.bitcast_to_i32(sum);
            let flips = order::flips(m, bits);
            let key = order::or_nan_key(m, x.value, |m| m.ixor(bits, flips));
            return order::only(m, key, candidates);
        }
        let (b, i32, signed) = (self.b, self.b.int(32), dtype.is_signed());
        let wide = match dtype.bits() {
            32 => x.value,
            _ if signed => b.extsi(x.value, i32),
            _ => b.extui(x.value, i32),
        };
        order::integer_key(&mut self.lanewise.math(x.lanes), wide, signed)
    }

    /// The floats that rank keys stand for; of the key of a NaN one, if another.
    pub(super) fn ranked_floats(&self, keys: Val<'m>) -> Lanes<'m> {
        let value = order::float_of_word(&mut self.math_of(keys), keys);
        Lanes { nans: Nans::Free, ..Lanes::exact(value, self.b.lanes(self.b.type_of(keys))) }
    }

    /// The machine of as many lanes as a vector has.
    pub(super) fn math_of(&self, vector: Val<'m>) -> MathMachine<'_, 'm> {
        self.lanewise.math(self.b.lanes(self.b.type_of(vector)))
    }
}
