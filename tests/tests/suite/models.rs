//! Every model preset on the host: the interpreter, the fused program and machine code give the same bits; and four of
//! them as text at every stage.

use crate::snapshot::Snapshots;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::inspect;
use routefuse::ir::Variant;
use routefuse::{Args, Engine, Graph, HostPlan, Options, Plan, Target, TensorMut, TensorRef, Verified, models};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{Alias, Tensor, interp};
use routefuse_tests::launch;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::pages::{Edge, Pages};
use std::sync::Arc;

/// Files of `examples/models/` with their graphs; those of the presets themselves and of the long chain come first.
fn files() -> Vec<(&'static str, Verified<Graph>)> {
    let graph = |e: &models::Example| e.graph().unwrap_or_else(|d| panic!("{}: {d}", e.file));
    models::examples().iter().map(|e| (e.file, graph(e))).collect()
}

/// Presets that have a file of their own.
pub fn routers() -> usize {
    models::PRESETS.iter().filter(|p| p.like.is_none()).count()
}

fn compile(engine: &Engine, file: &str, g: &Verified<Graph>) -> Arc<Plan> {
    let plan = engine.compile(g, &Target::host(), &Options::default()).unwrap_or_else(|e| panic!("{file}: {e}"));
    plan.prepare().unwrap_or_else(|e| panic!("{file}: {e}"));
    plan
}

/// One launch: the interpreter of the graph, of the fused program where rows are few, and host code.
fn check(file: &str, g: &Verified<Graph>, plan: &Arc<Plan>, rows: u64, kind: Kind) {
    let at = |what: &str, e: String| panic!("{file}, T = {rows}, {kind:?}: {what}{e}");
    let seed = rows * 8 + kind as u64;
    let tensors = router_inputs(g, rows, kind, seed);
    let given: Vec<(&str, u64)> = g.symbols.iter().map(|s| (s.as_str(), rows)).collect();
    let expected = interp::run(g, &tensors, &given).unwrap_or_else(|e| panic!("{file}: {e}"));
    if rows <= 17 {
        let fused = interp::program::run(plan.program(), &tensors, &given).unwrap_or_else(|e| panic!("{file}: {e}"));
        if fused.outputs != expected.outputs {
            at("the fused program differs", String::new());
        }
    }
    let extents = vec![rows; g.symbols.len()];
    let mut rng = SmallRng::seed_from_u64(seed);
    if let Err(e) = launch::agree(plan, &extents, &tensors, &expected.outputs, &mut rng) {
        at("host: ", e);
    }
}

fn on_the_host(part: usize) {
    let engine = Engine::builder().build().expect("an engine");
    let mut launches = 0;
    for (i, (file, g)) in files().into_iter().enumerate().filter(|(i, _)| i % 8 == part) {
        let plan = compile(&engine, file, &g);
        assert_eq!(plan.kernels().len(), 1, "{file} is one kernel");
        // Presets themselves are run at every size; combinations of options where the interpreter is quick.
        let sizes: &[u64] = if i <= routers() { &[0, 1, 2, 17, 2048] } else { &[0, 1, 2, 17] };
        for rows in sizes {
            for kind in Kind::ALL {
                check(file, &g, &plan, *rows, kind);
                launches += 1;
            }
        }
    }
    println!("{launches} launches");
}

/// Tests that share the files.
macro_rules! parts {
    ($($name:ident $part:literal)+) => { $(
        #[test]
        fn $name() {
            on_the_host($part);
        }
    )+ };
}

parts! { part_1 0 part_2 1 part_3 2 part_4 3 part_5 4 part_6 5 part_7 6 part_8 7 }

/// Garbage ids, random tensors, counts and flags, between pages that end the process when they are touched.
#[test]
fn nothing_outside_the_buffers_is_touched() {
    let engine = Engine::builder().build().expect("an engine");
    let mut launches = 0;
    for (file, g) in files() {
        let plan = compile(&engine, file, &g);
        for (rows, edge) in [(1, Edge::Start), (1, Edge::End), (5, Edge::Start), (5, Edge::End)] {
            let extents = vec![rows; g.symbols.len()];
            let tensors = inputs(&g, &extents, Rule::Hostile, rows);
            let given: Vec<(&str, u64)> = g.symbols.iter().map(|s| (s.as_str(), rows)).collect();
            let expected = interp::run(&g, &tensors, &given).unwrap_or_else(|e| panic!("{file}: {e}"));
            let mut ports: Vec<Pages> = tensors.iter().map(|t| Pages::new(t, edge)).collect();
            let mut place: Vec<usize> = vec![];
            for (i, output) in g.outputs.iter().enumerate() {
                place.push(match output.alias {
                    Alias::InPlace(input) => input,
                    _ => {
                        let zeros = &expected.outputs[i];
                        ports.push(Pages::new(&Tensor::zeros(zeros.dtype(), zeros.shape()), edge));
                        ports.len() - 1
                    }
                });
            }
            let raw: Vec<(*mut u8, u64)> =
                ports.iter_mut().map(|p| (p.bytes_mut().as_mut_ptr(), p.bytes().len() as u64)).collect();
            let mut args = Args::new();
            for (p, (ptr, bytes)) in ports.iter().zip(&raw).take(tensors.len()) {
                // SAFETY: the pages outlive the launch, nobody else uses them, and views overlap where the graph says so.
                args.input(unsafe { TensorRef::from_raw(*ptr, *bytes, p.dtype, &p.shape, &p.strides) });
            }
            for at in &place {
                let (p, (ptr, bytes)) = (&ports[*at], raw[*at]);
                // SAFETY: as above.
                args.output(unsafe { TensorMut::from_raw(ptr, bytes, p.dtype, &p.shape, &p.strides) });
            }
            let plan = HostPlan::new(Arc::clone(&plan)).unwrap_or_else(|e| panic!("{file}: {e}"));
            plan.launch(&args).unwrap_or_else(|e| panic!("{file}: {e}"));
            drop(args);
            for (at, want) in place.iter().zip(&expected.outputs) {
                assert!(ports[*at].tensor() == *want, "{file}, T = {rows}, {edge:?}");
            }
            launches += 1;
        }
    }
    println!("{launches} launches");
}

/// What is compared as text.
const SHOWN: [&str; 4] = ["deepseek-v3-post", "kimi-k2-post", "qwen3.5-397b-post", "gpt-oss-post"];

#[test]
fn fused_programs_and_machine_text() {
    let engine = Engine::builder().build().expect("an engine");
    let mut snapshots = Snapshots::new("models");
    for (file, g) in files().into_iter().filter(|f| SHOWN.contains(&f.0)) {
        let stages = |target: &str| {
            let target = Target::named(target).expect("a known target");
            engine.stages(&g, &target, &Options::default()).unwrap_or_else(|e| panic!("{file}: {e}"))
        };
        let explained = engine.explain(&g, &Options::default()).unwrap_or_else(|e| panic!("{file}: {e}"));
        snapshots.compare(&format!("{file}@fused"), &format!("{}\n{explained}", stages("host").fused));
        for target in ["sm_90", "gfx942", "gfx1100"] {
            let stages = stages(target);
            assert_eq!(stages.kernels.len(), 1, "{file} is one kernel");
            let kernel = &stages.kernels[0];
            snapshots.compare(&format!("{file}@schedule-{target}"), &schedule(kernel));
            let code = inspect::code(kernel, many(kernel)).unwrap_or_else(|e| panic!("{file}: {e}"));
            snapshots.compare(&format!("{file}@{target}"), &code.asm);
        }
    }
    snapshots.finish();
}

/// The variant that assumes most, of many rows.
pub fn many(kernel: &routefuse::ir::Scheduled) -> Variant {
    let last = kernel.schedule.shapes().len().saturating_sub(1);
    *kernel.variants().iter().find(|v| usize::from(v.shape) == last).expect("every shape has variants")
}

fn schedule(kernel: &routefuse::ir::Scheduled) -> String {
    let text = inspect::kernel_text(kernel);
    text.lines().skip_while(|l| !l.starts_with("schedule ")).map(|l| format!("{l}\n")).collect()
}
