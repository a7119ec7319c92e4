//! Values that tell right from nearly right.

use rand::Rng;
use rand::seq::IndexedRandom;
use routefuse_ir::{DType, Literal};

/// f32 bits: zeros, infinities, NaNs with payloads and signs, denormals, the ends of ranges, ties of the roundings to 16 bits.
const F32: [u32; 38] = [
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x3f80_0000, // 1
    0xbf80_0000, // -1
    0x7f80_0000, // inf
    0xff80_0000, // -inf
    0x7fc0_0000, // the canonical NaN
    0xffc0_0000, // its negative
    0x7f80_0001, // signalling NaNs
    0xffa5_5a5a,
    0x7fff_ffff, // all payload
    0x7fc1_2345,
    0x0000_0001, // the smallest denormal
    0x807f_ffff, // the largest, negative
    0x0080_0000, // the smallest normal
    0x7f7f_ffff, // the largest
    0x3f80_8000, // a tie of bf16: to even, down
    0x3f81_8000, // a tie of bf16: to even, up
    0x3f80_8001, // just above it
    0x3f80_7fff, // just below it
    0x7f7f_8000, // rounds to bf16's infinity
    0x7f7f_7fff, // and this to its largest
    0x3f80_1000, // a tie of f16: down
    0x3f80_3000, // a tie of f16: up
    0x477f_efff, // rounds to f16's largest, 65504
    0x477f_f000, // 65520: rounds to f16's infinity
    0x3300_0000, // 2^-25: a tie of f16 at half its smallest denormal
    0x3300_0001, // just above it
    0x387f_e000, // f16's denormals end here
    0x4f00_0000, // 2^31
    0xcf00_0000, // -2^31
    0x4f7f_ffff, // just below 2^32
    0x5f00_0000, // 2^63
    0xdf00_0001, // below -2^63
    0x42b1_7218, // 88.72284: exp overflows about here
    0xc2cf_f1b5, // -103.97208: exp underflows about here
    0x3eff_ffff, // just below one half
    0x4b80_0001, // 2^24 + 2
];

const F16: [u16; 14] =
    [0x0000, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7c01, 0x0001, 0x83ff, 0x0400, 0x7bff, 0x7fff];

const BF16: [u16; 14] =
    [0x0000, 0x8000, 0x3f80, 0xbf80, 0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7f81, 0x0001, 0x807f, 0x0080, 0x7f7f, 0x7fff];

/// What an input's elements are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Special values, small numbers and any bits at all, mixed.
    Hostile,
    /// Integers mostly in `0..bound`, with −1, `bound` and garbage between; floats of ordinary size.
    Ids {
        /// The number of experts, or of rows of a table.
        bound: u64,
    },
    /// Any bits.
    Random,
    /// One value everywhere: ties, and sums that underflow.
    Equal,
}

/// The bits of one element. `Equal` is for the caller to keep.
pub fn element(dtype: DType, mood: Mood, rng: &mut impl Rng) -> u64 {
    let bits = match (dtype, mood) {
        (DType::Bool, _) => rng.random_range(0..2),
        (_, Mood::Random) => rng.random(),
        (d, Mood::Ids { .. }) if d.is_float() => ordinary(d, rng),
        (_, Mood::Ids { bound }) => id(bound, rng),
        (d, _) if d.is_float() => match rng.random_range(0..10) {
            0..4 => special(d, rng),
            4..8 => ordinary(d, rng),
            _ => rng.random(),
        },
        (d, _) => match rng.random_range(0..10) {
            0 => 1u64 << (d.bits() - 1),
            1 => (1u64 << (d.bits() - 1)) - 1,
            2 => rng.random_range(0..4u64).wrapping_neg(),
            3 => rng.random(),
            4 => u64::from(d.bits()) + rng.random_range(0..2),
            _ => rng.random_range(0..12),
        },
    };
    Literal::from_bits(dtype, bits).bits()
}

fn special(dtype: DType, rng: &mut impl Rng) -> u64 {
    match dtype {
        DType::F32 => u64::from(*F32.choose(rng).unwrap_or(&0)),
        DType::F16 => u64::from(*F16.choose(rng).unwrap_or(&0)),
        _ => u64::from(*BF16.choose(rng).unwrap_or(&0)),
    }
}

fn ordinary(dtype: DType, rng: &mut impl Rng) -> u64 {
    let value = f64::from(rng.random_range(-4096..4096)) / 512.0;
    Literal::from_f64(dtype, value).map_or(0, Literal::bits)
}

fn id(bound: u64, rng: &mut impl Rng) -> u64 {
    match rng.random_range(0..16) {
        0 => u64::MAX,
        1 => bound,
        2 => rng.random(),
        3 => rng.random_range(0..4u64).wrapping_neg(),
        _ => rng.random_range(0..bound.max(1)),
    }
}
