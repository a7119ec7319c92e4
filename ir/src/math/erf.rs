//! The error function.

use super::exp::exp_in_factors;
use super::machine::{ScalarMachine, canonical_nan_of, horner};
use super::rounding::with_sign_of;

/// erf x ≈ x + x·(c₀ + c₁ x² + … + c₆ x¹²) for |x| ≤ 0.92; relative error of the unrounded fit 4·10⁻¹⁰.
const SMALL_COEFFICIENTS: [u32; 7] =
    [0x3E03_75D4, 0xBEC0_93A2, 0x3DE7_1712, 0xBCDC_0874, 0x3BAA_6F8D, 0xBA55_882F, 0x38AF_CAA2];

/// erf x ≈ 1 − e^−(x + x·(c₀ + c₁ x + … + c₆ x⁶)) for 0.915 ≤ x ≤ 4; error of the unrounded fit 8·10⁻¹⁰ of erf x.
const LARGE_COEFFICIENTS: [u32; 7] =
    [0x3E03_BBAE, 0x3F22_9A0A, 0x3DD9_889B, 0xBCC2_85BB, 0x3B6E_31ED, 0xB9A8_38FA, 0x3739_2A08];

/// Where the polynomial gives way to the exponential.
const SMALL: f32 = 0.92;
/// At and above this erf x rounds to 1 (so it does from 3.9192… on).
const SATURATED: f32 = 4.0;

/// erf x = 2/√π ∫₀ˣ e^−t² dt; at most 1.0142 ulp off ([`MAX_ULP`](super::MAX_ULP)), exactly odd, −0 to itself.
///
/// An odd polynomial for |x| < 0.92, 1 − e^−p(|x|) above; both are computed, one is chosen.
pub fn erf<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let magnitude = m.fabs(x);
    let saturated = m.f32(SATURATED);
    let inside = m.flt(magnitude, saturated);
    let y = m.select_f32(inside, magnitude, saturated);

    let square = m.fmul(y, y);
    let tail = horner(m, square, &SMALL_COEFFICIENTS);
    let small = m.ffma(tail, y, y);

    // e^−p, p in [1.6, 18).
    let tail = horner(m, y, &LARGE_COEFFICIENTS);
    let power = m.ffma(tail, y, y);
    let power = m.fneg(power);
    let (e, scale) = exp_in_factors(m, power);
    let e = m.fneg(e);
    let one = m.f32(1.0);
    let large = m.ffma(e, scale, one);

    let limit = m.f32(SMALL);
    let is_small = m.flt(y, limit);
    let result = m.select_f32(is_small, small, large);

    let result = with_sign_of(m, x, result);
    canonical_nan_of(m, x, result)
}
