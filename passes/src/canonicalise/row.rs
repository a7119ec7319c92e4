//! Rules about operations on whole rows.

use super::rewrite::{Expr, Rule};
use super::view::View;
use routefuse_ir::op::{Candidates, TopKOrder};
use routefuse_ir::{Literal, NodeId, Op};

pub(super) const RULES: &[Rule] = &[every_key, every_column, fewer_slots];

/// topk(x, above_neg_inf) = topk(x, all), and so of topk_mask, if no element of x is −∞
fn every_key(v: View, id: NodeId) -> Option<Expr> {
    let [x] = v.operands(id)?;
    if v.dtype(x).is_float() && !v.facts.is_unsigned(x) {
        return None;
    }
    let all = Candidates::All;
    let op = match *v.op(id) {
        Op::TopK { k, candidates: Candidates::AboveNegInf, order, nan } => Op::TopK { k, candidates: all, order, nan },
        Op::TopKMask { k, candidates: Candidates::AboveNegInf, nan } => Op::TopKMask { k, candidates: all, nan },
        _ => return None,
    };
    Some(Expr::Op(op, vec![x.into()]))
}

/// topk(x)[0..m] = topk(x), k = m, the best first, if nothing else uses it
fn fewer_slots(v: View, id: NodeId) -> Option<Expr> {
    let Op::Slice { start: 0, stop } = *v.op(id) else { return None };
    let [chosen] = v.operands(id)?;
    let Op::TopK { candidates, order: TopKOrder::Value, nan, .. } = *v.op(chosen) else { return None };
    let [x] = v.operands(chosen)?;
    let stored = v.g.outputs.iter().any(|o| o.node == chosen);
    (v.g.users(chosen).len() == 1 && !stored)
        .then(|| Expr::Op(Op::TopK { k: stop, candidates, order: TopKOrder::Value, nan }, vec![x.into()]))
}

/// topk_mask(x) = true, if as many are kept as there are columns, and every key is a candidate
fn every_column(v: View, id: NodeId) -> Option<Expr> {
    let Op::TopKMask { k, candidates: Candidates::All, .. } = *v.op(id) else { return None };
    let [x] = v.operands(id)?;
    let shape = &v.ty(x).shape;
    (shape.last()?.as_const()? == k)
        .then(|| Expr::Op(Op::Broadcast { shape: shape.clone() }, vec![Literal::bool(true).into()]))
}
