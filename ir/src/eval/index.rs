//! What a gather does with an index.

use crate::dtype::DType;
use crate::literal::Literal;
use crate::op::OutOfRange;

/// Where one index of a gather leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// This element of the dim.
    At(u64),
    /// Nowhere: the result is the policy's replacement.
    Fill,
    /// Nowhere: the result is the policy's replacement, and the launch's error word is set.
    Trap,
}

/// Where `index` leads in a dim of this extent. An extent of 0 has nothing to lead to under any policy.
pub fn gather_index(policy: OutOfRange, index: i128, extent: u64) -> Position {
    let extent = i128::from(extent);
    let inside = |i: i128| (0..extent).contains(&i);
    let at = |i: i128| if inside(i) { Position::At(i as u64) } else { Position::Fill };
    match policy {
        OutOfRange::Pass | OutOfRange::Fill(_) => at(index),
        OutOfRange::Clamp => at(index.min(extent - 1).max(0)),
        OutOfRange::Wrap => at(if index < 0 { index + extent } else { index }),
        OutOfRange::Trap if inside(index) => at(index),
        OutOfRange::Trap => Position::Trap,
    }
}

/// Where indices lead in a row-major table of these extents: the flat element, if every index leads somewhere.
pub fn gather_element(policy: OutOfRange, extents: &[u64], indices: impl Iterator<Item = i128>) -> Position {
    let mut element = 0;
    let mut lost = None;
    for (extent, index) in extents.iter().zip(indices) {
        match gather_index(policy, index, *extent) {
            Position::At(i) => element = element * extent + i,
            nowhere => lost = Some(nowhere),
        }
    }
    lost.unwrap_or(Position::At(element))
}

/// The value of an index from its bits.
pub fn as_index(dtype: DType, bits: u64) -> i128 {
    if dtype.is_signed() {
        let unused = 64 - dtype.bits();
        i128::from((bits << unused) as i64 >> unused)
    } else {
        i128::from(bits)
    }
}

/// What passes through where there is no element: −1 in signed integers, all ones in unsigned ones, 0 in floats and
/// `false`.
pub fn pass_value(dtype: DType) -> Literal {
    Literal::from_bits(dtype, if dtype.is_int() { u64::MAX } else { 0 })
}

impl OutOfRange {
    /// What the result is, in a table of this dtype, where no element is.
    pub fn replacement(self, dtype: DType) -> Literal {
        match self {
            OutOfRange::Fill(literal) => literal,
            OutOfRange::Pass | OutOfRange::Clamp | OutOfRange::Wrap | OutOfRange::Trap => pass_value(dtype),
        }
    }
}
