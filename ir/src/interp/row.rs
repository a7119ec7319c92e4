//! Operations on whole rows, segment after segment of the inner dim; composite ones by their formulas.

use super::value::Value;
use crate::dtype::DType;
use crate::eval::{self, Evaluator, row};
use crate::literal::Literal;
use crate::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, NanOrder, NanRule, Op, ReduceOp, ScalarOp,
    TopKOrder, UnaryOp,
};
use std::rc::Rc;

const ADD: ScalarOp = ScalarOp::Binary(BinaryOp::Add);
const SUB: ScalarOp = ScalarOp::Binary(BinaryOp::Sub);
const MUL: ScalarOp = ScalarOp::Binary(BinaryOp::Mul);
const DIV: ScalarOp = ScalarOp::Binary(BinaryOp::Div);
const MAX: ScalarOp = ScalarOp::Binary(BinaryOp::Max(NanRule::Number));
const EXP: ScalarOp = ScalarOp::Unary(UnaryOp::Exp);
const LOG: ScalarOp = ScalarOp::Unary(UnaryOp::Log);

/// The bits of the result. `None` for another op, or a dtype that the op does not take. No operand is empty.
pub(super) fn evaluate(op: &Op, operands: &[Rc<Value>]) -> Option<Vec<u64>> {
    let x = &operands[0];
    let (dtype, width) = (x.dtype, x.inner());
    let segments = || x.bits.chunks_exact(width);
    let all = |f: &dyn Fn(&[u64]) -> Option<Vec<u64>>| {
        let results: Option<Vec<Vec<u64>>> = segments().map(f).collect();
        results.map(|r| r.concat())
    };
    match op {
        Op::Reduce { op, axis } => reduce(*op, *axis, x),
        Op::ArgMax { nan } => all(&|s| Some(topk(dtype, s, 1, Candidates::All, TopKOrder::Value, *nan))),
        Op::CumSum => all(&|s| row::cumsum(dtype, s)),
        Op::Softmax => all(&|s| {
            let e = shifted(s)?.into_iter().map(|d| f32_op(EXP, &[d])).collect::<Option<Vec<u64>>>()?;
            let sum = row::reduce(ReduceOp::Sum, dtype, &e)?;
            e.into_iter().map(|e| f32_op(DIV, &[e, sum])).collect()
        }),
        Op::LogSoftmax => all(&|s| {
            let d = shifted(s)?;
            let e = d.iter().map(|d| f32_op(EXP, &[*d])).collect::<Option<Vec<u64>>>()?;
            let log = f32_op(LOG, &[row::reduce(ReduceOp::Sum, dtype, &e)?])?;
            d.into_iter().map(|d| f32_op(SUB, &[d, log])).collect()
        }),
        Op::Dot => {
            let products = x.bits.iter().zip(&operands[1].bits).map(|(a, b)| f32_op(MUL, &[*a, *b]));
            let products = products.collect::<Option<Vec<u64>>>()?;
            products.chunks_exact(width).map(|s| row::reduce(ReduceOp::Sum, dtype, s)).collect()
        }
        Op::TopK { k, candidates, order, nan } => {
            all(&|s| Some(topk(dtype, s, *k as usize, *candidates, *order, *nan)))
        }
        Op::TopKMask { k, candidates, nan } => {
            let mask = |s: &[u64]| row::topk_mask(dtype, s, *k as usize, *candidates, *nan);
            all(&|s| Some(mask(s).into_iter().map(u64::from).collect()))
        }
        Op::GroupScore { groups, score } => {
            let op = match score {
                GroupScore::Max => ReduceOp::Max,
                GroupScore::TopTwoSum => ReduceOp::TopTwoSum,
            };
            x.bits.chunks_exact(width / *groups as usize).map(|g| row::reduce(op, dtype, g)).collect()
        }
        Op::GroupMask { keep, fill } => group_mask(x, &operands[1], *keep as usize, *fill),
        Op::Renorm { denominator } => all(&|s| {
            let d = divisor(*denominator, row::reduce(ReduceOp::Sum, dtype, s)?)?;
            s.iter().map(|w| f32_op(DIV, &[*w, d])).collect()
        }),
        Op::AtomicAdd => {
            let (index, amount) = (&operands[1], &operands[2]);
            let mut counts = x.bits.clone();
            for (i, bits) in index.bits.iter().enumerate() {
                let at = eval::as_index(index.dtype, *bits);
                row::add_at(dtype, &mut counts, at, amount.bits[i * amount.step()]);
            }
            Some(counts)
        }
        _ => None,
    }
}

fn f32_op(op: ScalarOp, operands: &[u64]) -> Option<u64> {
    let f = Evaluator::resolve(op, &[DType::F32; 2][..operands.len()])?.function();
    Some(f(operands[0], operands.get(1).copied().unwrap_or(0), 0))
}

fn topk(dtype: DType, segment: &[u64], k: usize, candidates: Candidates, order: TopKOrder, nan: NanOrder) -> Vec<u64> {
    row::topk(dtype, segment, k, candidates, order, nan).into_iter().map(|c| u64::from(c as u32)).collect()
}

/// x − m, m the maximum of the segment.
fn shifted(segment: &[u64]) -> Option<Vec<u64>> {
    let m = row::reduce(ReduceOp::Max, DType::F32, segment)?;
    segment.iter().map(|x| f32_op(SUB, &[*x, m])).collect()
}

/// Columns of any axis: those of one result lie `inner` apart.
fn reduce(op: ReduceOp, axis: usize, x: &Value) -> Option<Vec<u64>> {
    let extent = x.shape[axis] as usize;
    let inner = x.shape[axis + 1..].iter().product::<u64>() as usize;
    let mut result = Vec::with_capacity(x.bits.len() / extent);
    for block in x.bits.chunks_exact(extent * inner) {
        for i in 0..inner {
            let column: Vec<u64> = block[i..].iter().step_by(inner).copied().collect();
            result.push(row::reduce(op, x.dtype, &column)?);
        }
    }
    Some(result)
}

fn group_mask(x: &Value, scores: &Value, keep: usize, fill: GroupFill) -> Option<Vec<u64>> {
    let (columns, groups) = (x.inner(), scores.inner());
    let rows = x.bits.chunks_exact(columns).zip(scores.bits.chunks_exact(groups));
    let mut result = Vec::with_capacity(x.bits.len());
    for (x, scores) in rows {
        let kept = row::topk_mask(DType::F32, scores, keep, Candidates::All, NanOrder::Last);
        for (column, bits) in x.iter().enumerate() {
            let kept = kept[column / (columns / groups)];
            result.push(match fill {
                GroupFill::Multiply => f32_op(MUL, &[*bits, Literal::f32(if kept { 1.0 } else { 0.0 }).bits()])?,
                _ if kept => *bits,
                GroupFill::NegInf => Literal::f32(f32::NEG_INFINITY).bits(),
                GroupFill::Zero => Literal::f32(0.0).bits(),
            });
        }
    }
    Some(result)
}

fn divisor(rule: Denominator, sum: u64) -> Option<u64> {
    match rule {
        Denominator::Sum => Some(sum),
        Denominator::PlusEpsilon(e) => f32_op(ADD, &[sum, e.bits()]),
        Denominator::Clamp(e) => f32_op(MAX, &[sum, e.bits()]),
        Denominator::Positive => {
            let positive = f32_op(ScalarOp::Compare(CompareOp::Gt), &[sum, Literal::f32(0.0).bits()])?;
            Some(if positive != 0 { sum } else { Literal::f32(1.0).bits() })
        }
    }
}
