//! The presets as files: what `examples/models/` holds.

use super::{ModelOptions, PRESETS, named};
use crate::chains::ChainResult;
use routefuse_ir::Diagnostics;

/// A preset with options, and the file under `examples/models/` that has its graph as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The file's name without `.route`.
    pub file: &'static str,
    /// The preset.
    pub model: &'static str,
    /// Its options, as the program's `--option` takes them.
    pub options: &'static [(&'static str, &'static str)],
}

const fn example(file: &'static str, model: &'static str, options: &'static [(&'static str, &'static str)]) -> Example {
    Example { file, model, options }
}

/// The long chain behind the router.
const POST: &[(&str, &str)] = &[("post", "true")];

/// Combinations of options, so that every option of what is one kernel stands in some file: all but those of `align`.
const COMBINED: &[Example] = &[
    example("deepseek-v3-post", "deepseek-v3", POST),
    example("kimi-k2-post", "kimi-k2", POST),
    example("gpt-oss-post", "gpt-oss", POST),
    example("minimax-m2.5-post", "minimax-m2.5", POST),
    example("qwen3.5-397b-post", "qwen3.5-397b", &[("post", "true"), ("shared", "gate")]),
    example(
        "deepseek-v3-in-gate",
        "deepseek-v3",
        &[("shared", "in_gate"), ("renorm", "positive"), ("padding", "zero"), ("ids", "i64")],
    ),
    example(
        "deepseek-v3-philox",
        "deepseek-v3",
        &[("eplb", "philox"), ("physical", "288"), ("shared", "constant"), ("output", "packed"), ("map", "i64")],
    ),
    example(
        "deepseek-v3-load",
        "deepseek-v3",
        &[("eplb", "hashed_load"), ("record", "i64"), ("padding", "minus_one"), ("physical", "288")],
    ),
    example(
        "deepseek-v2-zero",
        "deepseek-v2",
        &[("group_mask", "zero"), ("shared", "constant"), ("scale_when", "renormalising"), ("eplb", "dynamic")],
    ),
    example(
        "deepseek-v4-hash-in-gate",
        "deepseek-v4-hash",
        &[("shared", "in_gate"), ("renorm", "clamp:1e-12"), ("scale", "2.5"), ("logits", "f32")],
    ),
    example(
        "kimi-k2-expert-parallel",
        "kimi-k2",
        &[
            ("expert_parallel", "48:3"),
            ("shared", "constant"),
            ("eplb", "proportional_philox"),
            ("weights", "bf16"),
            ("bias", "f16"),
        ],
    ),
    example(
        "glm-4.5-wider",
        "glm-4.5",
        &[("owned", "20:40"), ("strided", "true"), ("order", "column"), ("candidates", "all"), ("bias", "bf16")],
    ),
    example(
        "deepseek-v3-rank",
        "deepseek-v3",
        &[
            ("expert_parallel", "32"),
            ("owned", "32"),
            ("shared", "constant"),
            ("padding", "minus_one_zeroed"),
            ("padded_rows", "mask"),
            ("strided_inputs", "true"),
        ],
    ),
    example(
        "deepseek-v3-balanced",
        "deepseek-v3",
        &[
            ("eplb", "hashed"),
            ("balance_shared", "true"),
            ("shared", "constant"),
            ("physical", "288"),
            ("nan", "never"),
        ],
    ),
    example(
        "deepseek-v4-hash-i64",
        "deepseek-v4-hash",
        &[("vocabulary", "1024"), ("token_ids", "i64"), ("table", "i64"), ("record", "i32")],
    ),
    example("glm-5-head-gate", "glm-5", &[("part", "head_gate")]),
    example("qwen3-moe-adaptive", "qwen3-moe", &[("adaptive_k", "true"), ("eplb", "proportional"), ("logits", "f16")]),
    example("qwen3-moe-top-p", "qwen3-moe", &[("top_p", "0.9"), ("order", "column"), ("nan", "never")]),
    example("longcat-flash-zero", "longcat-flash", &[("zero_experts", "128"), ("identity_id", "0"), ("record", "u32")]),
    example("mixtral-round-robin", "mixtral", &[("simulate", "round_robin"), ("record", "u32")]),
    example("gpt-oss-random", "gpt-oss", &[("simulate", "random"), ("experts", "32"), ("weights", "f16")]),
];

/// Every preset that is not another one with other sizes by itself, then combinations of options.
pub fn examples() -> Vec<Example> {
    let plain = PRESETS.iter().filter(|p| p.like.is_none()).map(|p| example(p.name, p.name, &[]));
    plain.chain(COMBINED.iter().copied()).collect()
}

impl Example {
    /// The graph.
    ///
    /// # Errors
    /// As [`super::Preset::set`] and [`super::Preset::graph`].
    pub fn graph(&self) -> ChainResult {
        let preset = named(self.model)?;
        let mut options = ModelOptions::default();
        for (name, value) in self.options {
            preset.set(&mut options, name, value).map_err(Diagnostics::from)?;
        }
        preset.graph(&options)
    }

    /// The program's arguments that make it: `--model … --option …`.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--model".to_owned(), self.model.to_owned()];
        for (name, value) in self.options {
            arguments.extend(["--option".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }
}
