//! What crosses rows: graphs of the operations that engines launch beside their routers, against plain loops that were written
//! from what each engine does; as the interpreter has them, as host code, on one thread and on a pool, and as code for AMD GPUs.

mod alone;
mod at_once;
mod bounds;
mod host;
mod in_chunks;
mod launches;
mod phased;
mod random;
mod sizes;

use crate::amd;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::ir::interp;
use routefuse::{Args, DType, Engine, HostPlan, Options, Plan, Target, Tensor, TensorMut, TensorRef, Verified, text};
use routefuse_generate::Choices;
use routefuse_runtime::Workspace;
use routefuse_tests::bins::loops::{self, Case, Layout};
use routefuse_tests::bins::{Align, KINDS, Size, hostile, ids};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::launch;
use routefuse_tests::skips::skip;
use std::sync::Arc;

fn plan(g: &Verified<routefuse::Graph>) -> Arc<Plan> {
    let engine = Engine::builder().build().expect("an engine");
    engine.compile(g, &Target::host(), &Options::default()).expect("a plan")
}

/// What is there before a launch, and after it by plain loops.
fn check(case: &Case, host: &Arc<Plan>, graph: &Verified<routefuse::Graph>, extents: &[u64], seed: u64) {
    let given: Vec<(&str, u64)> = graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let got = interp::run(graph, &case.inputs, &given).unwrap_or_else(|e| panic!("{}: {e}", graph.name)).outputs;
    assert_eq!(got, case.outputs, "{}, {extents:?}, the interpreter", graph.name);
    let mut rng = SmallRng::seed_from_u64(seed);
    launch::agree(host, extents, &case.inputs, &case.outputs, &mut rng)
        .unwrap_or_else(|e| panic!("{}, {extents:?}: {e}", graph.name));
}

/// The host's bits are the interpreter's.
fn check_graph(graph: &Verified<routefuse::Graph>, host: &Arc<Plan>, inputs: &[Tensor], extents: &[u64], seed: u64) {
    let given: Vec<(&str, u64)> = graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let outputs = interp::run(graph, inputs, &given).unwrap_or_else(|e| panic!("{}: {e}", graph.name)).outputs;
    let mut rng = SmallRng::seed_from_u64(seed);
    launch::agree(host, extents, inputs, &outputs, &mut rng).unwrap_or_else(|e| panic!("{graph:?}, {extents:?}: {e}"));
}

/// The graphs of `tests/corpus`, of 16 experts and 4 slots.
#[test]
fn engines_do_what_loops_do() {
    let engines: [(&str, DType, loops::Engine); 12] = [
        ("vllm_align", DType::I32, loops::vllm),
        ("sglang_align", DType::I64, loops::sglang),
        ("aiter_sorting", DType::I32, loops::aiter),
        ("trtllm_routing", DType::I32, loops::trtllm),
        ("deepgemm_contiguous", DType::I32, loops::deepgemm_contiguous),
        ("deepgemm_masked", DType::I32, loops::deepgemm_masked),
        ("deepep_layout", DType::I64, loops::deepep),
        ("cutlass_permutation", DType::I32, loops::cutlass_permutation),
        ("cutlass_prepare", DType::I32, loops::cutlass_prepare),
        ("vllm_batched", DType::I32, loops::vllm_batched),
        ("lora_align", DType::I32, loops::lora_align),
        ("deepep_prefix", DType::I64, loops::deepep_prefix),
    ];
    let mut c = Choices::seeded(14);
    for (name, dtype, engine) in engines {
        let path = routefuse_tests::corpus::root().join(format!("tests/corpus/bins_{name}.route"));
        let source = std::fs::read_to_string(path).expect("a file of the corpus");
        let graph = text::parse_verified(&source).expect("a right graph");
        let host = plan(&graph);
        for (i, t) in [0u64, 1, 2, 7, 8, 9, 65, 257].into_iter().enumerate() {
            for kind in 0..KINDS {
                let n = t * 4;
                let numbers = hostile(kind, n as usize, 16, &mut c);
                // Exactly as many as can be needed, more, and one fewer.
                let most = (n * 4).min(n + 17 * 3).max(1);
                let capacity = [most, most + 37, (most - 1).max(1)][(i + kind) % 3];
                let layout = Layout { t, k: 4, capacity, blocks: capacity.div_ceil(4) };
                let case = engine(&layout, &numbers, ids(dtype, t, 4, &numbers), &mut c);
                let extents: Vec<u64> = graph
                    .symbols
                    .iter()
                    .map(|s| match s.as_str() {
                        "T" => t,
                        "C" => layout.capacity,
                        _ => layout.blocks,
                    })
                    .collect();
                check(&case, &host, &graph, &extents, t + kind as u64);
            }
        }
    }
}

/// Every size on the host; this part of them.
fn every_size(part: usize, parts: usize) {
    let mut c = Choices::seeded(15);
    // A K above which columns are gone through in a loop, too.
    let sizes: Vec<Align> = Align::all().into_iter().chain([Align::new(16, 40, 4)]).collect();
    for (i, align) in sizes.into_iter().enumerate().filter(|(i, _)| i % parts == part) {
        let graph = align.graph();
        let host = plan(&graph);
        for (j, t) in align.rows().into_iter().enumerate() {
            let (case, extents) = align.case(t, i / parts + j, Size::of(i / parts + j / 2), &mut c);
            check(&case, &host, &graph, &extents, t);
        }
    }
}

#[test]
fn every_size_is_aligned_as_loops_align_it_1() {
    every_size(0, 3);
}

#[test]
fn every_size_is_aligned_as_loops_align_it_2() {
    every_size(1, 3);
}

#[test]
fn every_size_is_aligned_as_loops_align_it_3() {
    every_size(2, 3);
}

/// The same bits by code for GPUs, in the emulator.
fn emulated(target: &str) {
    // Of the last, columns are gone through in a loop.
    let shapes = [(8, 6, 3), (72, 8, 64), (257, 10, 16), (16, 40, 4)];
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 4 * shapes.len() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(16);
    for (i, (e, k, block)) in shapes.into_iter().enumerate() {
        let align = Align::new(e, k, block);
        let graph = align.graph();
        let compiled = amd::compile(&graph, target);
        for (j, t) in [0u64, 1, 5, 33].into_iter().enumerate() {
            let (case, extents) = align.case(t, i + j, Size::of(j), &mut c);
            let artifacts = compiled.of_variant(i + j);
            let ran = amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &case.inputs, t);
            assert!(ran, "{target}, E = {e}, T = {t}");
        }
    }
}

#[test]
fn gfx942_aligns_as_the_interpreter_does() {
    emulated("gfx942");
}

#[test]
fn gfx1100_aligns_as_the_interpreter_does() {
    emulated("gfx1100");
}

/// Ids that are chosen from as well: lanes hold those of their own row, and rank those of the rows before.
#[test]
fn what_is_held_of_a_row_is_not_that_of_rows_before() {
    let source = "route 1
graph @chosen_and_ranked {
  dim T
  input %x : i32[T, 64]
  %ids = and %x, 7
  %best = topk %ids {k = 4}
  %chosen = gather_row %ids, %best
  %rank = bin_rank %ids {bins = 8}
  output chosen = %chosen
  output rank = %rank
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    let Some(mut emulator) = Emulator::find() else { return skip(amd::NO_EMULATOR, 4, amd::REQUIRED) };
    let mut c = Choices::seeded(18);
    for target in ["gfx942", "gfx1100"] {
        let compiled = amd::compile(&graph, target);
        assert_eq!(compiled.program().steps.len(), 1);
        for variant in [0, 2] {
            let numbers = hostile(0, 9 * 64, 8, &mut c);
            let inputs = [ids(DType::I32, 9, 64, &numbers)];
            let artifacts = compiled.of_variant(variant);
            assert!(amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &[9], &inputs, variant as u64));
        }
    }
}

/// Ranks and counts are i32, so more items than one holds are refused, and nothing is read.
#[test]
fn more_items_than_an_i32_holds_are_refused() {
    let rows = 1u64 << 29;
    for (op, shape, strides) in [("bin_rank", vec![rows, 4], vec![4, 1]), ("bin_count", vec![8], vec![1])] {
        let source = format!(
            "route 1
graph @many {{
  dim T
  input %ids : u8[T, 4]
  %out = {op} %ids {{bins = 8}}
  output out = %out
}}
"
        );
        let host = HostPlan::new(plan(&text::parse_verified(&source).expect("a right graph"))).expect("a host plan");
        let nowhere = std::ptr::without_provenance_mut(64);
        let mut args = Args::new();
        // SAFETY: the launch refuses the arguments before it reads or writes any of them.
        let ids = unsafe { TensorRef::from_raw(nowhere, rows * 4, DType::U8, &[rows, 4], &[4, 1]) };
        let there = std::ptr::without_provenance_mut(1 << 40);
        // SAFETY: as above.
        let out = unsafe { TensorMut::from_raw(there, rows * 16, DType::I32, &shape, &strides) };
        args.input(ids).output(out);
        assert_eq!(
            host.launch(&args).expect_err("refused").to_string(),
            "RF0614: `many` counts the ids of 536870912 rows, and counts of more than 536870911 do not fit an i32\n  \
             help: launch at most 536870911 of `T` at once",
            "{op}"
        );
    }
}

/// A pool's threads share the rows of what counts, and of what ranks behind it.
#[test]
fn a_pool_gives_the_same_bits() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
    let align = Align::new(72, 8, 16);
    let (k, t) = (align.slots, 20_000);
    let host = HostPlan::new(plan(&align.graph())).expect("a host plan");
    let mut c = Choices::seeded(17);
    for kind in 0..KINDS {
        let (case, [_, capacity, blocks]) = align.case(t, kind, Size::Exact, &mut c);
        let numbers = (0..(t * k) as usize).map(|i| case.inputs[0].bits(i));
        let ids: Vec<i32> = numbers.map(|id| id as i32).collect();
        let (mut sorted, mut expert, mut total) =
            (vec![7i32; capacity as usize], vec![7i32; blocks as usize], vec![7i32]);
        let size = host.plan().workspace_size(&[t, capacity, blocks]).expect("a size");
        let mut workspace = Workspace::new(size as usize);
        workspace.fill(0xa5);
        let mut args = Args::new();
        args.input(TensorRef::new(&ids, &[t, k]))
            .output(TensorMut::new(&mut sorted, &[capacity]))
            .output(TensorMut::new(&mut expert, &[blocks]))
            .output(TensorMut::new(&mut total, &[1]));
        host.launch_on_with(&pool, &args, &mut workspace).expect("a launch");
        drop(args);
        let got = [sorted, expert, total].map(|x| Tensor::from_i32(&[x.len() as u64], &x));
        assert_eq!(got.to_vec(), case.outputs, "ids {kind}");
    }
}
