//! Every model preset and random rows as AMD code, in the emulator, bit for bit.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, compile_in, launch_on};
use crate::models::routers;
use routefuse::models;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::differential::shard;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;

/// Half of the presets, at 1 and 33 tokens, on rows of the trace and on hostile ones.
fn presets(target: &str, half: usize) {
    let examples: Vec<_> = models::examples().into_iter().take(routers() + 1).collect();
    let examples: Vec<_> = examples.iter().skip(half).step_by(2).collect();
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, examples.len() as u64 * 4, REQUIRED) };
    for example in examples {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let compiled = compile(&graph, target);
        assert_eq!(compiled.kernels().len(), 1, "{} is one kernel", example.file);
        let variants = compiled.kernels()[0].variants().len();
        // The first variants are of few rows, the last of many; both kinds of alignment among the rest.
        for (rows, variant) in [(1, 0), (33, variants - 1)] {
            let artifacts = compiled.of_variant(variant);
            for kind in [Kind::Trace, Kind::Sprinkled] {
                let tensors = router_inputs(&graph, rows, kind, rows);
                launch_on(&mut emulator, &graph, &compiled, &artifacts, &[rows], &tensors, rows);
            }
        }
    }
    println!("{} launches", emulator.runs());
}

/// Several rows a warp, with sorted lists, whatever the schedule would choose: groups as lanes and not, one lane and many,
/// more chosen than a lane has, a softmax whose quotients tie, bias, masks, shared experts beside.
fn sorted(shapes: &[(&str, u32)], target: &str) {
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, shapes.len() as u64 * 2, REQUIRED) };
    for (file, lanes) in shapes {
        let example = models::examples().into_iter().find(|e| e.file == *file).expect("an example");
        let graph = example.graph().unwrap_or_else(|e| panic!("{file}: {e}"));
        let shape = format!("lanes={lanes} threads=128 sorted").parse().expect("a shape");
        let compiled = compile_in(&graph, target, Some(shape));
        for (variant, kind) in [(0, Kind::Trace), (1, Kind::Sprinkled)] {
            // More rows than a warp has, and fewer than a block.
            let rows = u64::from(64 / lanes + 1);
            let tensors = router_inputs(&graph, rows, kind, rows);
            let artifacts = compiled.of_variant(variant);
            launch_on(&mut emulator, &graph, &compiled, &artifacts, &[rows], &tensors, rows);
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn sorted_softmax_routers() {
    sorted(
        &[("qwen3-moe", 4), ("gpt-oss-post", 2), ("mixtral", 1), ("deepseek-v2", 8), ("qwen3.5-397b-post", 16)],
        "gfx942",
    );
}

#[test]
fn sorted_routers_with_bias() {
    sorted(
        &[("deepseek-v3-post", 8), ("deepseek-v3", 4), ("kimi-k2", 16), ("glm-4.5", 4), ("longcat-flash", 16)],
        "gfx1100",
    );
}

#[test]
fn presets_on_gfx942() {
    presets("gfx942", 0);
}

#[test]
fn other_presets_on_gfx942() {
    presets("gfx942", 1);
}

#[test]
fn presets_on_gfx1100() {
    presets("gfx1100", 0);
}

#[test]
fn other_presets_on_gfx1100() {
    presets("gfx1100", 1);
}

#[test]
fn random_rows() {
    let seeds = shard(50, 0, 1);
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, seeds.end - seeds.start, REQUIRED) };
    println!("graphs of seeds {seeds:?}");
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &Profile::ROWS).graph else { continue };
        let compiled = compile(&graph, ["gfx942", "gfx1100"][(seed % 2) as usize]);
        let mut rng = Choices::seeded(seed);
        let mut extents = graph::extents(&graph, &mut rng);
        // Rows of many columns are many steps of the emulator.
        extents.iter_mut().for_each(|e| *e = (*e).min(65));
        let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
        let artifacts = compiled.of_variant((seed / 2) as usize);
        launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
    }
    println!("{} launches", emulator.runs());
}
