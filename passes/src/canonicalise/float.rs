//! Rules for `f32` arithmetic. IEEE 754 leaves few: no reassociation, no x + 0 = x, no x × 0 = 0, no −(a − b) = b − a.

use super::rewrite::{Expr, Rule};
use super::view::View;
use routefuse_ir::op::{BinaryOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Literal, NodeId, Op};

pub(super) const RULES: &[Rule] =
    &[identity, times_minus_one, minus_zero_minus, negation, absolute, divide_by_power, same_operand, fma, rounded];

fn binary(v: View, id: NodeId) -> Option<(BinaryOp, NodeId, NodeId)> {
    v.binary(id).filter(|_| v.dtype(id) == DType::F32)
}

fn unary(v: View, id: NodeId) -> Option<(UnaryOp, NodeId)> {
    v.unary(id).filter(|_| v.dtype(id) == DType::F32)
}

fn negated(v: View, x: NodeId) -> Option<NodeId> {
    unary(v, x).and_then(|(op, y)| (op == UnaryOp::Neg).then_some(y))
}

fn is(v: View, id: NodeId, value: f32) -> bool {
    v.f32(id).is_some_and(|c| c.to_bits() == value.to_bits())
}

/// x × 1 = x / 1 = x,  x + (−0) = x,  x − (+0) = x: every number, both zeros too, comes back as it was (x + (+0) would turn
/// −0 into +0). A NaN comes back canonical, so x must bring no other, or nobody may see it.
fn identity(v: View, id: NodeId) -> Option<Expr> {
    let (op, x, c) = binary(v, id)?;
    let holds = match op {
        BinaryOp::Mul | BinaryOp::Div => is(v, c, 1.0),
        BinaryOp::Add => is(v, c, -0.0),
        BinaryOp::Sub => is(v, c, 0.0),
        _ => false,
    };
    (holds && v.replaces_arithmetic(id, x)).then_some(Expr::Value(x))
}

/// x × −1 = x / −1 = −x
fn times_minus_one(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Mul | BinaryOp::Div, x, c) = binary(v, id)? else { return None };
    is(v, c, -1.0).then(|| Expr::unary(UnaryOp::Neg, x))
}

/// (−0) − x = −x: (−0) − (+0) = −0 and (−0) − (−0) = +0. With +0 on the left, +0 − (+0) would be +0.
fn minus_zero_minus(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Sub, c, x) = binary(v, id)? else { return None };
    is(v, c, -0.0).then(|| Expr::unary(UnaryOp::Neg, x))
}

/// −(−x) = x, where x has no other NaN than the canonical one;  x + (−y) = x − y,  x − (−y) = x + y, as IEEE 754 defines them
fn negation(v: View, id: NodeId) -> Option<Expr> {
    if let Some(x) = negated(v, id).and_then(|y| negated(v, y)) {
        return v.replaces_arithmetic(id, x).then_some(Expr::Value(x));
    }
    let (op, a, b) = binary(v, id)?;
    match (op, negated(v, a), negated(v, b)) {
        (BinaryOp::Add, _, Some(y)) => Some(Expr::binary(BinaryOp::Sub, a, y)),
        (BinaryOp::Add, Some(x), None) => Some(Expr::binary(BinaryOp::Sub, b, x)),
        (BinaryOp::Sub, _, Some(y)) => Some(Expr::binary(BinaryOp::Add, a, y)),
        _ => None,
    }
}

/// |−x| = |x|,  ||x|| = |x|
fn absolute(v: View, id: NodeId) -> Option<Expr> {
    let (UnaryOp::Abs, x) = unary(v, id)? else { return None };
    match unary(v, x)? {
        (UnaryOp::Abs, _) => Some(Expr::Value(x)),
        (UnaryOp::Neg, y) => Some(Expr::unary(UnaryOp::Abs, y)),
        _ => None,
    }
}

/// x / c = x × (1 / c), if c and 1 / c are normal powers of two: both sides are the one real number x / c, rounded once
fn divide_by_power(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Div, x, c) = binary(v, id)? else { return None };
    let c = v.f32(c)?;
    let power = c.is_normal() && c.to_bits().trailing_zeros() >= f32::MANTISSA_DIGITS - 1;
    let inverse = 1.0 / c;
    (power && inverse.is_normal()).then(|| Expr::binary(BinaryOp::Mul, x, Literal::f32(inverse)))
}

/// min(x, x) = max(x, x) = x, where x has no other NaN than the canonical one
fn same_operand(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Min(_) | BinaryOp::Max(_), a, b) = binary(v, id)? else { return None };
    (a == b && v.replaces_arithmetic(id, a)).then_some(Expr::Value(a))
}

/// r(s(x)) = s(x) for any two of floor, ceil, round and trunc: what is an integer stays
fn rounded(v: View, id: NodeId) -> Option<Expr> {
    let rounds = |op: UnaryOp| matches!(op, UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Round | UnaryOp::Trunc);
    let (_, x) = unary(v, id).filter(|(op, _)| rounds(*op))?;
    let (inner, _) = unary(v, x)?;
    rounds(inner).then_some(Expr::Value(x))
}

/// fma(a, 1, c) = a + c,  fma(a, −1, c) = c − a,  fma(a, b, −0) = a × b: an exact product is added, or nothing is, so
/// that either side rounds once (adding +0 would turn a product of −0 into +0)
fn fma(v: View, id: NodeId) -> Option<Expr> {
    let Op::Scalar(ScalarOp::Fma) = v.op(id) else { return None };
    let [a, b, c] = v.operands(id)?;
    for (x, factor) in [(a, b), (b, a)] {
        if is(v, factor, 1.0) {
            return Some(Expr::binary(BinaryOp::Add, x, c));
        }
        if is(v, factor, -1.0) {
            return Some(Expr::binary(BinaryOp::Sub, c, x));
        }
    }
    is(v, c, -0.0).then(|| Expr::binary(BinaryOp::Mul, a, b))
}
