//! Routers with what crosses rows behind them: few rows in one block, and more in several launches, with the same bits in the
//! emulator.

use crate::amd::{self, Compiled};
use routefuse::models::{self, ModelOptions};
use routefuse::{Graph, Verified};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_tests::bins::Behind;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;
use std::ops::Range;

/// Presets, options of theirs, and the most rows of one block: 32 items, but with many columns fewer.
const PRESETS: [(&str, &str, bool, u64); 11] = [
    ("deepseek-v3", "vllm", true, 3),
    ("deepseek-v3", "trtllm", false, 4),
    ("qwen3-moe", "sglang", false, 4),
    ("gpt-oss", "aiter", true, 8),
    ("mixtral", "vllm", false, 16),
    ("llama-4", "deepgemm_contiguous", false, 32),
    ("kimi-k2", "deepgemm_masked", false, 4),
    ("longcat-flash", "vllm", false, 2),
    ("qwen3-moe", "deepep", false, 2),
    // A mask's experts are numbered before the router's rows; an id that was there before is none.
    ("deepseek-v3", "aiter align_experts=map align_optional=true", true, 3),
    ("qwen3-moe", "vllm align_duplicates=once", false, 4),
];

pub(super) fn graph(name: &str, align: &str, post: bool) -> Verified<Graph> {
    let preset = models::named(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut options = ModelOptions::default();
    let mut words = align.split(' ');
    let mut chosen = vec![("post", "true"), ("align", words.next().unwrap_or_default())];
    chosen.extend(words.filter_map(|word| word.split_once('=')));
    for (option, value) in chosen.into_iter().skip(usize::from(!post)) {
        preset.set(&mut options, option, value).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    preset.graph(&options).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The most rows of the kernel that is taken for few, which is first.
fn most_rows(compiled: &Compiled) -> Option<u64> {
    match compiled.kernels()[0].schedule {
        Schedule::AtOnce { rows, .. } => Some(rows),
        _ => None,
    }
}

fn presets(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 4 * PRESETS.len() as u64 + 1, amd::REQUIRED);
    };
    for (i, (name, align, post, most)) in PRESETS.into_iter().enumerate() {
        let graph = graph(name, align, post);
        let compiled = amd::compile(&graph, target);
        assert_eq!(most_rows(&compiled), Some(most), "{name}, {align}");
        for (j, t) in [0, 1, most, most + 1].into_iter().enumerate() {
            let extents = graph.extents_of_rows(t);
            let tensors = inputs(&graph, &extents, [Rule::Rows, Rule::Hostile][(i + j) % 2], t);
            let artifacts = compiled.of_variant_for((i + j) % 2, t);
            assert_eq!(artifacts.len(), if t <= most { 1 } else { 2 }, "{name}, {align}, {t} rows");
            assert!(amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, t));
        }
        // One row more adds to these counts itself, and phases count more of them: here they count as few.
        if align == "deepep" {
            let extents = graph.extents_of_rows(most + 1);
            let artifacts = compiled.of_variant_for(i % 2, u64::MAX);
            let tensors = inputs(&graph, &extents, Rule::Rows, most);
            assert!(amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, most));
        }
    }
}

#[test]
fn gfx942_has_the_bits_of_presets_at_once() {
    presets("gfx942");
}

#[test]
fn gfx1100_has_the_bits_of_presets_at_once() {
    presets("gfx1100");
}

/// Random ones; and few rows also by the kernels for more.
fn random(seeds: Range<u64>) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * (seeds.end - seeds.start), amd::REQUIRED);
    };
    let mut at_once = 0;
    for seed in seeds {
        let behind = Behind::of_seed(seed);
        let compiled = amd::compile(&behind.graph, ["gfx942", "gfx1100"][seed as usize % 2]);
        let Some(most) = most_rows(&compiled) else { continue };
        at_once += 1;
        let mut c = Choices::seeded(seed);
        let of_many = if most < 9 { (most + 1, most + 1) } else { (3, u64::MAX) };
        for (rows, of) in [(most, most), of_many, (most.min(2), u64::MAX)] {
            let extents = behind.extents(rows, &mut c);
            let tensors = inputs(&behind.graph, &extents, Rule::Mixed, seed + rows);
            let artifacts = compiled.of_variant_for(seed as usize / 2, of);
            amd::launch_on(&mut emulator, &behind.graph, &compiled, &artifacts, &extents, &tensors, seed);
        }
    }
    assert!(at_once > 4, "{at_once} of them are one block for few rows");
}

#[test]
fn random_routers_have_their_bits_at_once_1() {
    random(0..6);
}

#[test]
fn random_routers_have_their_bits_at_once_2() {
    random(6..12);
}
