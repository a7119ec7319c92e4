//! Machine code in a document: what is shown is the code that is compiled, and its lines lead to values. This binary links LLVM.
#![cfg(feature = "compiler")]

use routefuse::engine::Cancel;
use routefuse::exec::random_inputs;
use routefuse::models::{self, ModelOptions};
use routefuse::{Engine, Graph, Options, Target, Verified, chains, inspect, text};
use routefuse_report::{Document, Group, MOST_BYTES, MarkKind, Request, Stage, html};

fn document(graph: &Verified<Graph>, target: &str) -> Document {
    let engine = Engine::builder().build().unwrap();
    let request = Request { target: Target::named(target).unwrap(), ..Request::default() };
    let mut document = Document::of(&engine, graph, &request).unwrap();
    document.add_code(&engine, graph, &request, &|_, _, _| ()).unwrap();
    document
}

fn preset(name: &str) -> Verified<Graph> {
    models::named(name).unwrap().graph(&ModelOptions::default()).unwrap()
}

/// The values whose lines these are, by name.
fn names<'d>(d: &'d Document, line: &[usize]) -> Vec<&'d str> {
    line.iter().map(|id| d.values[*id].name.as_str()).collect()
}

fn stage<'d>(d: &'d Document, form: &str) -> &'d Stage {
    d.stages.iter().find(|s| s.group == Group::Code && s.id.ends_with(form)).unwrap()
}

const TINY: &str = "route 1
graph @tiny {
  dim T
  input %x : i32[T, 4]
  input %y : i32[T, 4]
  %sum = add %x, %y : i32[T, 4]
  %twice = mul %sum, %y : i32[T, 4]
  output out = %twice : i32[T, 4]
}
";

/// By hand: two loads, one a value; an addition; a multiplication; a store of the product.
#[test]
fn lines_of_a_tiny_kernel_lead_to_its_values() {
    let graph = text::parse_verified(TINY).unwrap();
    for (target, load, add, mul, store) in [
        ("sm_90", "ld.global", "add.s32", "mul.lo.s32", "st.global"),
        ("gfx942", "global_load", "v_add_u32", "v_mul_lo_u32", "global_store"),
    ] {
        let d = document(&graph, target);
        let asm = stage(&d, "asm");
        let of = |name: &str| -> Vec<Vec<&str>> {
            let lines = asm.text.lines().zip(&asm.lines).filter(|(line, _)| line.trim_start().starts_with(name));
            let mut of: Vec<_> = lines.map(|(_, values)| names(&d, values)).collect();
            of.sort();
            of.dedup();
            of
        };
        assert_eq!(of(load), [["%x"], ["%y"]], "{}", asm.text);
        assert_eq!(of(add), [["%sum"]], "{}", asm.text);
        assert_eq!(of(mul), [["%twice"]], "{}", asm.text);
        assert_eq!(of(store), [["%twice"]], "{}", asm.text);
    }
    let d = document(&graph, "host");
    for form in ["mlir", "llvm", "asm"] {
        let stage = stage(&d, form);
        // The addition of x86 reads %x from memory itself.
        for value in d.values.iter().filter(|v| form != "asm" || v.name != "%x") {
            assert!(stage.lines.iter().any(|l| l.contains(&value.id)), "{} in {form}:\n{}", value.name, stage.text);
        }
    }
}

/// What is shown is what is compiled, to the byte; and no line is without its places, since the same text with locations is the
/// same code.
fn code_with_locations_is_the_same_code(name: &str, graph: &Verified<Graph>, target: &str) {
    let d = document(graph, target);
    assert_eq!(d.left_out, [], "{name} for {target}");
    let target = Target::named(target).unwrap();
    let stages = Engine::builder().build().unwrap().stages(graph, &target, &Options::default()).unwrap();
    for (number, kernel) in stages.kernels.iter().enumerate() {
        let variant = kernel.variants()[0];
        let code = inspect::code(kernel, variant).unwrap();
        for (form, text) in [("mlir", &code.mlir), ("llvm", &code.llvm), ("asm", &code.asm)] {
            let id = format!("kernel{number}.{variant}.{form}");
            let stage = d.stages.iter().find(|s| s.id == id).unwrap();
            assert_eq!(&stage.text, text, "{name} for {target}");
            assert_eq!(stage.lines.len(), text.lines().count());
            assert!(stage.lines.iter().flatten().all(|id| *id < d.values.len()));
            assert!(stage.lines.iter().any(|l| !l.is_empty()), "{name} for {target}: {form}");
        }
    }
}

const TARGETS: [&str; 3] = ["host", "sm_90", "gfx942"];

fn chains_with_locations(shard: usize) {
    // Every chain for one target, so that each shard is one target's.
    for (name, graph) in chains::examples().into_iter().skip(shard).step_by(3) {
        code_with_locations_is_the_same_code(name, &graph.unwrap(), TARGETS[shard]);
    }
    for name in ["deepseek-v3", "gpt-oss"] {
        code_with_locations_is_the_same_code(name, &preset(name), TARGETS[shard]);
    }
}

#[test]
fn code_with_locations_is_the_same_code_on_the_host() {
    chains_with_locations(0);
}

#[test]
fn code_with_locations_is_the_same_code_on_sm_90() {
    chains_with_locations(1);
}

#[test]
fn code_with_locations_is_the_same_code_on_gfx942() {
    chains_with_locations(2);
}

#[test]
fn marks_and_registers_stand_on_instructions() {
    for target in TARGETS {
        let d = document(&preset("deepseek-v3"), target);
        for asm in d.stages.iter().filter(|s| s.id.ends_with("asm")) {
            let lines: Vec<&str> = asm.text.lines().collect();
            assert!(asm.marks.iter().all(|m| lines[m.line].starts_with('\t')));
            let has = |kind| asm.marks.iter().any(|m| m.kind == kind);
            assert!(has(MarkKind::Load) && has(MarkKind::Store) && has(MarkKind::Branch));
            assert_eq!(has(MarkKind::Exchange), target != "host", "{target}");
            assert!(asm.live.is_some(), "{target}");
            if let Some(live) = &asm.live {
                assert_eq!(live.len(), lines.len());
                // LLVM says how many vector registers it has allotted: never fewer than hold something.
                let most = live.iter().flatten().max().copied().unwrap();
                let allotted = lines.iter().find_map(|l| l.trim().strip_prefix(".amdhsa_next_free_vgpr "));
                assert!(allotted.is_none_or(|n| most <= n.trim().parse().unwrap()), "{most} of {allotted:?}");
                assert!(most > 8);
            }
            let instructions = asm.counts.iter().find(|c| c.0 == "instructions").unwrap().1 as usize;
            assert!(instructions <= lines.len() && instructions > 100);
        }
    }
}

#[test]
fn the_host_agrees_with_the_interpreter() {
    let graph = preset("deepseek-v3");
    let engine = Engine::builder().build().unwrap();
    let mut d = Document::of(&engine, &graph, &Request::default()).unwrap();
    let inputs = random_inputs(&graph, &[5], 7);
    d.add_check(&engine, &graph, &inputs, &[("T", 5)], "random values from seed 7", &Cancel::default()).unwrap();
    let check = d.numbers.check.as_ref().unwrap();
    assert_eq!((check.rows, check.outputs.len()), (5, 2));
    for output in &check.outputs {
        assert_eq!((output.compared, output.differing), (40, 0), "{}", output.name);
        assert_eq!((output.ours.len(), output.ours[0].len()), (4, 8));
        assert_eq!(output.ours, output.reference);
    }
    let wrong = d.add_check(&engine, &graph, &inputs, &[("T", 6)], "", &Cancel::default()).unwrap_err().to_string();
    assert!(wrong.contains("RF06"), "{wrong}");
}

/// Pages have a limit. Every example and preset as host code is below it, with nothing left out.
fn page_is_small(name: &str, graph: &Verified<Graph>) {
    let d = document(graph, "host");
    let page = html(&d).unwrap();
    assert!(page.len() <= MOST_BYTES, "{name}: {} bytes", page.len());
    assert!(d.fitted(MOST_BYTES).left_out.is_empty(), "{name}");
}

/// One of three parts of the presets.
fn pages_of_presets_are_small(part: usize) {
    for preset in models::PRESETS.iter().skip(part).step_by(3) {
        page_is_small(preset.name, &preset.graph(&ModelOptions::default()).unwrap());
    }
}

#[test]
fn pages_of_examples_are_small() {
    chains::examples().into_iter().for_each(|(name, graph)| page_is_small(name, &graph.unwrap()));
}

#[test]
fn pages_of_presets_are_small_1() {
    pages_of_presets_are_small(0);
}

#[test]
fn pages_of_presets_are_small_2() {
    pages_of_presets_are_small(1);
}

#[test]
fn pages_of_presets_are_small_3() {
    pages_of_presets_are_small(2);
}

/// With less room it is the texts of code that go: those of further variants, then the first variants' LLVM IR, then MLIR.
#[test]
fn what_is_too_much_is_left_out_and_said() {
    for (name, target) in [("deepseek-v3", "gfx942"), ("longcat-flash", "sm_90")] {
        let d = document(&preset(name), target);
        assert!(html(&d).unwrap().len() <= MOST_BYTES, "{name} for {target}");
        let small = d.fitted(300_000);
        assert!(routefuse_report::json(&small).len() <= 300_000);
        let said: Vec<&str> = small.left_out.iter().map(|l| l.what.as_str()).collect();
        let first = |word: &str| said.iter().position(|s| s.starts_with(word));
        assert!(first("LLVM IR of").is_some() && first("LLVM IR of") < first("MLIR of").or(Some(99)), "{said:?}");
        assert!(small.left_out.iter().all(|l| l.command.as_ref().is_some_and(|c| c.starts_with("routefuse "))));
        assert!(small.stages.iter().any(|s| s.id.ends_with("asm")));
        let ids: Vec<&str> = small.stages.iter().map(|s| s.id.as_str()).collect();
        assert!(small.stages.iter().filter_map(|s| s.diff.as_ref()).all(|d| ids.contains(&d.from.as_str())));
    }
}

/// A page has kernels as they were before they were joined, and says of which launches they are parts: for some numbers of rows, and for others.
#[test]
fn joined_kernels_are_said_once_for_some_rows_and_for_others() {
    let preset = models::named("deepseek-v3").unwrap();
    let mut options = ModelOptions::default();
    preset.set(&mut options, "align", "vllm").unwrap();
    let graph = preset.graph(&options).unwrap();
    let request = Request { target: Target::named("sm_90").unwrap(), ..Request::default() };
    let d = Document::of(&Engine::builder().build().unwrap(), &graph, &request).unwrap();
    let said: Vec<bool> =
        d.left_out.iter().map(|l| l.what.contains("for sm_90 and some numbers of rows they are phases")).collect();
    assert_eq!(said, [true, false], "{:?}", d.left_out);
}

#[test]
fn one_variant_of_each_kernel_is_enough_for_a_look() {
    let (graph, engine) = (preset("deepseek-v3"), Engine::builder().build().unwrap());
    let target = Target::named("sm_90").unwrap();
    let request = Request { target, all_variants: false, most_boxes: 10, ..Request::default() };
    let mut d = Document::of(&engine, &graph, &request).unwrap();
    let before = &d.graph.as_ref().unwrap().before;
    assert!(before.boxes.is_empty() && before.title.contains("at most 10 are laid out"));
    assert!(d.left_out[0].command.as_ref().unwrap().ends_with("--stage dot"));
    d.add_code(&engine, &graph, &request, &|_, _, _| ()).unwrap();
    let asm: Vec<_> =
        d.stages.iter().filter(|s| s.id.ends_with("asm")).map(|s| s.variant.as_deref().unwrap()).collect();
    assert_eq!(asm, ["align16/i32"]);
    assert_eq!(d.numbers.compile.len(), 1);
}

#[test]
fn compiling_can_be_cancelled() {
    let (graph, engine, request) = (preset("deepseek-v3"), Engine::builder().build().unwrap(), Request::default());
    let mut d = Document::of(&engine, &graph, &request).unwrap();
    request.cancel.cancel();
    let refused = d.add_code(&engine, &graph, &request, &|_, _, _| ()).unwrap_err().to_string();
    assert!(refused.contains("RF0816"), "{refused}");
}

/// The trips of loops that end at a constant are counted, and an instruction of a row as often as it is passed.
#[test]
fn loops_say_how_often_they_are_gone_through() {
    let d = document(&preset("deepseek-v3"), "sm_90");
    let loops: Vec<_> = d.stages.iter().flat_map(|s| s.loops.iter().map(move |l| (s, l))).collect();
    assert!(loops.iter().any(|(_, l)| l.trips.is_some_and(|n| n > 1)), "{loops:?}");
    for (stage, l) in &loops {
        assert!(l.first <= l.header && l.header <= l.last && l.last < stage.lines.len() && l.instructions > 1);
    }
    let told = |s: &&Stage| s.id.ends_with("asm") && s.loops.iter().all(|l| l.trips.is_some());
    for stage in d.stages.iter().filter(told) {
        assert!(stage.counts.iter().any(|(name, n)| name == "instructions a row" && *n > 0.0), "{}", stage.id);
    }
    let d = document(&preset("deepseek-v3"), "host");
    let loops = &stage(&d, "asm").loops;
    assert!(loops.iter().any(|l| l.trips.is_some()) && loops.iter().any(|l| l.trips.is_none()), "{loops:?}");
}
