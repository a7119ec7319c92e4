//! An id that is a bin of some, and then one of more bins, side by side with others.

use super::super::{Kernel, ValueId, ValueKind};
use crate::literal::Literal;
use crate::op::{BinaryOp, CompareOp, ScalarOp};

/// What such an id is: when it is a bin, and then which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedBin {
    /// Whether it is a bin: a `bool`.
    pub is_one: ValueId,
    /// Then this is less than the bins; else it may be anything.
    pub bin: ValueId,
}

/// Whether an index is `0 ≤ i < n ? i + first : −1`, of which no bin is behind `bins`.
pub fn moved_bin(kernel: &Kernel, id: ValueId, bins: u64) -> Option<MovedBin> {
    let scalar = |id: ValueId| match &kernel.value(id).kind {
        ValueKind::Scalar(op, operands) => Some((*op, &operands[..])),
        _ => None,
    };
    let constant = |id: ValueId| match &kernel.value(id).kind {
        ValueKind::Const(literal) => Some(*literal),
        _ => None,
    };
    let (ScalarOp::Select, [is_one, bin, none]) = scalar(id)? else { return None };
    let (ScalarOp::Binary(BinaryOp::And), [not_less, not_more]) = scalar(*is_one)? else { return None };
    let (ScalarOp::Compare(CompareOp::Ge), [low, zero]) = scalar(*not_less)? else { return None };
    let (ScalarOp::Compare(CompareOp::Lt), [high, end]) = scalar(*not_more)? else { return None };
    let (ScalarOp::Binary(BinaryOp::Add), [index, first]) = scalar(*bin)? else { return None };
    let (zero, end, first, none) = (constant(*zero)?, constant(*end)?, constant(*first)?, constant(*none)?);
    let bits = kernel.value(id).dtype.bits();
    let is_none = none.bits() == Literal::from_bits(kernel.value(id).dtype, u64::MAX >> (64 - bits)).bits();
    let fits = end.bits().checked_add(first.bits()).is_some_and(|end| end <= bins);
    let same = low == high && low == index && kernel.value(*index).dtype.is_signed();
    (zero.bits() == 0 && is_none && fits && same).then_some(MovedBin { is_one: *is_one, bin: *bin })
}
