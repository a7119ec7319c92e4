//! From the operands' intervals to the result's.

use super::refine::refined;
use super::{Interval, Ranges, compare_ranges};
use routefuse_ir::op::{BinaryOp, Candidates, OutOfRange, ReduceOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Dim, Graph, Literal, NodeId, Op};

/// The rows of a tensor: an extent is at most 2⁶³ − 1, so a row index is below that.
const LAST_ROW: i128 = i64::MAX as i128 - 1;

/// The interval of a node whose operands are known; `None` for floats.
pub(super) fn interval(ranges: &Ranges, g: &Graph, id: NodeId) -> Option<Interval> {
    let node = g.node(id);
    let dtype = node.ty.dtype;
    let whole = Interval::of_dtype(dtype)?;
    let operands = g.operands(id);
    let known = |i: usize| operands.get(i).and_then(|o| ranges.get(*o));
    let found = match &node.op {
        Op::Const(l) => l.as_int().map(Interval::point),
        Op::Scalar(ScalarOp::Select) => select(ranges, g, &operands),
        Op::Scalar(op) => scalar(*op, dtype, [known(0), known(1)]),
        Op::Iota { shape, axis, .. } => Some(Interval { lo: 0, hi: last_index(shape[*axis]) }),
        Op::Rows { shape, .. } => Some(match shape[0].as_const() {
            Some(n) => Interval::point(n.into()),
            None => Interval { lo: 0, hi: LAST_ROW + 1 },
        }),
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. } | Op::Copy => known(0),
        Op::Concat => hull((0..operands.len()).map(known)),
        Op::Gather { out_of_range } => known(0).map(|table| {
            // In an empty table even a clamped index leads to nothing.
            let may_be_empty = g.node(operands[0]).ty.shape.iter().any(|d| d.as_const().is_none());
            let policy = match *out_of_range {
                OutOfRange::Clamp if may_be_empty => OutOfRange::Pass,
                policy => policy,
            };
            looked_up(table, policy, dtype)
        }),
        Op::GatherRow { out_of_range } => known(0).map(|x| {
            let proved = ranges.prove_index(g, id, 0).is_ok();
            if proved { x } else { looked_up(x, *out_of_range, dtype) }
        }),
        Op::MaskRows { fill } => hull([known(0), fill.as_int().map(Interval::point)]),
        Op::UnpackId => Interval::of_dtype(DType::I16),
        Op::TopK { candidates, .. } => {
            let all = *candidates == Candidates::All || known(0).is_some();
            Some(Interval { lo: if all { 0 } else { -1 }, hi: last_inner(g, operands[0]) })
        }
        Op::ArgMax { .. } => Some(Interval { lo: 0, hi: last_inner(g, operands[0]) }),
        Op::Reduce { op: ReduceOp::Max | ReduceOp::Min, .. } => known(0),
        // Sums wrap in any order alike: if the whole fits, what wrapped on the way has come back.
        Op::Reduce { op: ReduceOp::Sum, axis } => known(0).and_then(|x| summed(x, g.node(operands[0]).ty.shape[*axis])),
        Op::CumSum => known(0).zip(node.ty.shape.last()).and_then(|(x, n)| Some(x.union(summed(x, *n)?))),
        _ => None,
    };
    // What does not fit wraps, and may then be anything.
    Some(found.filter(|f| whole.contains(*f)).unwrap_or(whole))
}

/// The sum of the elements along an axis.
fn summed(x: Interval, extent: Dim) -> Option<Interval> {
    let n = i128::from(extent.as_const()?);
    Some(Interval { lo: x.lo.checked_mul(n)?, hi: x.hi.checked_mul(n)? })
}

fn last_inner(g: &Graph, id: NodeId) -> i128 {
    g.node(id).ty.shape.last().map_or(0, |d| last_index(*d))
}

fn last_index(extent: Dim) -> i128 {
    extent.as_const().map_or(LAST_ROW, |n| i128::from(n.max(1)) - 1)
}

fn hull(parts: impl IntoIterator<Item = Option<Interval>>) -> Option<Interval> {
    parts.into_iter().reduce(|a, b| Some(a?.union(b?))).flatten()
}

/// An element of the table, or what stands for one. A clamped index always leads to an element.
fn looked_up(table: Interval, policy: OutOfRange, dtype: DType) -> Interval {
    match policy {
        OutOfRange::Clamp => table,
        _ => policy.replacement(dtype).as_int().map_or(table, |r| table.union(Interval::point(r))),
    }
}

/// Each arm under what the condition says of it; an arm that the condition excludes does not count.
fn select(ranges: &Ranges, g: &Graph, operands: &[NodeId]) -> Option<Interval> {
    let [condition, a, b] = operands else { return None };
    let arms = [(*a, true), (*b, false)].map(|(arm, holds)| {
        let dead = ranges.get(*condition).is_some_and(|c| !c.holds(i128::from(holds)));
        if dead { Ok(None) } else { ranges.get(arm).ok_or(()).map(|r| refined(ranges, g, *condition, holds, arm, r)) }
    });
    match arms {
        [Ok(Some(a)), Ok(Some(b))] => Some(a.union(b)),
        [Ok(Some(one)), Ok(None)] | [Ok(None), Ok(Some(one))] => Some(one),
        _ => None,
    }
}

/// A scalar op but `select`; the result may lie outside the dtype, which means that it may wrap.
fn scalar(op: ScalarOp, to: DType, [a, b]: [Option<Interval>; 2]) -> Option<Interval> {
    match op {
        ScalarOp::Unary(op) => unary(op, to, a?),
        ScalarOp::Binary(op) => binary(op, to, a?, b?),
        ScalarOp::Compare(op) => {
            let known = compare_ranges(op, a?, b?);
            Some(known.map_or(Interval::BOOL, |k| Interval::point(i128::from(k))))
        }
        ScalarOp::Cast(DType::Bool) => {
            let a = a?;
            Some(if a.holds(0) {
                Interval { lo: 0, hi: i128::from(a.lo != 0 || a.hi != 0) }
            } else {
                Interval::point(1)
            })
        }
        ScalarOp::Cast(_) | ScalarOp::Bitcast(_) => a,
        ScalarOp::Fma | ScalarOp::Select | ScalarOp::Philox => None,
    }
}

fn unary(op: UnaryOp, dtype: DType, x: Interval) -> Option<Interval> {
    match op {
        UnaryOp::Neg => Some(Interval { lo: -x.hi, hi: -x.lo }),
        UnaryOp::Abs => Some(Interval {
            lo: if x.holds(0) { 0 } else { x.lo.abs().min(x.hi.abs()) },
            hi: x.lo.abs().max(x.hi.abs()),
        }),
        // !x = −1 − x of signed integers, and MAX − x of unsigned ones and bool
        UnaryOp::Not => {
            let top = if dtype.is_signed() { -1 } else { Interval::of_dtype(dtype)?.hi };
            Some(Interval { lo: top - x.hi, hi: top - x.lo })
        }
        _ => None,
    }
}

fn corners(a: Interval, b: Interval, f: impl Fn(i128, i128) -> Option<i128>) -> Option<Interval> {
    let all: Option<Vec<i128>> =
        [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)].into_iter().map(|(x, y)| f(x, y)).collect();
    Interval::hull(all?)
}

fn binary(op: BinaryOp, dtype: DType, a: Interval, b: Interval) -> Option<Interval> {
    match op {
        BinaryOp::Add => Some(Interval { lo: a.lo + b.lo, hi: a.hi + b.hi }),
        BinaryOp::Sub => Some(Interval { lo: a.lo - b.hi, hi: a.hi - b.lo }),
        // u64 × u64 can exceed i128: then it exceeds every dtype too.
        BinaryOp::Mul => corners(a, b, i128::checked_mul),
        BinaryOp::Div => divide(dtype, a, b, |x, y| x / y),
        BinaryOp::Rem => Some(remainder(a, b)),
        BinaryOp::DivFloor => divide(dtype, a, b, |x, y| x.div_euclid(y) - i128::from(y < 0 && x.rem_euclid(y) != 0)),
        BinaryOp::RemFloor => Some(floor_remainder(a, b)),
        BinaryOp::Min(_) => Some(Interval { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) }),
        BinaryOp::Max(_) => Some(Interval { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) }),
        BinaryOp::And => and(a, b),
        BinaryOp::Or => Some(or(a, b)),
        BinaryOp::Xor if a.lo >= 0 && b.lo >= 0 => Some(Interval { lo: 0, hi: ones_up_to(a.hi.max(b.hi)) }),
        BinaryOp::Xor => None,
        BinaryOp::Shl => {
            // A negative amount is a large unsigned one, and all of x is shifted out from the width on.
            let inside = b.lo >= 0 && b.hi < i128::from(dtype.bits());
            if inside { corners(a, b, |x, k| x.checked_mul(1 << k)) } else { None }
        }
        BinaryOp::Shr => {
            let width = i128::from(dtype.bits());
            let amounts = if b.lo < 0 {
                Interval { lo: if b.hi < 0 { width } else { 0 }, hi: width }
            } else {
                Interval { lo: b.lo.min(width), hi: b.hi.min(width) }
            };
            corners(a, amounts, |x, k| Some(x >> k))
        }
    }
}

/// Division, truncated or rounded down, is monotone in each operand while the divisor keeps its sign, so its bounds are at
/// corners. By 0 it gives all ones.
fn divide(dtype: DType, a: Interval, b: Interval, quotient: impl Fn(i128, i128) -> i128) -> Option<Interval> {
    let whole = Interval::of_dtype(dtype)?;
    let ones = if dtype.is_signed() { -1 } else { whole.hi };
    let positive = b.intersect(Interval { lo: 1, hi: i128::MAX });
    let negative = b.intersect(Interval { lo: i128::MIN, hi: -1 });
    let by_zero = b.holds(0).then(|| Interval::point(ones));
    let quotients = [positive, negative].map(|b| corners(a, b?, |x, y| Some(quotient(x, y))));
    quotients.into_iter().chain([by_zero]).flatten().reduce(Interval::union)
}

/// x % y has the sign of x and a magnitude below |y| and not above |x|; x % 0 = x.
fn remainder(a: Interval, b: Interval) -> Interval {
    let most = if b.holds(0) { i128::MAX } else { b.lo.abs().max(b.hi.abs()) - 1 };
    let smallest_divisor = if b.holds(0) { 0 } else { b.lo.abs().min(b.hi.abs()) };
    if a.lo >= 0 && a.hi < smallest_divisor {
        return a;
    }
    Interval { lo: a.lo.min(0).max(-most), hi: a.hi.max(0).min(most) }
}

/// The remainder of a division that rounds down is between 0 and y, y excluded; by 0 it is x.
fn floor_remainder(a: Interval, b: Interval) -> Interval {
    if a.lo >= 0 && b.lo >= 0 {
        return remainder(a, b);
    }
    let least = if b.lo < 0 { b.lo + 1 } else { 0 };
    let most = if b.hi > 0 { b.hi - 1 } else { 0 };
    let bounded = Interval { lo: least, hi: most };
    if b.holds(0) { bounded.union(a) } else { bounded }
}

/// 2ᵏ − 1, the smallest that is not below n.
fn ones_up_to(n: i128) -> i128 {
    if n <= 0 { 0 } else { i128::MAX >> (n.leading_zeros() - 1) }
}

/// No bit is set that is not set in both: a side that is not negative bounds the result.
fn and(a: Interval, b: Interval) -> Option<Interval> {
    match (a.lo >= 0, b.lo >= 0) {
        (true, true) => Some(Interval { lo: 0, hi: a.hi.min(b.hi) }),
        (true, false) => Some(Interval { lo: 0, hi: a.hi }),
        (false, true) => Some(Interval { lo: 0, hi: b.hi }),
        (false, false) => None,
    }
}

/// Setting bits never makes a number smaller, whatever its sign; and a number with the sign of one side set is negative.
fn or(a: Interval, b: Interval) -> Interval {
    let lo = if a.lo >= 0 && b.lo >= 0 { a.lo.max(b.lo) } else { a.lo.min(b.lo) };
    let hi = if a.hi < 0 || b.hi < 0 { -1 } else { ones_up_to(a.hi.max(b.hi)) };
    Interval { lo, hi }
}

/// The constant that every element of the value is.
pub(super) fn constant(g: &Graph, id: NodeId) -> Option<Literal> {
    let mut at = id;
    loop {
        match &g.node(at).op {
            Op::Const(l) => return Some(*l),
            Op::Broadcast { .. } | Op::Reshape { .. } => at = *g.operands(at).first()?,
            _ => return None,
        }
    }
}
