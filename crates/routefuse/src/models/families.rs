//! Models that route as another one does, with other sizes.

use super::preset::{Preset, Renorm, Route, Weighting};
use super::routes::{R1, R2, R4, R4_FORMULA, groups};
use routefuse_ir::op::GroupScore;

/// What all of them have in common.
const PLAIN: Preset = Preset {
    name: "",
    models: "",
    experts: &[1],
    top_k: 1,
    shared: 0,
    identity: 0,
    constants: 0,
    discards: 0,
    scale: None,
    route: R1,
    row: "",
    formula: "",
    source: "",
    indexer: None,
    like: None,
};

pub(super) const GROK_1: Preset = Preset {
    name: "grok-1",
    models: "Grok-1, Grok-2",
    experts: &[8],
    top_k: 2,
    route: Route { cap: Some(30.0), renorm: Renorm::None, ..R1 },
    row: "R12",
    formula: "y = 30 × tanh(x / 30); p = softmax(y); id = top-k(p); w = p[id]",
    source: "xai-org/grok-1, run.py (8, 2); the cap of 30 and no sum: sglang, models/grok.py (`router_logit_softcapping`) and its fused_moe_router_shim; vLLM, models/grok1.py, has the cap and divides by Σw, which is `renorm=sum`",
    ..PLAIN
};

pub(super) const PHI_3_5_MOE: Preset = Preset {
    name: "phi-3.5-moe",
    models: "PhiMoE: Phi-3.5-MoE, Phi-mini-MoE",
    experts: &[16],
    top_k: 2,
    route: Route { weighting: Weighting::SparseMixer { threshold: 0.02 }, ..R2 },
    row: "R13",
    formula: "id = the two largest x; w₁ = softmax of the x near x[id₁], at id₁; w₂ = the same near x[id₂] without id₁; near: (x[id] − x) / max(|x|, x[id]) ≤ 0.02",
    source: "transformers and vLLM, `sparsemixer` of modeling_phimoe.py and models/phimoe.py, in f32; (16, 2) and router_jitter_noise 0.01, twice of which is the distance: defaults of transformers' PhimoeConfig",
    ..PLAIN
};

pub(super) const MOE_PLUS_PLUS: Preset = Preset {
    name: "moe-plus-plus",
    models: "MoE++: 7B/(16+4)E",
    experts: &[16],
    top_k: 2,
    identity: 1,
    constants: 2,
    discards: 1,
    route: R1,
    row: "R14",
    formula: "p = softmax(x) over E, 2 constant experts, the copy expert and the zero expert; id = top-k(p); w = p[id], 0 for the zero expert; w / Σw; constant experts give w to `constants`, the copy expert to `identity` (P15)",
    source: "SkyworkAI/MoE-plus-plus, moe_plus_plus_layer.py (`gating`, `Experts`; 2 chosen, 2 constant experts); 16 experts: its paper. The gating residual is in the logits",
    ..PLAIN
};

pub(super) const GLM_4_5_AIR: Preset = Preset {
    name: "glm-4.5-air",
    models: "GLM-4.5-Air",
    experts: &[128],
    top_k: 8,
    shared: 1,
    scale: Some(1.0),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "transformers, modeling_glm4_moe.py and the defaults of configuration_glm4_moe.py (128, 8; one group); rsf 1.0: Megatron-Bridge, glm_45v_provider.py",
    like: Some("glm-4.5"),
    ..PLAIN
};

pub(super) const NEMOTRON_3_NANO: Preset = Preset {
    name: "nemotron-3-nano",
    models: "Nemotron-3-Nano",
    experts: &[128],
    top_k: 6,
    shared: 1,
    scale: Some(2.5),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "transformers, modeling_nemotron_h.py; Megatron-Bridge, recipes/nemotronh/h100/nemotron_3_nano.py (128, 6, 2.5); its number of shared experts, 1, could not be confirmed",
    like: Some("nemotron-3-super"),
    ..PLAIN
};

pub(super) const DEEPSEEK_V2_LITE: Preset = Preset {
    name: "deepseek-v2-lite",
    models: "DeepSeek-V2-Lite",
    experts: &[64],
    top_k: 6,
    shared: 2,
    scale: Some(1.0),
    route: Route { renorm: Renorm::None, ..R1 },
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id] × rsf",
    source: "its modeling_deepseek.py (`greedy`, not `group_limited_greedy`); the numbers (64, 6, 2, 1.0) could not be confirmed in a public repository",
    like: Some("deepseek-v2"),
    ..PLAIN
};

pub(super) const KIMI_K3: Preset = Preset {
    name: "kimi-k3",
    models: "Kimi-K3",
    experts: &[896],
    top_k: 16,
    shared: 2,
    scale: Some(1.0),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "Megatron-Bridge, kimi_k3_bridge.py; sglang, tests of its expert packs (896, 16, 2); rsf 1.0 in copies of its config.json",
    like: Some("kimi-k2"),
    ..PLAIN
};

pub(super) const LING_2: Preset = Preset {
    name: "ling-2",
    models: "Ling 2.0, Ring 2.0: mini, flash, 1T",
    experts: &[256],
    top_k: 8,
    shared: 1,
    scale: Some(2.5),
    route: Route { groups: groups(8, 4, GroupScore::TopTwoSum), ..R4 },
    row: "R5",
    formula: "s = σ(x); c = s + b; groups by the sum of their two largest c, the others −∞; id = top-k(c); w = s[id]; w / (Σw + 1e-20) × rsf",
    source: "Megatron-Bridge, modeling_bailing_moe_v2.py and configuration_bailing_moe_v2.py (256, 8, 8 → 4, 1); rsf 2.5 could not be confirmed, whose default there is 1.0",
    like: Some("deepseek-v3"),
    ..PLAIN
};

pub(super) const DOTS1: Preset = Preset {
    name: "dots1",
    models: "dots.llm1",
    experts: &[128],
    top_k: 6,
    shared: 2,
    scale: Some(2.5),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "transformers, modeling_dots1.py (one group); the numbers (128, 6, 2, 2.5) could not be confirmed in a public repository",
    like: Some("glm-4.5"),
    ..PLAIN
};

pub(super) const AFMOE: Preset = Preset {
    name: "afmoe",
    models: "AFMoE: Trinity Nano, Mini",
    experts: &[128],
    top_k: 8,
    shared: 1,
    scale: Some(2.826),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "transformers, modeling_afmoe.py; card of arcee-ai/Trinity-Mini (128, 8, 1); route_scale 2.826 in copies of its config.json",
    like: Some("kimi-k2"),
    ..PLAIN
};

pub(super) const STEP_3_5: Preset = Preset {
    name: "step-3.5",
    models: "Step-3.5-Flash",
    experts: &[288],
    top_k: 8,
    shared: 1,
    scale: Some(3.0),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "Megatron-Bridge, configuration_step35.py (288, 8, 1) and step35_bridge.py; moe_router_scaling_factor 3.0 in its test configurations",
    like: Some("kimi-k2"),
    ..PLAIN
};

pub(super) const MIMO_V2: Preset = Preset {
    name: "mimo-v2",
    models: "MiMo-V2-Flash",
    experts: &[256],
    top_k: 8,
    shared: 0,
    scale: None,
    route: R4,
    row: "R4",
    formula: "s = σ(x); id = top-k(s + b); w = s[id]; w / (Σw + 1e-20)",
    source: "NeMo Automodel, mimo_v2_flash/config.py (256, 8, no shared expert; one group)",
    like: Some("minimax-m2.5"),
    ..PLAIN
};

pub(super) const LFM2_MOE: Preset = Preset {
    name: "lfm2-moe",
    models: "LFM2-8B-A1B",
    experts: &[32],
    top_k: 4,
    shared: 0,
    scale: Some(1.0),
    route: Route { renorm: Renorm::PlusEpsilon(1e-6), ..R4 },
    row: "R4",
    formula: "s = σ(x); id = top-k(s + b); w = s[id]; w / (Σw + 1e-6) × rsf",
    source: "transformers, modular_lfm2_moe.py; the sizes (32, 4) could not be confirmed in a public repository",
    like: Some("minimax-m2.5"),
    ..PLAIN
};

pub(super) const MINIMAX_M3: Preset = Preset {
    name: "minimax-m3",
    models: "MiniMax-M3",
    experts: &[128],
    top_k: 4,
    shared: 1,
    scale: Some(2.0),
    route: R4,
    row: "R4",
    formula: R4_FORMULA,
    source: "transformers, configuration_minimax_m3_vl.py (128, 4, 1, 2.0); Megatron-Bridge, minimax_m3_bridge.py",
    like: Some("kimi-k2"),
    ..PLAIN
};

pub(super) const OLMOE: Preset = Preset {
    name: "olmoe",
    models: "OLMoE-1B-7B",
    experts: &[64],
    top_k: 8,
    shared: 0,
    scale: None,
    route: Route { renorm: Renorm::None, ..R1 },
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]",
    source: "transformers, modeling_olmoe.py and the defaults of configuration_olmoe.py (64, 8, norm_topk_prob false)",
    like: Some("qwen3-moe"),
    ..PLAIN
};

pub(super) const JAMBA: Preset = Preset {
    name: "jamba",
    models: "Jamba",
    experts: &[16],
    top_k: 2,
    shared: 0,
    scale: None,
    route: Route { renorm: Renorm::None, ..R1 },
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]",
    source: "transformers, modeling_jamba.py and the defaults of configuration_jamba.py (16, 2)",
    like: Some("mixtral"),
    ..PLAIN
};

pub(super) const DBRX: Preset = Preset {
    name: "dbrx",
    models: "DBRX",
    experts: &[16],
    top_k: 4,
    shared: 0,
    scale: None,
    route: R1,
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]; w / Σw",
    source: "transformers, modeling_dbrx.py (moe_normalize_expert_weights 1); the sizes (16, 4) could not be confirmed in a public repository",
    like: Some("mixtral"),
    ..PLAIN
};

pub(super) const ARCTIC: Preset = Preset {
    name: "arctic",
    models: "Snowflake Arctic",
    experts: &[128],
    top_k: 2,
    shared: 0,
    scale: None,
    route: R1,
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]; w / Σw",
    source: "vLLM, models/arctic.py (renormalised where k > 1); the sizes (128, 2) could not be confirmed in a public repository",
    like: Some("mixtral"),
    ..PLAIN
};

pub(super) const QWEN3_NEXT: Preset = Preset {
    name: "qwen3-next",
    models: "Qwen3-Next-80B-A3B, Qwen3-Coder-Next",
    experts: &[512],
    top_k: 10,
    shared: 1,
    scale: None,
    route: R1,
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]; w / Σw; the shared expert's weight is σ(gate) (P8)",
    source: "transformers, modeling_qwen3_next.py and the defaults of configuration_qwen3_next.py (512, 10, norm_topk_prob true)",
    like: Some("qwen3.5-397b"),
    ..PLAIN
};

pub(super) const HUNYUAN_A13B: Preset = Preset {
    name: "hunyuan-a13b",
    models: "Hunyuan-A13B",
    experts: &[64],
    top_k: 8,
    shared: 1,
    scale: None,
    route: Route { renorm: Renorm::Clamp(1e-12), ..R1 },
    row: "R1",
    formula: "p = softmax(x); id = top-k(p); w = p[id]; w / max(Σw, 1e-12)",
    source: "its modeling_hunyuan.py; neither the numbers (64, 8, 1) nor the clamp could be confirmed in a public repository",
    like: Some("qwen3-moe"),
    ..PLAIN
};

pub(super) const ERNIE_4_5: Preset = Preset {
    name: "ernie-4.5",
    models: "ERNIE 4.5: 21B-A3B",
    experts: &[64],
    top_k: 6,
    shared: 2,
    scale: None,
    route: Route { bias: true, renorm: Renorm::Clamp(1e-12), ..R1 },
    row: "R1",
    formula: "p = softmax(x); id = top-k(p + b); w = p[id]; w / max(Σw, 1e-12)",
    source: "transformers, modeling_ernie4_5_moe.py; Megatron-Bridge, test_ernie45_bridge.py (64, 6, 2)",
    ..PLAIN
};

pub(super) const GRANITE_MOE: Preset = Preset {
    name: "granite-moe",
    models: "Granite 3.0 MoE: 3B-A800M",
    experts: &[40],
    top_k: 8,
    shared: 0,
    scale: None,
    route: R2,
    row: "R2",
    formula: "id = top-k(x); w = softmax(x[id])",
    source: "transformers, modeling_granitemoe.py (softmax over the chosen); the sizes (40, 8) could not be confirmed in a public repository",
    like: Some("gpt-oss"),
    ..PLAIN
};
