//! From logits to the ids of the K expert slots.

use super::chosen::Chosen;
use super::options::{ModelOptions, NanLogits, Simulation};
use super::preset::{Pick, Preset, Scoring};
use super::random::philox;
use super::row_input::row_input;
use super::sizes::{Sizes, carries_scale};
use super::weights;
use crate::chains::rows;
use routefuse_ir::op::{BinaryOp, GroupFill, UnaryOp};
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

pub(super) fn build(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions) -> Routed {
    let t: Dim = b.symbol("T").into();
    let logits = row_input(b, o, "logits", o.logits, [t, sizes.logits.into()]);
    let mut seed = None;
    if let Some(simulation) = o.simulation {
        let (ids, weights) = simulated(b, simulation, p, sizes, o, t, &mut seed);
        return Routed { t, ids, weights, in_gate: None, seed };
    }
    let given = b.cast(logits, DType::F32);
    let nan = (o.nan == NanLogits::Never).then(|| b.unary(UnaryOp::IsNan, given));
    let capped = match p.route.cap {
        Some(cap) => {
            let cap = b.constant(Literal::f32(cap));
            let part = b.div(given, cap);
            let part = b.unary(UnaryOp::Tanh, part);
            b.mul(part, cap)
        }
        None => given,
    };
    let x = match nan {
        Some(nan) => below_all(b, nan, capped),
        None => capped,
    };
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
    let (ids, keys) = match p.route.pick {
        Pick::TopK => {
            let keys = keys(b, p, sizes, o, scores, nan);
            (b.topk(keys, sizes.top_k, o.candidates, o.order), Some(keys))
        }
        Pick::Hash { .. } => (of_table(b, sizes, o, t), None),
    };
    let ids = b.name(ids, "ids");
    let chosen = Chosen { t, x, scores, keys, ids };
    let (weights, in_gate) = weights::build(b, p, sizes, o, chosen);
    Routed { t, ids, weights, in_gate, seed }
}

/// −∞ where the condition holds.
fn below_all(b: &mut GraphBuilder, condition: NodeId, x: NodeId) -> NodeId {
    let lowest = b.constant(Literal::f32(f32::NEG_INFINITY));
    b.select(condition, lowest, x)
}

/// The experts that a table has for each token. What is no expert's id is −1.
fn of_table(b: &mut GraphBuilder, sizes: &Sizes, o: &ModelOptions, t: Dim) -> NodeId {
    let per_token = [t, sizes.top_k.into()];
    let table = b.input("tid2eid", o.table, [sizes.vocabulary.into(), sizes.top_k.into()]);
    let tokens = row_input(b, o, "input_ids", o.token_ids, [t]);
    let tokens = b.reshape(tokens, [t, 1.into()]);
    let tokens = b.broadcast(tokens, per_token);
    let columns = b.iota(o.token_ids, per_token, 1);
    let found = b.gather(table, &[tokens, columns]);
    rows::within(b, found, sizes.experts)
}

fn simulated(
    b: &mut GraphBuilder,
    simulation: Simulation,
    p: &Preset,
    sizes: &Sizes,
    o: &ModelOptions,
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
    let scale = if carries_scale(p, o) { sizes.scale } else { 1.0 };
    let weight = b.constant(Literal::f32(1.0 / sizes.top_k as f32 * scale));
    let weights = b.broadcast(weight, [t, sizes.top_k.into()]);
    (ids, weights)
}

/// What the top-k compares: the score, the bias, and −∞ or 0 in masked groups. `nan` says which logits were a NaN, where their
/// experts are no candidates.
fn keys(
    b: &mut GraphBuilder,
    p: &Preset,
    sizes: &Sizes,
    o: &ModelOptions,
    scores: NodeId,
    nan: Option<NodeId>,
) -> NodeId {
    let mut keys = scores;
    if p.route.bias {
        let bias = b.input("bias", o.bias, [sizes.logits.into()]);
        let bias = b.cast(bias, DType::F32);
        let bias = b.broadcast(bias, b.ty(scores).shape.clone());
        keys = b.add(scores, bias);
        b.name(keys, "biased");
    }
    // The logits themselves are clean already.
    let clean = p.route.scoring == Scoring::Logit && !p.route.bias;
    if let Some(nan) = nan.filter(|_| !clean) {
        keys = no_candidates(b, nan, keys);
    }
    if let Some(groups) = sizes.groups {
        let group_scores = b.group_score(keys, groups.count, groups.score);
        let group_scores = b.name(group_scores, "group_scores");
        keys = b.group_mask(keys, group_scores, groups.keep, o.group_fill);
        b.name(keys, "kept");
        // What fills a masked group would make candidates of them again.
        if let Some(nan) = nan.filter(|_| o.group_fill != GroupFill::NegInf) {
            keys = no_candidates(b, nan, keys);
        }
    }
    keys
}

/// −∞ for experts whose logit is a NaN, or whose key is.
fn no_candidates(b: &mut GraphBuilder, nan: NodeId, keys: NodeId) -> NodeId {
    let no_key = b.unary(UnaryOp::IsNan, keys);
    let none = b.binary(BinaryOp::Or, nan, no_key);
    below_all(b, none, keys)
}
