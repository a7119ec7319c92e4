//! Operations on whole rows, by their formulas; and those of them that no kernel has to do as a row.
//!
//! What is left are reductions of 2 to [`MAX_REDUCED`] columns of the inner dim, running sums and top-k of two columns or
//! more; each of them of at most [`MAX_AT_ONCE`] columns of a row, in all segments.

use super::super::rewrite::{Expr, Rule};
use super::super::view::View;
use routefuse_ir::dim::const_product;
use routefuse_ir::kernel::schedule::room::MOST_CHOSEN;
use routefuse_ir::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, NanOrder, NanRule, OutOfRange, ReduceOp,
    TopKOrder, UnaryOp,
};
use routefuse_ir::{DType, Dim, Literal, NodeId, Op};

/// The most columns that a kernel reduces at once: 64 in each lane of a warp, which fit its registers. Wider ones are halved
/// elementwise before.
pub(crate) const MAX_REDUCED: u64 = 2048;

/// The most columns of a row, in all its segments, that a kernel does as one: 32 in each of the most lanes of a block. Lanes
/// are powers of two, and so segments and their columns count as if they were.
const MAX_AT_ONCE: u64 = 1 << 15;

pub(super) const RULES: &[Rule] = &[
    softmax,
    log_softmax,
    dot,
    group_score,
    group_mask,
    renorm,
    argmax,
    nans_first,
    reduce_one,
    reduce_halves,
    segments_apart,
    cumsum_one,
    topk_one,
    topk_mask_one,
];

/// The extent of the inner dim.
fn inner(v: View, id: NodeId) -> Option<u64> {
    v.ty(id).shape.last().and_then(|d| d.as_const())
}

fn reduced(op: ReduceOp, x: impl Into<Expr>, axis: usize) -> Expr {
    Expr::Op(Op::Reduce { op, axis }, vec![x.into()])
}

fn broadcast(x: Expr, shape: &[Dim]) -> Expr {
    Expr::Op(Op::Broadcast { shape: shape.to_vec() }, vec![x])
}

fn reshape(x: impl Into<Expr>, shape: &[Dim]) -> Expr {
    Expr::Op(Op::Reshape { shape: shape.to_vec() }, vec![x.into()])
}

/// x − broadcast(reduce_max(x))
fn shifted(v: View, x: NodeId) -> Expr {
    let shape = &v.ty(x).shape;
    Expr::binary(BinaryOp::Sub, x, broadcast(reduced(ReduceOp::Max, x, shape.len() - 1), shape))
}

/// softmax(x) = e / broadcast(reduce_sum(e)), e = exp(x − broadcast(reduce_max(x)))
fn softmax(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Softmax, [x]) = (v.op(id), v.operands(id)?) else { return None };
    let shape = &v.ty(x).shape;
    let e = Expr::unary(UnaryOp::Exp, shifted(v, x));
    let sum = reduced(ReduceOp::Sum, e.clone(), shape.len() - 1);
    Some(Expr::binary(BinaryOp::Div, e, broadcast(sum, shape)))
}

/// log_softmax(x) = d − broadcast(log(reduce_sum(exp(d)))), d = x − broadcast(reduce_max(x))
fn log_softmax(v: View, id: NodeId) -> Option<Expr> {
    let (Op::LogSoftmax, [x]) = (v.op(id), v.operands(id)?) else { return None };
    let shape = &v.ty(x).shape;
    let d = shifted(v, x);
    let sum = reduced(ReduceOp::Sum, Expr::unary(UnaryOp::Exp, d.clone()), shape.len() - 1);
    Some(Expr::binary(BinaryOp::Sub, d, broadcast(Expr::unary(UnaryOp::Log, sum), shape)))
}

/// dot(a, b) = reduce_sum(a × b)
fn dot(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Dot, [a, b]) = (v.op(id), v.operands(id)?) else { return None };
    Some(reduced(ReduceOp::Sum, Expr::binary(BinaryOp::Mul, a, b), v.ty(a).shape.len() - 1))
}

/// A shape with its inner dim in groups: `[…, groups, width]`.
fn grouped(shape: &[Dim], groups: u64, width: u64) -> Vec<Dim> {
    let leading = shape.iter().copied().take(shape.len().saturating_sub(1));
    leading.chain([Dim::Const(groups), Dim::Const(width)]).collect()
}

/// group_score(x)[…, G] = reduce(x[…, G, E / G])
fn group_score(v: View, id: NodeId) -> Option<Expr> {
    let Op::GroupScore { groups, score } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    let op = match score {
        GroupScore::Max => ReduceOp::Max,
        GroupScore::TopTwoSum => ReduceOp::TopTwoSum,
    };
    let grouped = grouped(&v.ty(x).shape, *groups, inner(v, x)? / groups);
    Some(reshape(reduced(op, reshape(x, &grouped), grouped.len() - 1), &v.ty(id).shape))
}

/// group_mask(x, scores) = select(kept, x, fill), or x × select(kept, 1.0, 0.0), where kept is topk_mask(scores), each
/// column repeated for its group
fn group_mask(v: View, id: NodeId) -> Option<Expr> {
    let Op::GroupMask { keep, fill } = v.op(id) else { return None };
    let [x, scores] = v.operands(id)?;
    let (shape, groups) = (&v.ty(x).shape, inner(v, scores)?);
    let mask =
        Expr::Op(Op::TopKMask { k: *keep, candidates: Candidates::All, nan: NanOrder::Last }, vec![scores.into()]);
    let repeated = broadcast(reshape(mask, &grouped(shape, groups, 1)), &grouped(shape, groups, inner(v, x)? / groups));
    let kept = reshape(repeated, shape);
    Some(match fill {
        GroupFill::NegInf => Expr::select(kept, x, Literal::f32(f32::NEG_INFINITY)),
        GroupFill::Zero => Expr::select(kept, x, Literal::f32(0.0)),
        GroupFill::Multiply => Expr::binary(BinaryOp::Mul, x, Expr::select(kept, Literal::f32(1.0), Literal::f32(0.0))),
    })
}

/// renorm(w) = w / broadcast(d), d = s, s + ε, max(s, ε) or select(s > 0, s, 1.0), s = reduce_sum(w)
fn renorm(v: View, id: NodeId) -> Option<Expr> {
    let Op::Renorm { denominator } = v.op(id) else { return None };
    let [w] = v.operands(id)?;
    let shape = &v.ty(w).shape;
    let sum = reduced(ReduceOp::Sum, w, shape.len() - 1);
    let divisor = match denominator {
        Denominator::Sum => sum,
        Denominator::PlusEpsilon(e) => Expr::binary(BinaryOp::Add, sum, *e),
        Denominator::Clamp(e) => Expr::binary(BinaryOp::Max(NanRule::Number), sum, *e),
        Denominator::Positive => {
            let positive = Expr::compare(CompareOp::Gt, sum.clone(), Literal::f32(0.0));
            Expr::select(positive, sum, Literal::f32(1.0))
        }
    };
    Some(Expr::binary(BinaryOp::Div, w, broadcast(divisor, shape)))
}

/// argmax(x) = topk(x), k = 1
fn argmax(v: View, id: NodeId) -> Option<Expr> {
    let (Op::ArgMax { nan }, [x]) = (v.op(id), v.operands(id)?) else { return None };
    Some(best(x, 1, *nan))
}

/// The k best, in their order.
fn best(x: impl Into<Expr>, k: u64, nan: NanOrder) -> Expr {
    Expr::Op(Op::TopK { k, candidates: Candidates::All, order: TopKOrder::Value, nan }, vec![x.into()])
}

/// topk(x, nan = first) = topk(key(x)), and so of topk_mask; of integers as with nan = last
///
/// The key is an i32: the place of x among all floats (`math::order`), of −0.0 that of 0.0, and above all of them for a NaN. Where −∞ is
/// no candidate, it is taken out of what was chosen, where it comes last.
fn nans_first(v: View, id: NodeId) -> Option<Expr> {
    let (Op::TopK { nan: NanOrder::First, candidates, .. } | Op::TopKMask { nan: NanOrder::First, candidates, .. }) =
        v.op(id)
    else {
        return None;
    };
    let [x] = v.operands(id)?;
    if !v.dtype(x).is_float() {
        return Some(Expr::Op(with_nans_last(v.op(id)), vec![x.into()]));
    }
    let wide = if v.dtype(x) == DType::F32 { x.into() } else { Expr::cast(x, DType::F32) };
    let positive = Expr::binary(BinaryOp::Add, wide.clone(), Literal::f32(0.0));
    let bits = Expr::bitcast(positive, DType::I32);
    let sign = Expr::binary(BinaryOp::Shr, bits.clone(), Literal::i32(31));
    let place = Expr::binary(BinaryOp::Xor, bits, Expr::binary(BinaryOp::And, sign, Literal::i32(i32::MAX)));
    let keys = Expr::select(Expr::unary(UnaryOp::IsNan, wide), Literal::i32(i32::MAX), place);
    if *candidates == Candidates::All {
        return Some(Expr::Op(with_nans_last(v.op(id)), vec![keys]));
    }
    let least = Literal::i32(f32::NEG_INFINITY.to_bits().cast_signed() ^ i32::MAX);
    let Op::TopK { k, order, .. } = *v.op(id) else {
        let candidate = Expr::compare(CompareOp::Ne, keys.clone(), least);
        return Some(Expr::binary(BinaryOp::And, Expr::Op(with_nans_last(v.op(id)), vec![keys]), candidate));
    };
    let gathered =
        |x: Expr, columns: Expr| Expr::Op(Op::GatherRow { out_of_range: OutOfRange::Pass }, vec![x, columns]);
    let columns = best(keys.clone(), k, NanOrder::Last);
    let none = Expr::compare(CompareOp::Eq, gathered(keys, columns.clone()), least);
    let columns = Expr::select(none, Literal::i32(-1), columns);
    Some(match order {
        TopKOrder::Value => columns,
        // By ascending column, and −1 last: without its sign bit it is above all of them, and the order of ~x is the opposite.
        TopKOrder::Column => {
            let above = Expr::binary(BinaryOp::And, columns.clone(), Literal::i32(i32::MAX));
            let descending = Expr::unary(UnaryOp::Not, above);
            gathered(columns, best(descending, k, NanOrder::Last))
        }
    })
}

/// The operation, of keys that have no NaN.
fn with_nans_last(op: &Op) -> Op {
    match *op {
        Op::TopK { k, order, .. } => Op::TopK { k, candidates: Candidates::All, order, nan: NanOrder::Last },
        Op::TopKMask { k, .. } => Op::TopKMask { k, candidates: Candidates::All, nan: NanOrder::Last },
        ref other => other.clone(),
    }
}

/// reduce(x) = x, over an axis of one; and top2_sum(x) = x + 0.0, which makes −0.0 0.0 and a NaN canonical
fn reduce_one(v: View, id: NodeId) -> Option<Expr> {
    let Op::Reduce { op, axis } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    if v.ty(x).shape[*axis] != Dim::Const(1) {
        return None;
    }
    Some(match op {
        ReduceOp::TopTwoSum => Expr::binary(BinaryOp::Add, x, Literal::f32(0.0)),
        _ => Expr::Value(x),
    })
}

/// reduce(x[.., A, N]) = reduce((x[.., ..n/2, N] ∘ x[.., n/2.., N]) ++ what is left of the first half), n the next power of
/// two, which is the canonical tree's first step: over an axis that is not the inner one, and of more columns than a kernel
/// reduces at once
fn reduce_halves(v: View, id: NodeId) -> Option<Expr> {
    let Op::Reduce { op, axis } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    let shape = &v.ty(x).shape;
    let extent = shape[*axis].as_const()?;
    let combine = match op {
        ReduceOp::Sum => BinaryOp::Add,
        ReduceOp::Max => BinaryOp::Max(NanRule::Number),
        ReduceOp::Min => BinaryOp::Min(NanRule::Number),
        ReduceOp::TopTwoSum => return None,
    };
    let at_once = extent <= MAX_REDUCED && const_columns(shape)? <= MAX_AT_ONCE;
    if extent <= 1 || (axis + 1 == shape.len() && at_once) {
        return None;
    }
    let beside = const_product(&shape[axis + 1..])?;
    if beside == 0 {
        return Some(broadcast(Literal::zero(v.dtype(x)).into(), &v.ty(id).shape));
    }
    let with = |extent: u64| [&shape[..*axis], &[Dim::Const(extent)], &shape[axis + 1..]].concat();
    let flat = [&shape[..*axis], &[Dim::Const(extent * beside)]].concat();
    let flat = if flat == *shape { Expr::Value(x) } else { reshape(x, &flat) };
    let rows = |from: u64, to: u64| Expr::Op(Op::Slice { start: from * beside, stop: to * beside }, vec![flat.clone()]);
    let half = extent.next_power_of_two() / 2;
    let both = Expr::binary(combine, rows(0, extent - half), rows(half, extent));
    let halved = if extent == 2 * half { both } else { Expr::Op(Op::Concat, vec![both, rows(extent - half, half)]) };
    let halved = if beside == 1 && axis + 1 == shape.len() { halved } else { reshape(halved, &with(half)) };
    Some(reduced(*op, halved, *axis))
}

/// The columns of a row of this shape, in all its segments.
fn const_columns(shape: &[Dim]) -> Option<u64> {
    const_product(&shape[usize::from(matches!(shape.first(), Some(Dim::Sym(_))))..])
}

/// r(x[.., S, W]) = r(x[.., ..S/2, W]) ++ r(x[.., S/2.., W]), each segment being done by itself, where there are more columns
/// than a kernel does as one, or more chosen ones
fn segments_apart(v: View, id: NodeId) -> Option<Expr> {
    let op = v.op(id);
    if !matches!(op, Op::TopK { .. } | Op::TopKMask { .. } | Op::CumSum | Op::Reduce { op: ReduceOp::TopTwoSum, .. }) {
        return None;
    }
    let [x] = v.operands(id)?;
    let (shape, result) = (&v.ty(x).shape, &v.ty(id).shape);
    let (columns, width) = (const_columns(shape)?, inner(v, x)?);
    let gives = inner(v, id)?;
    let segments = columns.checked_div(width)?;
    let chosen = if matches!(op, Op::TopK { .. }) { segments * gives } else { 0 };
    let in_lanes = segments.checked_next_power_of_two()?.saturating_mul(width.checked_next_power_of_two()?);
    if segments < 2 || (in_lanes <= MAX_AT_ONCE && chosen <= MOST_CHOSEN) {
        return None;
    }
    let rows: Vec<Dim> = shape.iter().copied().take_while(|d| matches!(d, Dim::Sym(_))).collect();
    let with = |columns: &[u64]| [&rows[..], &columns.iter().map(|c| Dim::Const(*c)).collect::<Vec<_>>()].concat();
    let flat = reshape(x, &with(&[columns]));
    let part = |from: u64, to: u64| {
        let columns = Op::Slice { start: from * width, stop: to * width };
        let segments = reshape(Expr::Op(columns, vec![flat.clone()]), &with(&[to - from, width]));
        let op = match op {
            Op::Reduce { op, .. } => Op::Reduce { op: *op, axis: rows.len() + 1 },
            other => other.clone(),
        };
        reshape(Expr::Op(op, vec![segments]), &with(&[(to - from) * gives]))
    };
    let half = segments / 2;
    let both = Expr::Op(Op::Concat, vec![part(0, half), part(half, segments)]);
    Some(reshape(both, result))
}

/// cumsum(x) = x, of one column
fn cumsum_one(v: View, id: NodeId) -> Option<Expr> {
    let (Op::CumSum, [x]) = (v.op(id), v.operands(id)?) else { return None };
    (inner(v, x)? == 1).then_some(Expr::Value(x))
}

/// Whether the key is a candidate; `None` where every key is.
fn is_candidate(v: View, x: NodeId, candidates: Candidates) -> Option<Expr> {
    if candidates == Candidates::All || !v.dtype(x).is_float() {
        return None;
    }
    let wide = if v.dtype(x) == DType::F32 { x.into() } else { Expr::cast(x, DType::F32) };
    Some(Expr::compare(CompareOp::Ne, wide, Literal::f32(f32::NEG_INFINITY)))
}

/// topk(x) = 0, of one column, or select(x ≠ −∞, 0, −1)
fn topk_one(v: View, id: NodeId) -> Option<Expr> {
    let Op::TopK { candidates, .. } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    if inner(v, x)? != 1 {
        return None;
    }
    let shape = &v.ty(id).shape;
    let all = |c: i32| broadcast(Literal::i32(c).into(), shape);
    Some(match is_candidate(v, x, *candidates) {
        None => all(0),
        Some(candidate) => Expr::select(candidate, all(0), all(-1)),
    })
}

/// topk_mask(x) = true, of one column, or x ≠ −∞
fn topk_mask_one(v: View, id: NodeId) -> Option<Expr> {
    let Op::TopKMask { candidates, .. } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    if inner(v, x)? != 1 {
        return None;
    }
    Some(is_candidate(v, x, *candidates).unwrap_or_else(|| broadcast(Literal::bool(true).into(), &v.ty(id).shape)))
}
