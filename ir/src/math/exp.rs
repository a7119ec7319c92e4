//! The exponential function, to base e and to base 2.

use super::machine::{ScalarMachine, canonical_nan_of, horner};

/// log₂ e.
pub(super) const LOG2_E: f32 = f32::from_bits(0x3FB8_AA3B);
/// ln 2, rounded to nearest; 0.046 ulp off.
pub(super) const LN_2: f32 = f32::from_bits(0x3F31_7218);
/// The upper 15 bits of ln 2, so that its product with an integer of 9 bits is exact.
const LN_2_HIGH: f32 = f32::from_bits(0x3F31_7200);
/// ln 2 − `LN_2_HIGH`.
const LN_2_LOW: f32 = f32::from_bits(0x35BF_BE8E);
/// 1.5 · 2²³: adding it to a small float rounds that to an integer, which then sits in the low bits.
pub(super) const ROUND_TO_INTEGER: f32 = 12_582_912.0;

/// e^r ≈ 1 + r + r²·(c₀ + c₁ r + … + c₄ r⁴) for |r| ≤ ln 2 / 2; relative error of the unrounded fit 3.1·10⁻⁹.
const COEFFICIENTS: [u32; 7] =
    [0x3F80_0000, 0x3F80_0000, 0x3EFF_FFFE, 0x3E2A_AA47, 0x3D2A_AC56, 0x3C09_1CEF, 0x3AB5_17E5];

/// Above this e^x rounds to +∞ (the last finite one is at 88.7228…).
const OVERFLOW: f32 = 89.0;
/// Below this e^x rounds to 0 (2⁻¹⁵⁰ is at −103.972…).
pub(super) const UNDERFLOW: f32 = -104.0;

/// e^x; at most 0.9036 ulp off ([`MAX_ULP`](super::MAX_ULP)), denormal results included.
///
/// x = n·ln 2 + r with n integer and |r| ≤ ln 2 / 2 (Cody and Waite, two constants); e^r by a polynomial of degree 6;
/// 2ⁿ in two factors, as n reaches from −150 to 128.
pub fn exp<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    // NaN fails the first comparison and becomes a number until the end.
    let overflow = m.f32(OVERFLOW);
    let below = m.flt(x, overflow);
    let clamped = m.select_f32(below, x, overflow);
    let underflow = m.f32(UNDERFLOW);
    let above = m.flt(underflow, clamped);
    let clamped = m.select_f32(above, clamped, underflow);
    let result = exp_in_range(m, clamped);
    canonical_nan_of(m, x, result)
}

/// At and above this 2^x is +∞, and below it finite.
const OVERFLOW_2: f32 = 128.0;
/// Below −150, 2^x rounds to 0.
const UNDERFLOW_2: f32 = -151.0;

/// 2^x; at most 0.9114 ulp off ([`MAX_ULP`](super::MAX_ULP)), denormal results included; exact where x is an integer.
///
/// x = n + r with n integer and |r| ≤ 1/2, both exact; 2^r = e^(r·ln 2) as [`exp`] has it; 2ⁿ in two factors.
pub fn exp2<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    // NaN fails the first comparison and becomes a number until the end.
    let overflow = m.f32(OVERFLOW_2);
    let below = m.flt(x, overflow);
    let clamped = m.select_f32(below, x, overflow);
    let underflow = m.f32(UNDERFLOW_2);
    let above = m.flt(underflow, clamped);
    let clamped = m.select_f32(above, clamped, underflow);

    // The low 9 bits of `shifted` become n + 254, as those of the exponential do.
    let magic = m.f32(ROUND_TO_INTEGER + 254.0);
    let shifted = m.fadd(clamped, magic);
    let n = m.fsub(shifted, magic);
    let r = m.fsub(clamped, n);
    let ln_2 = m.f32(LN_2);
    let scaled = m.fmul(r, ln_2);
    let power = exp_reduced(m, scaled);
    let result = times_two_to(m, power, shifted);
    canonical_nan_of(m, x, result)
}

/// e^x for an x that is not above 0: the same bits as [`exp`], in fewer steps; of a NaN any where the machine lets it flow.
pub fn exp_not_above_0<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let result = exp_of_number_not_above_0(m, x);
    if m.nan_flows() { result } else { canonical_nan_of(m, x, result) }
}

/// e^x for an x that is a number and not above 0, or −∞: the same bits as [`exp`].
///
/// [`exp`] multiplies a polynomial, between 1/√2 and √2, by two powers of two whose product is 2ⁿ, and the first product is exact. So
/// both round once, and only a result below the normal floats.
pub fn exp_of_number_not_above_0<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (power, scale) = exp_of_minus_abs(m, x);
    m.fmul(power, scale)
}

/// e^−|x| as two factors, each a normal float, the second a power of two: the half of the exponential that cannot overflow. Both are
/// of a number where `x` is NaN; the first is a NaN where the machine lets it flow.
pub(super) fn exp_of_minus_abs<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let argument = minus_abs(m, x);

    // The low 9 bits of `shifted` become n + 192, the biased exponent of 2ⁿ⁺⁶⁵; n is −150 to 0. The polynomial is made 2⁻⁶⁵ of itself:
    // a power of two in all its coefficients is one in each of its steps, none of which leaves the normal floats.
    let (r, shifted) = reduced(m, argument, 192.0);
    let power = horner(m, r, &COEFFICIENTS.map(|c| c - (65 << 23)));
    let bits = m.bitcast_to_i32(shifted);
    let exponent = m.ishl(bits, 23);
    (power, m.bitcast_to_f32(exponent))
}

/// −|x|, but no less than where e^x is 0.
fn minus_abs<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let magnitude = m.fabs(x);
    let limit = m.f32(-UNDERFLOW);
    let clamped = m.fbelow(magnitude, limit);
    m.fneg(clamped)
}

/// x − n·ln 2 and n + `offset` + 1.5 · 2²³, with n the integer next to x / ln 2; `offset` is a small even integer.
fn reduced<M: ScalarMachine>(m: &mut M, x: M::F32, offset: f32) -> (M::F32, M::F32) {
    let magic = m.f32(ROUND_TO_INTEGER + offset);
    let log2_e = m.f32(LOG2_E);
    let shifted = m.ffma(x, log2_e, magic);
    let n = m.fsub(shifted, magic);
    let high = m.f32(-LN_2_HIGH);
    let r = m.ffma(n, high, x);
    let low = m.f32(-LN_2_LOW);
    (m.ffma(n, low, r), shifted)
}

/// e^x for x in [`UNDERFLOW`, `OVERFLOW`].
fn exp_in_range<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    // The low 9 bits of `shifted` become n + 254: twice the exponent bias, one for each factor of 2ⁿ.
    let (r, shifted) = reduced(m, x, 254.0);
    let power = exp_reduced(m, r);
    times_two_to(m, power, shifted)
}

/// `power` · 2ⁿ for n from −151 to 129, where the low 9 bits of `shifted` are n + 254.
fn times_two_to<M: ScalarMachine>(m: &mut M, power: M::F32, shifted: M::F32) -> M::F32 {
    // n = ⌊n/2⌋ + ⌈n/2⌉. Both factors are normal and the first product is exact, so a denormal result is rounded once.
    let twice_biased = m.bitcast_to_i32(shifted);
    let floor_half = m.isar(twice_biased, 1);
    let ceil_half = m.isub(twice_biased, floor_half);
    let first = m.ishl(floor_half, 23);
    let first = m.bitcast_to_f32(first);
    let second = m.ishl(ceil_half, 23);
    let second = m.bitcast_to_f32(second);
    let scaled = m.fmul(power, first);
    m.fmul(scaled, second)
}

/// e^x in two factors, the second a power of two, for x from −18 to 20: a single constant for ln 2 and a single factor are enough.
pub(super) fn exp_in_factors<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let magic = m.f32(ROUND_TO_INTEGER + 127.0);
    let log2_e = m.f32(LOG2_E);
    let shifted = m.ffma(x, log2_e, magic);
    let n = m.fsub(shifted, magic);
    let minus_ln_2 = m.f32(-LN_2);
    let r = m.ffma(n, minus_ln_2, x);
    let power = exp_reduced(m, r);
    let scale = m.bitcast_to_i32(shifted);
    let scale = m.ishl(scale, 23);
    (power, m.bitcast_to_f32(scale))
}

/// e^r for |r| ≤ ln 2 / 2 (and a rounding error more).
pub(super) fn exp_reduced<M: ScalarMachine>(m: &mut M, r: M::F32) -> M::F32 {
    horner(m, r, &COEFFICIENTS)
}

#[cfg(test)]
mod tests {
    use super::{exp, exp_not_above_0, exp_of_number_not_above_0};
    use crate::math::native::Native;

    #[test]
    fn the_exponential_of_what_is_not_above_0_has_the_same_bits() {
        // All of them with ROUTEFUSE_EXHAUSTIVE; 257 has no factor in common with the steps of floats.
        let step = if std::env::var_os("ROUTEFUSE_EXHAUSTIVE").is_some() { 1 } else { 257 };
        for bits in (0x8000_0000..=0xff80_0000u32).step_by(step).chain([0, 0xff80_0000, 0x7fc0_0000]) {
            let x = f32::from_bits(bits);
            let (short, long) = (exp_not_above_0(&mut Native, x), exp(&mut Native, x));
            assert_eq!(short.to_bits(), long.to_bits(), "{x} ({bits:#010x})");
            if !x.is_nan() {
                let of_number = exp_of_number_not_above_0(&mut Native, x);
                assert_eq!(of_number.to_bits(), long.to_bits(), "{x} ({bits:#010x})");
            }
        }
    }
}
