//! Scalar constants, exact to the bit.

use crate::dtype::DType;
use half::{bf16, f16};
use std::cmp::Ordering;
use std::fmt;

pub use crate::literal_text::LiteralError;

/// One scalar: its dtype and its bits (zero-extended to 64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Literal {
    dtype: DType,
    bits: u64,
}

impl Literal {
    /// From raw bits; bits above the dtype's width are dropped.
    pub fn from_bits(dtype: DType, bits: u64) -> Literal {
        let width = dtype.bits();
        let mask = if width == 64 { u64::MAX } else { (1u64 << width) - 1 };
        Literal { dtype, bits: bits & mask }
    }

    /// An integer or bool, if it fits the dtype.
    pub fn from_int(dtype: DType, value: i128) -> Option<Literal> {
        let width = dtype.bits();
        let (lo, hi) = match dtype {
            DType::Bool => (0, 1),
            d if d.is_signed() => (-(1i128 << (width - 1)), (1i128 << (width - 1)) - 1),
            d if d.is_int() => (0, (1i128 << width) - 1),
            _ => return None,
        };
        (lo..=hi).contains(&value).then(|| Literal::from_bits(dtype, value as u64))
    }

    /// The nearest value of a float dtype, round to nearest even from `f64` (one rounding); NaN is canonical.
    pub fn from_f64(dtype: DType, value: f64) -> Option<Literal> {
        Literal::from_f64_and_rest(dtype, value, || Ordering::Equal)
    }

    /// The nearest value to a number of which `value` is the nearest `f64`. At a tie between two 16-bit values, `rest` says
    /// on which side of `value` the magnitude of the number itself lies.
    ///
    /// `half`'s own conversions from `f64` drop the low 32 bits first, or go through `f32`, and so round twice.
    pub(crate) fn from_f64_and_rest(dtype: DType, value: f64, rest: impl FnOnce() -> Ordering) -> Option<Literal> {
        let (widen, infinity): (fn(u16) -> f64, u16) = match dtype {
            DType::F16 => (|b| f16::from_bits(b).to_f64(), 0x7c00),
            DType::Bf16 => (|b| bf16::from_bits(b).to_f64(), 0x7f80),
            DType::F32 if !value.is_nan() => return Some(Literal::f32(value as f32)),
            DType::F32 => return Some(Literal::canonical_nan(dtype)),
            _ => return None,
        };
        if value.is_nan() {
            return Some(Literal::canonical_nan(dtype));
        }
        // Positive values are in the order of their bits; infinity stands where the next value would.
        let largest = widen(infinity - 1);
        let at = |b: u16| if b == infinity { 2.0 * largest - widen(infinity - 2) } else { widen(b) };
        let magnitude = value.abs();
        let (mut low, mut high) = (0, infinity);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if at(middle) <= magnitude {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let bits = if low == infinity {
            low
        } else {
            let tie = (at(low) + at(low + 1)) / 2.0; // exact: one bit more than either
            let side = magnitude.total_cmp(&tie).then_with(rest);
            low + u16::from(side == Ordering::Greater || (side == Ordering::Equal && low % 2 == 1))
        };
        let sign = u64::from(value.is_sign_negative()) << 15;
        Some(Literal { dtype, bits: sign | u64::from(bits) })
    }

    /// The quiet NaN that arithmetic gives; `dtype` is a float.
    fn canonical_nan(dtype: DType) -> Literal {
        let bits = match dtype {
            DType::F16 => 0x7e00,
            DType::Bf16 => 0x7fc0,
            _ => 0x7fc0_0000,
        };
        Literal { dtype, bits }
    }

    /// An `f32` constant.
    pub fn f32(value: f32) -> Literal {
        Literal { dtype: DType::F32, bits: u64::from(value.to_bits()) }
    }

    /// An `i32` constant.
    pub fn i32(value: i32) -> Literal {
        Literal::from_bits(DType::I32, value as u64)
    }

    /// An `i64` constant.
    pub fn i64(value: i64) -> Literal {
        Literal::from_bits(DType::I64, value as u64)
    }

    /// A `bool` constant.
    pub fn bool(value: bool) -> Literal {
        Literal { dtype: DType::Bool, bits: u64::from(value) }
    }

    /// Zero of any dtype.
    pub fn zero(dtype: DType) -> Literal {
        Literal { dtype, bits: 0 }
    }

    /// The dtype.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The bits, zero-extended.
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// The value of an integer or bool; `None` for floats.
    pub fn as_int(self) -> Option<i128> {
        let width = self.dtype.bits();
        match self.dtype {
            d if d.is_float() => None,
            d if d.is_signed() => Some(i128::from((self.bits << (64 - width)) as i64 >> (64 - width))),
            _ => Some(i128::from(self.bits)),
        }
    }

    /// The value of a float; `None` for integers and bool.
    pub fn as_f64(self) -> Option<f64> {
        match self.dtype {
            DType::F32 => Some(f64::from(f32::from_bits(self.bits as u32))),
            DType::F16 => Some(f16::from_bits(self.bits as u16).to_f64()),
            DType::Bf16 => Some(bf16::from_bits(self.bits as u16).to_f64()),
            _ => None,
        }
    }
}

/// The text of a literal, without its dtype: `-1`, `true`, `2.5`, `inf`, `nan`. A NaN that is not the canonical one, and
/// nothing else, prints as its bits, `0x7fc00001`; so printing and parsing lose nothing.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dtype == DType::Bool {
            return write!(f, "{}", self.bits == 1);
        }
        if let Some(i) = self.as_int() {
            return write!(f, "{i}");
        }
        let value = self.as_f64().unwrap_or(f64::NAN);
        if value.is_nan() {
            return if *self == Literal::canonical_nan(self.dtype) {
                write!(f, "nan")
            } else {
                write!(f, "{:#x}", self.bits)
            };
        }
        match self.dtype {
            // Shortest text that reads back to the same f32, f16 or bf16; `{:?}` keeps the `.0`.
            DType::F32 => write!(f, "{:?}", f32::from_bits(self.bits as u32)),
            // Widening is exact, so the f64's shortest text rounds back to the same 16 bits.
            _ => write!(f, "{value:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert_eq!(Literal::from_int(DType::I8, 128), None);
        assert_eq!(Literal::from_int(DType::U8, -1), None);
        assert_eq!(Literal::from_int(DType::I8, -128).and_then(Literal::as_int), Some(-128));
        assert_eq!(Literal::from_int(DType::U64, i128::from(u64::MAX)).map(Literal::bits), Some(u64::MAX));
    }

    #[test]
    fn f64_is_rounded_once() {
        let bits = |dtype, v| Literal::from_f64(dtype, v).map(Literal::bits);
        // Just above the tie, by less than what `half` looks at.
        let above = 1.0 + 2f64.powi(-8) + 2f64.powi(-40);
        assert_eq!(bits(DType::Bf16, above), Some(0x3f81));
        assert_eq!(bits(DType::Bf16, 1.0 + 2f64.powi(-8)), Some(0x3f80));
        assert_eq!(bits(DType::Bf16, -above), Some(0xbf81));
        assert_eq!(bits(DType::F16, f64::MAX), Some(0x7c00));
        assert_eq!(bits(DType::F16, 65519.999), Some(0x7bff));
        assert_eq!(bits(DType::F16, 65520.0), Some(0x7c00));
        assert_eq!(bits(DType::Bf16, f64::MIN_POSITIVE), Some(0));
        assert_eq!(bits(DType::F16, -f64::NAN), Some(0x7e00));
        assert_eq!(bits(DType::F32, -f64::NAN), Some(0x7fc0_0000));
        // Every value whose widening is exact, from f32 on: the same as half's conversion from f32.
        for b in (0..=u32::MAX).step_by(65_521) {
            let v = f32::from_bits(b);
            if !v.is_nan() {
                assert_eq!(bits(DType::F16, v.into()), Some(f16::from_f32(v).to_bits().into()), "{v:e}");
                assert_eq!(bits(DType::Bf16, v.into()), Some(bf16::from_f32(v).to_bits().into()), "{v:e}");
            }
        }
    }

    #[test]
    fn text_is_exact() {
        assert_eq!(Literal::f32(2.5).to_string(), "2.5");
        assert_eq!(Literal::f32(-0.0).to_string(), "-0.0");
        assert_eq!(Literal::f32(f32::INFINITY).to_string(), "inf");
        assert_eq!(Literal::f32(f32::from_bits(0x7fc0_0000)).to_string(), "nan");
        assert_eq!(Literal::f32(f32::from_bits(0xffc0_0001)).to_string(), "0xffc00001");
        assert_eq!(Literal::i32(-1).to_string(), "-1");
        assert_eq!(Literal::bool(true).to_string(), "true");
    }
}
