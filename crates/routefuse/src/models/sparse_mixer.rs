//! PhiMoE's weights: of two chosen experts, each is the softmax over the logits near its own.

use super::chosen::Chosen;
use super::options::ModelOptions;
use routefuse_ir::op::{BinaryOp, CompareOp, OutOfRange, ReduceOp, TopKOrder, UnaryOp};
use routefuse_ir::{DType, GraphBuilder, Literal, NodeId};

/// `f32[T, 2]`: 1 / Σ exp(x − m) over the x that are near m, the own logit; for the second one without the first.
pub(super) fn weights(b: &mut GraphBuilder, o: &ModelOptions, chosen: Chosen, threshold: f32) -> NodeId {
    let Chosen { t, x, ids, .. } = chosen;
    // Whatever the order of the slots.
    let best = b.topk(x, 2, o.candidates, TopKOrder::Value);
    let (first, second) = (b.slice(best, 0, 1), b.slice(best, 1, 2));
    let of_first = share(b, x, first, None, threshold);
    let of_second = share(b, x, second, Some(first), threshold);
    let per_slot = [t, 2.into()];
    let first = b.broadcast(first, per_slot);
    let is_first = b.compare(CompareOp::Eq, ids, first);
    let (of_first, of_second) = (b.broadcast(of_first, per_slot), b.broadcast(of_second, per_slot));
    b.select(is_first, of_first, of_second)
}

/// The part of the logit of `own`, `i32[T, 1]`, in the softmax over those near it, without that of `other`.
fn share(b: &mut GraphBuilder, x: NodeId, own: NodeId, other: Option<NodeId>, threshold: f32) -> NodeId {
    let shape = b.ty(x).shape.clone();
    let most = b.gather_row(x, own, OutOfRange::Fill(Literal::f32(f32::NEG_INFINITY)));
    let most = b.broadcast(most, shape.clone());
    let distance = b.sub(most, x);
    let amount = b.unary(UnaryOp::Abs, x);
    let amount = b.max(amount, most);
    let ratio = b.div(distance, amount);
    let threshold = b.constant(Literal::f32(threshold));
    let mut far = b.compare(CompareOp::Gt, ratio, threshold);
    if let Some(other) = other {
        let other = b.broadcast(other, shape.clone());
        let column = b.iota(DType::I32, shape.clone(), shape.len() - 1);
        let is_other = b.compare(CompareOp::Eq, column, other);
        far = b.binary(BinaryOp::Or, far, is_other);
    }
    let below = b.sub(x, most);
    let e = b.unary(UnaryOp::Exp, below);
    let zero = b.constant(Literal::f32(0.0));
    let near = b.select(far, zero, e);
    let sum = b.reduce_inner(ReduceOp::Sum, near);
    let one = b.constant(Literal::f32(1.0));
    b.div(one, sum)
}
