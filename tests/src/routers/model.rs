//! The formulas of `docs/reference/routing.md`, written down once more: sizes and routes of every model.

/// The score of a logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// The softmax over all columns.
    Softmax,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// √log(1 + eˣ).
    SqrtSoftplus,
    /// The logit itself.
    Logit,
}

/// The weight of a chosen expert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight {
    /// Its score.
    Score,
    /// The softmax of the chosen logits.
    SoftmaxOfChosen,
    /// The sigmoid of its logit.
    SigmoidOfChosen,
    /// The softmax of log σ of the chosen logits and the sinks'.
    Sinks,
    /// Of two chosen, each in the softmax of what is near it, the second one's without the first.
    SparseMixer,
}

/// What weights are divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Divisor {
    /// Nothing.
    One,
    /// Their sum.
    Sum,
    /// Their sum and this.
    PlusEpsilon(f32),
    /// Their sum, or this if it is more.
    Clamp(f32),
    /// Their sum if it is above 0, or else 1.
    Positive,
}

/// A model's router.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// The preset's name.
    pub name: &'static str,
    /// E.
    pub experts: usize,
    /// K.
    pub k: usize,
    /// Groups, and how many are kept.
    pub groups: Option<(usize, usize)>,
    /// A group counts by its two best, not by its best.
    pub two_best: bool,
    /// S.
    pub shared: usize,
    /// Constant experts behind the routed ones.
    pub constants: usize,
    /// Zero experts behind these.
    pub zero_experts: usize,
    /// Experts that give nothing behind these.
    pub discards: usize,
    /// Logits are capped first, as 30 × tanh(x / 30).
    pub capped: bool,
    /// rsf, if there is one.
    pub scale: Option<f32>,
    /// The score of a logit.
    pub score: Score,
    /// A bias selects and does not weigh.
    pub bias: bool,
    /// Experts come from a table.
    pub hash: bool,
    /// The weight of a chosen expert.
    pub weight: Weight,
    /// What weights are divided by.
    pub divisor: Divisor,
    /// A factor of each expert.
    pub per_expert_scale: bool,
}

/// R4, by which most are told.
const SIGMOID: Model = Model {
    name: "",
    experts: 256,
    k: 8,
    groups: None,
    two_best: false,
    shared: 1,
    constants: 0,
    zero_experts: 0,
    discards: 0,
    capped: false,
    scale: Some(2.5),
    score: Score::Sigmoid,
    bias: true,
    hash: false,
    weight: Weight::Score,
    divisor: Divisor::PlusEpsilon(1e-20),
    per_expert_scale: false,
};

/// R1.
const SOFTMAX: Model =
    Model { score: Score::Softmax, bias: false, shared: 0, scale: None, divisor: Divisor::Sum, ..SIGMOID };

/// R2.
const TOP: Model = Model { score: Score::Logit, weight: Weight::SoftmaxOfChosen, divisor: Divisor::One, ..SOFTMAX };

const fn sized(base: Model, name: &'static str, experts: usize, k: usize) -> Model {
    Model { name, experts, k, ..base }
}

/// Every model.
pub const MODELS: &[Model] = &[
    Model { groups: Some((8, 4)), two_best: true, ..sized(SIGMOID, "deepseek-v3", 256, 8) },
    Model {
        groups: Some((8, 3)),
        divisor: Divisor::One,
        scale: Some(16.0),
        shared: 2,
        ..sized(SOFTMAX, "deepseek-v2", 160, 6)
    },
    Model { score: Score::SqrtSoftplus, scale: Some(1.5), ..sized(SIGMOID, "deepseek-v4", 256, 6) },
    Model {
        score: Score::SqrtSoftplus,
        scale: Some(1.5),
        bias: false,
        hash: true,
        ..sized(SIGMOID, "deepseek-v4-hash", 256, 6)
    },
    Model { scale: Some(2.827), ..sized(SIGMOID, "kimi-k2", 384, 8) },
    sized(SIGMOID, "glm-4.5", 160, 8),
    sized(SIGMOID, "glm-5", 256, 8),
    Model { scale: None, shared: 0, divisor: Divisor::Positive, ..sized(SIGMOID, "minimax-m2.5", 256, 8) },
    Model { scale: Some(5.0), ..sized(SIGMOID, "nemotron-3-super", 512, 22) },
    sized(SOFTMAX, "qwen3-moe", 128, 8),
    Model { shared: 1, ..sized(SOFTMAX, "qwen3.5-397b", 512, 10) },
    sized(SOFTMAX, "mixtral", 8, 2),
    Model { weight: Weight::SigmoidOfChosen, shared: 1, ..sized(TOP, "llama-4", 16, 1) },
    sized(TOP, "gpt-oss", 128, 4),
    Model { per_expert_scale: true, ..sized(TOP, "gemma-4", 128, 8) },
    Model { weight: Weight::Sinks, divisor: Divisor::One, ..sized(SIGMOID, "sinks", 256, 8) },
    Model {
        bias: true,
        zero_experts: 256,
        divisor: Divisor::One,
        scale: Some(6.0),
        ..sized(SOFTMAX, "longcat-flash", 512, 12)
    },
    Model { capped: true, divisor: Divisor::One, ..sized(SOFTMAX, "grok-1", 8, 2) },
    Model { weight: Weight::SparseMixer, ..sized(TOP, "phi-3.5-moe", 16, 2) },
    Model { constants: 2, zero_experts: 1, discards: 1, ..sized(SOFTMAX, "moe-plus-plus", 16, 2) },
    Model { scale: Some(1.0), ..sized(SIGMOID, "glm-4.5-air", 128, 8) },
    sized(SIGMOID, "nemotron-3-nano", 128, 6),
    Model { scale: Some(1.0), shared: 2, divisor: Divisor::One, ..sized(SOFTMAX, "deepseek-v2-lite", 64, 6) },
    Model { scale: Some(1.0), shared: 2, ..sized(SIGMOID, "kimi-k3", 896, 16) },
    Model { groups: Some((8, 4)), two_best: true, ..sized(SIGMOID, "ling-2", 256, 8) },
    Model { shared: 2, ..sized(SIGMOID, "dots1", 128, 6) },
    Model { scale: Some(2.826), ..sized(SIGMOID, "afmoe", 128, 8) },
    Model { scale: Some(3.0), ..sized(SIGMOID, "step-3.5", 288, 8) },
    Model { scale: None, shared: 0, ..sized(SIGMOID, "mimo-v2", 256, 8) },
    Model { scale: Some(1.0), shared: 0, divisor: Divisor::PlusEpsilon(1e-6), ..sized(SIGMOID, "lfm2-moe", 32, 4) },
    Model { scale: Some(2.0), ..sized(SIGMOID, "minimax-m3", 128, 4) },
    Model { divisor: Divisor::One, ..sized(SOFTMAX, "olmoe", 64, 8) },
    Model { divisor: Divisor::One, ..sized(SOFTMAX, "jamba", 16, 2) },
    sized(SOFTMAX, "dbrx", 16, 4),
    sized(SOFTMAX, "arctic", 128, 2),
    Model { shared: 1, ..sized(SOFTMAX, "qwen3-next", 512, 10) },
    Model { shared: 1, divisor: Divisor::Clamp(1e-12), ..sized(SOFTMAX, "hunyuan-a13b", 64, 8) },
    Model { bias: true, shared: 2, divisor: Divisor::Clamp(1e-12), ..sized(SOFTMAX, "ernie-4.5", 64, 6) },
    sized(TOP, "granite-moe", 40, 8),
];
