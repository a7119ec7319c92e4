//! Scalar constants, exact to the bit.

use crate::dtype::DType;
use half::{bf16, f16};
use std::fmt;

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

    /// The nearest value of a float dtype, round to nearest even from `f64` (one rounding).
    pub fn from_f64(dtype: DType, value: f64) -> Option<Literal> {
        let bits = match dtype {
            DType::F32 => u64::from((value as f32).to_bits()),
            DType::F16 => u64::from(f16::from_f64(value).to_bits()),
            DType::Bf16 => u64::from(bf16::from_f64(value).to_bits()),
            _ => return None,
        };
        Some(Literal { dtype, bits })
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
        let canonical = match self.dtype {
            DType::F16 => 0x7e00,
            DType::Bf16 => 0x7fc0,
            _ => 0x7fc0_0000,
        };
        let value = self.as_f64().unwrap_or(f64::NAN);
        if value.is_nan() {
            return if self.bits == canonical { write!(f, "nan") } else { write!(f, "{:#x}", self.bits) };
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
