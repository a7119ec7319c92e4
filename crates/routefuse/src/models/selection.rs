//! From logits to the ids and weights of the K expert slots.

use super::options::{ModelOptions, ScaleWhen, SharedForm, Simulation};
use super::preset::{Pick, Preset, Renorm, Scoring, Weighting};
use super::sizes::Sizes;
use crate::chains::rows;
use routefuse_ir::op::{BinaryOp, Candidates, CompareOp, Denominator, Op, OutOfRange, ReduceOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};

/// What is selected.
pub(super) struct Routed {
    /// The rows.
    pub t: Dim,
    /// `i32[T, K]`, −1 where candidates ran out.
    pub ids: NodeId,
    /// `f32[T, K]`, renormalised and scaled.
    pub weights: NodeId,
    /// The weights `f32[T, S]` of shared expert slots inside the gate.
    pub in_gate: Option<NodeId>,
    /// The scalars `seed` and `offset`, once something asked for them.
    pub seed: Option<(NodeId, NodeId)>,
}

/// Random numbers of every expert slot: Philox by (seed, offset, t × K + k), `u32[T, K]`. A second draw of a graph takes positions
/// 2⁶³ further on, so that it does not repeat the first.
pub(super) fn philox(b: &mut GraphBuilder, seed: &mut Option<(NodeId, NodeId)>, t: Dim, top_k: u64) -> NodeId {
    let again = seed.is_some();
    let (seed, offset) =
        *seed.get_or_insert_with(|| (b.input("seed", DType::U64, []), b.input("offset", DType::U64, [])));
    let mut position = rows::positions(b, DType::U64, t, top_k);
    if again {
        let further = b.int(DType::U64, 1 << 63);
        position = b.add(position, further);
    }
    let random = b.op(Op::Scalar(ScalarOp::Philox), &[seed, offset, position]);
    b.name(random, if again { "more_random_bits" } else { "random_bits" })
}

pub(super) fn build(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions) -> Routed {
    let t: Dim = b.symbol("T").into();
    let logits = b.input("logits", o.logits, [t, sizes.logits.into()]);
    let x = b.cast(logits, DType::F32);
    let mut seed = None;
    if let Some(simulation) = o.simulation {
        let (ids, weights) = simulated(b, simulation, sizes, t, &mut seed);
        return Routed { t, ids, weights, in_gate: None, seed };
    }
    let scores = match p.route.scoring {
        Scoring::Softmax => b.softmax(x),
        Scoring::Sigmoid => b.unary(UnaryOp::Sigmoid, x),
        Scoring::SqrtSoftplus => {
            let softplus = b.unary(UnaryOp::Softplus, x);
            b.unary(UnaryOp::Sqrt, softplus)
        }
        Scoring::Logit => x,
    };
    if scores != x {
        b.name(scores, "scores");
    }
    let ids = match p.route.pick {
        Pick::TopK => {
            let keys = keys(b, p, sizes, o, scores);
            b.topk(keys, sizes.top_k, o.candidates, o.order)
        }
        Pick::Hash { vocabulary } => {
            let table = b.input("tid2eid", DType::I32, [vocabulary.into(), sizes.top_k.into()]);
            let tokens = b.input("input_ids", DType::I32, [t]);
            let tokens = b.reshape(tokens, [t, 1.into()]);
            let tokens = b.broadcast(tokens, [t, sizes.top_k.into()]);
            let columns = b.iota(DType::I32, [t, sizes.top_k.into()], 1);
            b.gather(table, &[tokens, columns])
        }
    };
    let ids = b.name(ids, "ids");
    let weights = weights(b, p, o, sizes, x, scores, ids, t);
    let weights = b.name(weights, "chosen");
    let (weights, in_gate) = renormalise(b, p, sizes, o, weights, t);
    let mut weights = scale(b, p, sizes, o, weights);
    let in_gate = in_gate.map(|w| scale(b, p, sizes, o, w));
    // Where candidates ran out the weight is 0, whatever the sum of the others was.
    if o.candidates == Candidates::AboveNegInf || p.route.pick != Pick::TopK {
        weights = only_where_chosen(b, ids, weights);
    }
    if o.adaptive_k {
        weights = adaptive(b, sizes, x, weights, t);
    }
    Routed { t, ids, weights, in_gate, seed }
}

fn simulated(
    b: &mut GraphBuilder,
    simulation: Simulation,
    sizes: &Sizes,
    t: Dim,
    seed: &mut Option<(NodeId, NodeId)>,
) -> (NodeId, NodeId) {
    let number = match simulation {
        Simulation::RoundRobin => rows::positions(b, DType::U64, t, sizes.top_k),
        Simulation::Random => philox(b, seed, t, sizes.top_k),
    };
    let experts = b.int(b.ty(number).dtype, i128::from(sizes.experts));
    let id = b.binary(BinaryOp::Rem, number, experts);
    let ids = b.cast(id, DType::I32);
    let ids = b.name(ids, "ids");
    let weight = b.constant(Literal::f32(1.0 / sizes.top_k as f32));
    let weights = b.broadcast(weight, [t, sizes.top_k.into()]);
    (ids, weights)
}

/// What the top-k compares: the score, the bias, and −∞ or 0 in masked groups.
fn keys(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions, scores: NodeId) -> NodeId {
    let mut keys = scores;
    if p.route.bias {
        let bias = b.input("bias", o.bias, [sizes.logits.into()]);
        let bias = b.cast(bias, DType::F32);
        let bias = b.broadcast(bias, b.ty(scores).shape.clone());
        keys = b.add(scores, bias);
        b.name(keys, "biased");
    }
    if let Some(groups) = sizes.groups {
        let group_scores = b.group_score(keys, groups.count, groups.score);
        let group_scores = b.name(group_scores, "group_scores");
        keys = b.group_mask(keys, group_scores, groups.keep, o.group_fill);
        b.name(keys, "kept");
    }
    keys
}

#[expect(clippy::too_many_arguments)]
fn weights(
    b: &mut GraphBuilder,
    p: &Preset,
    o: &ModelOptions,
    sizes: &Sizes,
    x: NodeId,
    scores: NodeId,
    ids: NodeId,
    t: Dim,
) -> NodeId {
    let below_all = OutOfRange::Fill(Literal::f32(f32::NEG_INFINITY));
    let mut weights = match p.route.weighting {
        Weighting::Score => b.gather_row(scores, ids, OutOfRange::Pass),
        Weighting::SoftmaxOfChosen => {
            let chosen = b.gather_row(x, ids, below_all);
            b.softmax(chosen)
        }
        Weighting::SigmoidOfChosen => {
            let chosen = b.gather_row(x, ids, below_all);
            b.unary(UnaryOp::Sigmoid, chosen)
        }
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
    if o.candidates == Candidates::All && p.route.pick == Pick::TopK {
        return weights;
    }
    // The other weightings give something to an expert slot without an expert, which must not enter the sum.
    match p.route.weighting {
        Weighting::Score => weights,
        _ => only_where_chosen(b, ids, weights),
    }
}

fn only_where_chosen(b: &mut GraphBuilder, ids: NodeId, weights: NodeId) -> NodeId {
    let (none, zero) = (b.int(DType::I32, 0), b.constant(Literal::f32(0.0)));
    let exhausted = b.compare(CompareOp::Lt, ids, none);
    b.select(exhausted, zero, weights)
}

/// The rule in force.
pub(super) fn renorm_rule(p: &Preset, o: &ModelOptions) -> Renorm {
    o.renorm.unwrap_or(p.route.renorm)
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
    let wanted = match o.scale_when {
        ScaleWhen::Always => true,
        ScaleWhen::Renormalising => renorm_rule(p, o) != Renorm::None,
        ScaleWhen::Never => false,
    };
    // A factor of 1 changes no bit of a weight but a NaN's, which is canonical already.
    if !wanted || sizes.scale == 1.0 {
        return weights;
    }
    let scale = b.constant(Literal::f32(sizes.scale));
    b.mul(weights, scale)
}

/// Weights of expert slots past the row's own k become 0: k is 1 and the number of thresholds below the entropy of softmax(x).
fn adaptive(b: &mut GraphBuilder, sizes: &Sizes, x: NodeId, weights: NodeId, t: Dim) -> NodeId {
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
    let above = b.reduce_inner(ReduceOp::Sum, above);
    let above = b.broadcast(above, [t, sizes.top_k.into()]);
    let columns = b.iota(DType::I32, [t, sizes.top_k.into()], 1);
    // Expert slot 0 is always kept: its number < 1 + above.
    let kept = b.compare(CompareOp::Le, columns, above);
    let zero = b.constant(Literal::f32(0.0));
    b.select(kept, weights, zero)
}
