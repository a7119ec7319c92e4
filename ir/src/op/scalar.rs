//! What happens to one element.

use super::{BinaryOp, CompareOp, UnaryOp};
use crate::dtype::DType;

/// What the smaller or larger of two floats is where one of them is a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NanRule {
    /// The other one: a number comes before a NaN (IEEE 754-2019 `minimumNumber`, C's `fmin`).
    Number,
    /// The canonical NaN (IEEE 754-2019 `minimum`, torch's `minimum`).
    Propagate,
}

/// What happens to one element; the same at the graph and the kernel level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScalarOp {
    /// One operand.
    Unary(UnaryOp),
    /// Two operands.
    Binary(BinaryOp),
    /// Two operands to bool.
    Compare(CompareOp),
    /// `a × b + c` with one rounding, `f32`.
    Fma,
    /// bool, a, b: `a` where true, else `b`; any dtype, bits kept.
    Select,
    /// A change of value representation; see the crate's front page.
    Cast(DType),
    /// The same bits as another dtype of the same width (`bool` is none).
    Bitcast(DType),
    /// Philox4x32-10 (Salmon et al., SC 2011): operands seed, offset, position, all `u64`; key = seed, counter = (position,
    /// offset), low words first; the result is the first output word, `u32`.
    Philox,
}

impl ScalarOp {
    /// The number of operands.
    pub fn arity(self) -> usize {
        match self {
            ScalarOp::Unary(_) | ScalarOp::Cast(_) | ScalarOp::Bitcast(_) => 1,
            ScalarOp::Binary(_) | ScalarOp::Compare(_) => 2,
            ScalarOp::Fma | ScalarOp::Select | ScalarOp::Philox => 3,
        }
    }
}
