//! What a preset is made of.

use crate::chains::HeadGate;
use routefuse_ir::op::GroupScore;

/// A model's router: its sizes, and how it routes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Preset {
    /// The name in the program and in file names.
    pub name: &'static str,
    /// The models that route so.
    pub models: &'static str,
    /// The numbers of routed experts E of the models; the first is the default.
    pub experts: &'static [u64],
    /// Routed expert slots K.
    pub top_k: u64,
    /// Shared experts S; 0 if there are none, or none that are routed with the others.
    pub shared: u64,
    /// Zero (identity) experts, whose logits follow those of the routed ones and of the constant ones.
    pub identity: u64,
    /// Constant experts, whose logits follow those of the routed ones.
    pub constants: u64,
    /// Experts that give nothing, whose logits are the last; their weight is dropped before the sum.
    pub discards: u64,
    /// The routed scaling factor rsf, if the model has one.
    pub scale: Option<f32>,
    /// How experts are chosen and weighted.
    pub route: Route,
    /// The row of the selection in `docs/reference/routing.md`: R1 to R11.
    pub row: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// Where the formula and the numbers stand; what could not be confirmed there is said.
    pub source: &'static str,
    /// The head gate of the model's attention indexer (N1), a graph of its own.
    pub indexer: Option<HeadGate>,
    /// The preset that routes as this one does, but for sizes, factors and the divisor of the weights.
    pub like: Option<&'static str>,
}

/// How experts are chosen and weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// Logits are first capped, as cap × tanh(x / cap).
    pub cap: Option<f32>,
    /// The score s of a logit x.
    pub scoring: Scoring,
    /// An input `bias [E]` is added to the scores for the choice, and left out of the weights.
    pub bias: bool,
    /// Only the best groups of neighbouring experts are chosen from.
    pub groups: Option<Groups>,
    /// Who chooses.
    pub pick: Pick,
    /// The weight of a chosen expert.
    pub weighting: Weighting,
    /// What the weights are divided by.
    pub renorm: Renorm,
    /// Weights are multiplied by an input `per_expert_scale f32[E]` at the chosen expert.
    pub per_expert_scale: bool,
}

/// The score of a logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scoring {
    /// The softmax over all experts.
    Softmax,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// √log(1 + eˣ).
    SqrtSoftplus,
    /// x itself.
    Logit,
}

/// Groups of neighbouring experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// How many there are, G.
    pub count: u64,
    /// How many are chosen from.
    pub keep: u64,
    /// How a group is scored.
    pub score: GroupScore,
}

/// Who chooses the experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pick {
    /// The k best by score, bias and groups.
    TopK,
    /// A table `tid2eid i32[vocabulary, K]` by the token's `input_ids i32[T]`.
    Hash {
        /// Rows of the table.
        vocabulary: u64,
    },
}

/// The weight of a chosen expert.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Weighting {
    /// Its score, without the bias.
    Score,
    /// The softmax of the logits of the K chosen.
    SoftmaxOfChosen,
    /// The sigmoid of its logit.
    SigmoidOfChosen,
    /// Of two chosen, each is the softmax over the logits near its own, the second one's without the first: those of which the
    /// distance to it is at most `threshold` times the larger of it and their own amount.
    SparseMixer {
        /// The largest distance.
        threshold: f32,
    },
    /// The softmax of log σ of the logits of the K chosen and of an input `sink_logits f32[sinks]`, whose own weights are
    /// dropped; times an input `global_scale f32[]`.
    Sinks {
        /// How many.
        sinks: u64,
    },
}

/// What weights are divided by; s is their sum over the K expert slots.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Renorm {
    /// Nothing.
    None,
    /// s.
    Sum,
    /// s + ε.
    PlusEpsilon(f32),
    /// max(s, ε).
    Clamp(f32),
    /// s where s > 0, else 1.
    Positive,
}
