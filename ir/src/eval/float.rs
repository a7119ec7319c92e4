//! `f32` arithmetic, and what 16-bit floats have without a cast.

use super::ScalarFn;
use super::element::{Element, canonical};
use crate::dtype::DType;
use crate::math::native::{self, Native};
use crate::math::order;
use crate::op::{BinaryOp, CompareOp, NanRule, UnaryOp};

/// `x` and `y` as bits, in and out; the result's NaN made canonical.
macro_rules! arithmetic {
    (|$x:ident| $e:expr) => {
        Some(|x, _, _| {
            let $x = f32::of(x);
            canonical($e)
        })
    };
    (|$x:ident, $y:ident| $e:expr) => {
        Some(|x, y, _| {
            let ($x, $y) = (f32::of(x), f32::of(y));
            canonical($e)
        })
    };
}

/// `None` where inference refuses `f32`.
pub(super) fn unary(op: UnaryOp) -> Option<ScalarFn> {
    match op {
        UnaryOp::Neg => arithmetic!(|x| -x),
        UnaryOp::Abs => arithmetic!(|x| x.abs()),
        UnaryOp::Sqrt => arithmetic!(|x| x.sqrt()),
        UnaryOp::Exp => arithmetic!(|x| native::exp(x)),
        UnaryOp::Exp2 => arithmetic!(|x| native::exp2(x)),
        UnaryOp::Log => arithmetic!(|x| native::log(x)),
        UnaryOp::Log2 => arithmetic!(|x| native::log2(x)),
        UnaryOp::Rsqrt => arithmetic!(|x| native::rsqrt(x)),
        UnaryOp::Sigmoid => arithmetic!(|x| native::sigmoid(x)),
        UnaryOp::Softplus => arithmetic!(|x| native::softplus(x)),
        UnaryOp::Tanh => arithmetic!(|x| native::tanh(x)),
        UnaryOp::Erf => arithmetic!(|x| native::erf(x)),
        UnaryOp::Floor => arithmetic!(|x| native::floor(x)),
        UnaryOp::Ceil => arithmetic!(|x| native::ceil(x)),
        UnaryOp::Round => arithmetic!(|x| native::round(x)),
        UnaryOp::Trunc => arithmetic!(|x| native::trunc(x)),
        UnaryOp::IsNan => Some(|x, _, _| u64::from(f32::of(x).is_nan())),
        UnaryOp::Not => None,
    }
}

/// `None` where inference refuses `f16` and `bf16`.
pub(super) fn unary_16(op: UnaryOp, dtype: DType) -> Option<ScalarFn> {
    match (op, dtype) {
        // Above infinity once the sign is gone.
        (UnaryOp::IsNan, DType::F16) => Some(|x, _, _| u64::from(x & 0x7fff > 0x7c00)),
        (UnaryOp::IsNan, DType::Bf16) => Some(|x, _, _| u64::from(x & 0x7fff > 0x7f80)),
        _ => None,
    }
}

/// `None` where inference refuses `f32`.
pub(super) fn binary(op: BinaryOp) -> Option<ScalarFn> {
    match op {
        BinaryOp::Add => arithmetic!(|a, b| a + b),
        BinaryOp::Sub => arithmetic!(|a, b| a - b),
        BinaryOp::Mul => arithmetic!(|a, b| a * b),
        BinaryOp::Div => arithmetic!(|a, b| a / b),
        BinaryOp::Min(NanRule::Number) => arithmetic!(|a, b| order::min(&mut Native, a, b, NanRule::Number)),
        BinaryOp::Min(NanRule::Propagate) => arithmetic!(|a, b| order::min(&mut Native, a, b, NanRule::Propagate)),
        BinaryOp::Max(NanRule::Number) => arithmetic!(|a, b| order::max(&mut Native, a, b, NanRule::Number)),
        BinaryOp::Max(NanRule::Propagate) => arithmetic!(|a, b| order::max(&mut Native, a, b, NanRule::Propagate)),
        BinaryOp::Rem => arithmetic!(|a, b| native::fmod(a, b)),
        BinaryOp::DivFloor => arithmetic!(|a, b| native::div_floor(a, b)),
        BinaryOp::RemFloor => arithmetic!(|a, b| native::rem_floor(a, b)),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Shl | BinaryOp::Shr => None,
    }
}

/// Ordered comparisons, false with a NaN; `ne` is not `eq`.
pub(super) fn compare(op: CompareOp) -> ScalarFn {
    match op {
        CompareOp::Eq => |a, b, _| u64::from(f32::of(a) == f32::of(b)),
        CompareOp::Ne => |a, b, _| u64::from(f32::of(a) != f32::of(b)),
        CompareOp::Lt => |a, b, _| u64::from(f32::of(a) < f32::of(b)),
        CompareOp::Le => |a, b, _| u64::from(f32::of(a) <= f32::of(b)),
        CompareOp::Gt => |a, b, _| u64::from(f32::of(a) > f32::of(b)),
        CompareOp::Ge => |a, b, _| u64::from(f32::of(a) >= f32::of(b)),
    }
}

/// a × b + c with one rounding.
pub(super) fn fma(a: u64, b: u64, c: u64) -> u64 {
    canonical(f32::of(a).mul_add(f32::of(b), f32::of(c)))
}
