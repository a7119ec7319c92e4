//! Casts by value, and the 16-bit floats.

use super::known::{Lanes, Nans};
use super::lanewise::Lanewise;
use super::types::value_type;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::{DType, math};

impl<'m> Lanewise<'_, 'm> {
    /// `x` as another dtype: through `f32` if either side is a float, so that an integer rounds to `f32` before it rounds
    /// to 16 bits.
    pub fn cast(&self, x: Lanes<'m>, from: DType, to: DType) -> Lanes<'m> {
        if !from.is_float() && !to.is_float() {
            return Lanes { value: self.cast_integer(x.value, from, to), ..x };
        }
        let wide = self.widened(x, from);
        let element = value_type(self.b, to);
        let value = match to {
            DType::F32 => return wide,
            DType::F16 => self.narrowed_to_f16(wide),
            DType::Bf16 => self.narrowed_to_bf16(wide),
            // NaN is unequal to 0, so it is true.
            DType::Bool => self.b.cmpf(FloatPredicate::Une, wide.value, self.b.const_f32(0.0, wide.lanes)),
            _ if to.is_signed() => self.b.fptosi_sat(wide.value, element),
            _ => self.b.fptoui_sat(wide.value, element),
        };
        Lanes { value, nans: Nans::Exact, ..wide }
    }

    /// Integers and `bool`: the low bits, extended by the source's own sign; `bool` asks for `x != 0`.
    fn cast_integer(&self, x: Val<'m>, from: DType, to: DType) -> Val<'m> {
        let element = value_type(self.b, to);
        if to == DType::Bool {
            return if from == to {
                x
            } else {
                self.b.cmpi(IntPredicate::Ne, x, self.b.const_int(self.b.type_of(x), 0))
            };
        }
        match to.bits().cmp(&from.bits()) {
            std::cmp::Ordering::Less => self.b.trunci(x, element),
            std::cmp::Ordering::Equal => x,
            std::cmp::Ordering::Greater if from.is_signed() => self.b.extsi(x, element),
            std::cmp::Ordering::Greater => self.b.extui(x, element),
        }
    }

    /// `x` as `f32`, by definition without other NaNs than the canonical one.
    pub fn widened(&self, x: Lanes<'m>, from: DType) -> Lanes<'m> {
        let free = |value| Lanes { value, nans: Nans::Free, ..x };
        let exact = |value| Lanes { value, nans: Nans::Canonical, ..x };
        match from {
            DType::F32 if x.nans == Nans::Canonical => x,
            DType::F32 => free(x.value),
            DType::F16 if !self.machine.converts_f16() => {
                let bits = self.b.extui(x.value, self.b.int(32));
                free(math::f16_to_f32(&mut self.math(x.lanes), bits))
            }
            DType::F16 => {
                let half = self.b.bitcast(x.value, self.b.lanes_of(self.b.f16(), x.lanes));
                free(self.machine.widen_f16(self.b, half))
            }
            DType::Bf16 => free(self.widen_bf16.and_then(|widen| widen(self.b, x)).unwrap_or_else(|| self.shifted(x))),
            _ if from.is_signed() => exact(self.b.sitofp(x.value, self.b.f32())),
            _ => exact(self.b.uitofp(x.value, self.b.f32())),
        }
    }

    /// `bf16` to `f32`: the same bits, zeros below them.
    fn shifted(&self, x: Lanes<'m>) -> Val<'m> {
        let bits = self.b.extui(x.value, self.b.int(32));
        let high = self.b.shli(bits, self.b.const_int(self.b.type_of(bits), 16));
        self.b.bitcast(high, self.b.lanes_of(self.b.f32(), x.lanes))
    }

    /// The bits of the nearest `f16`, by the machine's conversion; NaN gives the canonical one.
    fn narrowed_to_f16(&self, x: Lanes<'m>) -> Val<'m> {
        if !self.machine.converts_f16() {
            let bits = math::f32_to_f16(&mut self.math(x.lanes), x.value);
            return self.b.trunci(bits, self.b.int(16));
        }
        let bits = self.machine.narrow_to_f16(self.b, x.value);
        let nan = self.b.const_int(self.b.type_of(bits), i64::from(math::F16_NAN));
        self.b.select(self.b.cmpf(FloatPredicate::Uno, x.value, x.value), nan, bits)
    }

    /// The bits of the nearest `bf16`; NaN gives the canonical one.
    fn narrowed_to_bf16(&self, x: Lanes<'m>) -> Val<'m> {
        let bits = if self.machine.settles_before_rounding() {
            self.settled_to_bf16(self.settled(x))
        } else {
            math::f32_to_bf16(&mut self.math(x.lanes), x.value)
        };
        self.b.trunci(bits, self.b.int(16))
    }

    /// As [`math::f32_to_bf16`] where the only NaN is the canonical one, whose low bits are zeros: it rounds to the one of
    /// `bf16` like a number. Whoever stores the value too has it settled anyway.
    fn settled_to_bf16(&self, x: Lanes<'m>) -> Val<'m> {
        let b = self.b;
        let bits = b.bitcast(x.value, b.lanes_of(b.int(32), x.lanes));
        let constant = |v: i64| b.const_int(b.type_of(bits), v);
        let is_odd = b.andi(b.shrui(bits, constant(16)), constant(1));
        let rounded = b.addi(b.addi(bits, constant(0x7fff)), is_odd);
        b.shrui(rounded, constant(16))
    }
}
