//! What words are compared as where columns are sorted: keys, or [floats](super::sorted_floats) as they are.

use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};

/// What words are compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeyOrder {
    /// Unsigned integers. 0 is no candidate.
    Words,
    /// Floats, of which a NaN spoils all that it is sorted with. −∞ may be no candidate.
    Floats,
}

impl KeyOrder {
    /// The larger of two.
    pub fn larger<'m>(self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        match self {
            KeyOrder::Words => b.maxui(x, y),
            KeyOrder::Floats => b.bitcast(b.greater_or_nan(float(b, x), float(b, y)), b.int(32)),
        }
    }

    /// The lesser of two.
    pub fn lesser<'m>(self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        match self {
            KeyOrder::Words => b.minui(x, y),
            KeyOrder::Floats => b.bitcast(b.lesser_or_nan(float(b, x), float(b, y)), b.int(32)),
        }
    }

    /// Whether two are equal.
    pub fn is_equal<'m>(self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        match self {
            KeyOrder::Words => b.cmpi(IntPredicate::Eq, x, y),
            KeyOrder::Floats => b.cmpf(FloatPredicate::Oeq, float(b, x), float(b, y)),
        }
    }

    /// The bits of what is not chosen while there are candidates.
    pub fn none(self) -> u32 {
        match self {
            KeyOrder::Words => 0,
            KeyOrder::Floats => f32::NEG_INFINITY.to_bits(),
        }
    }
}

/// The float of these bits.
pub(super) fn float<'m>(b: &Builder<'m>, word: Val<'m>) -> Val<'m> {
    b.bitcast(word, b.f32())
}
