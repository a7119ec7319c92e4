//! The logistic function.

use super::exp::exp_of_minus_abs;
use super::machine::{ScalarMachine, canonical_nan_of};

/// 1 / (1 + e^−x); at most 2.4019 ulp off ([`MAX_ULP`](super::MAX_ULP)), so σ(x) ≈ e^x down to the last denormal.
///
/// With e = e^−|x|: 1 / (1 + e) for x ≥ 0 and e / (1 + e) for x < 0. Nothing overflows, and there is one division.
pub fn sigmoid<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (numerator, denominator) = sigmoid_fraction(m, x);
    let result = m.fdiv_logistic(numerator, denominator);
    flowing(m, x, result)
}

/// [`sigmoid`] of an x that is a `bf16` or an `f16`, with the same bits.
pub fn sigmoid_of_16_bits<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (numerator, denominator) = sigmoid_fraction(m, x);
    let result = m.fdiv_logistic_of_16_bits(numerator, denominator);
    flowing(m, x, result)
}

/// The sigmoid of a number, or of a NaN what it is.
fn flowing<M: ScalarMachine>(m: &mut M, x: M::F32, result: M::F32) -> M::F32 {
    if m.nan_flows() { result } else { canonical_nan_of(m, x, result) }
}

/// What is divided by what in a sigmoid, by the shorter way that the machine knows.
pub fn sigmoid_fraction<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    if m.clamps_to_unit() { fraction_by_clamps(m, x) } else { fraction(m, x) }
}

/// What is divided by what.
fn fraction<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let (power, scale) = exp_of_minus_abs(m, x);
    let e = m.fmul(power, scale);
    let one = m.f32(1.0);
    let zero = m.f32(0.0);
    let negative = m.flt(x, zero);
    (m.select_f32(negative, e, one), m.fadd(one, e))
}

/// The same without a comparison, and without e where it is only added to.
///
/// Where e is normal the product is exact, and 1 hides a lesser one: so 1 + e is rounded once in any way. The numerator is e plus 1 or 0,
/// but at most 1. Which of the two is 1 + 2³⁰·x between 0 and 1: it is something between for x from −2⁻³⁰ to 0 alone, and e is 1 there.
fn fraction_by_clamps<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let (power, scale) = exp_of_minus_abs(m, x);
    let one = m.f32(1.0);
    let steep = m.f32(f32::from_bits((127 + 30) << 23));
    let not_negative = m.ffma_in_unit(x, steep, one);
    (m.ffma_in_unit(power, scale, not_negative), m.ffma(power, scale, one))
}

#[cfg(test)]
mod tests {
    use super::{fraction, fraction_by_clamps};
    use crate::math::native::Native;

    #[test]
    fn clamps_give_the_bits_of_the_fraction() {
        // All floats with ROUTEFUSE_EXHAUSTIVE; 257 has no factor in common with the steps of floats.
        let step = if std::env::var_os("ROUTEFUSE_EXHAUSTIVE").is_some() { 1 } else { 257 };
        let ends = [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x0000_0001, 0x8000_0001];
        for x in (0..=u32::MAX).step_by(step).chain(ends).map(f32::from_bits).filter(|x| !x.is_nan()) {
            let bits = |(numerator, denominator): (f32, f32)| (numerator.to_bits(), denominator.to_bits());
            let by_clamps = bits(fraction_by_clamps(&mut Native, x));
            assert_eq!(by_clamps, bits(fraction(&mut Native, x)), "{x} ({:#010x})", x.to_bits());
        }
    }
}
