//! Random combinations of the presets' options: whatever follows whichever router, it is one kernel, and the interpreter,
//! the fused program and host code give the same bits, and every GPU has code for it.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::inspect;
use routefuse::models::{self, ModelOptions};
use routefuse::{Engine, Graph, Options, Target, Verified};
use routefuse_ir::interp;
use routefuse_tests::differential::shard;
use routefuse_tests::launch;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::routers::{self, MODELS, Model};

/// Rows of several widths, some of no power of two.
const EXPERTS: [usize; 5] = [72, 160, 384, 896, 2048];

/// A preset with options that fit together, and what they are.
fn combination(model: &Model, rng: &mut SmallRng) -> (String, Result<Verified<Graph>, String>) {
    let preset = models::named(model.name).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<&'static str> = preset.options().map(|o| o.name).filter(|n| *n != "part").collect();
    let mut options = ModelOptions::default();
    let mut name = preset.name.to_owned();
    for (option, value) in routers::options(rng, model, &names, &EXPERTS) {
        name += &format!(" {option}={value}");
        preset.set(&mut options, option, &value).unwrap_or_else(|e| panic!("{name}: {e}"));
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
    let (mut done, mut wrong) = (0, vec![]);
    for round in rounds {
        let mut rng = SmallRng::seed_from_u64(round);
        // Models that are others with other sizes have their routes tested with those.
        let own = |m: &&Model| models::named(m.name).is_ok_and(|p| p.like.is_none());
        for model in MODELS.iter().filter(own) {
            let (name, graph) = combination(model, &mut rng);
            done += 1;
            let checked = graph.and_then(|graph| {
                compile(&engine, &graph, done).and_then(|()| check(&engine, &graph, round, &mut rng))
            });
            wrong.extend(checked.err().map(|e| format!("{name}: {e}")));
        }
    }
    println!("{done} combinations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

routefuse_tests::shards! { run: rounds_1 0 rounds_2 1 rounds_3 2 rounds_4 3 rounds_5 4 }
