//! Operations on bins, by their formulas. What is left crosses rows: counts onto what was counted before, ranks, values laid out
//! over what lies there before, the bin of a place, and the starts of bins, which stay as long as it has to be seen that they never fall.

use super::super::rewrite::{Expr, Rule};
use super::super::view::View;
use routefuse_ir::infer::MAX_ITEMS;
use routefuse_ir::op::{BinaryOp, CompareOp, NanRule, ReduceOp};
use routefuse_ir::{DType, Dim, Literal, NodeId, Op};

pub(super) const RULES: &[Rule] = &[count, any, rows, fill, before];

/// The formula of `bin_starts`, for who needs it no longer.
pub(super) const STARTS: &[Rule] = &[strided, starts];

fn broadcast(x: impl Into<Expr>, shape: &[Dim]) -> Expr {
    Expr::Op(Op::Broadcast { shape: shape.to_vec() }, vec![x.into()])
}

fn reshape(x: impl Into<Expr>, shape: &[Dim]) -> Expr {
    Expr::Op(Op::Reshape { shape: shape.to_vec() }, vec![x.into()])
}

fn iota(dtype: DType, shape: &[Dim], axis: usize) -> Expr {
    Expr::Op(Op::Iota { dtype, shape: shape.to_vec(), axis }, vec![])
}

/// bin_count(ids) = bin_count(ids, broadcast(0))
fn count(v: View, id: NodeId) -> Option<Expr> {
    let (Op::BinCount { bins }, [ids]) = (v.op(id), v.operands(id)?) else { return None };
    let zero = broadcast(Literal::i32(0), &[Dim::Const(*bins)]);
    Some(Expr::Op(Op::BinCount { bins: *bins }, vec![ids.into(), zero]))
}

/// bin_any(ids)[t, r] = max over k of i64(ids[t, k]) = r
///
/// Of a `u64` above 2⁶³ − 1 the `i64` is below 0, and so no bin.
fn any(v: View, id: NodeId) -> Option<Expr> {
    let (Op::BinAny { bins }, [ids]) = (v.op(id), v.operands(id)?) else { return None };
    let [rows, k] = v.ty(ids).shape[..] else { return None };
    let bins = Dim::Const(*bins);
    let wide = [rows, k, bins];
    let each = broadcast(reshape(Expr::cast(ids, DType::I64), &[rows, k, Dim::Const(1)]), &wide);
    let is = Expr::cast(Expr::compare(CompareOp::Eq, each, iota(DType::I64, &wide, 2)), DType::I32);
    let some = Expr::Op(Op::Reduce { op: ReduceOp::Max, axis: 1 }, vec![is]);
    Some(Expr::cast(reshape(some, &[rows, bins]), DType::Bool))
}

/// count_rows(x) = bin_count(x[t, r] ? r : −1)
fn rows(v: View, id: NodeId) -> Option<Expr> {
    let (Op::CountRows, [x]) = (v.op(id), v.operands(id)?) else { return None };
    let shape = &v.ty(x).shape;
    let bins = shape[1].as_const()?;
    let ids = Expr::select(x, iota(DType::I32, shape, 1), broadcast(Literal::i32(-1), shape));
    Some(Expr::Op(Op::BinCount { bins }, vec![ids]))
}

/// bin_scatter(values, ids, starts, fill, …) = bin_scatter(values, ids, starts, broadcast(fill), …), of a scalar
fn fill(v: View, id: NodeId) -> Option<Expr> {
    let Op::BinScatter { shape } = v.op(id) else { return None };
    let mut operands: Vec<Expr> = v.g.operands(id).into_iter().map(Expr::Value).collect();
    let fill = v.g.operands(id).get(3).copied().filter(|fill| v.is_scalar(*fill))?;
    operands[3] = broadcast(fill, shape);
    Some(Expr::Op(v.op(id).clone(), operands))
}

/// bin_scatter(values, ids, starts, fill, before) = bin_scatter(values, ids, starts, j < `starts[E]` ? fill : before)
fn before(v: View, id: NodeId) -> Option<Expr> {
    let (Op::BinScatter { shape }, [values, ids, starts, fill, before]) = (v.op(id), v.operands(id)?) else {
        return None;
    };
    let bins = v.ty(starts).shape[0].as_const()?.checked_sub(1)?;
    let end = reshape(Expr::Op(Op::Slice { start: bins, stop: bins + 1 }, vec![starts.into()]), &[]);
    let place = iota(DType::I64, shape, 0);
    let fills = Expr::compare(CompareOp::Lt, place, broadcast(Expr::cast(end, DType::I64), shape));
    let lies = Expr::select(fills, fill, before);
    Some(Expr::Op(v.op(id).clone(), vec![values.into(), ids.into(), starts.into(), lies]))
}

/// bin_starts(counts, stride) = min(i64(e) × stride, 2³¹ − 1)
fn strided(v: View, id: NodeId) -> Option<Expr> {
    let Op::BinStarts { stride: Some(stride), .. } = v.op(id) else { return None };
    let shape = &v.ty(id).shape;
    let most = |n: u64| Some(broadcast(Expr::int(DType::I64, n.into())?, shape));
    let place = Expr::binary(BinaryOp::Mul, iota(DType::I64, shape, 0), most(*stride)?);
    Some(Expr::cast(Expr::binary(BinaryOp::Min(NanRule::Number), place, most(MAX_ITEMS)?), DType::I32))
}

/// bin_starts(counts) = concat(0, i32(min(cumsum(max((max(i64(counts), 0) + align − 1) ÷ align, empty) × align), 2³¹ − 1)))
///
/// A bin takes less than 2³², and 2¹⁴ of them less than 2⁴⁶: no sum wraps, and one that was cut to 2³¹ − 1 never falls below it.
fn starts(v: View, id: NodeId) -> Option<Expr> {
    let (Op::BinStarts { align, empty, stride: None }, [counts]) = (v.op(id), v.operands(id)?) else { return None };
    let shape = &v.ty(counts).shape;
    let most = |n: u64| Some(broadcast(Expr::int(DType::I64, n.into())?, shape));
    let largest = |a: Expr, b: Expr| Expr::binary(BinaryOp::Max(NanRule::Number), a, b);
    let count = largest(Expr::cast(counts, DType::I64), most(0)?);
    let blocks = match *align {
        1 => count,
        align => {
            let up = Expr::binary(BinaryOp::Add, count, most(align - 1)?);
            Expr::binary(BinaryOp::Div, up, most(align)?)
        }
    };
    let blocks = if *empty > 0 { largest(blocks, most(*empty)?) } else { blocks };
    let taken = if *align > 1 { Expr::binary(BinaryOp::Mul, blocks, most(*align)?) } else { blocks };
    let ends = Expr::Op(Op::CumSum, vec![taken]);
    let ends = Expr::cast(Expr::binary(BinaryOp::Min(NanRule::Number), ends, most(MAX_ITEMS)?), DType::I32);
    Some(Expr::Op(Op::Concat, vec![broadcast(Literal::i32(0), &[Dim::Const(1)]), ends]))
}
