//! What a preset is made of.

use super::{ModelOptions, after, selection};
use crate::chains::{ChainResult, HeadGate};
use routefuse_ir::op::GroupScore;
use routefuse_ir::{Diagnostics, GraphBuilder};

/// A model's router: its sizes, and how it routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name in the program and in file names.
    pub name: &'static str,
    /// The models that route so.
    pub models: &'static str,
    /// The numbers of routed experts E of the models; the first is the default.
    pub experts: &'static [u64],
    /// Routed slots K.
    pub top_k: u64,
    /// Shared experts S; 0 if there are none, or none that are routed with the others.
    pub shared: u64,
    /// Zero (identity) experts, whose logits follow those of the routed ones.
    pub identity: u64,
    /// The routed scaling factor rsf, if the model has one.
    pub scale: Option<f32>,
    /// How experts are chosen and weighted.
    pub route: Route,
    /// The row of the selection in `docs/routing.md`: R1 to R11.
    pub row: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// Where the formula stands.
    pub source: &'static str,
    /// The head gate of the model's attention indexer (N1), a graph of its own.
    pub indexer: Option<HeadGate>,
}

/// How experts are chosen and weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Its score, without the bias.
    Score,
    /// The softmax of the logits of the K chosen.
    SoftmaxOfChosen,
    /// The sigmoid of its logit.
    SigmoidOfChosen,
    /// The softmax of log σ of the logits of the K chosen and of an input `sink_logits f32[sinks]`, whose own weights are
    /// dropped; times an input `global_scale f32[]`.
    Sinks {
        /// How many.
        sinks: u64,
    },
}

/// What weights are divided by; s is their sum over the K slots.
#[derive(Clone, Copy, Debug, PartialEq)]
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

impl Preset {
    /// The graph of the router and what follows it; `T`, the tokens, is symbolic.
    ///
    /// Inputs, where the options ask for them, in this order: `logits [T, E]`, `bias [E]`, `tid2eid i32[V, K]` and
    /// `input_ids i32[T]`, `sink_logits f32[sinks]` and `global_scale f32[]`, `per_expert_scale f32[E]`,
    /// `entropy_thresholds f32[K−1]`, `n i32[]`, the load balancer's (see [`super::Eplb`]), `record [P]`, and
    /// `shared_weights [T, S]` or `shared_gate [T, S]`. Outputs: `packed i32`, `ids_out`, `weights_out`, all of K slots and
    /// the appended shared ones; `identity f32[T, 1]`; and `load_out` and `record_out` in place of `load` and `record`.
    ///
    /// # Errors
    /// `RF1002` for options that the model has not, all of them; `RF1004` for some that exclude each other; and what the
    /// sizes are wrong in: `RF0312` for more slots than experts or more groups than there are, `RF0313` for groups of
    /// different sizes.
    pub fn graph(&self, options: &ModelOptions) -> ChainResult {
        self.check(options).into_result(())?;
        if options.part == super::Part::HeadGate {
            let gate = self.indexer.clone().unwrap_or_default();
            return gate.graph();
        }
        let mut b = GraphBuilder::new(self.name.replace('-', "_"));
        let sizes = self.sizes(options)?;
        let routed = selection::build(&mut b, self, &sizes, options);
        after::build(&mut b, self, &sizes, options, routed);
        b.finish()
    }

    /// The sizes with those that the options override.
    fn sizes(&self, options: &ModelOptions) -> Result<Sizes, Diagnostics> {
        let experts = options.experts.unwrap_or(self.experts[0]);
        let groups = self.route.groups.map(|g| Groups {
            count: options.groups.unwrap_or(g.count),
            keep: options.keep.unwrap_or(g.keep),
            score: g.score,
        });
        let sizes = Sizes {
            experts,
            logits: experts.saturating_add(self.identity),
            top_k: options.top_k.unwrap_or(self.top_k),
            shared: options.shared_experts.unwrap_or(self.shared),
            physical: options.physical.unwrap_or(experts),
            groups,
            scale: options.scale.or(self.scale).unwrap_or(1.0),
        };
        super::option_table::check_sizes(&sizes)?;
        Ok(sizes)
    }
}

/// A preset's sizes under some options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// E.
    pub experts: u64,
    /// Columns of the logits: E and the zero experts.
    pub logits: u64,
    /// K.
    pub top_k: u64,
    /// S.
    pub shared: u64,
    /// Physical experts P; shared ids follow them.
    pub physical: u64,
    /// G and how many are kept.
    pub groups: Option<Groups>,
    /// rsf.
    pub scale: f32,
}
