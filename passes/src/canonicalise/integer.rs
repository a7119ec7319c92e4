//! Rules for integer arithmetic, which wraps.

use super::rewrite::{Expr, Rule};
use super::view::View;
use crate::range::Interval;
use routefuse_ir::eval;
use routefuse_ir::op::{BinaryOp, NanRule, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Literal, NodeId};

pub(super) const RULES: &[Rule] = &[
    identity,
    absorbing,
    same_operand,
    ordered,
    negation,
    constants_together,
    shift_limits,
    shifts_together,
    shift_drops_low,
    shift_back,
    divide_by_power,
    floor_by_power,
    floor_of_positive,
    no_nan,
    already_below,
    mask_keeps_all,
];

/// A binary operation of this node on integers or bool.
fn binary(v: View, id: NodeId) -> Option<(BinaryOp, NodeId, NodeId)> {
    v.binary(id).filter(|_| !v.dtype(id).is_float())
}

fn all_ones(dtype: DType) -> Literal {
    Literal::from_bits(dtype, u64::MAX)
}

/// The constant amount of a shift; amounts are unsigned.
fn amount(v: View, id: NodeId) -> Option<u64> {
    v.literal(id).map(Literal::bits)
}

/// 2ᵏ, as k; of positive numbers only.
fn log2(n: i128) -> Option<u32> {
    (n > 0 && n.count_ones() == 1).then(|| n.trailing_zeros())
}

/// x + 0 = x − 0 = x | 0 = x ^ 0 = x << 0 = x >> 0 = x,  x × 1 = x / 1 = div_floor(x, 1) = x,  x & ~0 = x
fn identity(v: View, id: NodeId) -> Option<Expr> {
    use BinaryOp::{Add, And, Div, DivFloor, Mul, Or, Shl, Shr, Sub, Xor};
    let (op, x, c) = binary(v, id)?;
    let c = v.literal(c)?;
    let holds = match op {
        Add | Sub | Or | Xor | Shl | Shr => c.bits() == 0,
        Mul | Div | DivFloor => c.as_int() == Some(1),
        And => c == all_ones(c.dtype()),
        _ => false,
    };
    holds.then_some(Expr::Value(x))
}

/// x × 0 = x & 0 = 0,  x | ~0 = ~0,  x % 1 = x % −1 = 0 and so of rem_floor,  0 << x = 0 >> x = 0
fn absorbing(v: View, id: NodeId) -> Option<Expr> {
    use BinaryOp::{And, Mul, Or, Rem, RemFloor, Shl, Shr};
    let (op, a, b) = binary(v, id)?;
    let zero = Literal::zero(v.dtype(id));
    if matches!(op, Shl | Shr) && v.literal(a) == Some(zero) {
        return Some(zero.into());
    }
    let c = v.literal(b)?;
    match op {
        Mul | And if c == zero => Some(zero.into()),
        Or if c == all_ones(c.dtype()) => Some(c.into()),
        Rem | RemFloor if c.as_int() == Some(1) || (c.dtype().is_signed() && c == all_ones(c.dtype())) => {
            Some(zero.into())
        }
        _ => None,
    }
}

/// x − x = x ^ x = x % x = rem_floor(x, x) = 0 (0 % 0 is 0),  x & x = x | x = min(x, x) = max(x, x) = x
fn same_operand(v: View, id: NodeId) -> Option<Expr> {
    use BinaryOp::{And, Max, Min, Or, Rem, RemFloor, Sub, Xor};
    let (op, a, b) = binary(v, id)?;
    if a != b {
        return None;
    }
    match op {
        Sub | Xor | Rem | RemFloor => Some(Literal::zero(v.dtype(id)).into()),
        And | Or | Min(_) | Max(_) => Some(Expr::Value(a)),
        _ => None,
    }
}

/// min(x, y) = x and max(x, y) = y, if no x is above any y
fn ordered(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::Min(_) | BinaryOp::Max(_)), a, b) = binary(v, id)? else { return None };
    let (ra, rb) = (v.range(a)?, v.range(b)?);
    let (low, high) = match (ra.hi <= rb.lo, rb.hi <= ra.lo) {
        (true, _) => (a, b),
        (_, true) => (b, a),
        _ => return None,
    };
    Some(Expr::Value(if matches!(op, BinaryOp::Min(_)) { low } else { high }))
}

/// −(−x) = x,  0 − x = −x,  x + (−y) = x − y,  x − (−y) = x + y,  |x| = x if x ≥ 0
fn negation(v: View, id: NodeId) -> Option<Expr> {
    let negated = |x: NodeId| v.unary(x).and_then(|(op, y)| (op == UnaryOp::Neg).then_some(y));
    if !v.dtype(id).is_int() {
        return None;
    }
    if let Some((op, x)) = v.unary(id) {
        return match op {
            UnaryOp::Neg => negated(x).map(Expr::Value),
            UnaryOp::Abs if v.range(x)?.lo >= 0 => Some(Expr::Value(x)),
            _ => None,
        };
    }
    let (op, a, b) = v.binary(id)?;
    match op {
        BinaryOp::Sub if v.int(a) == Some(0) => Some(Expr::unary(UnaryOp::Neg, b)),
        BinaryOp::Sub => negated(b).map(|y| Expr::binary(BinaryOp::Add, a, y)),
        BinaryOp::Add => match (negated(a), negated(b)) {
            (_, Some(y)) => Some(Expr::binary(BinaryOp::Sub, a, y)),
            (Some(x), None) => Some(Expr::binary(BinaryOp::Sub, b, x)),
            _ => None,
        },
        _ => None,
    }
}

/// (x ∘ c₁) ∘ c₂ = x ∘ (c₁ ∘ c₂) for +, ×, &, |, ^, min, max;  (x − c₁) − c₂ = x − (c₁ + c₂)
fn constants_together(v: View, id: NodeId) -> Option<Expr> {
    use BinaryOp::{Add, And, Max, Min, Mul, Or, Sub, Xor};
    let (op, inner, c2) = binary(v, id)?;
    let (same, x, c1) = v.binary(inner)?;
    let (c1, c2) = (v.literal(c1)?, v.literal(c2)?);
    let joined = match op {
        Add | Mul | And | Or | Xor | Min(_) | Max(_) => op,
        Sub => Add,
        _ => return None,
    };
    (same == op).then(|| Expr::binary(op, x, eval::scalar(ScalarOp::Binary(joined), &[c1, c2])))
}

/// x << c = 0 and, unsigned, x >> c = 0 if c ≥ width;  signed, x >> c = x >> (width − 1) if c ≥ width
fn shift_limits(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::Shl | BinaryOp::Shr), x, c) = binary(v, id)? else { return None };
    let (dtype, width) = (v.dtype(id), u64::from(v.dtype(id).bits()));
    if amount(v, c)? < width {
        return None;
    }
    if op == BinaryOp::Shr && dtype.is_signed() {
        return Some(Expr::binary(op, x, Literal::from_bits(dtype, width - 1)));
    }
    Some(Literal::zero(dtype).into())
}

/// (x << c₁) << c₂ = x << (c₁ + c₂),  (x >> c₁) >> c₂ = x >> (c₁ + c₂)
///
/// The sum of amounts below the width fits the dtype as an unsigned number, which is how an amount is read.
fn shifts_together(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::Shl | BinaryOp::Shr), inner, c2) = binary(v, id)? else { return None };
    let (same, x, c1) = v.binary(inner)?;
    let (dtype, width) = (v.dtype(id), u64::from(v.dtype(id).bits()));
    let (c1, c2) = (amount(v, c1)?, amount(v, c2)?);
    (same == op && c1 < width && c2 < width).then(|| Expr::binary(op, x, Literal::from_bits(dtype, c1 + c2)))
}

/// ((x << c) | y) >> c = (x << c) >> c, if 0 ≤ y < 2ᶜ
fn shift_drops_low(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Shr, word, c) = binary(v, id)? else { return None };
    let (BinaryOp::Or, a, b) = v.binary(word)? else { return None };
    let k = amount(v, c)?;
    let below = |y: NodeId| k < 64 && v.range(y).is_some_and(|r| r.lo >= 0 && r.hi < 1 << k);
    let shifted = |x: NodeId| matches!(v.binary(x), Some((BinaryOp::Shl, _, c)) if amount(v, c) == Some(k));
    let high = match (a, b) {
        (a, b) if shifted(a) && below(b) => a,
        (a, b) if shifted(b) && below(a) => b,
        _ => return None,
    };
    Some(Expr::binary(BinaryOp::Shr, high, c))
}

/// (x << c) >> c = x, if x fits what the shift leaves
fn shift_back(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::Shr, inner, c2) = binary(v, id)? else { return None };
    let (BinaryOp::Shl, x, c1) = v.binary(inner)? else { return None };
    let (dtype, k) = (v.dtype(id), amount(v, c1)?);
    let width = u64::from(dtype.bits());
    if amount(v, c2) != Some(k) || k >= width {
        return None;
    }
    let whole = Interval::of_dtype(dtype)?;
    let left = Interval { lo: whole.lo >> k, hi: whole.hi >> k };
    left.contains(v.range(x)?).then_some(Expr::Value(x))
}

/// x / 2ᵏ = x >> k and x % 2ᵏ = x & (2ᵏ − 1), if x ≥ 0
fn divide_by_power(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::Div | BinaryOp::Rem), x, c) = binary(v, id)? else { return None };
    let (dtype, c) = (v.dtype(id), v.int(c)?);
    let k = log2(c)?;
    if v.range(x)?.lo < 0 {
        return None;
    }
    if op == BinaryOp::Div {
        return Some(Expr::binary(BinaryOp::Shr, x, Expr::int(dtype, i128::from(k))?));
    }
    Some(Expr::binary(BinaryOp::And, x, Expr::int(dtype, c - 1)?))
}

/// div_floor(x, 2ᵏ) = x >> k and rem_floor(x, 2ᵏ) = x & (2ᵏ − 1), whatever the sign of x: a shift rounds down
fn floor_by_power(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::DivFloor | BinaryOp::RemFloor), x, c) = binary(v, id)? else { return None };
    let (dtype, c) = (v.dtype(id), v.int(c)?);
    let k = log2(c)?;
    if op == BinaryOp::DivFloor {
        return Some(Expr::binary(BinaryOp::Shr, x, Expr::int(dtype, i128::from(k))?));
    }
    Some(Expr::binary(BinaryOp::And, x, Expr::int(dtype, c - 1)?))
}

/// div_floor(x, y) = x / y and rem_floor(x, y) = x % y, if x ≥ 0 and y ≥ 0: they truncate what they round down
fn floor_of_positive(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::DivFloor | BinaryOp::RemFloor), x, y) = binary(v, id)? else { return None };
    if v.range(x)?.lo < 0 || v.range(y)?.lo < 0 {
        return None;
    }
    Some(Expr::binary(if op == BinaryOp::DivFloor { BinaryOp::Div } else { BinaryOp::Rem }, x, y))
}

/// min and max with nan = propagate are those with nan = number, where there is no NaN: of integers and bool
fn no_nan(v: View, id: NodeId) -> Option<Expr> {
    let (op, x, y) = binary(v, id)?;
    match op {
        BinaryOp::Min(NanRule::Propagate) => Some(Expr::binary(BinaryOp::Min(NanRule::Number), x, y)),
        BinaryOp::Max(NanRule::Propagate) => Some(Expr::binary(BinaryOp::Max(NanRule::Number), x, y)),
        _ => None,
    }
}

/// x % y = x and x / y = 0, if 0 ≤ x < y
fn already_below(v: View, id: NodeId) -> Option<Expr> {
    let (op @ (BinaryOp::Div | BinaryOp::Rem), x, y) = binary(v, id)? else { return None };
    let (rx, ry) = (v.range(x)?, v.range(y)?);
    if rx.lo < 0 || rx.hi >= ry.lo {
        return None;
    }
    Some(if op == BinaryOp::Rem { Expr::Value(x) } else { Literal::zero(v.dtype(id)).into() })
}

/// x & (2ᵏ − 1) = x, if 0 ≤ x < 2ᵏ
fn mask_keeps_all(v: View, id: NodeId) -> Option<Expr> {
    let (BinaryOp::And, x, c) = binary(v, id)? else { return None };
    let (c, r) = (v.int(c)?, v.range(x)?);
    (r.lo >= 0 && r.hi <= c && log2(c + 1).is_some()).then_some(Expr::Value(x))
}
