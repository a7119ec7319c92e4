//! Casts between `f32` and the 16-bit floats.
//!
//! A 16-bit value travels in an integer lane: its bits in the low half, zeros above. A machine with conversion
//! instructions may use them in place of these sequences wherever the argument is not NaN: the results are the
//! correctly rounded ones.

use super::F32_NAN;
use super::machine::{ScalarMachine, canonical_nan_of};

/// The one bf16 NaN that a cast returns.
pub const BF16_NAN: u16 = 0x7FC0;
/// The one f16 NaN that a cast returns.
pub const F16_NAN: u16 = 0x7E00;

const F32_INFINITY: i32 = 0x7F80_0000;
const F16_INFINITY: i32 = 0x7C00;

/// `f32` → bf16, round to nearest even; beyond the largest bf16 to ±∞, NaN to [`BF16_NAN`].
pub fn f32_to_bf16<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::I32 {
    // Half of the last place, and one more if that place is odd: ties go to even, and a carry runs into the exponent.
    let bits = m.bitcast_to_i32(x);
    let one = m.i32(1);
    let odd = m.ishr(bits, 16);
    let odd = m.iand(odd, one);
    let almost_half = m.i32(0x7FFF);
    let rounded = m.iadd(bits, almost_half);
    let rounded = m.iadd(rounded, odd);
    let rounded = m.ishr(rounded, 16);
    let unordered = m.is_nan(x);
    let nan = m.i32(i32::from(BF16_NAN));
    m.select_i32(unordered, nan, rounded)
}

/// bf16 → `f32`, exact; NaN to [`F32_NAN`].
pub fn bf16_to_f32<M: ScalarMachine>(m: &mut M, x: M::I32) -> M::F32 {
    let wide = m.ishl(x, 16);
    let wide = m.bitcast_to_f32(wide);
    canonical_nan_of(m, wide, wide)
}

/// `f32` → f16, round to nearest even, denormal results included; 65520 and beyond to ±∞, NaN to [`F16_NAN`].
pub fn f32_to_f16<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::I32 {
    let bits = m.bitcast_to_i32(x);
    let magnitude_mask = m.i32(i32::MAX);
    let magnitude = m.iand(bits, magnitude_mask);
    let sign_mask = m.i32(0x8000);
    let sign = m.ishr(bits, 16);
    let sign = m.iand(sign, sign_mask);

    // Normal results: move the exponent bias from 127 to 15 and round off 13 bits. From 2¹⁶ on that gives ∞.
    let two_16 = m.i32(0x4780_0000);
    let in_range = m.iult(magnitude, two_16);
    let clamped = m.select_i32(in_range, magnitude, two_16);
    let one = m.i32(1);
    let odd = m.ishr(clamped, 13);
    let odd = m.iand(odd, one);
    let rebias_and_round = m.i32((15 - 127) * (1 << 23) + 0x0FFF);
    let normal = m.iadd(clamped, rebias_and_round);
    let normal = m.iadd(normal, odd);
    let normal = m.ishr(normal, 13);

    // Denormal results: next to 1/2 the last place of an f32 is 2⁻²⁴, that of a denormal f16, so the addition rounds.
    let half_bits = m.i32(0x3F00_0000);
    let half = m.f32(0.5);
    let denormal = m.fabs(x);
    let denormal = m.fadd(denormal, half);
    let denormal = m.bitcast_to_i32(denormal);
    let denormal = m.isub(denormal, half_bits);

    let least_normal = m.i32(0x3880_0000);
    let is_denormal = m.iult(magnitude, least_normal);
    let result = m.select_i32(is_denormal, denormal, normal);
    let result = m.ior(result, sign);
    let unordered = m.is_nan(x);
    let nan = m.i32(i32::from(F16_NAN));
    m.select_i32(unordered, nan, result)
}

/// f16 → `f32`, exact; NaN to [`F32_NAN`].
pub fn f16_to_f32<M: ScalarMachine>(m: &mut M, x: M::I32) -> M::F32 {
    // With exponent and mantissa in place, only the bias is wrong, by 112; the product is exact for denormals too.
    let magnitude_mask = m.i32(0x7FFF);
    let magnitude = m.iand(x, magnitude_mask);
    let unbiased = m.ishl(magnitude, 13);
    let unbiased = m.bitcast_to_f32(unbiased);
    let two_112 = m.f32(f32::from_bits((127 + 112) << 23));
    let finite = m.fmul(unbiased, two_112);
    let finite = m.bitcast_to_i32(finite);

    let f16_infinity = m.i32(F16_INFINITY);
    let infinity = m.i32(F32_INFINITY);
    let is_finite = m.iult(magnitude, f16_infinity);
    let result = m.select_i32(is_finite, finite, infinity);
    let sign_mask = m.i32(0x8000);
    let sign = m.iand(x, sign_mask);
    let sign = m.ishl(sign, 16);
    let result = m.ior(result, sign);
    let result = m.bitcast_to_f32(result);
    let unordered = m.iult(f16_infinity, magnitude);
    let nan = m.f32(F32_NAN);
    m.select_f32(unordered, nan, result)
}
