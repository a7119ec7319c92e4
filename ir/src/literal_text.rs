//! Literals from text, rounded once.

use crate::dtype::DType;
use crate::literal::Literal;
use std::cmp::Ordering;

/// Why a text is no literal of a dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiteralError {
    /// It is no number at all.
    #[error("not a number")]
    Malformed,
    /// It is a literal, but not of this kind of dtype: `2.5` for an integer, `true` for a float.
    #[error("not a literal of this dtype")]
    WrongKind,
    /// It is of the right kind but too large.
    #[error("out of the range of its dtype")]
    OutOfRange,
}

impl Literal {
    /// A literal from its text, as [`Literal`]'s `Display` writes it.
    ///
    /// - bool: `true`, `false`
    /// - integers: `-1`, or `0xff` by value
    /// - floats: decimal (`2`, `2.5`, `1e-20`), rounded to the dtype once, to nearest even, however many digits there
    ///   are; `inf`, `-inf`, `nan`; and `0x7fc00001`, the bits
    ///
    /// # Errors
    /// [`LiteralError`]; a finite decimal that rounds to infinity is out of range.
    pub fn from_text(dtype: DType, text: &str) -> Result<Literal, LiteralError> {
        match text {
            "true" | "false" if dtype == DType::Bool => return Ok(Literal::bool(text == "true")),
            "true" | "false" => return Err(LiteralError::WrongKind),
            "inf" | "-inf" | "nan" => {
                let value = text.parse().unwrap_or(f64::NAN);
                return Literal::from_f64(dtype, value).ok_or(LiteralError::WrongKind);
            }
            _ => {}
        }
        if let Some(hex) = text.strip_prefix("0x") {
            return from_hex(dtype, hex);
        }
        let decimal = Decimal::parse(text).ok_or(LiteralError::Malformed)?;
        if dtype.is_float() {
            return from_decimal(dtype, text, &decimal);
        }
        if dtype == DType::Bool || !decimal.is_plain_integer {
            return Err(LiteralError::WrongKind);
        }
        let value = text.parse::<i128>().map_err(|_| LiteralError::OutOfRange)?;
        Literal::from_int(dtype, value).ok_or(LiteralError::OutOfRange)
    }
}

fn from_hex(dtype: DType, hex: &str) -> Result<Literal, LiteralError> {
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(LiteralError::Malformed);
    }
    if dtype == DType::Bool {
        return Err(LiteralError::WrongKind);
    }
    let bits = u64::from_str_radix(hex, 16).map_err(|_| LiteralError::OutOfRange)?;
    if dtype.is_float() {
        let literal = Literal::from_bits(dtype, bits);
        return if literal.bits() == bits { Ok(literal) } else { Err(LiteralError::OutOfRange) };
    }
    Literal::from_int(dtype, i128::from(bits)).ok_or(LiteralError::OutOfRange)
}

fn from_decimal(dtype: DType, text: &str, decimal: &Decimal<'_>) -> Result<Literal, LiteralError> {
    let literal = if dtype == DType::F32 {
        Literal::f32(text.parse().map_err(|_| LiteralError::Malformed)?)
    } else {
        // The f64 nearest to the decimal decides unless it is a tie between two 16-bit values; then the decimal itself
        // says on which side of the tie it lies.
        let near: f64 = text.parse().map_err(|_| LiteralError::Malformed)?;
        Literal::from_f64_and_rest(dtype, near, || decimal.compare_magnitude(near)).ok_or(LiteralError::WrongKind)?
    };
    match literal.as_f64() {
        Some(value) if value.is_infinite() => Err(LiteralError::OutOfRange),
        _ => Ok(literal),
    }
}

/// A decimal number taken apart: its value is `0.d₁d₂d₃… × 10^exponent`.
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: Option<i64>,
    is_plain_integer: bool,
}

impl<'a> Decimal<'a> {
    /// `-?digits(.digits)?([eE][+-]?digits)?`
    fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let is_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((m, e)) => (m, Some(e)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((w, f)) => (w, Some(f)),
            None => (mantissa, None),
        };
        let exponent_fits = exponent.is_none_or(|e| is_digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
        let fits = is_digits(whole) && fraction.is_none_or(is_digits) && exponent_fits;
        fits.then(|| Decimal {
            whole,
            fraction: fraction.unwrap_or(""),
            // An exponent beyond 64 bits belongs to a number that is 0 or infinite as f64, and no tie.
            exponent: exponent.map_or(Some(0), |e| e.parse().ok()),
            is_plain_integer: fraction.is_none() && exponent.is_none(),
        })
    }

    /// How the magnitude of this decimal compares with that of `value`, which is finite and not 0, exactly.
    fn compare_magnitude(&self, value: f64) -> Ordering {
        let Some(exponent) = self.exponent else { return Ordering::Equal };
        let digits: String = [self.whole, self.fraction].concat();
        let significant = digits.trim_start_matches('0');
        let leading_zeros = (digits.len() - significant.len()) as i64;
        let point = (self.whole.len() as i64 - leading_zeros).saturating_add(exponent);
        // An f64 has at most 767 significant decimal digits, so this is its exact value.
        let exact = format!("{:.800e}", value.abs());
        let (mantissa, power) = exact.split_once('e').unwrap_or((&exact, "0"));
        let exact_digits = mantissa.replace('.', "");
        let exact_point = power.parse::<i64>().unwrap_or(0) + 1;
        let by_point = point.cmp(&exact_point);
        by_point.then_with(|| significant.trim_end_matches('0').cmp(exact_digits.trim_end_matches('0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(dtype: DType, text: &str) -> Result<u64, LiteralError> {
        Literal::from_text(dtype, text).map(Literal::bits)
    }

    #[test]
    fn integers_are_by_value_and_in_range() {
        assert_eq!(bits(DType::I8, "-128"), Ok(0x80));
        assert_eq!(bits(DType::I8, "128"), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::I8, "0xff"), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::U64, "18446744073709551615"), Ok(u64::MAX));
        assert_eq!(bits(DType::U64, "0xffffffffffffffff"), Ok(u64::MAX));
        assert_eq!(bits(DType::I64, "-9223372036854775808"), Ok(1 << 63));
        assert_eq!(bits(DType::I64, &"9".repeat(50)), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::I32, "2.5"), Err(LiteralError::WrongKind));
        assert_eq!(bits(DType::I32, "nan"), Err(LiteralError::WrongKind));
        assert_eq!(bits(DType::Bool, "1"), Err(LiteralError::WrongKind));
        for text in ["", "-", "0x", "1_0", "1.", ".5", "1e", "+1", "--1", "1e+", "0xg", "1.2.3", "infinity"] {
            assert_eq!(bits(DType::I32, text), Err(LiteralError::Malformed), "{text}");
            assert_eq!(bits(DType::F32, text), Err(LiteralError::Malformed), "{text}");
        }
    }

    #[test]
    fn f32_is_rounded_from_the_decimal_itself() {
        // 1 + 2^-24 is the tie between 1 and its successor. As f64, the second decimal is the tie too.
        assert_eq!(bits(DType::F32, "1.000000059604644775390625"), Ok(0x3f80_0000));
        assert_eq!(bits(DType::F32, "1.0000000596046447753906250000001"), Ok(0x3f80_0001));
        assert_eq!(bits(DType::F32, "-0.0"), Ok(0x8000_0000));
        assert_eq!(bits(DType::F32, "1e-45"), Ok(1));
        assert_eq!(bits(DType::F32, "1e39"), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::F32, "1e99999999999999999999"), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::F32, "1e-99999999999999999999"), Ok(0));
        assert_eq!(bits(DType::F32, "0xffc00001"), Ok(0xffc0_0001));
        assert_eq!(bits(DType::F32, "0x1ffc00001"), Err(LiteralError::OutOfRange));
    }

    #[test]
    fn sixteen_bit_floats_are_rounded_once() {
        // 1 + 2^-8 is the tie between bf16 1 and 1 + 2^-7; 40 digits on, an f64 cannot tell the three apart.
        assert_eq!(bits(DType::Bf16, "1.00390625"), Ok(0x3f80));
        assert_eq!(bits(DType::Bf16, "1.0039062500000000000000000000000000000001"), Ok(0x3f81));
        assert_eq!(bits(DType::Bf16, "1.01171875"), Ok(0x3f82));
        assert_eq!(bits(DType::Bf16, "1.0117187499999999999999999999999999999999"), Ok(0x3f81));
        assert_eq!(bits(DType::Bf16, "-1.0039062500000000000000000000000000000001"), Ok(0xbf81));
        // The same for f16, with the tie at 1 + 2^-11, in other notations.
        assert_eq!(bits(DType::F16, "1.00048828125"), Ok(0x3c00));
        assert_eq!(bits(DType::F16, "0.00100048828125000000000000000000000000000001e3"), Ok(0x3c01));
        assert_eq!(bits(DType::F16, "100048828125e-11"), Ok(0x3c00));
        // Above the tie by less than half an f32 ulp: rounding through f32 would fall back onto the tie.
        assert_eq!(bits(DType::F16, "1.0004882812500002"), Ok(0x3c01));
        // The smallest subnormal, half of it, and a little more than half.
        assert_eq!(bits(DType::F16, "5.960464477539063e-8"), Ok(1));
        assert_eq!(bits(DType::F16, "2.98023223876953125e-8"), Ok(0));
        assert_eq!(bits(DType::F16, "2.980232238769531250000000000000000000001e-8"), Ok(1));
        assert_eq!(bits(DType::F16, "65519.99"), Ok(0x7bff));
        assert_eq!(bits(DType::F16, "65520"), Err(LiteralError::OutOfRange));
        assert_eq!(bits(DType::F16, "0x7e01"), Ok(0x7e01));
        assert_eq!(bits(DType::F16, "0x17e01"), Err(LiteralError::OutOfRange));
    }

    #[test]
    fn every_16_bit_float_reads_back() {
        for dtype in [DType::F16, DType::Bf16] {
            for b in 0..=u64::from(u16::MAX) {
                let literal = Literal::from_bits(dtype, b);
                assert_eq!(Literal::from_text(dtype, &literal.to_string()), Ok(literal), "{dtype} {literal}");
            }
        }
    }
}
