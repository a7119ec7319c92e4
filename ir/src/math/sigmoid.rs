//! The logistic function.

use super::exp::exp_of_minus_abs;
use super::machine::{ScalarMachine, canonical_nan_of};

/// 1 / (1 + e^−x); at most 2.4019 ulp off ([`MAX_ULP`](super::MAX_ULP)), so σ(x) ≈ e^x down to the last denormal.
///
/// With e = e^−|x|: 1 / (1 + e) for x ≥ 0 and e / (1 + e) for x < 0. Nothing overflows, and there is one division.
pub fn sigmoid<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let e = exp_of_minus_abs(m, x);
    let one = m.f32(1.0);
    let zero = m.f32(0.0);
    let negative = m.flt(x, zero);
    let numerator = m.select_f32(negative, e, one);
    let denominator = m.fadd(one, e);
    let result = m.fdiv_logistic(numerator, denominator);
    if m.nan_flows() { result } else { canonical_nan_of(m, x, result) }
}
