//! The logarithm, natural and to base 2.

use super::exp::{LN_2, LOG2_E};
use super::machine::{ScalarMachine, horner};

/// ln(1 + f) ≈ f + f²·(c₀ + c₁ f + … + c₈ f⁸) for −1/4 ≤ f ≤ 1/2; relative error of the unrounded fit 4.8·10⁻⁹.
const COEFFICIENTS: [u32; 9] = [
    0xBF00_0000,
    0x3EAA_AAD1,
    0xBE80_001A,
    0x3E4C_B4B9,
    0xBE2A_7993,
    0x3E14_4BDB,
    0xBE06_C7E7,
    0x3DD5_F3D9,
    0xBD37_EBC3,
];

/// log₂ e − [`LOG2_E`].
const LOG2_E_LOW: f32 = f32::from_bits(0x32A5_7060);

/// The bits of 0.75, where the mantissa interval [0.75, 1.5) begins.
const MANTISSA_START: i32 = 0x3F40_0000;

/// ln x; at most 0.9568 ulp off ([`MAX_ULP`](super::MAX_ULP)). −∞ at ±0, NaN below.
///
/// x = 2ᵉ·(1 + f) with 1 + f in [0.75, 1.5), so that no digit cancels for e = −1; ln(1 + f) by a polynomial of degree
/// 10; ln x = e·ln 2 + ln(1 + f).
pub fn log<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (exponent, f) = split(m, x);
    let log_mantissa = log_1p_reduced(m, f);
    let ln_2 = m.f32(LN_2);
    let result = m.ffma(exponent, ln_2, log_mantissa);
    at_edges(m, x, result)
}

/// log₂ x; at most 1.3522 ulp off ([`MAX_ULP`](super::MAX_ULP)), exact where x is a power of two. −∞ at ±0, NaN below.
///
/// x = 2ᵉ·(1 + f) as [`log`] has it; log₂(1 + f) = f·log₂ e + (ln(1 + f) − f)·log₂ e. Where e is −1 the sum is smaller than its
/// parts, so what the product f·log₂ e and its sum with e lose to rounding is kept (Dekker's Fast2Sum) and added last.
pub fn log2<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (exponent, f) = split(m, x);
    let tail = horner(m, f, &COEFFICIENTS);
    let square = m.fmul(f, f);
    let beyond_f = m.fmul(square, tail);

    let log2_e = m.f32(LOG2_E);
    let product = m.fmul(f, log2_e);
    let negated = m.fneg(product);
    let lost_by_product = m.ffma(f, log2_e, negated);
    let sum = m.fadd(exponent, product);
    let added = m.fsub(sum, exponent);
    let lost_by_sum = m.fsub(product, added);

    let low = m.f32(LOG2_E_LOW);
    let rest = m.ffma(f, low, lost_by_product);
    let rest = m.ffma(beyond_f, log2_e, rest);
    let rest = m.fadd(lost_by_sum, rest);
    let result = m.fadd(sum, rest);
    at_edges(m, x, result)
}

/// The exponent e and f of x = 2ᵉ·(1 + f), 1 + f in [0.75, 1.5), for positive finite x.
fn split<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    // A denormal is scaled by 2²³ first; its exponent is 23 less.
    let least_normal = m.f32(f32::MIN_POSITIVE);
    let denormal = m.flt(x, least_normal);
    let two_23 = m.f32(8_388_608.0);
    let scaled = m.fmul(x, two_23);
    let normal = m.select_f32(denormal, scaled, x);
    let start = m.i32(MANTISSA_START);
    let start_scaled = m.i32(MANTISSA_START + (23 << 23));
    let start_here = m.select_i32(denormal, start_scaled, start);

    // The exponent and mantissa of x relative to 0.75: one subtraction carries between them.
    let bits = m.bitcast_to_i32(normal);
    let relative = m.isub(bits, start_here);
    let exponent = m.isar(relative, 23);
    let exponent = m.int_to_f32(exponent);
    let mantissa_mask = m.i32(0x007F_FFFF);
    let mantissa = m.iand(relative, mantissa_mask);
    let mantissa = m.iadd(mantissa, start);
    let mantissa = m.bitcast_to_f32(mantissa);
    let one = m.f32(1.0);
    (exponent, m.fsub(mantissa, one))
}

/// `result`, but what a logarithm is where x is not a positive finite number.
fn at_edges<M: ScalarMachine>(m: &mut M, x: M::F32, result: M::F32) -> M::F32 {
    // +∞ → +∞ and NaN → NaN; then ±0 and all that is not above → −∞; then all that is not ±0 or above → NaN.
    let infinity = m.f32(f32::INFINITY);
    let finite = m.flt(x, infinity);
    let result = m.select_f32(finite, result, x);
    let zero = m.f32(0.0);
    let positive = m.flt(zero, x);
    let minus_infinity = m.f32(f32::NEG_INFINITY);
    let result = m.select_f32(positive, result, minus_infinity);
    let not_negative = m.fle(zero, x);
    let nan = m.f32(super::F32_NAN);
    m.select_f32(not_negative, result, nan)
}

/// ln(1 + f) for −1/4 ≤ f ≤ 1/2, exact for denormal f.
pub(super) fn log_1p_reduced<M: ScalarMachine>(m: &mut M, f: M::F32) -> M::F32 {
    let tail = horner(m, f, &COEFFICIENTS);
    let square = m.fmul(f, f);
    m.ffma(square, tail, f)
}
