//! Rules for casts and bitcasts.

use super::rewrite::{Expr, Rule};
use super::view::View;
use crate::range::Interval;
use routefuse_ir::op::{BinaryOp, ScalarOp};
use routefuse_ir::{DType, NodeId, Op};

pub(super) const RULES: &[Rule] = &[
    same_dtype,
    cast_cast,
    cast_widened_float,
    cast_drops_high,
    bitcast_same,
    bitcast_bitcast,
    bitcast_integers,
    bits_through_sign,
];

/// D(x) = x, if x is of dtype D; of floats, where the cast's canonical NaN is no other than the one of x
fn same_dtype(v: View, id: NodeId) -> Option<Expr> {
    let x = v.cast(id)?;
    let same = v.dtype(x) == v.dtype(id) && (!v.dtype(x).is_float() || v.replaces_arithmetic(id, x));
    same.then_some(Expr::Value(x))
}

/// C(B(x)) = C(x) of integers x and B, if B holds every value that x has, or if C is an integer no wider than B, which
/// makes only the low bits of B matter
fn cast_cast(v: View, id: NodeId) -> Option<Expr> {
    let middle = v.cast(id)?;
    let x = v.cast(middle)?;
    let (from, by, to) = (v.dtype(x), v.dtype(middle), v.dtype(id));
    if from.is_float() || by.is_float() {
        return None;
    }
    let lossless = Interval::of_dtype(by)?.contains(v.range(x)?);
    let low_bits = from != DType::Bool && by.is_int() && to.is_int() && to.bits() <= by.bits();
    (lossless || low_bits).then(|| Expr::cast(x, to))
}

/// F(f32(x)) = x, if x is of the 16-bit float dtype F: widening is exact. Where the canonical NaN is no other than that of x
fn cast_widened_float(v: View, id: NodeId) -> Option<Expr> {
    let middle = v.cast(id)?;
    let x = v.cast(middle)?;
    let back = v.dtype(x) == v.dtype(id) && v.dtype(x).is_float() && v.dtype(middle) == DType::F32;
    (back && v.replaces_arithmetic(id, x)).then_some(Expr::Value(x))
}

/// D((x << c) | y) = D(y), if D is an integer of no more than c bits
fn cast_drops_high(v: View, id: NodeId) -> Option<Expr> {
    let word = v.cast(id).filter(|_| v.dtype(id).is_int())?;
    let (BinaryOp::Or, a, b) = v.binary(word).filter(|_| v.dtype(word).is_int())? else { return None };
    let bits = u64::from(v.dtype(id).bits());
    let dropped = |x: NodeId| match v.binary(x) {
        Some((BinaryOp::Shl, _, c)) => v.literal(c).is_some_and(|c| c.bits() >= bits),
        _ => false,
    };
    match (dropped(a), dropped(b)) {
        (true, _) => Some(Expr::cast(b, v.dtype(id))),
        (_, true) => Some(Expr::cast(a, v.dtype(id))),
        _ => None,
    }
}

fn bitcast(v: View, id: NodeId) -> Option<NodeId> {
    match v.op(id) {
        Op::Scalar(ScalarOp::Bitcast(_)) => v.operands(id).map(|[x]| x),
        _ => None,
    }
}

/// bits D(x) = x, if x is of dtype D
fn bitcast_same(v: View, id: NodeId) -> Option<Expr> {
    let x = bitcast(v, id)?;
    (v.dtype(x) == v.dtype(id)).then_some(Expr::Value(x))
}

/// bits C(bits B(x)) = bits C(x)
fn bitcast_bitcast(v: View, id: NodeId) -> Option<Expr> {
    let x = bitcast(v, bitcast(v, id)?)?;
    Some(Expr::bitcast(x, v.dtype(id)))
}

/// bits D(x) = D(x) of integers of one width; so that casts of casts are all that is left of either
fn bitcast_integers(v: View, id: NodeId) -> Option<Expr> {
    let x = bitcast(v, id)?;
    (v.dtype(x).is_int() && v.dtype(id).is_int()).then(|| Expr::cast(x, v.dtype(id)))
}

/// bits D(I(x)) = bits D(x) and I(bits J(x)) = bits I(x), if I, J and (in the first) x are integers of one width
fn bits_through_sign(v: View, id: NodeId) -> Option<Expr> {
    let one_width = |a: DType, b: DType| a.is_int() && b.is_int() && a.bits() == b.bits();
    if let Some(middle) = bitcast(v, id) {
        let x = v.cast(middle)?;
        return one_width(v.dtype(x), v.dtype(middle)).then(|| Expr::bitcast(x, v.dtype(id)));
    }
    let middle = v.cast(id)?;
    let x = bitcast(v, middle)?;
    one_width(v.dtype(middle), v.dtype(id)).then(|| Expr::bitcast(x, v.dtype(id)))
}
