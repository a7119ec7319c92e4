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

/// What is added to n to have the biased exponent of 2ⁿ⁺⁶⁵.
const BIASED: f32 = 192.0;

/// 2⁻⁶⁵ as what is taken from the bits of a float.
const SMALL: u32 = 65 << 23;

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

/// What a difference is counted in where it is clamped: a clamp to 1 is one to 128, and e^−128 is 0.
const UNIT: f32 = 1.0 / 128.0;

/// The largest of what powers are made of, as [`exp_of_difference`] takes it.
pub fn in_units<M: ScalarMachine>(m: &mut M, largest: M::F32) -> M::F32 {
    let unit = m.f32(UNIT);
    m.fmul(largest, unit)
}

/// e^(x − largest) for an x that is a number and not above `largest`, or −∞: the same bits as [`exp`] of the difference. `largest` is
/// finite, and given [in units](in_units).
///
/// The difference and its clamp are one step: (largest − x) / 128, but at most 1. It is rounded as the difference is, unless that is so
/// small that bits fall below the least float, and e to it is 1 in any way. The steps behind it make −r / 128 of that, and the
/// coefficient of the polynomial's i-th power has the i-th power of −128, which is in each of its steps exactly.
pub fn exp_of_difference<M: ScalarMachine>(m: &mut M, x: M::F32, largest: M::F32) -> M::F32 {
    let minus_unit = m.f32(-UNIT);
    let argument = m.ffma_in_unit(x, minus_unit, largest);

    // n is −185 to 0.
    let magic = m.f32(ROUND_TO_INTEGER + BIASED);
    let log2_e = m.f32(-LOG2_E / UNIT);
    let shifted = m.ffma(argument, log2_e, magic);
    let n = m.fsub(shifted, magic);
    let high = m.f32(LN_2_HIGH * UNIT);
    let r = m.ffma(n, high, argument);
    let low = m.f32(LN_2_LOW * UNIT);
    let r = m.ffma(n, low, r);
    let power = horner(m, r, &in_units_of_r());
    let scale = power_of_two(m, shifted);
    m.fmul(power, scale)
}

/// The coefficients for −r / 128, and 2⁻⁶⁵ in each.
fn in_units_of_r() -> [u32; COEFFICIENTS.len()] {
    let steps = UNIT.to_bits().abs_diff(1f32.to_bits());
    std::array::from_fn(|i| {
        let sign = (i as u32 % 2) << 31;
        sign | (COEFFICIENTS[i] - SMALL + i as u32 * steps)
    })
}

/// e^−|x| as two factors, each a normal float, the second a power of two: the half of the exponential that cannot overflow. Both are
/// of a number where `x` is NaN; the first is a NaN where the machine lets it flow.
pub(super) fn exp_of_minus_abs<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let argument = minus_abs(m, x);

    // The low 9 bits of `shifted` become n + 192, the biased exponent of 2ⁿ⁺⁶⁵; n is −150 to 0. The polynomial is made 2⁻⁶⁵ of itself:
    // a power of two in all its coefficients is one in each of its steps, none of which leaves the normal floats.
    let (r, shifted) = reduced(m, argument, BIASED);
    let power = horner(m, r, &COEFFICIENTS.map(|c| c - SMALL));
    (power, power_of_two(m, shifted))
}

/// The power of two whose biased exponent is in the low bits of `shifted`.
fn power_of_two<M: ScalarMachine>(m: &mut M, shifted: M::F32) -> M::F32 {
    let bits = m.bitcast_to_i32(shifted);
    let exponent = m.ishl(bits, 23);
    m.bitcast_to_f32(exponent)
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
    use super::{exp, exp_not_above_0, exp_of_difference, exp_of_number_not_above_0, in_units};
    use crate::math::native::Native;

    #[test]
    fn the_exponential_of_a_difference_has_the_same_bits() {
        // All floats with ROUTEFUSE_EXHAUSTIVE; 2,999 has no factor in common with the steps of floats.
        let step = if std::env::var_os("ROUTEFUSE_EXHAUSTIVE").is_some() { 1 } else { 2999 };
        let small = [0.0, -0.0, f32::from_bits(1), -f32::from_bits(0x0000_7fff), f32::MIN_POSITIVE, -3e-37, 1e-30];
        let others = [1.0 / 1024.0, -1.0 / 1024.0, 1.0, -43.25, 87.0, 1e9, f32::MAX, f32::MIN];
        for largest in small.into_iter().chain(others) {
            let in_units = in_units(&mut Native, largest);
            let beside = (0..1000u32).map(|n| largest.to_bits() ^ n);
            let all = (0..=u32::MAX).step_by(step).chain(beside).chain([0, 0x8000_0000, 0xff80_0000, 1, 0x8000_0001]);
            for x in all.map(f32::from_bits).filter(|x| *x <= largest) {
                let (short, long) = (exp_of_difference(&mut Native, x, in_units), exp(&mut Native, x - largest));
                assert_eq!(short.to_bits(), long.to_bits(), "{x} ({:#010x}) below {largest}", x.to_bits());
            }
        }
    }

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
