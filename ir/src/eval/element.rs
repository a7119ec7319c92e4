//! One element type of Rust for each dtype.

use crate::math::{F32_NAN, native};

/// An element that can be read from bits, written to bits, and cast.
pub(super) trait Element: Copy {
    /// A float of any width.
    const FLOAT: bool;

    /// From the low bits.
    fn of(bits: u64) -> Self;

    /// The bits, zero-extended.
    fn bits(self) -> u64;

    /// The low 64 bits of the value, extended by its own sign; floats are never asked.
    fn extended(self) -> u64;

    /// The element whose value has these low bits, or their truth for `bool`; floats are never asked.
    fn from_extended(bits: u64) -> Self;

    /// The nearest `f32`; exact for the 16-bit floats. A NaN is canonical.
    fn to_f32(self) -> f32;

    /// The nearest element; integers truncate and saturate, NaN gives 0, and `bool` asks for `x != 0`.
    fn from_f32(x: f32) -> Self;
}

/// What integers and `bool` need beside [`Element`].
pub(super) trait Integer: Element + Ord {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn rem(self, other: Self) -> Self;
    fn div_floor(self, other: Self) -> Self;
    fn rem_floor(self, other: Self) -> Self;
    /// Whether a division that rounds down gives another quotient than one that truncates.
    fn floor_differs(self, other: Self) -> bool;
    fn shl(self, amount: Self) -> Self;
    fn shr(self, amount: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
}

macro_rules! integers {
    ($($int:ident of $unsigned:ident: |$x:ident| $abs:expr;)+) => {$(
        impl Element for $int {
            const FLOAT: bool = false;

            fn of(bits: u64) -> $int {
                bits as $int
            }

            fn bits(self) -> u64 {
                u64::from(self as $unsigned)
            }

            fn extended(self) -> u64 {
                self as u64
            }

            fn from_extended(bits: u64) -> $int {
                bits as $int
            }

            fn to_f32(self) -> f32 {
                self as f32
            }

            fn from_f32(x: f32) -> $int {
                x as $int
            }
        }

        impl Integer for $int {
            fn add(self, other: $int) -> $int {
                self.wrapping_add(other)
            }

            fn sub(self, other: $int) -> $int {
                self.wrapping_sub(other)
            }

            fn mul(self, other: $int) -> $int {
                self.wrapping_mul(other)
            }

            // By 0: all ones, the rule of RISC-V's M extension.
            fn div(self, other: $int) -> $int {
                if other == 0 { !0 } else { self.wrapping_div(other) }
            }

            fn rem(self, other: $int) -> $int {
                if other == 0 { self } else { self.wrapping_rem(other) }
            }

            // Where the truncated quotient is above the exact one: nothing divides evenly, and the signs differ.
            fn div_floor(self, other: $int) -> $int {
                let truncated = self.div(other);
                if self.floor_differs(other) { truncated - 1 } else { truncated }
            }

            fn rem_floor(self, other: $int) -> $int {
                let truncated = self.rem(other);
                if self.floor_differs(other) { truncated + other } else { truncated }
            }

            fn floor_differs(self, other: $int) -> bool {
                let signed = $int::MIN != 0;
                let signs_differ = (self ^ other).leading_zeros() == 0;
                signed && signs_differ && other != 0 && self.rem(other) != 0
            }

            fn shl(self, amount: $int) -> $int {
                let amount = amount as $unsigned;
                if amount >= $unsigned::BITS as $unsigned { 0 } else { self << amount }
            }

            // Shifting by the width less one leaves what every larger amount leaves: the sign of signed integers.
            fn shr(self, amount: $int) -> $int {
                let amount = amount as $unsigned;
                if amount < $unsigned::BITS as $unsigned {
                    self >> amount
                } else if $int::MIN == 0 {
                    0
                } else {
                    self >> ($unsigned::BITS - 1)
                }
            }

            fn neg(self) -> $int {
                self.wrapping_neg()
            }

            fn abs(self) -> $int {
                let $x = self;
                $abs
            }
        }
    )+};
}

integers! {
    i8 of u8: |x| x.wrapping_abs();
    i16 of u16: |x| x.wrapping_abs();
    i32 of u32: |x| x.wrapping_abs();
    i64 of u64: |x| x.wrapping_abs();
    u8 of u8: |x| x;
    u16 of u16: |x| x;
    u32 of u32: |x| x;
    u64 of u64: |x| x;
}

impl Element for bool {
    const FLOAT: bool = false;

    fn of(bits: u64) -> bool {
        bits != 0
    }

    fn bits(self) -> u64 {
        u64::from(self)
    }

    fn extended(self) -> u64 {
        u64::from(self)
    }

    fn from_extended(bits: u64) -> bool {
        bits != 0
    }

    fn to_f32(self) -> f32 {
        f32::from(u8::from(self))
    }

    // NaN is unequal to 0, so it is true.
    fn from_f32(x: f32) -> bool {
        x != 0.0
    }
}

/// The bits of `x`, or of the canonical NaN.
///
/// It selects integers: LLVM 22 takes `select (x < 0 or x unordered), NaN, sqrt(x)` on floats for `sqrt(x)`, as if one NaN
/// were as good as another.
pub(super) fn canonical(x: f32) -> u64 {
    u64::from(if x.is_nan() { F32_NAN.to_bits() } else { x.to_bits() })
}

impl Element for f32 {
    const FLOAT: bool = true;

    fn of(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }

    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }

    fn extended(self) -> u64 {
        self.bits()
    }

    fn from_extended(bits: u64) -> f32 {
        f32::of(bits)
    }

    fn to_f32(self) -> f32 {
        f32::of(canonical(self))
    }

    fn from_f32(x: f32) -> f32 {
        x
    }
}

/// The bits of an `f16`.
#[derive(Clone, Copy)]
pub(super) struct F16(u16);

/// The bits of a `bf16`.
#[derive(Clone, Copy)]
pub(super) struct Bf16(u16);

macro_rules! half_floats {
    ($($float:ident: $widen:path, $narrow:path;)+) => {$(
        impl Element for $float {
            const FLOAT: bool = true;

            fn of(bits: u64) -> $float {
                $float(bits as u16)
            }

            fn bits(self) -> u64 {
                u64::from(self.0)
            }

            fn extended(self) -> u64 {
                self.bits()
            }

            fn from_extended(bits: u64) -> $float {
                $float::of(bits)
            }

            fn to_f32(self) -> f32 {
                $widen(self.0)
            }

            fn from_f32(x: f32) -> $float {
                $float($narrow(x))
            }
        }
    )+};
}

half_floats! {
    F16: native::f16_to_f32, native::f32_to_f16;
    Bf16: native::bf16_to_f32, native::f32_to_bf16;
}
