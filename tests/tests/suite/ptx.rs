//! PTX through NVIDIA's assembler: every chain for every processor and variant; what rounds says how.

use routefuse::chains::{Align as Layout, AlignEngine, Duplicates, LocalExperts};
use routefuse::ir::{TargetKind, Variant};
use routefuse::{Engine, Graph, Options, Target, Verified, text};
use routefuse_generate::graph::{self, Profile};
use routefuse_tests::bins::{Align, Behind};
use routefuse_tests::corpus::{Test, cases, examples};
use routefuse_tests::differential::shard;
use routefuse_tests::skips::skip;
use routefuse_tests::tools::{nvdisasm, output, ptxas};
use std::path::Path;
use std::process::Command;

/// Nothing is left to the assembler's taste: each operation on floats says how it rounds, none flushes denormals or
/// approximates, and nothing is called.
pub fn check_text(name: &str, ptx: &str) {
    check_instructions(name, ptx);
    check_waits(name, ptx);
}

/// As [`check_text`], of the second of two launches: what was there before the first one may be read before the wait, since the first
/// one lets it begin behind its own. Nothing is written.
fn check_early(name: &str, ptx: &str) {
    check_instructions(name, ptx);
    let (before, _) = ptx.split_once("griddepcontrol.wait;").unwrap_or_default();
    for op in ["st.global", "atom.global", "red.global", "atom.relaxed", "atom.add"] {
        assert!(!before.contains(op), "{name}: `{op}` before the wait");
    }
    assert!(!ptx.contains("ld.global.nc"), "{name}: a constant load");
}

fn check_instructions(name: &str, ptx: &str) {
    for line in ptx.lines().map(str::trim) {
        let op = line.split_whitespace().find(|w| !w.starts_with('@')).unwrap_or_default();
        let parts: Vec<&str> = op.trim_end_matches(';').split('.').collect();
        let rounds = ["add", "sub", "mul", "fma", "div", "sqrt", "rcp"].contains(&parts[0]);
        let float = parts.iter().any(|p| ["f32", "f32x2", "f16", "f16x2", "bf16", "bf16x2", "f64"].contains(p));
        // The first steps of a division and of a root that are exact.
        if parts == ["rcp", "approx", "ftz", "f32"] || parts == ["rsqrt", "approx", "ftz", "f32"] {
            continue;
        }
        assert!(!(rounds && float) || parts.contains(&"rn"), "{name}: {line}");
        assert!(!["ftz", "approx", "full"].iter().any(|bad| parts.contains(bad)), "{name}: {line}");
        assert!(parts[0] != "mad" || !float, "{name}: {line}");
        // What a launch asks for of shared memory is the only thing from outside.
        let is_foreign = line.starts_with(".extern") && !line.starts_with(".extern .shared");
        assert!(parts[0] != "call" && !is_foreign, "{name}: {line}");
    }
}

/// Where there is programmatic dependent launch, no memory is touched before the kernel in front has ended.
fn check_waits(name: &str, ptx: &str) {
    let target = ptx.lines().find_map(|l| l.strip_prefix(".target ")).expect("PTX names its target");
    let at = |op: &str| ptx.find(op).unwrap_or(ptx.len());
    let waits = Target::named(target.trim()).expect("a known target").abilities().dependent_launch;
    assert_eq!(ptx.contains("griddepcontrol.wait;"), waits, "{name}");
    assert_eq!(ptx.contains("griddepcontrol.launch_dependents;"), waits, "{name}");
    // A table of scores is filled before: it is the block's own, of constants.
    let fills_table = ptx.contains(".extern .shared");
    for op in ["ld.global", "st.global", "atom.", "\tred.", "ld.shared", "st.shared"] {
        let may = op == "st.shared" && fills_table;
        assert!(!waits || may || at("griddepcontrol.wait;") < at(op), "{name}: `{op}` before the wait");
    }
    // What is loaded as constant may be loaded before the wait.
    assert!(!waits || !ptx.contains("ld.global.nc"), "{name}: a constant load");
    // A thread that does not wait is one of a warp without a row, and does nothing: it branches to the end. Every block has a row,
    // so the kernel does not end before the one in front.
    let filled = if fills_table { at("bar.sync") } else { 0 };
    let before = &ptx[filled..at("griddepcontrol.wait;")];
    let branches: Vec<&str> = before.lines().filter(|l| l.contains("bra")).collect();
    if let [branch] = branches[..] {
        let label = branch.split_whitespace().last().unwrap_or_default().trim_end_matches(';');
        let behind = ptx.split(&format!("{label}:")).last().unwrap_or_default();
        let first = behind.lines().map(str::trim).find(|l| l.ends_with(';') && !l.starts_with("//"));
        assert_eq!(first, Some("ret;"), "{name}: `{branch}` before the wait");
    }
    assert!(!waits || branches.len() < 2, "{name}: branches before the wait: {branches:?}");
}

/// As [`check_waits`], of what the assembler made of it: it moved constant loads before the wait.
fn check_machine_code(name: &str, code: &str) {
    let op = |l: &str, op: &str| l.split_whitespace().any(|w| w == op || w.starts_with(&format!("{op}.")));
    let wait = code.lines().position(|l| op(l, "ACQBULK")).unwrap_or_else(|| panic!("{name} does not wait\n{code}"));
    let early = code.lines().take(wait).find(|l| ["LDG", "LD", "STG", "ST", "ATOMG", "RED"].iter().any(|o| op(l, o)));
    assert_eq!(early, None, "{name}: before the wait");
}

/// How often a thread that issues its instructions in order waits for loads: what is loaded together arrives together.
fn rounds_of_loads(code: &str) -> u32 {
    let registers = |operand: &str| -> Vec<u32> {
        let words = operand.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter_map(|w| w.strip_prefix('R')?.parse().ok()).collect()
    };
    let (mut coming, mut rounds) = (Vec::new(), 0);
    for line in code.lines().filter_map(|l| l.trim().strip_prefix("/*")?.split_once("*/")) {
        let line = line.1.split(';').next().unwrap_or_default().trim();
        let line = if line.starts_with('@') { line.split_once(' ').map_or("", |l| l.1).trim() } else { line };
        let Some((op, operands)) = line.split_once(' ') else { continue };
        let (to, rest) = operands.split_once(',').unwrap_or((operands, ""));
        let read = if op.starts_with("ST") { operands } else { rest };
        if registers(read).iter().any(|r| coming.contains(r)) {
            rounds += 1;
            coming.clear();
        }
        if op.starts_with("LDG") {
            let first = registers(to)[0];
            let words = if op.ends_with(".128") { 4 } else { 1 + u32::from(op.ends_with(".64")) };
            coming.extend(first..first + words);
        }
    }
    rounds
}

/// With more answers of comparisons alive than there are predicates, the assembler loads one element after the other.
#[test]
fn elements_are_loaded_together() {
    let (Some(assembler), Some(disassembler)) = (ptxas("sm_90"), nvdisasm()) else {
        return skip("no ptxas", 1, Some("REQUIRE_PTXAS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("kernel.ptx"), folder.path().join("kernel.cubin"));
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("sm_90").expect("a known target");
    // What is at hand, and what is looked up by it.
    for (name, rounds) in [("a_remap_static", 2), ("b_append_shared", 1), ("d_head_gate", 1), ("e_post_chain", 2)] {
        let case = examples().into_iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no example {name}"));
        let artifacts = engine.artifacts(&case.graph(), &target, &Options::default()).expect("it compiles");
        std::fs::write(&from, &artifacts[0].code).expect("written");
        output(Command::new(&assembler).arg("-arch=sm_90").arg("-o").args([&to, &from])).expect("it is assembled");
        let code = output(Command::new(&disassembler).arg(&to)).expect("it is disassembled");
        assert_eq!(rounds_of_loads(&code), rounds, "{name}\n{code}");
    }
}

/// Every variant of every example, assembled for one processor.
fn assemble(sm: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let (mut assembled, mut skipped) = (0, 0);
    let target = Target::named(sm).expect("a known target");
    let assembler = ptxas(sm);
    for case in examples() {
        let artifacts = engine.artifacts(&case.graph(), &target, &Options::default());
        for artifact in artifacts.unwrap_or_else(|e| panic!("{} for {sm}: {e}", case.name)) {
            let name = format!("{} for {sm} {}", case.name, artifact.variant);
            let ptx = String::from_utf8(artifact.code).expect("PTX is text");
            check_text(&name, &ptx);
            let Some(assembler) = &assembler else {
                skipped += 1;
                continue;
            };
            let (from, to) = (folder.path().join("kernel.ptx"), folder.path().join("kernel.cubin"));
            std::fs::write(&from, &ptx).expect("written");
            let mut command = Command::new(assembler);
            command.arg(format!("-arch={sm}")).args(["--warning-as-error", "-o"]).args([&to, &from]);
            if let Err(e) = output(&mut command) {
                panic!("{name}: {e}\n{ptx}");
            }
            // One variant of one target: disassembling takes seconds.
            if sm == "sm_90"
                && artifact.variant == Variant::GPU[0]
                && let Some(disassembler) = nvdisasm()
            {
                check_machine_code(&name, &output(Command::new(disassembler).arg(&to)).expect("it is disassembled"));
            }
            assembled += 1;
        }
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
    println!("{assembled} assembled");
}

/// A test a processor, so that none takes long.
macro_rules! processors {
    ($($sm:ident)+) => {
        const PROCESSORS: &[&str] = &[$(stringify!($sm)),+];

        $(
            #[test]
            fn $sm() {
                assemble(stringify!($sm));
            }
        )+
    };
}

processors! { sm_70 sm_75 sm_80 sm_86 sm_87 sm_88 sm_89 sm_90 sm_100 sm_103 sm_110 sm_120 sm_121 }

#[test]
fn every_processor_is_assembled() {
    let table = Target::all().filter(|t| t.kind() == TargetKind::Nvptx).map(Target::name);
    assert_eq!(table.collect::<Vec<_>>(), PROCESSORS);
}

/// Every kernel of a graph in the variant of this number, checked and assembled; false if there is no assembler.
fn assemble_graph(engine: &Engine, g: &Verified<Graph>, sm: &str, variant: usize, folder: &Path) -> bool {
    let target = Target::named(sm).expect("a known target");
    let plan = engine.compile(g, &target, &Options::default());
    let plan = plan.unwrap_or_else(|e| panic!("{} for {sm}: {e}", g.name));
    let assembler = ptxas(sm);
    for kernel in plan.kernels() {
        let variant = kernel.variants()[variant % kernel.variants().len()];
        let name = format!("{} for {sm} {variant}", kernel.kernel.name);
        let code = routefuse_codegen::compile(kernel, variant, Default::default());
        let artifact = code.unwrap_or_else(|e| panic!("{name}: {e}\n{}", text::print(g))).artifact;
        let ptx = String::from_utf8(artifact.code).expect("PTX is text");
        match kernel.schedule.part(variant) {
            // The second of two launches.
            1 => check_early(&name, &ptx),
            _ => check_text(&name, &ptx),
        }
        let Some(assembler) = &assembler else { continue };
        let (from, to) = (folder.join("kernel.ptx"), folder.join("kernel.cubin"));
        std::fs::write(&from, &ptx).expect("written");
        if let Err(e) = output(Command::new(assembler).arg(format!("-arch={sm}")).arg("-o").args([&to, &from])) {
            panic!("{name}: {e}\n{ptx}");
        }
    }
    assembler.is_some()
}

/// The whole corpus, for the oldest and the newest processors in turn.
#[test]
fn corpus() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let mut skipped = 0;
    for (i, case) in cases().into_iter().filter(|c| c.tests.contains(&Test::Run)).enumerate() {
        let sm = ["sm_70", "sm_90", "sm_100", "sm_121"][i % 4];
        let variant = 3 - i / 4 % 4;
        skipped += u64::from(!assemble_graph(&engine, &case.graph(), sm, variant, folder.path()));
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}

/// What a kernel takes at most of a block's shared memory and of the room for arguments, the assembler has.
#[test]
fn r8_the_largest_kernels_are_assembled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let selection = "  input %x : f32[T, 1024, 8]\n  %y = topk %x {k = 8}\n  output out = %y\n".to_owned();
    let inputs: String = (0..200).map(|i| format!("  input %x{i} : f32[T, 1] strided\n")).collect();
    let parts: Vec<String> = (0..200).map(|i| format!("%x{i}")).collect();
    let arguments = format!("{inputs}  %y = concat {}\n  output out = %y\n", parts.join(", "));
    let mut skipped = 0;
    for lines in [selection, arguments] {
        let graph = text::parse_verified(&format!("route 1\ngraph @g {{\n  dim T\n{lines}}}\n")).expect("verifies");
        for sm in ["sm_70", "sm_90", "sm_100"] {
            skipped += u64::from(!assemble_graph(&engine, &graph, sm, 0, folder.path()));
        }
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}

/// Bins of ten bits, whose votes are more than the assembler has registers of conditions, and others; each schedule of them.
#[test]
fn many_bins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let mut skipped = 0;
    for align in Align::all().into_iter().filter(|align| align.experts > 256) {
        let graph = align.graph();
        let plan = engine.compile(&graph, &Target::named("sm_90").expect("a known target"), &Options::default());
        let plan = plan.unwrap_or_else(|e| panic!("{}: {e}", align.name()));
        let variants = plan.kernels().iter().map(|k| k.variants().len()).max().unwrap_or(0);
        for variant in 0..variants {
            skipped += u64::from(!assemble_graph(&engine, &graph, "sm_90", variant, folder.path()));
        }
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}

/// Routers with what crosses rows behind them: few rows of both are one block, which has the memory for it.
#[test]
fn routers_and_what_is_behind_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let mut skipped = 0;
    for seed in 0..40 {
        let Behind { graph, .. } = Behind::of_seed(seed);
        let sm = ["sm_70", "sm_90", "sm_100", "sm_121"][seed as usize % 4];
        skipped += u64::from(!assemble_graph(&engine, &graph, sm, 0, folder.path()));
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}

/// Layouts of which an id that is twice in a row is one item, and of an expert mask; each schedule of them.
#[test]
fn layouts_of_items_of_whole_rows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let mut skipped = 0;
    for (number, of) in AlignEngine::ALL.into_iter().enumerate() {
        let local = if of == AlignEngine::Aiter { LocalExperts::Map } else { LocalExperts::All };
        let capacity = (of == AlignEngine::Gshard).then_some(64);
        let graph = Layout { engine: of, local, capacity, duplicates: Duplicates::Once, ..Layout::default() }.graph();
        let graph = graph.unwrap_or_else(|e| panic!("{of:?}: {e}"));
        for variant in 0..4 {
            let sm = match variant {
                0 => "sm_70",
                _ => ["sm_90", "sm_100", "sm_121"][(number + variant) % 3],
            };
            skipped += u64::from(!assemble_graph(&engine, &graph, sm, 2 * variant, folder.path()));
        }
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}

#[test]
fn random_graphs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let seeds = shard(150, 0, 1);
    println!("graphs of seeds {seeds:?}");
    let mut skipped = 0;
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &Profile::FLAT).graph else { continue };
        let (sm, variant) = (PROCESSORS[seed as usize % PROCESSORS.len()], seed as usize / PROCESSORS.len());
        skipped += u64::from(!assemble_graph(&engine, &graph, sm, variant, folder.path()));
    }
    if skipped > 0 {
        skip("no ptxas", skipped, Some("REQUIRE_PTXAS"));
    }
}
