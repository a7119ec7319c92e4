//! AMD code objects: linked without an undefined symbol, and disassembled, for every gfx target.

use routefuse::ir::{TargetKind, Variant};
use routefuse::{Engine, Options, Target, text};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::corpus::examples;
use routefuse_tests::differential::shard;
use routefuse_tests::skips::skip;
use routefuse_tests::tools::{objdump_and_readelf, output};
use std::process::Command;

/// The name of a target whose test is called so.
fn of_test(name: &str) -> String {
    name.replace('_', "-")
}

fn link(target: &str) {
    // What differs from another processor by its name alone, or stands for several, takes every fourth example.
    let share = if SIBLINGS.contains(&target) { 4 } else { 1 };
    let first = PROCESSORS.iter().position(|p| *p == target).unwrap_or(0) % share;
    let examples: Vec<_> = examples().into_iter().skip(first).step_by(share).collect();
    let Some((objdump, readelf)) = objdump_and_readelf() else {
        return skip("no llvm-objdump", examples.len() as u64, Some("REQUIRE_LLVM_TOOLS"));
    };
    let target = &Target::named(&of_test(target)).expect("a known target");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kernel.hsaco");
    for (i, case) in examples.into_iter().enumerate() {
        let engine = Engine::builder().build().expect("an engine");
        let plan = engine.compile(&case.graph(), target, &Options::default());
        let plan = plan.unwrap_or_else(|e| panic!("{} for {target}: {e}", case.name));
        let of_kernel = plan.kernels()[0].variants();
        let chosen = [of_kernel[i % of_kernel.len()]];
        let variants = if case.name == "e_post_chain" { of_kernel } else { &chosen };
        for variant in variants.iter().copied() {
            let name = format!("{} for {target} {variant}", case.name);
            let code = routefuse_codegen::compile(&plan.kernels()[0], variant, Default::default());
            let artifact = code.unwrap_or_else(|e| panic!("{name}: {e}")).artifact;
            std::fs::write(&file, &artifact.code).expect("written");
            let run = |command: &mut Command| output(command.arg(&file)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let symbols = run(Command::new(&readelf).args(["--symbols", "--dyn-syms"]));
            let undefined =
                symbols.lines().filter(|l| l.split_whitespace().any(|w| w == "UND") && !l.trim().starts_with("0:"));
            assert_eq!(undefined.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
            assert!(symbols.contains(&artifact.entry), "{name}: {symbols}");
            let header = run(Command::new(&readelf).arg("--file-header"));
            assert!(header.contains(target.name()), "{name}: {header}");
            let notes = run(Command::new(&readelf).arg("--notes"));
            let threads = format!(".max_flat_workgroup_size: {}", artifact.schedule.threads(artifact.variant));
            assert!(notes.contains(&threads), "{name}: {notes}");
            // The kernarg segment is the slots and nothing else, as programs are told that launch by themselves.
            let words = notes.split_whitespace().collect::<Vec<_>>().join(" ");
            let has = |text: String| assert!(words.contains(&text), "{name}: no {text} in {notes}");
            has(format!(".kernarg_segment_size: {} ", 8 * artifact.slots.len()));
            (0..artifact.slots.len()).for_each(|slot| has(format!(".offset: {} .size: 8 ", 8 * slot)));
            assert!(!notes.contains("hidden_"), "{name}: {notes}");
            let version = if target.info().processors.is_empty() { 3 } else { 4 };
            assert!(
                header.lines().any(|l| l.split_whitespace().eq(["ABI", "Version:", &format!("{version}")])),
                "{name}: {header}"
            );
            let wave = format!(".wavefront_size: {}", target.info().warp);
            assert!(notes.contains(&wave), "{name}: {notes}");
            assert!(notes.contains(".private_segment_fixed_size: 0"), "{name} uses scratch memory: {notes}");
            let text = run(Command::new(&objdump).arg("--disassemble"));
            assert!(text.contains("s_endpgm") && text.contains(&artifact.entry), "{name}: {text}");
            assert!(!text.contains("<unknown>"), "{name}: {text}");
        }
    }
}

/// The compiler takes whatever the generator makes, for every gfx target, and leaves no symbol undefined: it checks itself.
#[test]
fn random_graphs() {
    let engine = Engine::builder().build().expect("an engine");
    let targets: Vec<Target> =
        PROCESSORS.iter().map(|name| Target::named(&of_test(name)).expect("a known target")).collect();
    let seeds = shard(120, 0, 1);
    println!("graphs of seeds {seeds:?}");
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &Profile::FLAT).graph else { continue };
        let target = targets[seed as usize % targets.len()];
        let variant = Variant::GPU[seed as usize / targets.len() % 4];
        let plan = engine.compile(&graph, &target, &Options::default()).expect("a plan");
        for kernel in plan.kernels() {
            if let Err(e) = routefuse_codegen::compile(kernel, variant, Default::default()) {
                panic!("seed {seed}, {target} {variant}: {e}\n{}", text::print(&graph));
            }
        }
    }
}

/// A test a processor, so that none takes long.
macro_rules! processors {
    ($($gfx:ident)+) => {
        const PROCESSORS: &[&str] = &[$(stringify!($gfx)),+];

        $(
            #[test]
            fn $gfx() {
                link(stringify!($gfx));
            }
        )+
    };
}

processors! {
    gfx90a gfx942 gfx950 gfx9_4_generic gfx1030 gfx1100 gfx1101 gfx1102 gfx1103 gfx1150 gfx1151 gfx11_generic
    gfx1200 gfx1201 gfx12_generic gfx1250 gfx1251
}

const SIBLINGS: [&str; 8] =
    ["gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx9_4_generic", "gfx11_generic", "gfx12_generic", "gfx1251"];

#[test]
fn every_processor_is_linked() {
    let table = Target::all().filter(|t| t.kind() == TargetKind::Amdgpu).map(Target::name);
    let tested: Vec<String> = PROCESSORS.iter().map(|name| of_test(name)).collect();
    assert_eq!(table.collect::<Vec<_>>(), tested);
}
