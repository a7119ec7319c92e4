//! The hyperbolic tangent.

use super::exp::{LN_2, LOG2_E, ROUND_TO_INTEGER, exp_reduced};
use super::machine::{ScalarMachine, canonical_nan_of, horner};

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

    // e^2y, 2y in [0, 20]: a single constant for ln 2 and a single factor 2ⁿ are enough.
    let two_y = m.fadd(y, y);
    let magic = m.f32(ROUND_TO_INTEGER + 127.0);
    let log2_e = m.f32(LOG2_E);
    let shifted = m.ffma(two_y, log2_e, magic);
    let n = m.fsub(shifted, magic);
    let minus_ln_2 = m.f32(-LN_2);
    let r = m.ffma(n, minus_ln_2, two_y);
    let power = exp_reduced(m, r);
    let scale = m.bitcast_to_i32(shifted);
    let scale = m.ishl(scale, 23);
    let scale = m.bitcast_to_f32(scale);
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

    let sign_mask = m.i32(i32::MIN);
    let sign = m.bitcast_to_i32(x);
    let sign = m.iand(sign, sign_mask);
    let result = m.bitcast_to_i32(result);
    let result = m.ior(result, sign);
    let result = m.bitcast_to_f32(result);
    canonical_nan_of(m, x, result)
}
