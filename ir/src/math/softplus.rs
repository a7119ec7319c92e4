//! The smooth ramp.

use super::exp::{LN_2, exp_of_minus_abs};
use super::log::log_1p_reduced;
use super::machine::{ScalarMachine, canonical_nan_of};

/// ln(1 + e^x); at most 1.6532 ulp off ([`MAX_ULP`](super::MAX_ULP)), so softplus(x) ≈ e^x down to the last denormal.
///
/// max(x, 0) + ln(1 + e) with e = e^−|x|. Where e ≥ 1/2, ln(1 + e) = ln 2 + ln(1 + (e − 1)/2), and (e − 1)/2 is exact.
pub fn softplus<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (power, scale) = exp_of_minus_abs(m, x);
    let e = m.fmul(power, scale);
    let half = m.f32(0.5);
    let minus_half = m.f32(-0.5);
    let zero = m.f32(0.0);
    let ln_2 = m.f32(LN_2);
    let small = m.flt(e, half);
    let halved = m.ffma(e, half, minus_half);
    let f = m.select_f32(small, e, halved);
    let offset = m.select_f32(small, zero, ln_2);
    let log = log_1p_reduced(m, f);
    let log = m.fadd(log, offset);
    let positive = m.flt(zero, x);
    let ramp = m.select_f32(positive, x, zero);
    let result = m.fadd(ramp, log);
    if m.nan_flows() { result } else { canonical_nan_of(m, x, result) }
}
