//! What a router with a layout behind it is on a GPU: a kernel for the rows, and phases for what crosses them, or for few rows one
//! kernel of both. The bits of all are the graph's.

use super::none_is_wrong;
use insta::{Settings, assert_snapshot};
use routefuse::chains::AlignEngine;
use routefuse::models::{self, ModelOptions, Preset};
use routefuse::{Graph, Verified};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::interp;
use routefuse_ir::program::{Program, Step};
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_tests::bins::Behind;
use routefuse_tests::corpus::root;

/// The preset with the layout behind it, after the long chain if it has one. There is a capacity where there has to be one, and
/// one rank, which has all experts.
fn graph(preset: &Preset, engine: AlignEngine, post: bool) -> Result<Verified<Graph>, String> {
    let mut options = ModelOptions::default();
    if post {
        preset.set(&mut options, "post", "true").map_err(|e| e.to_string())?;
    }
    preset.set(&mut options, "align", engine.name()).map_err(|e| e.to_string())?;
    if engine == AlignEngine::Gshard {
        preset.set(&mut options, "align_capacity", "3").map_err(|e| e.to_string())?;
    }
    if engine == AlignEngine::Deepep {
        preset.set(&mut options, "align_ranks", "1").map_err(|e| e.to_string())?;
    }
    preset.graph(&options).map_err(|e| e.to_string())
}

fn program(graph: &Verified<Graph>) -> Result<Program, String> {
    let compiled = compile_graph(graph.clone(), &Options::default()).map_err(|e| e.to_string())?;
    join(&compiled.program).map(|joined| joined.program).map_err(|e| e.to_string())
}

/// Few rows and their phases in one block.
fn is_at_once(step: &Step) -> bool {
    step.kernel.phases.as_ref().is_some_and(|p| p.rows().is_some() && p.chunks.is_none())
}

/// Many rows that are the first of two launches.
fn is_in_chunks(step: &Step) -> bool {
    step.kernel.phases.as_ref().is_some_and(|p| p.rows().is_some() && p.chunks.is_some())
}

/// The kernels of each number of rows from which on they are others, for any number of rows: each of them once, and none of one block.
fn ways(program: &Program) -> Vec<(u64, Program)> {
    let taken = program.steps.iter().filter_map(|step| step.taken);
    let mut from: Vec<u64> = taken.flat_map(|taken| taken.ranges().map(|(least, _)| least)).collect();
    from.sort_unstable();
    from.dedup();
    let mut known: Vec<Vec<&str>> = vec![];
    let way = |rows: u64| {
        let taken = || program.steps.iter().filter(|step| step.is_taken_by(rows));
        let names: Vec<&str> = taken().map(|step| &*step.kernel.name).collect();
        if taken().any(is_at_once) || known.contains(&names) {
            return None;
        }
        known.push(names);
        let steps = taken().map(|step| Step { taken: None, ..step.clone() }).collect();
        Some((rows, Program { steps, ..program.clone() }))
    };
    from.into_iter().filter_map(way).collect()
}

/// The most rows of one block.
fn most_at_once(program: &Program) -> Option<u64> {
    program.steps.iter().find(|step| is_at_once(step))?.taken?.most
}

/// Whether it adds to counts.
fn adds(step: &Step) -> bool {
    step.taken.is_some() && step.kernel.stores.iter().any(|store| store.add_at.is_some())
}

/// What the kernel does, in a word.
fn word(step: &Step) -> &'static str {
    let kernel = &step.kernel;
    match (kernel.rows, kernel.phases.is_some()) {
        _ if is_at_once(step) => "few |",
        _ if is_in_chunks(step) => "| counting",
        (_, true) => "phases",
        (None, _) if step.taken.is_some() => "zeros",
        _ if adds(step) => "adding |",
        (None, _) => "one_row",
        _ if kernel.is_ordered() => "rank",
        _ if kernel.has_row_values() => "router",
        _ => "rows",
    }
}

/// The kernels of every preset with every layout. Where there are phases they are one launch up to 16,384 items, and two above.
/// What is in front of the first bar is one launch, for up to 32 items. Zeros and what adds to them are for rows that are few enough for
/// that. Behind the last bar are two launches, of which the first one
/// does rows and counts them, for more than 16,384 items and as many as blocks do at once. The other kernels are for all others, fewer and
/// more.
#[test]
fn a_layout_behind_a_router_is_two_kernels() {
    let mut text = String::new();
    let all = AlignEngine::ALL.iter().flat_map(|engine| [false, true].map(|post| (*engine, post)));
    for (engine, post) in all {
        let mut alike: Vec<(String, Vec<&str>)> = vec![];
        for name in models::names() {
            let preset = models::named(name).expect("a preset");
            let program = program(&graph(preset, engine, post).expect("a graph")).expect("kernels");
            let kernels =
                program.steps.iter().map(word).collect::<Vec<_>>().join(" + ").replace("| +", "|").replace("+ |", "|");
            match alike.iter_mut().find(|(of, _)| *of == kernels) {
                Some((_, names)) => names.push(name),
                None => alike.push((kernels, vec![name])),
            }
        }
        alike.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        for (number, (kernels, names)) in alike.iter().enumerate() {
            let who = if number == 0 { format!("{} presets", names.len()) } else { names.join(", ") };
            let name = engine.name().to_owned() + if post { ", post" } else { "" };
            text += &format!("{name:26} {kernels}: {who}\n");
        }
    }
    let mut settings = Settings::new();
    settings.set_snapshot_path(root().join("tests/snapshots/counts"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!("kernels_of_layouts", text));
}

fn agrees(name: &str, engine: AlignEngine, (post, rows): (bool, u64)) -> Result<(), String> {
    let at = |e: String| format!("{name}, {}, post {post}, {rows} rows: {e}", engine.name());
    let graph = graph(models::named(name).expect("a preset"), engine, post).map_err(at)?;
    let program = program(&graph).map_err(at)?;
    program.check().map_err(|e| at(e.to_string()))?;
    let extents = graph.extents_of_rows(rows);
    let dims: Vec<(&str, u64)> = graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let inputs = inputs(&graph, &extents, Rule::Rows, rows);
    let expected = interp::run(&graph, &inputs, &dims).map_err(|e| at(e.to_string()))?;
    let got = interp::program::run(&program, &inputs, &dims).map_err(|e| at(e.to_string()))?;
    if got.outputs != expected.outputs {
        return Err(at("other bits".to_owned()));
    }
    for (from, way) in ways(&program) {
        let got = interp::program::run(&way, &inputs, &dims).map_err(|e| at(e.to_string()))?;
        if got.outputs != expected.outputs {
            return Err(at(format!("other bits as from {from} rows on")));
        }
    }
    Ok(())
}

/// The rows of a preset's launches that are one block, at the most.
fn few(name: &str, engine: AlignEngine, post: bool) -> Option<u64> {
    let graph = graph(models::named(name).expect("a preset"), engine, post).expect("a graph");
    most_at_once(&program(&graph).expect("kernels"))
}

/// No rows, and as many as one block takes, and one more.
#[test]
fn kernels_of_few_rows_give_the_bits_of_layouts() {
    let mut cases = vec![];
    for (number, name) in models::names().enumerate() {
        let engine = AlignEngine::ALL[number % AlignEngine::ALL.len()];
        let post = number % 2 == 0;
        if let Some(most) = few(name, engine, post) {
            cases.extend([0, 2, most, most + 1].map(|rows| (name, engine, (post, rows))));
        }
    }
    assert!(cases.len() > 100, "{} cases", cases.len());
    none_is_wrong(cases.into_iter().map(|(name, engine, of)| agrees(name, engine, of)));
}

/// Random routers with something behind them, of as many rows as one block takes and of one more.
#[test]
fn kernels_of_few_rows_give_the_bits_of_random_graphs() {
    let mut at_once = 0;
    for seed in 0..200 {
        let Behind { graph, .. } = &Behind::of_seed(seed);
        let program = program(graph).expect("kernels");
        let Some(most) = most_at_once(&program) else { continue };
        at_once += 1;
        let mut c = Choices::seeded(seed);
        for rows in [0, 1, most, most + 1] {
            let extents = Behind::of_seed(seed).extents(rows, &mut c);
            let dims: Vec<(&str, u64)> =
                graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
            let inputs = inputs(graph, &extents, Rule::Mixed, seed + rows);
            let expected = interp::run(graph, &inputs, &dims).expect("bits");
            let got = interp::program::run(&program, &inputs, &dims).expect("bits");
            assert_eq!(got.outputs, expected.outputs, "{}, {rows} rows", graph.name);
            for (from, way) in ways(&program) {
                let got = interp::program::run(&way, &inputs, &dims).expect("bits");
                assert_eq!(got.outputs, expected.outputs, "{}, {rows} rows as from {from} on", graph.name);
            }
        }
    }
    assert!(at_once > 150, "{at_once} of 200 are one block for few rows");
}

/// For one row; and after the long chain for more of them, which have items enough for every lane.
fn agree(engines: &[AlignEngine]) {
    let all = engines.iter().flat_map(|engine| models::names().map(move |name| (name, *engine)));
    none_is_wrong(all.flat_map(|(name, engine)| [(false, 1), (true, 9)].map(|of| agrees(name, engine, of))));
}

#[test]
fn kernels_give_the_bits_of_layouts_of_blocks() {
    agree(&[AlignEngine::Vllm, AlignEngine::Sglang, AlignEngine::Aiter]);
}

#[test]
fn kernels_give_the_bits_of_layouts_of_maps() {
    agree(&[AlignEngine::Trtllm, AlignEngine::VllmPermute, AlignEngine::Gshard]);
}

#[test]
fn kernels_give_the_bits_of_layouts_of_experts() {
    agree(&[AlignEngine::DeepgemmContiguous, AlignEngine::DeepgemmMasked, AlignEngine::Deepep]);
}
