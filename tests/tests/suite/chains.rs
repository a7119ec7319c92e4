//! Snapshots of every stage of the five chains, from the graph to machine code, for seven targets.
//!
//! Texts are exact: host code is made for named hosts, whatever this machine is.

use crate::snapshot::Snapshots;
use routefuse::inspect;
use routefuse::{Engine, Options, Target};
use routefuse_codegen::Dump;
use routefuse_tests::corpus::examples;

/// Of these chains alone, if there are any: two are enough where the machine differs in few instructions.
fn stages_of(target: &str, names: &[&str]) {
    let target = Target::named(target).expect("a known target");
    let engine = Engine::builder().build().expect("an engine");
    let mut snapshots = Snapshots::new(&format!("chains/{target}"));
    let chains: Vec<_> = examples().into_iter().filter(|c| c.name.as_bytes().get(1) == Some(&b'_')).collect();
    assert!(chains.len() >= 12, "the five chains are {} files", chains.len());
    for case in chains.into_iter().filter(|c| names.is_empty() || names.contains(&c.name.as_str())) {
        let stages = engine.stages(&case.graph(), &target, &Options::default());
        let stages = stages.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        if target.name() == "x86-64-v3" {
            snapshots.compare(&format!("{}@graph", case.name), &stages.graph);
        }
        snapshots.compare(&format!("{}@kernel", case.name), &stages.kernel());
        assert_eq!(stages.kernels.len(), 1, "{} is one kernel", case.name);
        // The most special variant: 16-byte alignment and 32-bit indices on a GPU.
        let (kernel, variant) = (&stages.kernels[0], stages.kernels[0].variants()[0]);
        let code = routefuse_codegen::compile(kernel, variant, Dump::ALL);
        let code = code.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        for (stage, text) in [("mlir", &code.mlir), ("llvm", &code.llvm), ("asm", &code.assembly)] {
            let text = text.as_deref().unwrap_or_default();
            assert!(text.lines().count() > 5, "{}: no {stage}", case.name);
            snapshots.compare(&format!("{}@{stage}", case.name), &stable(text));
        }
        if case.name == "e_post_chain" {
            assert_eq!(inspect::code(kernel, variant).map(|c| c.mlir).ok(), code.mlir, "the facade's stages are these");
        }
    }
    snapshots.finish();
}

/// Without what says which LLVM made it: its patch version, and nothing else.
fn stable(text: &str) -> String {
    let says = |l: &&str| !l.trim_start().starts_with(".ident") && !l.contains("!llvm.ident");
    text.lines().filter(says).map(|l| format!("{}\n", l.trim_end())).collect()
}

fn stages(target: &str) {
    stages_of(target, &[]);
}

#[test]
fn x86_64_v3() {
    stages("x86-64-v3");
}

#[test]
fn aarch64() {
    stages_of("aarch64", &["c_pack", "e_post_chain"]);
}

#[test]
fn neoverse_v1() {
    stages_of("neoverse-v1", &["c_pack", "e_post_chain"]);
}

#[test]
fn sm_90() {
    stages("sm_90");
}

#[test]
fn sm_100() {
    stages("sm_100");
}

#[test]
fn gfx942() {
    stages("gfx942");
}

#[test]
fn gfx1100() {
    stages("gfx1100");
}
