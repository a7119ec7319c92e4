//! Floats to integers that stay floats, and the reciprocal square root: IEEE operations and bits, without a polynomial.
//!
//! Whether a target has an instruction for one of these, or a library call, depends on its features; additions, comparisons
//! and bitwise operations it has all.

use super::machine::ScalarMachine;

/// 2²³: from here on every float is an integer.
const ALL_INTEGERS: f32 = 8_388_608.0;

/// 1 / √x: a correctly rounded root, then a correctly rounded quotient; at most 1.4904 ulp off
/// ([`MAX_ULP`](super::MAX_ULP)).
///
/// It is what `div(1, sqrt(x))` is, so nothing changes where one is written for the other. One rounding would need a correction
/// with an fma behind it, and would still not be what programs that write the quotient compute. +∞ of 0.0, −∞ of −0.0, 0.0 of
/// +∞, a NaN below.
pub fn rsqrt<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let one = m.f32(1.0);
    let root = m.fsqrt(x);
    m.fdiv(one, root)
}

/// The integer next to x; halfway between two, the even one. The sign of a zero is that of x; infinities and NaNs stay.
pub fn round<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (magnitude, near) = nearest(m, x);
    restored(m, x, magnitude, near)
}

/// x without its fraction. The sign of a zero is that of x; infinities and NaNs stay.
pub fn trunc<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let (magnitude, near) = nearest(m, x);
    let below = not_above(m, magnitude, near);
    restored(m, x, magnitude, below)
}

/// The largest integer that is not above x. The sign of a zero is that of x; infinities and NaNs stay.
pub fn floor<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let near = round(m, x);
    let below = not_above(m, x, near);
    with_sign_of(m, x, below)
}

/// The least integer that is not below x. The sign of a zero is that of x; infinities and NaNs stay.
pub fn ceil<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let near = round(m, x);
    let one = m.f32(1.0);
    let above = m.fadd(near, one);
    let low = m.flt(near, x);
    let above = m.select_f32(low, above, near);
    with_sign_of(m, x, above)
}

/// |x|, and the integer next to it where it is below 2²³: an addition of 2²³ leaves no room for a fraction, so it rounds.
fn nearest<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::F32) {
    let magnitude = m.fabs(x);
    let all_integers = m.f32(ALL_INTEGERS);
    let shifted = m.fadd(magnitude, all_integers);
    (magnitude, m.fsub(shifted, all_integers))
}

/// `near`, an integer next to x, or one less where it is above x.
fn not_above<M: ScalarMachine>(m: &mut M, x: M::F32, near: M::F32) -> M::F32 {
    let one = m.f32(1.0);
    let below = m.fsub(near, one);
    let high = m.flt(x, near);
    m.select_f32(high, below, near)
}

/// `integer` with the sign of x, and x where it is an integer, infinite or a NaN by its `magnitude`.
fn restored<M: ScalarMachine>(m: &mut M, x: M::F32, magnitude: M::F32, integer: M::F32) -> M::F32 {
    let signed = with_sign_of(m, x, integer);
    let all_integers = m.f32(ALL_INTEGERS);
    let has_fraction = m.flt(magnitude, all_integers);
    m.select_f32(has_fraction, signed, x)
}

/// `size`, which is not of the other sign than x unless it is a zero, with the sign of x. Of a NaN, a NaN.
pub(super) fn with_sign_of<M: ScalarMachine>(m: &mut M, x: M::F32, size: M::F32) -> M::F32 {
    let sign_mask = m.i32(i32::MIN);
    let sign = m.bitcast_to_i32(x);
    let sign = m.iand(sign, sign_mask);
    let bits = m.bitcast_to_i32(size);
    let bits = m.ior(bits, sign);
    m.bitcast_to_f32(bits)
}
