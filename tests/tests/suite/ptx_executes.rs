//! Code for NVIDIA's GPUs, executed by an interpreter of its text where there is no GPU, bit for bit: presets, the chains, random rows.
//!
//! What it cannot show: how near a GPU's reciprocals are, what the assembler makes of the text, and the order in which warps really go.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, launch_on};
use routefuse::models;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::corpus::examples;
use routefuse_tests::differential::shard;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;

/// Targets whose texts differ in kind: without maxima that take a NaN, with warps that let go of the next kernel, with pairs of floats.
const TARGETS: [&str; 4] = ["sm_90", "sm_80", "sm_100", "sm_75"];

/// Every fourth preset: all its variants for sm_90, and some for other targets, on rows of every kind.
fn presets(part: usize) {
    let examples: Vec<_> = models::examples().into_iter().enumerate().filter(|(i, _)| i % 4 == part).collect();
    let Some(mut emulator) = Emulator::of_ptx() else { return skip(NO_EMULATOR, examples.len() as u64 * 8, REQUIRED) };
    for (i, example) in examples {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        for target in ["sm_90", TARGETS[1 + i / 4 % 3]] {
            let compiled = compile(&graph, target);
            let variants = compiled.kernels().iter().map(|k| k.variants().len()).max().unwrap_or(0);
            let step = if target == "sm_90" { 1 } else { 3 };
            for variant in (0..variants).step_by(step) {
                let artifacts = compiled.of_variant(variant);
                // Several rows a warp have rows of several kinds side by side by their seed.
                for (j, kind) in Kind::ALL.into_iter().enumerate().filter(|(j, _)| (variant + j) % 2 == 0) {
                    let rows = [1, 5, 37][(variant + j) % 3];
                    let tensors = router_inputs(&graph, rows, kind, (i + j) as u64);
                    let extents = graph.extents_of_rows(rows);
                    launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, rows);
                }
            }
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn presets_1() {
    presets(0);
}

#[test]
fn presets_2() {
    presets(1);
}

#[test]
fn presets_3() {
    presets(2);
}

#[test]
fn presets_4() {
    presets(3);
}

/// The chains, on data of every kind.
#[test]
fn chains() {
    let cases: Vec<_> = examples().into_iter().filter(|c| c.name.as_bytes().get(1) == Some(&b'_')).collect();
    assert!(cases.len() >= 12, "the five chains are {} files", cases.len());
    let Some(mut emulator) = Emulator::of_ptx() else { return skip(NO_EMULATOR, cases.len() as u64 * 4, REQUIRED) };
    for (i, case) in cases.iter().enumerate() {
        let graph = case.graph();
        let compiled = compile(&graph, TARGETS[i % 3]);
        for (j, rows) in [0, 1, 33, 257].into_iter().enumerate() {
            let extents = vec![rows; graph.symbols.len()];
            let tensors = inputs(&graph, &extents, Rule::Hostile, (i + j) as u64);
            launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(i + j), &extents, &tensors, j as u64);
        }
    }
    println!("{} launches", emulator.runs());
}

/// Random graphs: of rows, and of kernels that cross them.
fn random(profile: &Profile, count: u64) {
    let seeds = shard(count, 0, 1);
    let Some(mut emulator) = Emulator::of_ptx() else { return skip(NO_EMULATOR, seeds.end - seeds.start, REQUIRED) };
    println!("graphs of seeds {seeds:?}");
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, profile).graph else { continue };
        let compiled = compile(&graph, TARGETS[seed as usize % TARGETS.len()]);
        let extents = graph::extents(&graph, &mut Choices::seeded(seed));
        let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
        let rows = extents.iter().copied().max().unwrap_or(0);
        let artifacts = compiled.of_variant_for(seed as usize / TARGETS.len(), rows);
        launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn random_rows() {
    random(&Profile::ROWS, 150);
}

#[test]
fn random_bins() {
    random(&Profile::BINS, 40);
}
