//! What a value is on the lanes of one piece.

use crate::mlir::builder::Val;

/// What is known of the NaNs of an `f32` value. Other dtypes are [`Nans::Exact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emit) enum Nans {
    /// Every NaN is the canonical one.
    Canonical,
    /// The bits are what the definition says, whatever they are.
    Exact,
    /// By definition every NaN is the canonical one, but these may be others: made canonical when somebody looks.
    Free,
}

impl Nans {
    /// What holds of a value that is one of two.
    pub fn or(self, other: Nans) -> Nans {
        match (self, other) {
            (Nans::Canonical, nans) | (nans, Nans::Canonical) => nans,
            (Nans::Free, Nans::Free) => Nans::Free,
            // The free one has to be settled.
            _ => Nans::Exact,
        }
    }
}

/// A value on one lane that stands for all, or on each lane of a piece.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Lanes<'m> {
    /// A scalar or a vector. `bool` is `i1`; `f16` and `bf16` are their bits, `i16`.
    pub value: Val<'m>,
    /// 1, or the piece's lanes.
    pub lanes: u32,
    /// What its NaNs are.
    pub nans: Nans,
    /// Whether a gather trapped on the way, `i1` on 1 lane or as many as the piece has.
    pub trap: Option<Val<'m>>,
}

impl<'m> Lanes<'m> {
    /// A value that is no `f32`, or an `f32` whose bits count.
    pub fn exact(value: Val<'m>, lanes: u32) -> Lanes<'m> {
        Lanes { value, lanes, nans: Nans::Exact, trap: None }
    }
}
