//! The remainder of a division of floats, and the division that rounds down.
//!
//! The remainder is exact, however large the quotient: a digit of it, of [`DIGIT`] bits, is taken at a time, of as many digits as a
//! quotient of two floats can have. What a quotient rounded down is where a float cannot hold it, and what an infinity does, is as
//! PyTorch has it.

use super::machine::ScalarMachine;
use super::rounding::{floor, with_sign_of};

/// Bits of the quotient that one step finds: with them the product of a remainder and a power of two is below 2⁴⁷, and the digit below
/// 2²², where adding [`ROUND_TO_INTEGER`](super::exp::ROUND_TO_INTEGER) rounds to an integer.
const DIGIT: u32 = 22;
/// Steps for the largest difference of two exponents, that of 2¹²⁷ and 2⁻¹⁴⁹.
const STEPS: u32 = 276u32.div_ceil(DIGIT);

/// The remainder of the division of a by b that rounds towards zero, exact, with the sign of a (C's `fmod`): NaN where a is infinite or
/// b is 0, and a where b is infinite. Its NaN is not made canonical here.
///
/// With a = ma·2ⁱ and b = mb·2ʲ, both m of 24 bits, it is (ma·2ⁱ⁻ʲ mod mb)·2ʲ. Each step multiplies what is left by a power of two and
/// takes away the multiple of mb that is nearest; both are exact.
pub fn fmod<M: ScalarMachine>(m: &mut M, a: M::F32, b: M::F32) -> M::F32 {
    let (size_a, size_b) = (m.fabs(a), m.fabs(b));
    let (ma, exponent_a) = significand(m, size_a);
    let (mb, exponent_b) = significand(m, size_b);
    let one = m.f32(1.0);
    let inverse = m.fdiv(one, mb);
    let zero_int = m.i32(0);
    let difference = m.isub(exponent_a, exponent_b);
    let is_smaller = {
        let minus_one = m.i32(-1);
        m.isle(difference, minus_one)
    };
    let mut left = m.select_i32(is_smaller, zero_int, difference);

    let less = m.flt(ma, mb);
    let reduced = m.fsub(ma, mb);
    let mut rest = m.select_f32(less, ma, reduced);
    let (zero, digit) = (m.f32(0.0), m.i32(DIGIT.cast_signed()));
    let magic = m.f32(super::exp::ROUND_TO_INTEGER);
    for _ in 0..STEPS {
        let bits = m.iumin(left, digit);
        left = m.isub(left, bits);
        let scale = power_of_two(m, bits);
        let scaled = m.fmul(rest, scale);
        // At most one beside the quotient, and what is left at most the divisor, of either sign.
        let quotient = m.fmul(scaled, inverse);
        let quotient = m.fadd(quotient, magic);
        let quotient = m.fsub(quotient, magic);
        let quotient = m.fneg(quotient);
        let nearest = m.ffma(quotient, mb, scaled);
        let negative = m.flt(nearest, zero);
        let above = m.fadd(nearest, mb);
        rest = m.select_f32(negative, above, nearest);
    }

    // Times 2ʲ in two factors, both normal: a remainder is a multiple of the least float, so the product is exact.
    let bias = m.i32(SIGNIFICAND_EXPONENT);
    let exponent = m.isub(exponent_b, bias);
    let half = m.isar(exponent, 1);
    let other = m.isub(exponent, half);
    let (half, other) = (power_of_two(m, half), power_of_two(m, other));
    let size = m.fmul(rest, half);
    let size = m.fmul(size, other);
    let size = m.select_f32(is_smaller, size_a, size);

    let infinity = m.f32(f32::INFINITY);
    let nan = m.f32(super::F32_NAN);
    let finite = m.flt(size_a, infinity);
    let size = m.select_f32(finite, size, nan);
    let divides = m.flt(zero, size_b);
    let size = m.select_f32(divides, size, nan);
    with_sign_of(m, a, size)
}

/// The remainder of [`div_floor`]: that of [`fmod`], and where it is not 0 and of the other sign than b, b added to it, rounded (torch's
/// `remainder`). A remainder of 0 has the sign of a. Its NaN is not made canonical here.
pub fn rem_floor<M: ScalarMachine>(m: &mut M, a: M::F32, b: M::F32) -> M::F32 {
    let remainder = fmod(m, a, b);
    let moved = m.fadd(remainder, b);
    let moves = is_of_the_other_side(m, remainder, b);
    chosen(m, moves, moved, remainder)
}

/// The quotient rounded down, of the exact remainder (torch's `floor_divide`): a less [`rem_floor`], over b, and the
/// integer next to that. Where b is 0 it is the IEEE quotient, and where a is infinite a NaN, which is not made canonical here.
pub fn div_floor<M: ScalarMachine>(m: &mut M, a: M::F32, b: M::F32) -> M::F32 {
    let remainder = fmod(m, a, b);
    let moves = is_of_the_other_side(m, remainder, b);
    let multiple = m.fsub(a, remainder);
    let divided = m.fdiv(multiple, b);
    let one = m.f32(1.0);
    let less = m.fsub(divided, one);
    let divided = chosen(m, moves, less, divided);
    let below = floor(m, divided);
    let fraction = m.fsub(divided, below);
    let half = m.f32(0.5);
    let up = m.flt(half, fraction);
    let above = m.fadd(below, one);
    let whole = m.select_f32(up, above, below);

    // A quotient of 0 has the sign of the IEEE one.
    let ieee = m.fdiv(a, b);
    let zero = m.f32(0.0);
    let size = m.fabs(divided);
    let sign_mask = m.i32(i32::MIN);
    let sign = m.bitcast_to_i32(ieee);
    let sign = m.iand(sign, sign_mask);
    let signed_zero = m.bitcast_to_f32(sign);
    let is_zero = m.fle(size, zero);
    let whole = m.select_f32(is_zero, signed_zero, whole);
    let size_b = m.fabs(b);
    let by_zero = m.fle(size_b, zero);
    m.select_f32(by_zero, ieee, whole)
}

/// The biased exponent of a [`significand`].
const SIGNIFICAND_EXPONENT: i32 = 127 + 23;

/// The 24 bits of a positive number's significand, as a float from 2²³ up to 2²⁴, and its biased exponent, which is negative for some
/// denormals. Of 0 the exponent is below all others, and of infinity above.
fn significand<M: ScalarMachine>(m: &mut M, x: M::F32) -> (M::F32, M::I32) {
    let least_normal = m.f32(f32::MIN_POSITIVE);
    let denormal = m.flt(x, least_normal);
    let two_to_24 = m.f32(16_777_216.0);
    let larger = m.fmul(x, two_to_24);
    let normal = m.select_f32(denormal, larger, x);
    let bits = m.bitcast_to_i32(normal);
    let exponent = m.ishr(bits, 23);
    let twenty_four = m.i32(24);
    let lower = m.isub(exponent, twenty_four);
    let exponent = m.select_i32(denormal, lower, exponent);
    let fraction = m.i32(0x007F_FFFF);
    let fraction = m.iand(bits, fraction);
    let of_significand = m.i32(SIGNIFICAND_EXPONENT << 23);
    let bits = m.ior(fraction, of_significand);
    (m.bitcast_to_f32(bits), exponent)
}

/// 2ⁿ, of an n from −126 to 127.
fn power_of_two<M: ScalarMachine>(m: &mut M, n: M::I32) -> M::F32 {
    let bias = m.i32(127);
    let biased = m.iadd(n, bias);
    let bits = m.ishl(biased, 23);
    m.bitcast_to_f32(bits)
}

/// Where a remainder is not 0 and of the other sign than b: both as conditions, which [`chosen`] takes.
fn is_of_the_other_side<M: ScalarMachine>(m: &mut M, remainder: M::F32, b: M::F32) -> (M::Bool, M::Bool) {
    let zero = m.f32(0.0);
    let size = m.fabs(remainder);
    let is_some = m.flt(zero, size);
    let (bits, bits_b) = (m.bitcast_to_i32(remainder), m.bitcast_to_i32(b));
    let signs = m.ixor(bits, bits_b);
    let minus_one = m.i32(-1);
    (is_some, m.isle(signs, minus_one))
}

/// `a` where both hold, else `b`.
fn chosen<M: ScalarMachine>(m: &mut M, (first, second): (M::Bool, M::Bool), a: M::F32, b: M::F32) -> M::F32 {
    let a = m.select_f32(second, a, b);
    m.select_f32(first, a, b)
}
