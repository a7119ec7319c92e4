//! What engines choose around one model's router.

use crate::chains::{AlignEngine, Duplicates, LocalExperts, Padding, Tail};
use routefuse_ir::DType;
use routefuse_ir::op::{Candidates, GroupFill, PackForm, TopKOrder};

use super::preset::Renorm;

/// What is built around a model's router. The default is the router alone: ids and weights, `i32` and `f32`, from `bf16`
/// logits. Fields are set one by one, by [`ModelOptions::with`], or by name ([`Preset::set`](super::Preset::set)).
///
/// ```
/// use routefuse::models::{Eplb, ModelOptions};
///
/// let options = ModelOptions::default().with(|o| o.eplb = Eplb::Static);
/// assert_eq!(options.eplb, Eplb::Static);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Another number of routed experts E.
    pub experts: Option<u64>,
    /// Another number of expert slots K.
    pub top_k: Option<u64>,
    /// Another number of groups.
    pub groups: Option<u64>,
    /// Another number of groups that are kept.
    pub keep: Option<u64>,
    /// Another number of shared experts S.
    pub shared_experts: Option<u64>,
    /// Another number of zero experts.
    pub zero_experts: Option<u64>,
    /// Another routed scaling factor.
    pub scale: Option<f32>,
    /// When weights are multiplied by it.
    pub scale_when: ScaleWhen,
    /// The dtype of the logits: bf16, f16 or f32.
    pub logits: DType,
    /// The dtype of the bias: f32, bf16 or f16.
    pub bias: DType,
    /// Another rule of renormalising.
    pub renorm: Option<Renorm>,
    /// What masked groups become.
    pub group_fill: GroupFill,
    /// What a logit that is a NaN does.
    pub nan: NanLogits,
    /// Whether a key of −∞ can be chosen; where it cannot, rows run out of candidates: id −1, weight 0.
    pub candidates: Candidates,
    /// The order of the expert slots.
    pub order: TopKOrder,
    /// Ids that do not come from the logits.
    pub simulation: Option<Simulation>,
    /// Expert slots past a row's own k, counted from the best, get the weight 0 (R11): k is 1 and the number of
    /// `entropy_thresholds` below the entropy of softmax(x).
    pub adaptive_k: bool,
    /// Expert slots past a row's own k, counted from the best, get the weight 0: k is the least number of them whose scores
    /// reach this sum (top-p), or K.
    pub top_p: Option<f32>,
    /// Another number of rows of the table of hash routing, V.
    pub vocabulary: Option<u64>,
    /// The dtype of `input_ids`: i32 or i64.
    pub token_ids: DType,
    /// The dtype of the table of hash routing: i32 or i64.
    pub table: DType,
    /// Logical to physical ids.
    pub eplb: Eplb,
    /// Columns X of the table of replicas.
    pub replicas: u64,
    /// Physical experts P, if not E: shared ids begin here, and load records have as many counts. What a map gives outside of
    /// them is no expert, −1.
    pub physical: Option<u64>,
    /// The dtype of the map or the table of replicas: i32 or i64.
    pub map: DType,
    /// Shared experts go through the load balancer too: their logical ids are E + s, and maps and tables have E + S rows.
    pub balance_shared: bool,
    /// What becomes of the expert slots of rows that are padding, shared ones included (P5).
    pub padding: Padding,
    /// Which rows are padding.
    pub padded_rows: PaddedRows,
    /// Counts of this dtype, in which every routed id is counted (P6): i32, u32, i64 or u64. Rows of padding, zero experts and
    /// shared experts are not.
    pub record: Option<DType>,
    /// Shared experts behind the routed expert slots.
    pub shared: SharedForm,
    /// Their weight where it is a constant, and the factor of a gate.
    pub shared_weight: Option<f32>,
    /// The dtype of `shared_weights` or `shared_gate`.
    pub shared_dtype: DType,
    /// Ids as one rank of several sees them (P9).
    pub expert_parallel: Option<ExpertParallelism>,
    /// The rank's physical experts: other ids become the sentinel, which is one past all ids (P13).
    pub owned: Option<Owned>,
    /// The id of an expert slot whose expert is a zero expert: −1 or 0 (P15).
    pub identity_id: i32,
    /// What is stored.
    pub output: Output,
    /// How it is packed.
    pub pack: PackForm,
    /// The dtype of the ids: i32, i64, u32, i16 or u16.
    pub ids: DType,
    /// The dtype of the weights: f32, bf16 or f16.
    pub weights: DType,
    /// Outputs have a free row stride: columns of a wider buffer can be bound to them (P13).
    pub strided: bool,
    /// Inputs with a row for each token have a free row stride: columns of a wider buffer can be bound to them.
    pub strided_inputs: bool,
    /// Whose layout of the items of all rows is stored too (P17 to P19): of the slots that have an expert, shared ones included.
    pub align: Option<AlignEngine>,
    /// Places of a block, where they are not as many as the engine usually has.
    pub align_block: Option<u64>,
    /// Which experts are laid out.
    pub align_experts: LocalExperts,
    /// What an id does that is twice in a row.
    pub align_duplicates: Duplicates,
    /// Ranks R of DeepEP's layout.
    pub align_ranks: u64,
    /// Places of each expert, of layouts in which all have as many.
    pub align_capacity: Option<u64>,
    /// What is behind the last block.
    pub align_tail: Tail,
    /// Outputs that the engine makes when asked.
    pub align_optional: bool,
    /// Which graph.
    pub part: Part,
}

impl Default for ModelOptions {
    fn default() -> ModelOptions {
        ModelOptions {
            experts: None,
            top_k: None,
            groups: None,
            keep: None,
            shared_experts: None,
            zero_experts: None,
            scale: None,
            scale_when: ScaleWhen::Always,
            logits: DType::Bf16,
            bias: DType::F32,
            renorm: None,
            group_fill: GroupFill::NegInf,
            nan: NanLogits::Keep,
            candidates: Candidates::AboveNegInf,
            order: TopKOrder::Value,
            simulation: None,
            adaptive_k: false,
            top_p: None,
            vocabulary: None,
            token_ids: DType::I32,
            table: DType::I32,
            eplb: Eplb::None,
            replicas: 4,
            physical: None,
            map: DType::I32,
            balance_shared: false,
            padding: Padding::Keep,
            padded_rows: PaddedRows::Count,
            record: None,
            shared: SharedForm::None,
            shared_weight: None,
            shared_dtype: DType::Bf16,
            expert_parallel: None,
            owned: None,
            identity_id: -1,
            output: Output::IdsAndWeights,
            pack: PackForm::Masked,
            ids: DType::I32,
            weights: DType::F32,
            strided: false,
            strided_inputs: false,
            align: None,
            align_block: None,
            align_experts: LocalExperts::All,
            align_duplicates: Duplicates::Each,
            align_ranks: 8,
            align_capacity: None,
            align_tail: Tail::Fill,
            align_optional: false,
            part: Part::Router,
        }
    }
}

/// When weights are multiplied by the routed scaling factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScaleWhen {
    /// Always.
    Always,
    /// Only where they are renormalised.
    Renormalising,
    /// Never: the caller scales the experts' output.
    Never,
}

/// What a logit that is a NaN does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NanLogits {
    /// What the formula says: behind a softmax over all experts every score of the row is then a NaN, elsewhere its own is, and
    /// its expert is chosen after every number.
    Keep,
    /// It counts as −∞ and its expert is no candidate, and neither is one whose key is a NaN all the same (of a row of −∞, or
    /// with +∞, behind a softmax); a routed weight that would be a NaN is 0.
    Never,
}

/// Which rows are padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaddedRows {
    /// Those from the scalar `n i32[]` on.
    Count,
    /// Those where the input `padding_mask bool[T]` is true: after a gather of several ranks' tokens they are no suffix.
    Mask,
}

/// Ids that do not come from the logits (R11); every weight is then 1 / K, scaled as others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Simulation {
    /// `(t × K + k) mod E`.
    RoundRobin,
    /// `r mod E`, r the Philox number of `seed`, `offset` (u64 scalars) and position `t × K + k`. Ids of one row may be equal.
    Random,
}

/// How logical expert ids become physical ones.
///
/// The table is `replicas [E, X]`, padded with −1, and `valid_replicas i32[E]` says how many of a row count (0 is as 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eplb {
    /// They are the same.
    None,
    /// `map[id]`, `map [E]` (P1).
    Static,
    /// `replicas[id, r mod valid]`, r from the input `random i32[T, K]`, read as unsigned (P2).
    Dynamic,
    /// The same with r the Philox number of `seed`, `offset` (u64 scalars) and position `t × K + k`, or that plus 2⁶³ where
    /// [`Simulation::Random`] has drawn the ids at the former (P2).
    Philox,
    /// In proportion to `probabilities f32[E, X]`, by the input `uniform f32[T, K]` in [0, 1) (P3).
    Proportional,
    /// The same with the Philox number's high 24 bits × 2⁻²⁴ (P3).
    ProportionalPhilox,
    /// `replicas[id, h mod valid]`, h the multiplicative hash of the token (P4).
    Hashed,
    /// The same, and each id that is not padding is counted in `load i32[P]` if the scalar `record_load i32[]` is not 0 (P4).
    HashedWithLoad,
}

/// Where the weights of shared experts come from. Their ids follow the physical ones and skip the load balancer, unless
/// `balance_shared` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedForm {
    /// They are not appended.
    None,
    /// A constant (P7): `shared_weight`, or 1.0 where the routed weights carry rsf, and 1 / rsf where the caller multiplies by
    /// it later.
    Constant,
    /// An input `shared_weights [T, S]` (P8).
    PerToken,
    /// σ of an input `shared_gate [T, S]`, times `shared_weight` where it is given (P8).
    Gate,
    /// `Σw / rsf`, which is then divided and scaled as the routed weights are, and left out of their sum (P12).
    InGate,
}

/// Each rank holds L routed experts followed by the S shared ones (P9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertParallelism {
    /// L; it divides P.
    pub experts_per_rank: u64,
    /// This rank, whose copy of the shared experts is used; if it is none, the rank is the input `rank i32[]` of a launch, so
    /// that all ranks have one kernel. A rank that is none of the P ÷ L has no shared expert, −1.
    pub rank: Option<u64>,
}

/// Which physical experts a rank has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owned {
    /// From the first to before the second.
    Range(u64, u64),
    /// As many for each rank, in order; the rank is that of [`ExpertParallelism`], or else the input `rank i32[]`.
    OfRank(u64),
}

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// `ids_out` and `weights_out`.
    IdsAndWeights,
    /// `packed`.
    Packed,
    /// All three.
    All,
}

/// A preset's graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The router and what follows it.
    Router,
    /// The head gate of the attention indexer (N1).
    HeadGate,
}

impl ModelOptions {
    /// These options, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ModelOptions)) -> ModelOptions {
        change(&mut self);
        self
    }

    /// The long chain of `examples/e_post_chain.route` behind the router: static remap, padding masked, shared experts
    /// appended by weights of each token if the model has any, and all of packed words, ids and weights stored.
    pub fn post(shared: bool) -> ModelOptions {
        ModelOptions {
            eplb: Eplb::Static,
            padding: Padding::MinusOne,
            shared: if shared { SharedForm::PerToken } else { SharedForm::None },
            output: Output::All,
            ..ModelOptions::default()
        }
    }
}
