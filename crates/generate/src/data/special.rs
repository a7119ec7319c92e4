//! Values by name.

use routefuse_ir::DType;

/// f32 bits: zeros, infinities, NaNs with payloads and signs, denormals, the ends of ranges, ties of the roundings to 16 bits.
pub(super) const F32: [u32; 38] = [
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

/// f32 bits that rewriting rules meet: powers of two, whose reciprocals are exact, and fractions that have none.
pub(super) const F32_OF_RULES: [u32; 9] = [
    0x4000_0000, // 2
    0x3f00_0000, // 1/2
    0x7f00_0000, // 2^127: its reciprocal is a denormal
    0x4780_0000, // 2^16
    0x0040_0000, // 2^-127, a denormal whose reciprocal is a number
    0x0040_0001, // the next one
    0x3eaa_aaab, // 1/3
    0xc2f0_0000, // -120
    0x7fc0_0001, // a NaN with the least payload
];

pub(super) const F16: [u16; 14] =
    [0x0000, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7c01, 0x0001, 0x83ff, 0x0400, 0x7bff, 0x7fff];

pub(super) const BF16: [u16; 14] =
    [0x0000, 0x8000, 0x3f80, 0xbf80, 0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7f81, 0x0001, 0x807f, 0x0080, 0x7f7f, 0x7fff];

/// Integers at which rules and ranges have their edges; a narrow dtype takes their low bits.
pub(super) const INTEGERS: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    15,
    16,
    31,
    32,
    255,
    256,
    0x7f,
    0x80,
    0xffff,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
    u64::MAX - 8,
];

/// Constants that rules ask for: zeros, ones, all ones, a power of two.
pub(super) fn identities(dtype: DType) -> &'static [u64] {
    match dtype {
        DType::F32 => &[0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x4100_0000],
        DType::F16 | DType::Bf16 => &[0, 0x8000],
        _ => &[0, 1, u64::MAX, 8],
    }
}
