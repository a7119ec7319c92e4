//! Random combinations of the presets' options: whatever follows whichever router, it is one kernel, and the interpreter,
//! the fused program and host code give the same bits, and every GPU has code for it.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use routefuse::inspect;
use routefuse::models::{ModelOptions, PRESETS, Preset};
use routefuse::{Engine, Graph, Options, Target, Verified};
use routefuse_ir::interp;
use routefuse_tests::differential::shard;
use routefuse_tests::launch;
use routefuse_tests::logits::{Kind, router_inputs};

/// Values of an option that is a list of words, or of a number.
fn values(listed: &str) -> Vec<&str> {
    match listed {
        // More slots than some routers have experts in the groups that are kept: refused, and counted.
        "E" => vec!["72", "160", "384", "896", "2048"],
        "K" => vec!["1", "6", "10", "22", "64"],
        "G" => vec!["4", "16"],
        "N" => vec!["1", "2"],
        "S" | "X" => vec!["1", "3"],
        "P" => vec!["640"],
        "RSF" | "W" => vec!["1.5"],
        "L:RANK" => vec!["8:1"],
        "FIRST:END" => vec!["2:70"],
        list => list.split('|').map(|v| v.split('[').next().unwrap_or(v)).collect(),
    }
}

/// A preset with about a third of its options at some value, and what they are.
fn combination(preset: &Preset, rng: &mut SmallRng) -> (String, Result<Verified<Graph>, String>) {
    let mut options = ModelOptions::default();
    let mut name = preset.name.to_owned();
    let available: Vec<_> = preset.options().filter(|o| o.name != "part").collect();
    for option in available {
        if rng.random_range(0..3) > 0 {
            continue;
        }
        let values = values(option.values);
        let value = values.choose(rng).expect("every option has values");
        name += &format!(" {}={value}", option.name);
        preset.set(&mut options, option.name, value).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let graph = preset.graph(&options).map_err(|e| e.to_string());
    (name, graph)
}

/// Compiles the graph for GPUs: PTX, and two wave sizes of AMD, one variant of each, this or that.
fn compile(engine: &Engine, graph: &Verified<Graph>, round: u64) -> Result<(), String> {
    let named = ["sm_90", "gfx942", "gfx1100"][round as usize % 3];
    let target = Target::named(named).expect("a known target");
    let stages = engine.stages(graph, &target, &Options::default()).map_err(|e| format!("{named}: {e}"))?;
    let kernel = &stages.kernels[0];
    let variants = kernel.variants();
    let code =
        inspect::code(kernel, variants[round as usize / 3 % variants.len()]).map_err(|e| format!("{named}: {e}"))?;
    (!code.asm.is_empty()).then_some(()).ok_or_else(|| format!("{named}: no code"))
}

/// Compiles the graph for the host and launches it on a few rows.
fn check(engine: &Engine, graph: &Verified<Graph>, round: u64, rng: &mut SmallRng) -> Result<(), String> {
    let plan = engine.compile(graph, &Target::host(), &Options::default()).map_err(|e| e.to_string())?;
    plan.prepare().map_err(|e| e.to_string())?;
    if plan.kernels().len() != 1 {
        return Err(format!("{} kernels", plan.kernels().len()));
    }
    for rows in [3, 20] {
        let kind = Kind::ALL[(round + rows) as usize % Kind::ALL.len()];
        let at = |e: String| format!("T = {rows}, {kind:?}: {e}");
        let tensors = router_inputs(graph, rows, kind, round);
        let extents = vec![rows; graph.symbols.len()];
        let given: Vec<(&str, u64)> = graph.symbols.iter().map(|s| (s.as_str(), rows)).collect();
        let expected = interp::run(graph, &tensors, &given).map_err(|e| at(e.to_string()))?;
        let fused = interp::program::run(plan.program(), &tensors, &given).map_err(|e| at(e.to_string()))?;
        if fused.outputs != expected.outputs {
            return Err(at("the fused program differs".to_owned()));
        }
        launch::agree(&plan, &extents, &tensors, &expected.outputs, rng).map_err(at)?;
    }
    Ok(())
}

fn run(number: u64) {
    let rounds = shard(10, number, 5);
    println!("rounds {rounds:?}");
    let engine = Engine::builder().build().expect("an engine");
    let (mut valid, mut refused, mut wrong) = (0, 0, vec![]);
    for round in rounds {
        let mut rng = SmallRng::seed_from_u64(round);
        for preset in PRESETS {
            let (name, graph) = combination(preset, &mut rng);
            match graph {
                Ok(graph) => {
                    valid += 1;
                    let compiled = compile(&engine, &graph, valid);
                    let all = compiled.and_then(|()| check(&engine, &graph, round, &mut rng));
                    wrong.extend(all.err().map(|e| format!("{name}: {e}")));
                }
                // What excludes each other says so; nothing else may be wrong.
                Err(e) if ["RF0312", "RF0313", "RF1003", "RF1004"].iter().any(|c| e.starts_with(c)) => refused += 1,
                Err(e) => wrong.push(format!("{name}: {e}")),
            }
        }
    }
    println!("{valid} combinations, {refused} that exclude each other");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(valid > refused, "{valid} combinations, {refused} refused");
}

/// Tests that share the rounds.
macro_rules! shards {
    ($($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            run($number);
        }
    )+ };
}

shards! { rounds_1 0 rounds_2 1 rounds_3 2 rounds_4 3 rounds_5 4 }
