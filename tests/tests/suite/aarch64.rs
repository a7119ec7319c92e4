//! Host code for aarch64, made on any machine: disassembled, and in an emulator, bit for bit.

use crate::amd::{compile, launch_on};
use routefuse::ir::Artifact;
use routefuse_codegen::{HostProcessor, compile_for_processor};
use routefuse_generate::data::inputs;
use routefuse_tests::corpus::{Case, Test, cases_of, examples};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;
use routefuse_tests::tools::{objdump_and_readelf, output};
use std::process::Command;

/// Every kernel of a graph, for any aarch64 processor.
fn artifacts(case: &Case) -> Vec<Artifact> {
    let aarch64 = HostProcessor::named("aarch64").expect("a known processor");
    let compiled = compile(&case.graph(), "host");
    let of = |kernel| {
        let variant = compiled.kernels()[0].variants()[0];
        compile_for_processor(kernel, variant, Default::default(), &aarch64).map(|c| c.artifact)
    };
    let artifacts: Result<Vec<Artifact>, _> = compiled.kernels().iter().map(of).collect();
    artifacts.unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

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
    for case in &examples {
        for artifact in artifacts(case) {
            std::fs::write(&file, &artifact.code).expect("written");
            let run =
                |command: &mut Command| output(command.arg(&file)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let header = run(Command::new(&readelf).arg("--file-header"));
            assert!(header.contains("AArch64"), "{}: {header}", case.name);
            let symbols = run(Command::new(&readelf).arg("--dyn-syms"));
            let undefined = symbols.lines().filter(|l| l.contains(" UND ")).filter_map(|l| l.split_whitespace().nth(7));
            for name in undefined {
                assert!(["memcpy", "memmove", "memset", "bcmp"].contains(&name), "{}: {name}", case.name);
            }
            let text = run(Command::new(&objdump).arg("--disassemble"));
            assert!(text.contains("\tret"), "{}: {text}", case.name);
            assert!(!text.contains("<unknown>"), "{}: {text}", case.name);
        }
    }
}

/// Every file of the corpus that is run on the host, with the extents of its largest launch and one more.
fn corpus(part: usize) {
    let cases = cases_of(Test::Run);
    let Some(mut emulator) = Emulator::of_aarch64() else {
        return skip("no qemu-aarch64 with aarch64-linux-gnu-gcc", cases.len() as u64 / 2, None);
    };
    for (i, case) in cases.iter().enumerate().filter(|(i, _)| i % 2 == part) {
        let graph = case.graph();
        let (compiled, artifacts) = (compile(&graph, "host"), artifacts(case));
        let rule = case.rule.unwrap_or_else(|| panic!("{}: no `inputs`", case.name));
        for (j, extents) in case.launches(&graph).iter().rev().enumerate().take(2) {
            let seed = (i + j) as u64;
            launch_on(
                &mut emulator,
                &graph,
                &compiled,
                &artifacts,
                extents,
                &inputs(&graph, extents, rule, seed),
                seed,
            );
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn first_half_of_the_corpus() {
    corpus(0);
}

#[test]
fn second_half_of_the_corpus() {
    corpus(1);
}
