//! The weights of the K chosen experts.

use super::chosen::Chosen;
use super::options::{ModelOptions, NanLogits, SharedForm};
use super::own_k;
use super::preset::{Pick, Preset, Renorm, Weighting};
use super::sizes::{Sizes, carries_scale, renorm_rule};
use super::sparse_mixer;
use routefuse_ir::op::{Candidates, CompareOp, Denominator, OutOfRange, ReduceOp, UnaryOp};
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};

/// `f32[T, K]`, and the weights `f32[T, S]` of shared expert slots inside the gate.
pub(super) fn build(
    b: &mut GraphBuilder,
    p: &Preset,
    sizes: &Sizes,
    o: &ModelOptions,
    chosen: Chosen,
) -> (NodeId, Option<NodeId>) {
    let weights = of_chosen(b, p, sizes, o, chosen);
    let weights = b.name(weights, "chosen");
    let own_k = own_k::kept(b, sizes, o, chosen, weights);
    let weights = discard(b, p, sizes, chosen.ids, weights);
    let (weights, in_gate) = renormalise(b, p, sizes, o, weights, chosen.t);
    let mut weights = scale(b, p, sizes, o, weights);
    let mut in_gate = in_gate.map(|w| scale(b, p, sizes, o, w));
    // Where candidates ran out the weight is 0, whatever the sum of the others was.
    if may_run_out(p, o) {
        weights = only_where_chosen(b, chosen.ids, weights);
    }
    if let Some(kept) = own_k {
        let zero = b.constant(Literal::f32(0.0));
        weights = b.select(kept, weights, zero);
    }
    if o.nan == NanLogits::Never {
        weights = no_nan(b, weights);
        in_gate = in_gate.map(|w| no_nan(b, w));
    }
    (weights, in_gate)
}

/// 0 for experts that give nothing.
fn discard(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, ids: NodeId, weights: NodeId) -> NodeId {
    if p.discards == 0 {
        return weights;
    }
    let first = b.int(DType::I32, i128::from(sizes.first_discard()));
    let is_discarded = b.compare(CompareOp::Ge, ids, first);
    let zero = b.constant(Literal::f32(0.0));
    b.select(is_discarded, zero, weights)
}

/// An expert slot may have no expert.
fn may_run_out(p: &Preset, o: &ModelOptions) -> bool {
    o.candidates == Candidates::AboveNegInf || p.route.pick != Pick::TopK
}

fn no_nan(b: &mut GraphBuilder, weights: NodeId) -> NodeId {
    let nan = b.unary(UnaryOp::IsNan, weights);
    let zero = b.constant(Literal::f32(0.0));
    b.select(nan, zero, weights)
}

fn of_chosen(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions, chosen: Chosen) -> NodeId {
    let Chosen { t, x, ids, .. } = chosen;
    let below_all = OutOfRange::Fill(Literal::f32(f32::NEG_INFINITY));
    let mut weights = match p.route.weighting {
        Weighting::Score => {
            // Without a bias engines take what their top-k returns, the masked scores; with one they gather from the scores.
            let masked = chosen.keys.filter(|_| sizes.groups.is_some() && !p.route.bias);
            b.gather_row(masked.unwrap_or(chosen.scores), ids, OutOfRange::Pass)
        }
        Weighting::SoftmaxOfChosen => {
            let chosen = b.gather_row(x, ids, below_all);
            b.softmax(chosen)
        }
        Weighting::SigmoidOfChosen => {
            let chosen = b.gather_row(x, ids, below_all);
            b.unary(UnaryOp::Sigmoid, chosen)
        }
        Weighting::SparseMixer { threshold } => sparse_mixer::weights(b, o, chosen, threshold),
        Weighting::Sinks { sinks } => {
            let chosen = b.gather_row(x, ids, below_all);
            let sink_logits = b.input("sink_logits", DType::F32, [sinks.into()]);
            let sink_logits = b.broadcast(sink_logits, [t, sinks.into()]);
            let all = b.concat(&[chosen, sink_logits]);
            // log σ(z) = −softplus(−z).
            let negative = b.unary(UnaryOp::Neg, all);
            let softplus = b.unary(UnaryOp::Softplus, negative);
            let log_sigmoid = b.unary(UnaryOp::Neg, softplus);
            let shares = b.softmax(log_sigmoid);
            let routed = b.slice(shares, 0, sizes.top_k);
            let global_scale = b.input("global_scale", DType::F32, []);
            b.mul(routed, global_scale)
        }
    };
    if p.route.per_expert_scale {
        let table = b.input("per_expert_scale", DType::F32, [sizes.logits.into()]);
        let factors = b.gather(table, &[ids]);
        weights = b.mul(weights, factors);
    }
    // The other weightings give something to an expert slot without an expert, which must not enter the sum.
    match p.route.weighting {
        Weighting::Score => weights,
        _ if !may_run_out(p, o) => weights,
        _ => only_where_chosen(b, ids, weights),
    }
}

fn only_where_chosen(b: &mut GraphBuilder, ids: NodeId, weights: NodeId) -> NodeId {
    let (none, zero) = (b.int(DType::I32, 0), b.constant(Literal::f32(0.0)));
    let exhausted = b.compare(CompareOp::Lt, ids, none);
    b.select(exhausted, zero, weights)
}

/// Weights over their sum; and those of shared expert slots inside the gate, `Σw / rsf` over the same.
fn renormalise(
    b: &mut GraphBuilder,
    p: &Preset,
    sizes: &Sizes,
    o: &ModelOptions,
    weights: NodeId,
    t: Dim,
) -> (NodeId, Option<NodeId>) {
    let denominator = match renorm_rule(p, o) {
        Renorm::None => None,
        Renorm::Sum => Some(Denominator::Sum),
        Renorm::PlusEpsilon(e) => Some(Denominator::PlusEpsilon(Literal::f32(e))),
        Renorm::Clamp(e) => Some(Denominator::Clamp(Literal::f32(e))),
        Renorm::Positive => Some(Denominator::Positive),
    };
    if o.shared != SharedForm::InGate {
        return (denominator.map_or(weights, |d| b.renorm(weights, d)), None);
    }
    let sum = b.reduce_inner(ReduceOp::Sum, weights);
    let sum = b.name(sum, "weight_sum");
    let scale = b.constant(Literal::f32(sizes.scale));
    let shared = b.div(sum, scale);
    let shared = b.broadcast(shared, [t, sizes.shared.into()]);
    let Some(denominator) = denominator else { return (weights, Some(shared)) };
    let divisor = match denominator {
        Denominator::Sum => sum,
        Denominator::PlusEpsilon(e) => {
            let e = b.constant(e);
            b.add(sum, e)
        }
        Denominator::Clamp(e) => {
            let e = b.constant(e);
            b.max(sum, e)
        }
        Denominator::Positive => {
            let (zero, one) = (b.constant(Literal::f32(0.0)), b.constant(Literal::f32(1.0)));
            let positive = b.compare(CompareOp::Gt, sum, zero);
            b.select(positive, sum, one)
        }
    };
    let mut over = |w: NodeId, columns: u64| {
        let d = b.broadcast(divisor, [t, columns.into()]);
        b.div(w, d)
    };
    (over(weights, sizes.top_k), Some(over(shared, sizes.shared)))
}

fn scale(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions, weights: NodeId) -> NodeId {
    // A factor of 1 changes no bit of a weight but a NaN's, which is canonical already.
    if !carries_scale(p, o) || sizes.scale == 1.0 {
        return weights;
    }
    let scale = b.constant(Literal::f32(sizes.scale));
    b.mul(weights, scale)
}
