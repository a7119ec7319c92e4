//! Routers whose launch counts what crosses rows behind them: two launches, which have the bits of any others in the emulator.

use super::at_once::graph;
use crate::amd::{self, Compiled};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_tests::bins::Behind;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;
use std::ops::Range;

/// Presets, options of theirs, and whether a row has shared experts.
const PRESETS: [(&str, &str, bool); 8] = [
    ("deepseek-v3", "vllm", true),
    ("deepseek-v3", "trtllm", false),
    ("qwen3-moe", "sglang", false),
    ("gpt-oss", "aiter", true),
    ("llama-4", "deepgemm_contiguous", false),
    ("mixtral", "deepgemm_masked", false),
    ("qwen3-moe", "deepep", false),
    ("deepseek-v3", "deepep", false),
];

/// The fewest rows of the two launches, and how many rows are one more block of them.
fn in_chunks(compiled: &Compiled) -> Option<(u64, u64)> {
    let steps = compiled.program().steps.iter().zip(compiled.kernels());
    steps.into_iter().find_map(|(step, k)| match k.schedule {
        Schedule::InChunks { rows_of_a_block, .. } => Some((step.taken?.least, rows_of_a_block)),
        _ => None,
    })
}

fn presets(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 4 * PRESETS.len() as u64, amd::REQUIRED);
    };
    for (i, (name, align, post)) in PRESETS.into_iter().enumerate() {
        let graph = graph(name, align, post);
        let compiled = amd::compile(&graph, target);
        let (least, of_a_block) = in_chunks(&compiled).unwrap_or_else(|| panic!("{name} is counted in chunks"));
        // As many rows as a block takes, one less, and a few blocks of which the last has fewer than the others.
        for (j, t) in [0, of_a_block - 1, of_a_block, 3 * of_a_block + 1].into_iter().enumerate() {
            let extents = graph.extents_of_rows(t);
            let tensors = inputs(&graph, &extents, [Rule::Rows, Rule::Hostile][(i + j) % 2], t);
            let artifacts = compiled.of_variant_for((i + j) % 2, least);
            assert_eq!(artifacts.len(), 2, "{name}, {align}, {t} rows");
            assert!(amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, t));
        }
    }
}

#[test]
fn gfx942_has_the_bits_of_presets_in_chunks() {
    presets("gfx942");
}

#[test]
fn gfx1100_has_the_bits_of_presets_in_chunks() {
    presets("gfx1100");
}

/// Random ones.
fn random(seeds: Range<u64>) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 2 * (seeds.end - seeds.start), amd::REQUIRED);
    };
    let mut found = 0;
    for seed in seeds {
        let behind = Behind::of_seed(seed);
        let compiled = amd::compile(&behind.graph, ["gfx942", "gfx1100"][seed as usize % 2]);
        let Some((least, of_a_block)) = in_chunks(&compiled) else { continue };
        found += 1;
        let mut c = Choices::seeded(seed);
        for rows in [of_a_block.min(9), (2 * of_a_block).min(70) + 1] {
            let extents = behind.extents(rows, &mut c);
            let tensors = inputs(&behind.graph, &extents, Rule::Mixed, seed + rows);
            let artifacts = compiled.of_variant_for(seed as usize / 2 % 2, least);
            amd::launch_on(&mut emulator, &behind.graph, &compiled, &artifacts, &extents, &tensors, seed);
        }
    }
    assert!(found > 4, "{found} of them are counted in chunks");
}

#[test]
fn random_routers_have_their_bits_in_chunks_1() {
    random(0..6);
}

#[test]
fn random_routers_have_their_bits_in_chunks_2() {
    random(6..12);
}
