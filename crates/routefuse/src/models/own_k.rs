//! A row's own k: fewer expert slots than K, counted from the best.

use super::chosen::Chosen;
use super::options::ModelOptions;
use super::sizes::Sizes;
use routefuse_ir::op::{Candidates, CompareOp, OutOfRange, ReduceOp, TopKOrder, UnaryOp};
use routefuse_ir::{DType, GraphBuilder, Literal, NodeId};

/// `bool[T, K]`: which expert slots are among the row's own k, if the options give rows one. `weights` are those of the chosen
/// before they are divided by anything.
pub(super) fn kept(
    b: &mut GraphBuilder,
    sizes: &Sizes,
    o: &ModelOptions,
    chosen: Chosen,
    weights: NodeId,
) -> Option<NodeId> {
    if !o.adaptive_k && o.top_p.is_none() {
        return None;
    }
    let per_token = [chosen.t, sizes.top_k.into()];
    let by_rank = (o.order == TopKOrder::Column).then(|| by_rank(b, sizes, chosen));
    let above = match o.top_p {
        Some(sum) => {
            let best_first = by_rank.map_or(weights, |by_rank| b.gather_row(weights, by_rank, OutOfRange::Pass));
            more_by_sum(b, sizes, sum, best_first)
        }
        None => more_by_entropy(b, sizes, chosen),
    };
    let above = b.broadcast(above, per_token);
    let ranks = match by_rank {
        None => b.iota(DType::I32, per_token, 1),
        // The inverse of a permutation is what sorts it.
        Some(by_rank) => {
            let descending = b.unary(UnaryOp::Neg, by_rank);
            let ranks = b.topk(descending, sizes.top_k, Candidates::All, TopKOrder::Value);
            b.name(ranks, "ranks")
        }
    };
    // The best is always kept: its rank, 0, is at most the number of the others.
    Some(b.compare(CompareOp::Le, ranks, above))
}

/// The expert slot of each rank, where slots are in the order of their columns.
fn by_rank(b: &mut GraphBuilder, sizes: &Sizes, chosen: Chosen) -> NodeId {
    // Slots without an expert are last already, and a NaN is last among keys.
    let last = OutOfRange::Fill(Literal::f32(f32::NAN));
    let keys = b.gather_row(chosen.keys.unwrap_or(chosen.scores), chosen.ids, last);
    let by_rank = b.topk(keys, sizes.top_k, Candidates::All, TopKOrder::Value);
    b.name(by_rank, "by_rank")
}

/// How many slots there are besides the best, `i32[T, 1]`: the thresholds below the entropy of softmax(x).
fn more_by_entropy(b: &mut GraphBuilder, sizes: &Sizes, chosen: Chosen) -> NodeId {
    let Chosen { t, x, .. } = chosen;
    let p = b.softmax(x);
    let (log_p, zero) = (b.log_softmax(x), b.constant(Literal::f32(0.0)));
    let term = b.mul(p, log_p);
    // 0 × −∞ counts nothing.
    let positive = b.compare(CompareOp::Gt, p, zero);
    let term = b.select(positive, term, zero);
    let sum = b.reduce_inner(ReduceOp::Sum, term);
    let entropy = b.unary(UnaryOp::Neg, sum);
    let entropy = b.name(entropy, "entropy");
    let steps = sizes.top_k.saturating_sub(1);
    let thresholds = b.input("entropy_thresholds", DType::F32, [steps.into()]);
    let thresholds = b.broadcast(thresholds, [t, steps.into()]);
    let entropy = b.broadcast(entropy, [t, steps.into()]);
    let above = b.compare(CompareOp::Gt, entropy, thresholds);
    let above = b.cast(above, DType::I32);
    b.reduce_inner(ReduceOp::Sum, above)
}

/// The same: how many sums of the best slots do not reach the wanted one yet.
fn more_by_sum(b: &mut GraphBuilder, sizes: &Sizes, wanted: f32, best_first: NodeId) -> NodeId {
    let sums = b.cumsum(best_first);
    let sums = b.slice(sums, 0, sizes.top_k.saturating_sub(1));
    let wanted = b.constant(Literal::f32(wanted));
    let short = b.compare(CompareOp::Lt, sums, wanted);
    let short = b.cast(short, DType::I32);
    b.reduce_inner(ReduceOp::Sum, short)
}
