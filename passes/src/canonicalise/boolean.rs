//! Rules for bool, comparisons and `select`.

use super::rewrite::{Expr, Rule};
use super::view::View;
use crate::range::compare_ranges;
use routefuse_ir::op::{BinaryOp, CompareOp, UnaryOp};
use routefuse_ir::{DType, Literal, NodeId};

pub(super) const RULES: &[Rule] = &[
    not_not,
    not_compare,
    xor_true,
    bool_extremes,
    compare_known,
    compare_self,
    compare_bool,
    compare_cast_bool,
    select_known,
    select_not,
    select_bool,
    select_same_condition,
];

/// !(!x) = x
fn not_not(v: View, id: NodeId) -> Option<Expr> {
    v.not(v.not(id)?).map(Expr::Value)
}

/// !(a < b) = a >= b, and so on; of floats only !(a = b) = a != b, for the others are false with a NaN both ways
fn not_compare(v: View, id: NodeId) -> Option<Expr> {
    let (op, a, b) = v.compare(v.not(id)?)?;
    let inverse = match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        _ if v.dtype(a).is_float() => return None,
        CompareOp::Lt => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Lt,
        CompareOp::Le => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Le,
    };
    Some(Expr::compare(inverse, a, b))
}

/// x ^ ~0 = !x, of integers and bool
fn xor_true(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Xor, x, c) = v.binary(id)? else { return None };
    (v.literal(c)? == Literal::from_bits(v.dtype(id), u64::MAX)).then(|| Expr::unary(UnaryOp::Not, x))
}

/// min(x, y) = x & y and max(x, y) = x | y, of bool
fn bool_extremes(v: View, id: NodeId) -> Option<Expr> {
    let (op, a, b) = v.binary(id).filter(|_| v.dtype(id) == DType::Bool)?;
    match op {
        BinaryOp::Min(_) => Some(Expr::binary(BinaryOp::And, a, b)),
        BinaryOp::Max(_) => Some(Expr::binary(BinaryOp::Or, a, b)),
        _ => None,
    }
}

/// a < b = true if every a is below every b, false if none is; and so on, of integers and bool
fn compare_known(v: View, id: NodeId) -> Option<Expr> {
    let (op, a, b) = v.compare(id)?;
    compare_ranges(op, v.range(a)?, v.range(b)?).map(|known| Literal::bool(known).into())
}

/// x = x, x <= x, x >= x = true and x != x, x < x, x > x = false, of integers and bool;
/// of floats x < x, x > x = false and x != x = is_nan(x)
fn compare_self(v: View, id: NodeId) -> Option<Expr> {
    let (op, a, b) = v.compare(id)?;
    if a != b {
        return None;
    }
    match op {
        CompareOp::Lt | CompareOp::Gt => Some(Literal::bool(false).into()),
        CompareOp::Ne if v.dtype(a).is_float() => Some(Expr::unary(UnaryOp::IsNan, a)),
        CompareOp::Ne => Some(Literal::bool(false).into()),
        _ if v.dtype(a).is_float() => None,
        CompareOp::Eq | CompareOp::Le | CompareOp::Ge => Some(Literal::bool(true).into()),
    }
}

/// (x = true) = (x != false) = x and (x = false) = (x != true) = !x, of bool
fn compare_bool(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (CompareOp::Eq | CompareOp::Ne), x, c) = v.compare(id)? else { return None };
    let c = v.literal(c).filter(|l| l.dtype() == DType::Bool)?;
    let kept = (op == CompareOp::Eq) == (c == Literal::bool(true));
    Some(if kept { Expr::Value(x) } else { Expr::unary(UnaryOp::Not, x) })
}

/// integer(x) != 0 = x and integer(x) = 0 = !x, if x is bool
fn compare_cast_bool(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (CompareOp::Eq | CompareOp::Ne), y, c) = v.compare(id)? else { return None };
    let x = v.cast(y).filter(|x| v.dtype(*x) == DType::Bool && v.dtype(y).is_int())?;
    if v.int(c)? != 0 {
        return None;
    }
    Some(if op == CompareOp::Ne { Expr::Value(x) } else { Expr::unary(UnaryOp::Not, x) })
}

/// select(true, a, b) = a,  select(false, a, b) = b,  select(c, a, a) = a
fn select_known(v: View, id: NodeId) -> Option<Expr> {
    let [c, a, b] = v.select(id)?;
    match v.int(c) {
        Some(1) => Some(Expr::Value(a)),
        Some(0) => Some(Expr::Value(b)),
        _ if a == b || (v.literal(a).is_some() && v.literal(a) == v.literal(b)) => Some(Expr::Value(a)),
        _ => None,
    }
}

/// select(!c, a, b) = select(c, b, a)
fn select_not(v: View, id: NodeId) -> Option<Expr> {
    let [c, a, b] = v.select(id)?;
    Some(Expr::select(v.not(c)?, b, a))
}

/// Of bool: select(c, true, b) = c | b,  select(c, a, false) = c & a,  select(c, false, true) = !c.
/// Of integers: select(c, 1, 0) = integer(c)
fn select_bool(v: View, id: NodeId) -> Option<Expr> {
    let [c, a, b] = v.select(id)?;
    let (la, lb) = (v.int(a), v.int(b));
    if v.dtype(id) != DType::Bool {
        return (la == Some(1) && lb == Some(0)).then(|| Expr::cast(c, v.dtype(id)));
    }
    match (la, lb) {
        (Some(1), Some(0)) => Some(Expr::Value(c)),
        (Some(0), Some(1)) => Some(Expr::unary(UnaryOp::Not, c)),
        (Some(1), _) => Some(Expr::binary(BinaryOp::Or, c, b)),
        (_, Some(0)) => Some(Expr::binary(BinaryOp::And, c, a)),
        _ => None,
    }
}

/// select(c, select(c, x, y), b) = select(c, x, b),  select(c, a, select(c, x, y)) = select(c, a, y)
fn select_same_condition(v: View, id: NodeId) -> Option<Expr> {
    let [c, a, b] = v.select(id)?;
    let same = |inner: NodeId| v.select(inner).filter(|[d, ..]| *d == c);
    match (same(a), same(b)) {
        (Some([_, x, _]), _) => Some(Expr::select(c, x, b)),
        (_, Some([_, _, y])) => Some(Expr::select(c, a, y)),
        _ => None,
    }
}
