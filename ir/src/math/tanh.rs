//! The hyperbolic tangent.

use super::exp::exp_in_factors;
use super::machine::{ScalarMachine, canonical_nan_of, horner};
use super::rounding::with_sign_of;

/// tanh x ≈ x + x³·(c₀ + c₁ x² + … + c₄ x⁸) for |x| ≤ 0.55; relative error of the unrounded fit 1.0·10⁻⁹.
const COEFFICIENTS: [u32; 5] = [0xBEAA_AA89, 0x3E08_85EF, 0xBD5C_966A, 0x3CAC_9CFE, 0xBBCD_941D];

/// Where the polynomial gives way to the exponential.
const SMALL: f32 = 0.55;
/// At and above this tanh x rounds to 1 (so it does from 9.0109… on).
const SATURATED: f32 = 10.0;

/// tanh x; at most 1.5614 ulp off ([`MAX_ULP`](super::MAX_ULP)), exactly odd, ±0 and denormals to themselves.
///
/// An odd polynomial for |x| < 0.55, 1 − 2 / (e^2|x| + 1) above; both are computed, one is chosen.
pub fn tanh<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let magnitude = m.fabs(x);
    let saturated = m.f32(SATURATED);
    let inside = m.flt(magnitude, saturated);
    let y = m.select_f32(inside, magnitude, saturated);

    // e^2y, 2y in [0, 20].
    let two_y = m.fadd(y, y);
    let (power, scale) = exp_in_factors(m, two_y);
    let e = m.fmul(power, scale);

    let one = m.f32(1.0);
    let two = m.f32(2.0);
    let denominator = m.fadd(e, one);
    let gap = m.fdiv(two, denominator);
    let large = m.fsub(one, gap);

    let square = m.fmul(y, y);
    let tail = horner(m, square, &COEFFICIENTS);
    let tail = m.fmul(tail, square);
    let small = m.ffma(tail, y, y);

    let limit = m.f32(SMALL);
    let is_small = m.flt(y, limit);
    let result = m.select_f32(is_small, small, large);

    let result = with_sign_of(m, x, result);
    canonical_nan_of(m, x, result)
}
