//! Every model preset and random rows as AMD code, in the emulator, bit for bit.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, compile_in, launch_on};
use crate::models::routers;
use routefuse::models::{self, ModelOptions};
use routefuse::{DType, Graph, Tensor, Verified};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_ir::kernel::schedule::Selecting;
use routefuse_ir::text;
use routefuse_tests::differential::shard;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;

/// Half of the presets, at 1 and 33 tokens, on rows of the trace and on hostile ones.
fn presets(target: &str, half: usize) {
    let examples: Vec<_> = models::examples().into_iter().take(routers() + 1).collect();
    let examples: Vec<_> = examples.iter().skip(half).step_by(2).collect();
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, examples.len() as u64 * 4, REQUIRED) };
    for example in examples {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let compiled = compile(&graph, target);
        assert_eq!(compiled.kernels().len(), 1, "{} is one kernel", example.file);
        let variants = compiled.kernels()[0].variants().len();
        // The first variants are of few rows, the last of many; both kinds of alignment among the rest.
        for (rows, variant) in [(1, 0), (33, variants - 1)] {
            let artifacts = compiled.of_variant(variant);
            for kind in [Kind::Trace, Kind::Sprinkled] {
                let tensors = router_inputs(&graph, rows, kind, rows);
                launch_on(&mut emulator, &graph, &compiled, &artifacts, &[rows], &tensors, rows);
            }
        }
    }
    println!("{} launches", emulator.runs());
}

/// Every fourth preset in the shape for fewest rows, on two targets each that [`presets`] leaves out, on rows of every kind.
fn few_rows(part: usize) {
    let targets = ["gfx950", "gfx1200", "gfx90a", "gfx1030", "gfx1250"];
    let examples: Vec<_> = models::examples().into_iter().take(routers() + 1).collect();
    let count = examples.len().div_ceil(4) as u64 * 2 * Kind::ALL.len() as u64;
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, count, REQUIRED) };
    for (i, example) in examples.iter().enumerate().filter(|(i, _)| i % 4 == part) {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        for target in [targets[i % 5], targets[(i + 2) % 5]] {
            let compiled = compile(&graph, target);
            let artifacts = compiled.of_variant(i / 4 % 2);
            for kind in Kind::ALL {
                let tensors = router_inputs(&graph, 3, kind, i as u64);
                launch_on(&mut emulator, &graph, &compiled, &artifacts, &[3], &tensors, i as u64);
            }
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn few_rows_1() {
    few_rows(0);
}

#[test]
fn few_rows_2() {
    few_rows(1);
}

#[test]
fn few_rows_3() {
    few_rows(2);
}

#[test]
fn few_rows_4() {
    few_rows(3);
}

/// Several rows a warp, with sorted lists, whatever the schedule would choose: groups as lanes and not, one lane and many,
/// more chosen than a lane has, a softmax whose quotients tie, bias, masks, shared experts beside.
fn sorted(shapes: &[(&str, u32)], target: &str) {
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, shapes.len() as u64 * 2, REQUIRED) };
    for (file, lanes) in shapes {
        let example = models::examples().into_iter().find(|e| e.file == *file).expect("an example");
        let graph = example.graph().unwrap_or_else(|e| panic!("{file}: {e}"));
        launch_sorted(&mut emulator, &graph, *lanes, target);
    }
    println!("{} launches", emulator.runs());
}

/// By so many lanes a row.
fn launch_sorted(emulator: &mut Emulator, graph: &Verified<Graph>, lanes: u32, target: &str) {
    let shape = format!("lanes={lanes} threads=128 sorted").parse().expect("a shape");
    let compiled = compile_in(graph, target, Some(shape));
    for (variant, kind) in [(0, Kind::Trace), (1, Kind::Sprinkled)] {
        // More rows than a warp has, and fewer than a block.
        let rows = u64::from(64 / lanes + 1);
        let tensors = router_inputs(graph, rows, kind, rows);
        let artifacts = compiled.of_variant(variant);
        launch_on(emulator, graph, &compiled, &artifacts, &[rows], &tensors, rows);
    }
}

/// Logits of `f16` have keys of their own, and of `f32` none are unique.
#[test]
fn sorted_logits_of_other_dtypes() {
    let routers = [
        ("qwen3-moe", DType::F16, 4, "gfx942"),
        ("qwen3-moe", DType::F32, 8, "gfx1100"),
        ("minimax-m2.5", DType::F16, 16, "gfx1100"),
        ("glm-4.5", DType::F32, 8, "gfx942"),
    ];
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, routers.len() as u64 * 2, REQUIRED) };
    for (name, logits, lanes, target) in routers {
        let mut options = ModelOptions::default();
        options.logits = logits;
        let preset = models::named(name).expect("a preset");
        let graph = preset.graph(&options).unwrap_or_else(|e| panic!("{name}: {e}"));
        launch_sorted(&mut emulator, &graph, lanes, target);
    }
}

#[test]
fn sorted_softmax_routers() {
    sorted(
        &[("qwen3-moe", 4), ("gpt-oss-post", 2), ("mixtral", 1), ("deepseek-v2", 8), ("qwen3.5-397b-post", 16)],
        "gfx942",
    );
}

#[test]
fn sorted_routers_with_bias() {
    sorted(
        &[("deepseek-v3-post", 8), ("deepseek-v3", 4), ("kimi-k2", 16), ("glm-4.5", 4), ("longcat-flash", 16)],
        "gfx1100",
    );
}

/// Columns of segments that are no power of two in number: lanes without one have copies of the last one's columns, and put nothing
/// anywhere. Integers, and floats whose NaNs come first, have other keys than floats; what is chosen of an integer's segment, in either
/// order.
#[test]
fn sorted_segments_beside_lanes_without_one() {
    let graphs = [
        ("f32", 3, 3, "k = 2, candidates = all, nan = first"),
        ("f32", 5, 7, "k = 3, candidates = above_neg_inf, nan = first"),
        ("f32", 3, 8, "k = 4, candidates = all"),
        ("i32", 3, 4, "k = 1, candidates = all"),
        ("i32", 3, 3, "k = 2, candidates = all, order = column"),
        ("i16", 7, 6, "k = 5, candidates = all"),
    ];
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, graphs.len() as u64 * 2, REQUIRED) };
    for (seed, (dtype, segments, columns, how)) in (0..).zip(graphs) {
        let text = format!(
            "route 1\ngraph @segments {{\n  dim T\n  input %x : {dtype}[T, {segments}, {columns}]\n  %ids = topk %x {{{how}}}\n  \
             output ids = %ids\n}}\n"
        );
        let graph = text::parse_verified(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        for target in ["gfx942", "gfx1100"] {
            let compiled = compile(&graph, target);
            let shape = compiled.kernels()[0].schedule.shapes()[1];
            assert_eq!(shape.selecting, Selecting::Sorted, "{shape}");
            // More rows than a block has.
            let extents = [u64::from(shape.rows()) + 9];
            let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
            let artifacts = compiled.of_variant(compiled.kernels()[0].variants().len() - 1);
            launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
        }
    }
}

/// A kernel of one row that overwrites what it is made of, in blocks of several warps: those without the row read nothing of it.
#[test]
fn one_row_in_place_in_large_blocks() {
    let text = "route 1\ngraph @one {\n  input %x : f32[3, 4]\n  %y = log_softmax %x\n  %ids = topk %x {k = 2, candidates = all}\n  \
                output y = %y in_place(x)\n  output ids = %ids\n}\n";
    let graph = text::parse_verified(text).expect("a right graph");
    let shapes =
        ["lanes=4 threads=128 sorted", "lanes=2 threads=256", "lanes=1 threads=128 persistent lists_in_memory"];
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, shapes.len() as u64 * 2, REQUIRED) };
    for shape in shapes {
        for target in ["gfx942", "gfx1100"] {
            let compiled = compile_in(&graph, target, Some(shape.parse().expect("a shape")));
            assert_eq!(compiled.kernels().len(), 1, "{shape}");
            let tensors = inputs(&graph, &[], Rule::Mixed, 3);
            launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &[], &tensors, 3);
        }
    }
}

/// Routers in the code that they have for many rows, on rows in which all logits are equal, or none is a candidate: everything
/// ties.
fn many_rows_that_tie(target: &str) {
    const FILES: [&str; 5] = ["deepseek-v3", "kimi-k2", "glm-4.5", "gpt-oss", "qwen3.5-397b"];
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, 2 * FILES.len() as u64, REQUIRED) };
    for file in FILES {
        let example = models::examples().into_iter().find(|e| e.file == file).expect("an example");
        let graph = example.graph().unwrap_or_else(|e| panic!("{file}: {e}"));
        let compiled = compile(&graph, target);
        let artifacts = compiled.of_variant(compiled.kernels()[0].variants().len() - 1);
        for kind in [Kind::Ties, Kind::NegInf] {
            // More rows than a block has, and not a multiple of it.
            let rows = 19;
            let tensors = router_inputs(&graph, rows, kind, rows);
            launch_on(&mut emulator, &graph, &compiled, &artifacts, &[rows], &tensors, rows);
        }
    }
}

#[test]
fn many_rows_that_tie_on_gfx90a() {
    many_rows_that_tie("gfx90a");
}

#[test]
fn many_rows_that_tie_on_gfx950() {
    many_rows_that_tie("gfx950");
}

#[test]
fn many_rows_that_tie_on_gfx1030() {
    many_rows_that_tie("gfx1030");
}

#[test]
fn many_rows_that_tie_on_gfx1200() {
    many_rows_that_tie("gfx1200");
}

/// All columns of a softmax are chosen, in whose last row all powers but one are 0: what lies behind that row's columns, the keys
/// of the first one, stays as it is.
#[test]
fn sorted_softmax_of_which_all_is_chosen() {
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, 1, REQUIRED) };
    let source = "route 1
graph @all_of_a_softmax {
  dim T
  input %x : f32[T, 20]
  %p = softmax %x
  %ids = topk %p {k = 20}
  output ids = %ids
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    let compiled = compile_in(&graph, "gfx942", Some("lanes=4 threads=64 sorted".parse().expect("a shape")));
    let rows = 16u64;
    let logit = |i: u64| match (i / 20, i % 20) {
        (15, 0) => 0.0,
        (15, _) => -200.0,
        (row, column) => ((row * 7 + column * 11) % 20) as f32 / 4.0,
    };
    let bytes = (0..rows * 20).flat_map(|i| logit(i).to_le_bytes()).collect();
    let tensors = [Tensor::from_bytes(DType::F32, &[rows, 20], bytes).expect("as many bytes")];
    launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &[rows], &tensors, rows);
}

/// The largest of a row with a NaN, as another power of e than the softmax's is made of it.
#[test]
fn sorted_softmax_whose_largest_is_asked_for_elsewhere() {
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, 1, REQUIRED) };
    let source = "route 1
graph @another_power {
  dim T
  input %x : bf16[T, 32]
  input %z : f32[T, 32]
  %w = cast %x {dtype = f32}
  %p = softmax %w
  %ids = topk %p {k = 4}
  %m = reduce_max %w {axis = 1}
  %ms = broadcast %m {shape = [T, 32]}
  %d = sub %z, %ms
  %e = exp %d
  output ids = %ids
  output e = %e
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    let compiled = compile_in(&graph, "gfx942", Some("lanes=2 threads=64 sorted".parse().expect("a shape")));
    assert_eq!(compiled.kernels().len(), 1);
    let rows = 8u64;
    let numbers = |nan: bool| {
        let number = move |i: u64| if nan && i == 70 { f32::NAN } else { (i * 11 % 32) as f32 / 8.0 };
        (0..rows * 32).map(number)
    };
    let halves = numbers(true).flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect();
    let floats = numbers(false).flat_map(f32::to_le_bytes).collect();
    let tensor = |dtype, bytes| Tensor::from_bytes(dtype, &[rows, 32], bytes).expect("as many bytes");
    let tensors = [tensor(DType::Bf16, halves), tensor(DType::F32, floats)];
    launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &[rows], &tensors, rows);
}

#[test]
fn presets_on_gfx942() {
    presets("gfx942", 0);
}

#[test]
fn other_presets_on_gfx942() {
    presets("gfx942", 1);
}

#[test]
fn presets_on_gfx1100() {
    presets("gfx1100", 0);
}

#[test]
fn other_presets_on_gfx1100() {
    presets("gfx1100", 1);
}

#[test]
fn random_rows() {
    let seeds = shard(50, 0, 1);
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, seeds.end - seeds.start, REQUIRED) };
    println!("graphs of seeds {seeds:?}");
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &Profile::ROWS).graph else { continue };
        let compiled = compile(&graph, ["gfx942", "gfx1100"][(seed % 2) as usize]);
        let mut rng = Choices::seeded(seed);
        let mut extents = graph::extents(&graph, &mut rng);
        // Rows of many columns are many steps of the emulator.
        extents.iter_mut().for_each(|e| *e = (*e).min(65));
        let tensors = inputs(&graph, &extents, Rule::Mixed, seed);
        let artifacts = compiled.of_variant((seed / 2) as usize);
        launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
    }
    println!("{} launches", emulator.runs());
}
