//! What happens to one element.

use crate::dtype::DType;

/// One operand, one result of the same dtype (`is_nan`: bool).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// `-x`: integers (wraps) and `f32`.
    Neg,
    /// `|x|`: signed integers (wraps) and `f32`.
    Abs,
    /// Bitwise, or logical on bool.
    Not,
    /// IEEE square root, `f32`.
    Sqrt,
    /// eˣ, `f32`: [`crate::math::exp`].
    Exp,
    /// Natural logarithm, `f32`: [`crate::math::log`].
    Log,
    /// 1 / (1 + e⁻ˣ), `f32`: [`crate::math::sigmoid`].
    Sigmoid,
    /// log(1 + eˣ), `f32`: [`crate::math::softplus`].
    Softplus,
    /// Hyperbolic tangent, `f32`: [`crate::math::tanh`].
    Tanh,
    /// Any float dtype to bool.
    IsNan,
}

/// Two operands of one dtype, one result of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
    /// Integers (wraps) and `f32`.
    Add,
    /// Integers (wraps) and `f32`.
    Sub,
    /// Integers (wraps) and `f32`.
    Mul,
    /// Integers (truncates; by 0 all ones) and `f32`.
    Div,
    /// Integers: the remainder of the truncated division; by 0 the dividend.
    Rem,
    /// Integers, bool and `f32`: a number before a NaN, −0 before +0.
    Min,
    /// Integers, bool and `f32`: a number before a NaN, −0 before +0.
    Max,
    /// Integers and bool.
    And,
    /// Integers and bool.
    Or,
    /// Integers and bool.
    Xor,
    /// Integers; the amount is unsigned, the width or more gives 0.
    Shl,
    /// Integers; logical for unsigned, arithmetic for signed; the width or more gives 0 or the sign.
    Shr,
}

/// What the smaller or larger of two floats is where one of them is a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NanRule {
    /// The other one: a number comes before a NaN (IEEE 754-2019 `minimumNumber`, C's `fmin`).
    Number,
    /// The canonical NaN (IEEE 754-2019 `minimum`, torch's `minimum`).
    Propagate,
}

/// Two operands of one dtype to bool; ordered, so false with a NaN, but for `Ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the field's own
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
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

    /// True if the result is a float made by arithmetic, whose NaN is canonical by definition; false if it moves bits.
    pub fn canonicalises_nan(self) -> bool {
        match self {
            ScalarOp::Unary(UnaryOp::IsNan | UnaryOp::Not) => false,
            ScalarOp::Unary(_) | ScalarOp::Binary(_) | ScalarOp::Fma | ScalarOp::Cast(_) => true,
            ScalarOp::Compare(_) | ScalarOp::Select | ScalarOp::Bitcast(_) | ScalarOp::Philox => false,
        }
    }
}
