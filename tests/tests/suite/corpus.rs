//! The corpus through the compiler: every stage as text, and numbers on the host.

use crate::snapshot::Snapshots;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::inspect::{self, Stages};
use routefuse::ir::{TargetKind, Variant};
use routefuse::{Engine, Options, Target};
use routefuse_ir::Tensor;
use routefuse_ir::interp::Outcome;
use routefuse_tests::corpus::{Case, Test, cases_of};
use routefuse_tests::differential::{Run, agree};
use routefuse_tests::launch;

fn engine() -> Engine {
    Engine::builder().build().expect("an engine")
}

fn stages(case: &Case, target: Target) -> Stages {
    let stages = engine().stages(&case.graph(), &target, &Options::default());
    stages.unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

#[test]
fn canonical_graphs() {
    let mut snapshots = Snapshots::new("corpus");
    for case in cases_of(Test::Canonical) {
        snapshots.compare(&format!("{}@canonical", case.name), &stages(&case, Target::host()).canonical);
    }
    snapshots.finish();
}

#[test]
fn fused_programs() {
    let mut snapshots = Snapshots::new("corpus");
    for case in cases_of(Test::Fuse) {
        let explained = engine().explain(&case.graph(), &Options::default());
        let explained = explained.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let text = format!("{}\n{explained}", stages(&case, Target::host()).fused);
        snapshots.compare(&format!("{}@fused", case.name), &text);
    }
    snapshots.finish();
}

#[test]
fn kernels_and_schedules() {
    let mut snapshots = Snapshots::new("corpus");
    for case in cases_of(Test::Kernel) {
        for target in &case.targets {
            snapshots.compare(&format!("{}@kernel-{target}", case.name), &stages(&case, *target).kernel());
        }
    }
    snapshots.finish();
}

#[test]
fn machine_text() {
    let mut snapshots = Snapshots::new("corpus");
    for case in cases_of(Test::Emit) {
        // The host's machine text is that of the processor at hand.
        for target in case.targets.iter().filter(|t| t.kind() != TargetKind::Host) {
            let kernels = stages(&case, *target).kernels;
            for kernel in &kernels {
                let name = if kernel.kernel.name.contains('.') { &kernel.kernel.name } else { &case.name };
                // Of a row schedule the first shape says enough; launches that follow each other have nothing in common.
                let is_one = |v: &&Variant| v.shape == 0 || kernel.kernel.phases.is_some();
                for v in kernel.variants().iter().filter(|v| v.aligned && v.narrow).filter(is_one) {
                    let code = inspect::code(kernel, *v).unwrap_or_else(|e| panic!("{}: {e}", case.name));
                    let part = if v.shape == 0 { String::new() } else { format!(".shape{}", v.shape) };
                    snapshots.compare(&format!("{name}{part}@{target}"), &code.asm);
                }
            }
        }
    }
    snapshots.finish();
}

#[test]
fn numbers_on_the_host() {
    let mut launches = 0;
    for case in cases_of(Test::Run) {
        let graph = case.graph();
        let engine = engine();
        let plan = engine.compile(&graph, &Target::host(), &Options::default());
        let plan = plan.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let unfused = engine.compile_unfused(&graph, &Target::host()).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        for (i, extents) in case.launches(&graph).iter().enumerate() {
            for seed in [i as u64, 1000 + i as u64].into_iter().chain(case.seeds.iter().copied()) {
                let mut rng = SmallRng::seed_from_u64(seed);
                let mut compiled = |extents: &[u64], tensors: &[Tensor], expected: &Outcome| {
                    launch::agree(&plan, extents, tensors, &expected.outputs, &mut rng)?;
                    // A launch and a compilation for each operation: for small graphs only.
                    if graph.op_count() > 16 {
                        return Ok(());
                    }
                    launch::agree(&unfused, extents, tensors, &expected.outputs, &mut rng)
                        .map_err(|e| format!("unfused, {e}"))
                };
                let rule = case.rule.unwrap_or_else(|| panic!("{}: no `inputs`", case.name));
                if let Err(e) = agree(&graph, extents, Run { seed, rule }, &mut compiled) {
                    panic!("{}, seed {seed}, extents {extents:?}: {e}", case.name);
                }
                launches += 1;
            }
        }
    }
    println!("{launches} launches");
}
