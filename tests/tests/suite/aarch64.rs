//! Host code for aarch64, made on any machine: disassembled, and in an emulator, bit for bit.

use crate::amd::{compile, launch_on};
use routefuse::{Target, models};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::corpus::{Test, cases_of, examples};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;
use routefuse_tests::tools::{objdump_and_readelf, output};
use std::process::Command;

/// The targets, each with a processor of qemu that has what its code may use, and little more.
const TARGETS: [(&str, &str); 4] = [
    ("aarch64", "cortex-a76"),
    ("neoverse-v1", "max,sve256=on"),
    ("apple-m1", "neoverse-n1"),
    ("neoverse-v2", "max,sve128=on"),
];
const NO_EMULATOR: &str = "no qemu-aarch64 with aarch64-linux-gnu-gcc";
const REQUIRED: Option<&str> = Some("REQUIRE_QEMU");

/// Linked for aarch64, whatever this machine is, and nothing in it is no instruction. What it needs of a loader the linker has
/// checked.
#[test]
fn examples_are_disassembled() {
    let examples = examples();
    let Some((objdump, readelf)) = objdump_and_readelf() else {
        return skip("no llvm-objdump", examples.len() as u64, Some("REQUIRE_LLVM_TOOLS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kernel.so");
    let mut with_sve = 0;
    for (i, case) in examples.iter().enumerate() {
        for (target, _) in [TARGETS[i % 4], TARGETS[(i + 1) % 4]] {
            for artifact in compile(&case.graph(), target).of_variant(0) {
                std::fs::write(&file, &artifact.code).expect("written");
                let run =
                    |command: &mut Command| output(command.arg(&file)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
                let header = run(Command::new(&readelf).arg("--file-header"));
                assert!(header.contains("AArch64"), "{}: {header}", case.name);
                let symbols = run(Command::new(&readelf).arg("--dyn-syms"));
                let undefined =
                    symbols.lines().filter(|l| l.contains(" UND ")).filter_map(|l| l.split_whitespace().nth(7));
                for name in undefined {
                    assert!(["memcpy", "memmove", "memset", "bcmp"].contains(&name), "{}: {name}", case.name);
                }
                let text = run(Command::new(&objdump).arg("--disassemble"));
                assert!(text.contains("\tret"), "{}: {text}", case.name);
                assert!(!text.contains("<unknown>"), "{}: {text}", case.name);
                let sve = text.contains("\tptrue\t");
                assert!(!sve || target.starts_with("neoverse"), "{target} has no SVE, {}: {text}", case.name);
                with_sve += usize::from(sve && target == "neoverse-v1");
            }
        }
    }
    assert!(with_sve > 0, "neoverse-v1 has vectors of SVE");
}

/// Every file of the corpus that is run on the host, with the extents of its largest launch and one more, each on one target.
fn corpus(part: usize) {
    let cases = cases_of(Test::Run);
    let (target, processor) = TARGETS[part];
    let Some(mut emulator) = Emulator::of_aarch64(processor) else {
        return skip(NO_EMULATOR, cases.len() as u64 / 4, REQUIRED);
    };
    for (i, case) in cases.iter().enumerate().filter(|(i, _)| i % 4 == part) {
        let graph = case.graph();
        let compiled = compile(&graph, target);
        let artifacts = compiled.of_variant(0);
        let rule = case.rule.unwrap_or_else(|| panic!("{}: no `inputs`", case.name));
        for (j, extents) in case.launches(&graph).iter().rev().enumerate().take(2) {
            let seed = (i + j) as u64;
            let tensors = inputs(&graph, extents, rule, seed);
            launch_on(&mut emulator, &graph, &compiled, &artifacts, extents, &tensors, seed);
        }
    }
    println!("{} launches", emulator.runs());
}

/// Every example and every preset for four numbers of rows, on hostile rows: one half of them on this target.
fn chains_and_presets(part: usize) {
    let (target, processor) = TARGETS[part];
    let examples: Vec<_> = examples().into_iter().skip(part / 2).step_by(2).collect();
    let presets: Vec<_> = models::examples().into_iter().skip(part / 2).step_by(2).collect();
    let Some(mut emulator) = Emulator::of_aarch64(processor) else {
        return skip(NO_EMULATOR, 4 * (examples.len() + presets.len()) as u64, REQUIRED);
    };
    for case in examples {
        let graph = case.graph();
        let compiled = compile(&graph, target);
        let artifacts = compiled.of_variant(0);
        for rows in [0, 1, 17, 257] {
            let extents = vec![rows; graph.symbols.len()];
            let tensors = inputs(&graph, &extents, Rule::Hostile, rows);
            launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, rows);
        }
    }
    for example in presets {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let compiled = compile(&graph, target);
        let artifacts = compiled.of_variant(0);
        for (rows, kind) in [(0, Kind::Trace), (1, Kind::Sprinkled), (17, Kind::Trace), (257, Kind::Sprinkled)] {
            let tensors = router_inputs(&graph, rows, kind, rows);
            let extents = vec![rows; graph.symbols.len()];
            launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, rows);
        }
    }
    println!("{} launches", emulator.runs());
}

/// Random graphs of every op and dtype.
fn random_graphs(part: usize) {
    const GRAPHS: u64 = 24;
    let (target, processor) = TARGETS[part];
    let Some(mut emulator) = Emulator::of_aarch64(processor) else { return skip(NO_EMULATOR, GRAPHS, REQUIRED) };
    for seed in (part as u64 * 1000..).take(GRAPHS as usize) {
        let profile = if seed % 2 == 0 { Profile::FLAT } else { Profile::ROWS };
        let Ok(graph) = graph::of_seed(seed, &profile).graph else { continue };
        let compiled = compile(&graph, target);
        let extents = graph::extents(&graph, &mut Choices::seeded(seed));
        let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
        launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &extents, &tensors, seed);
    }
    println!("{} launches", emulator.runs());
}

/// What does not rest on a length of SVE's registers gives the same bits with longer ones.
#[test]
fn neoverse_v2_with_longer_registers() {
    let (target, processor) = ("neoverse-v2", "max,sve512=on");
    assert!(!Target::named(target).expect("a known target").info().vectors.exact);
    let Some(mut emulator) = Emulator::of_aarch64(processor) else { return skip(NO_EMULATOR, 8, REQUIRED) };
    for example in models::examples().iter().step_by(12) {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let compiled = compile(&graph, target);
        let (extents, tensors) = (vec![17; graph.symbols.len()], router_inputs(&graph, 17, Kind::Sprinkled, 17));
        launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &extents, &tensors, 17);
    }
    println!("{} launches", emulator.runs());
}

/// Tests of each target by itself.
macro_rules! of_targets {
    ($($name:ident $part:literal)+) => { $(
        mod $name {
            #[test]
            fn corpus() {
                super::corpus($part);
            }

            #[test]
            fn chains_and_presets() {
                super::chains_and_presets($part);
            }

            #[test]
            fn random_graphs() {
                super::random_graphs($part);
            }
        }
    )+ };
}

of_targets! {
    aarch64 0
    neoverse_v1 1
    apple_m1 2
    neoverse_v2 3
}
