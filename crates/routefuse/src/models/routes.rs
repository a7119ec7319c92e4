//! The ways of routing that most models share.

use super::preset::{Groups, Pick, Renorm, Route, Scoring, Weighting};
use routefuse_ir::op::GroupScore;

/// ε of the renormalising sum in DeepSeek's reference code and those that follow it.
const EPSILON: f32 = 1e-20;

/// R1: softmax, top-k, renormalised.
pub(super) const R1: Route = Route {
    cap: None,
    scoring: Scoring::Softmax,
    bias: false,
    groups: None,
    pick: Pick::TopK,
    weighting: Weighting::Score,
    renorm: Renorm::Sum,
    per_expert_scale: false,
};

/// R2: top-k of the logits, softmax over the chosen.
pub(super) const R2: Route =
    Route { scoring: Scoring::Logit, weighting: Weighting::SoftmaxOfChosen, renorm: Renorm::None, ..R1 };

/// R4: sigmoid and bias.
pub(super) const R4: Route =
    Route { scoring: Scoring::Sigmoid, bias: true, renorm: Renorm::PlusEpsilon(EPSILON), ..R1 };

/// R7: square root of softplus and bias.
pub(super) const R7: Route = Route { scoring: Scoring::SqrtSoftplus, ..R4 };

/// Groups of neighbouring experts.
pub(super) const fn groups(count: u64, keep: u64, score: GroupScore) -> Option<Groups> {
    Some(Groups { count, keep, score })
}

/// R4, in words.
pub(super) const R4_FORMULA: &str = "s = σ(x); id = top-k(s + b); w = s[id]; w / (Σw + 1e-20) × rsf";
