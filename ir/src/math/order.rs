//! The order of floats, and the rank keys by which a top-k compares elements.
//!
//! # Places and words
//! IEEE floats of one sign are in the order of their bits. [`place`] makes of a float's bits a signed integer in the order
//! of all floats, −0.0 before 0.0; [`word`] makes an unsigned one. A NaN has a place too, beyond the infinity of its sign,
//! so whoever compares says beforehand what becomes of it.
//!
//! # Rank keys
//! A top-k compares unsigned 32-bit keys; the larger is the better, and ties go to the lower column. −0.0 and 0.0 have one
//! key, and every NaN has [`NAN_KEY`], below all numbers; 0 is no candidate. To leave it free, integers are one higher than
//! their order, and of 32 bits the two largest share a key.

use super::F32_NAN;
use super::machine::ScalarMachine;
use crate::op::{Candidates, NanRule};

/// The rank key of a NaN.
pub const NAN_KEY: u32 = 1;

/// The rank key of −∞, on a machine without [`ScalarMachine::key_offset`].
pub const NEG_INF_KEY: u32 = !f32::NEG_INFINITY.to_bits();

/// The place of a float with these bits among all floats, as a signed integer. It is its own inverse: of a place it makes
/// the bits.
pub fn place<M: ScalarMachine>(m: &mut M, bits: M::I32) -> M::I32 {
    // Negative floats are ordered against their bits.
    let sign = m.isar(bits, 31);
    let magnitude = m.i32(i32::MAX);
    let flips = m.iand(sign, magnitude);
    m.ixor(bits, flips)
}

/// The smaller of two floats, −0.0 before 0.0. Of a NaN the rule says what it gives; the result's NaN is one of the
/// operands', not made canonical here.
pub fn min<M: ScalarMachine>(m: &mut M, x: M::F32, y: M::F32, nan: NanRule) -> M::F32 {
    extreme(m, x, y, nan, M::isle)
}

/// The larger of two floats, 0.0 before −0.0; NaNs as in [`min`].
pub fn max<M: ScalarMachine>(m: &mut M, x: M::F32, y: M::F32, nan: NanRule) -> M::F32 {
    extreme(m, x, y, nan, M::isge)
}

/// The operand whose place is `before` the other's.
fn extreme<M: ScalarMachine>(
    m: &mut M,
    x: M::F32,
    y: M::F32,
    nan: NanRule,
    before: fn(&mut M, M::I32, M::I32) -> M::Bool,
) -> M::F32 {
    let bits = m.bitcast_to_i32(x);
    let place_x = place(m, bits);
    let bits = m.bitcast_to_i32(y);
    let place_y = place(m, bits);
    let first = before(m, place_x, place_y);
    let chosen = m.select_f32(first, x, y);
    // What is chosen where one operand is a NaN: the other one, or the NaN.
    let (without_y, without_x) = match nan {
        NanRule::Number => (x, y),
        NanRule::Propagate => (y, x),
    };
    let unordered = m.is_nan(y);
    let chosen = m.select_f32(unordered, without_y, chosen);
    let unordered = m.is_nan(x);
    m.select_f32(unordered, without_x, chosen)
}

/// What [`word`] flips in the bits of a float: the sign bit of a positive one, every bit of a negative one.
pub fn flips<M: ScalarMachine>(m: &mut M, bits: M::I32) -> M::I32 {
    let sign = m.isar(bits, 31);
    let sign_bit = m.i32(i32::MIN);
    m.ior(sign, sign_bit)
}

/// A float as an unsigned word in the order of all floats.
pub fn word<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::I32 {
    let bits = m.bitcast_to_i32(x);
    let flips = flips(m, bits);
    m.ixor(bits, flips)
}

/// The float that [`word`] made this word of.
pub fn float_of_word<M: ScalarMachine>(m: &mut M, word: M::I32) -> M::F32 {
    // A word with the sign bit is a positive float's.
    let negative = m.isar_not(word, 31);
    let sign_bit = m.i32(i32::MIN);
    let flips = m.ior(negative, sign_bit);
    let bits = m.ixor(word, flips);
    m.bitcast_to_f32(bits)
}

/// What is known of floats whose rank keys are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// None of them is −0.0.
    pub no_negative_zero: bool,
    /// Their NaNs are those that the machine's arithmetic gives, whose keys [`ScalarMachine::key_offset`] makes
    /// [`NAN_KEY`].
    pub made_by_arithmetic: bool,
}

/// The rank key of a float; 0 if it is no candidate. Keys of numbers are larger by [`ScalarMachine::key_offset`].
pub fn float_key<M: ScalarMachine>(m: &mut M, x: M::F32, known: Known, candidates: Candidates) -> M::I32 {
    let offset = m.key_offset();
    // Whether its NaNs are the machine's own.
    let (sum, wraps) = match known {
        Known { no_negative_zero: true, made_by_arithmetic } => (x, made_by_arithmetic),
        _ => match m.own_positive_zero(x) {
            Some(sum) => (sum, true),
            None => (positive_zero(m, x), false),
        },
    };
    let mut key = word(m, sum);
    if offset > 0 {
        let offset = m.i32(offset.cast_signed());
        key = m.iadd(key, offset);
    }
    // What the machine's arithmetic gave wraps by itself, unless an addition that a compiler could leave out came between.
    if offset == 0 || !wraps {
        key = or_nan_key(m, x, |_| key);
    }
    only(m, key, candidates)
}

/// `x`, but 0.0 in place of −0.0.
pub fn positive_zero<M: ScalarMachine>(m: &mut M, x: M::F32) -> M::F32 {
    let zero = m.f32(0.0);
    m.fadd(x, zero)
}

/// `key`, but [`NAN_KEY`] where `x` is NaN. The key is asked for when the comparison has been made.
pub fn or_nan_key<M: ScalarMachine>(m: &mut M, x: M::F32, key: impl FnOnce(&mut M) -> M::I32) -> M::I32 {
    let unordered = m.is_nan(x);
    let nan = m.i32(NAN_KEY.cast_signed());
    let key = key(m);
    m.select_i32(unordered, nan, key)
}

/// Keys of all floats, with 0 for those that are no candidates.
pub fn only<M: ScalarMachine>(m: &mut M, key: M::I32, candidates: Candidates) -> M::I32 {
    match candidates {
        Candidates::All => key,
        Candidates::AboveNegInf => {
            let least = NEG_INF_KEY + m.key_offset();
            let least = m.i32(least.cast_signed());
            let none = m.ieq(key, least);
            let zero = m.i32(0);
            m.select_i32(none, zero, key)
        }
    }
}

/// The float that a rank key stands for; the canonical NaN for [`NAN_KEY`] and 0.
pub fn float_of_key<M: ScalarMachine>(m: &mut M, key: M::I32) -> M::F32 {
    let nan_key = m.i32(NAN_KEY.cast_signed());
    let is_nan = m.iule(key, nan_key);
    let nan = m.f32(F32_NAN);
    let offset = m.key_offset();
    let offset = m.i32(offset.cast_signed());
    let word = m.isub(key, offset);
    let float = float_of_word(m, word);
    m.select_f32(is_nan, nan, float)
}

/// The rank key of an integer that was widened to 32 bits.
pub fn integer_key<M: ScalarMachine>(m: &mut M, x: M::I32, signed: bool) -> M::I32 {
    let ordered = if signed {
        let sign_bit = m.i32(i32::MIN);
        m.ixor(x, sign_bit)
    } else {
        x
    };
    let largest = m.i32((u32::MAX - 1).cast_signed());
    let below = m.iumin(ordered, largest);
    let one = m.i32(1);
    m.iadd(below, one)
}
