//! Random graphs with operations on bins as code for AMD GPUs, in the emulator: a sample of those that the host runs.

use crate::amd;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::differential::shard;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// On both wave sizes.
const TARGETS: [&str; 2] = ["gfx942", "gfx1100"];

#[test]
fn random_bins_on_gpus() {
    let seeds = shard(30, 0, 1);
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, seeds.end - seeds.start, amd::REQUIRED);
    };
    println!("graphs of seeds {seeds:?}");
    let profile = Profile { max_row: 64, ..Profile::BINS };
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &profile).graph else { continue };
        let compiled = amd::compile(&graph, TARGETS[(seed % 2) as usize]);
        let mut rng = Choices::seeded(seed);
        let mut extents = graph::extents(&graph, &mut rng);
        // A rank goes through all rows before its own, which are many steps of the emulator.
        extents.iter_mut().for_each(|e| *e = (*e).min(17));
        graph::within_bounds(&graph, &mut extents);
        let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
        let artifacts = compiled.of_variant_for((seed / 2) as usize, extents.iter().copied().max().unwrap_or(0));
        amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
    }
    println!("{} launches", emulator.runs());
}
