//! Rows that the host does in blocks, with what is narrow in a row a lane: the same bits as the interpreter, at every number of
//! rows around whole blocks, in place too.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::ir::Variant;
use routefuse::{Engine, Graph, Options, Target, Verified, inspect, models};
use routefuse_generate::data::Rule;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::kernel::schedule::block_rows::BLOCK_ROWS;
use routefuse_ir::kernel::schedule::room::MOST_FRAME;
use routefuse_ir::text;
use routefuse_tests::differential::{Run, agree};
use routefuse_tests::launch;
use std::collections::BTreeMap;

/// None, rows that are left over, whole blocks, and both.
const ROWS: [u64; 9] = [0, 1, 7, 8, 9, 15, 16, 17, 33];

fn graph(source: &str) -> Verified<Graph> {
    text::parse_verified(source).unwrap_or_else(|d| panic!("{d}\n{source}"))
}

/// The kernels of a graph for the host.
fn kernels(engine: &Engine, g: &Verified<Graph>) -> Vec<Verified<Scheduled>> {
    let stages = engine.stages(g, &Target::host(), &Options::default()).unwrap_or_else(|e| panic!("{}: {e}", g.name));
    stages.kernels
}

/// The graph is one kernel whose rows are done in blocks, and host code has the interpreter's bits.
fn check(engine: &Engine, g: &Verified<Graph>) {
    let kernels = kernels(engine, g);
    let rows: Vec<u32> = kernels.iter().map(|k| k.schedule.block_rows()).collect();
    assert_eq!(rows, [BLOCK_ROWS], "{}: {}", g.name, inspect::kernel_text(&kernels[0]));
    let plan = engine.compile(g, &Target::host(), &Options::default()).unwrap_or_else(|e| panic!("{}: {e}", g.name));
    plan.prepare().unwrap_or_else(|e| panic!("{}: {e}", g.name));
    for rows in ROWS {
        for (rule, seed) in [(Rule::Mixed, rows), (Rule::Hostile, 100 + rows)] {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut run =
                |extents: &[u64], tensors: &[routefuse_ir::Tensor], expected: &routefuse_ir::interp::Outcome| {
                    launch::agree(&plan, extents, tensors, &expected.outputs, &mut rng)
                };
            let extents = vec![rows; g.symbols.len()];
            agree(g, &extents, Run { seed, rule }, &mut run)
                .unwrap_or_else(|e| panic!("{}, T = {rows}, {rule:?}: {e}", g.name));
        }
    }
}

/// Selections of rows of so few columns that nothing fills a vector, and what is gathered by them.
fn narrow_selections(width: u64) -> String {
    let k = width.div_ceil(2).min(5);
    format!(
        "route 1
graph @narrow_selections_{width} {{
  dim T
  input %x : f32[T, {width}]
  input %n : i32[T, {width}]
  input %half : bf16[T, {width}]
  %best = topk %x {{k = {k}, candidates = above_neg_inf}}
  %sorted = topk %n {{k = {k}, order = column}}
  %half_best = topk %half {{k = 1}}
  %kept = topk_mask %half {{k = {k}, candidates = above_neg_inf}}
  %two = top2_sum %x {{axis = 1}}
  %chosen = gather_row %x, %best
  %filled = gather_row %n, %best {{out_of_range = fill(5)}}
  %wrapped = gather_row %best, %sorted {{out_of_range = wrap}}
  %clamped = gather_row %half, %sorted {{out_of_range = clamp}}
  output best = %best
  output sorted = %sorted rows
  output half_best = %half_best
  output kept = %kept
  output two = %two
  output chosen = %chosen
  output filled = %filled rows
  output wrapped = %wrapped
  output clamped = %clamped
}}
"
    )
}

/// Sums and extremes of such rows.
fn narrow_sums(width: u64) -> String {
    format!(
        "route 1
graph @narrow_sums_{width} {{
  dim T
  input %x : f32[T, {width}]
  input %n : i64[T, {width}]
  input %half : bf16[T, {width}]
  %wide = cast %half {{dtype = f32}}
  %most = reduce_max %x {{axis = 1}}
  %least = reduce_min %n {{axis = 1}}
  %sum = reduce_sum %x {{axis = 1}}
  %whole = reduce_sum %n {{axis = 1}}
  %running = cumsum %x
  %counts = cumsum %n
  %soft = softmax %wide
  %short = cast %running {{dtype = f16}}
  output most = %most
  output least = %least rows
  output sum = %sum
  output whole = %whole
  output running = %short
  output counts = %counts rows
  output soft = %soft
}}
"
    )
}

/// A selection of so many columns, and what follows it.
fn selection(width: u64, k: u64, order: &str) -> String {
    format!(
        "route 1
graph @selection_{width}_{k}_{order} {{
  dim T
  input %logits : bf16[T, {width}]
  input %map : i32[64]
  %wide = cast %logits {{dtype = f32}}
  %scores = softmax %wide
  %ids = topk %scores {{k = {k}, candidates = above_neg_inf, order = {order}}}
  %chosen = gather_row %scores, %ids
  %weights = renorm %chosen {{denominator = sum}}
  %most = reduce_max %chosen {{axis = 1}}
  %physical = gather %map, %ids {{out_of_range = pass}}
  %long = cast %physical {{dtype = i64}}
  %short = cast %weights {{dtype = bf16}}
  output ids = %ids rows
  output physical = %long
  output weights = %weights
  output short = %short
  output most = %most
}}
"
    )
}

#[test]
fn r14_narrow_rows_in_blocks_have_the_same_bits() {
    let engine = Engine::builder().build().expect("an engine");
    for width in [2, 3, 5, 8, 9, 16] {
        check(&engine, &graph(&narrow_selections(width)));
        check(&engine, &graph(&narrow_sums(width)));
    }
}

#[test]
fn r14_selections_in_blocks_have_the_same_bits() {
    let engine = Engine::builder().build().expect("an engine");
    for (width, k, order) in
        [(17, 3, "column"), (64, 6, "value"), (72, 16, "column"), (160, 9, "value"), (256, 1, "value")]
    {
        check(&engine, &graph(&selection(width, k, order)));
    }
}

/// An index that traps, of a wide and of a narrow row; what is stored row by row beside what has a row in each lane; two long
/// selections, one behind the other; outputs in the memory of inputs, of which a block reads all before it writes any.
#[test]
fn r14_what_else_blocks_meet_has_the_same_bits() {
    let engine = Engine::builder().build().expect("an engine");
    let graphs = [
        "graph @traps {
  dim T
  input %x : f32[T, 40]
  input %at : i32[T, 40]
  input %ids : i32[T, 5]
  %moved = gather_row %x, %at {out_of_range = trap}
  %best = topk %moved {k = 4, candidates = all}
  %chosen = gather_row %moved, %best
  %sum = reduce_sum %chosen {axis = 1}
  %few = gather_row %chosen, %ids {out_of_range = trap}
  %largest = reduce_max %few {axis = 1}
  output best = %best
  output sum = %sum
  output largest = %largest
}
",
        "graph @wide_and_narrow {
  dim T
  input %x : f32[T, 48]
  %p = softmax %x
  %ids = topk %p {k = 7}
  %kept = topk_mask %p {k = 7}
  %w = gather_row %p, %ids
  %sum = reduce_sum %w {axis = 1}
  %sums = broadcast %sum {shape = [T, 7]}
  %q = div %w, %sums
  output p = %p
  output kept = %kept
  output ids = %ids
  output q = %q
}
",
        "graph @twice {
  dim T
  input %x : f32[T, 40]
  %first = topk %x {k = 20, candidates = all}
  %y = gather_row %x, %first
  %z = exp %y
  %second = topk %z {k = 4, order = column}
  %w = gather_row %z, %second
  %sum = reduce_sum %w {axis = 1}
  output second = %second
  output w = %w
  output sum = %sum
}
",
        // A selection of one column, whose trap is one of its column's.
        "graph @one_trap {
  dim T
  input %table : u8[4, 7]
  input %at : i64[T, 31]
  %three = const {dtype = i64, value = 3}
  %x = gather %table, %at, %three {out_of_range = trap}
  %best = topk %x {k = 1, candidates = above_neg_inf, order = column}
  output best = %best
}
",
        // A row value at columns that are data, by way of what is wide.
        "graph @groups {
  dim T
  input %x : f32[T, 32]
  input %scores : f32[T, 4]
  input %at : i32[T, 9]
  %kept = group_mask %x, %scores {keep = 2, masked = zero}
  %some = gather_row %kept, %at {out_of_range = wrap}
  %best = topk %scores {k = 3}
  %of_best = gather_row %best, %at {out_of_range = clamp}
  output some = %some
  output of_best = %of_best
}
",
        "graph @in_place {
  dim T
  input %w : f32[T, 6]
  input %ids : i32[T, 6]
  %p = softmax %w
  %order = topk %p {k = 6}
  %moved = add %ids, %order
  output w_out = %p in_place(w)
  output ids_out = %moved in_place(ids)
  output order = %order
}
",
        "graph @counted {
  dim T
  input %x : f32[T, 12]
  input %counts : i32[12]
  input %weights : f32[T, 3]
  %ids = topk %x {k = 3}
  %w = gather_row %x, %ids
  %sum = add %w, %weights
  %p = softmax %sum
  %one = const {value = 1, dtype = i32}
  %ones = broadcast %one {shape = [T, 3]}
  %load = atomic_add %counts, %ids, %ones
  output ids = %ids
  output p = %p donates(weights)
  output load = %load in_place(counts)
}
",
    ];
    for body in graphs {
        check(&engine, &graph(&format!("route 1\n{body}")));
    }
}

/// Of a block of rows, all that follows a selection is vectors with a row in each lane, a vector for each column; and the rounds
/// of a long selection are done for four rows at a time. Counted in the code before it is optimised.
#[test]
fn r14_the_tail_of_a_block_has_a_row_in_each_lane() {
    let engine = Engine::builder().build().expect("an engine");
    // Quotients by their lanes: of the block's chosen experts, and of Mixtral's eight experts, one vector a column; and of a row
    // that is done by itself one vector for all its columns. Mixtral's code has a whole block, and one whose last row is repeated.
    let quotients = [
        ("mixtral", vec![("vector<2xf32>", 1), ("vector<8xf32>", 2 * (8 + 2) + 1)]),
        ("gpt-oss", vec![("vector<4xf32>", 1), ("vector<8xf32>", 4)]),
        ("qwen3-moe", vec![("vector<32xf32>", 1), ("vector<8xf32>", 8 + 1)]),
    ];
    for (name, expected) in quotients {
        let preset = models::named(name).unwrap_or_else(|e| panic!("{e}"));
        let g = preset.graph(&Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let [kernel] = &kernels(&engine, &g)[..] else { panic!("{name} is one kernel") };
        assert_eq!(kernel.schedule.block_rows(), BLOCK_ROWS, "{name}");
        let code = inspect::code(kernel, Variant::HOST[0]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut counted = BTreeMap::new();
        for line in code.mlir.lines().filter(|line| line.contains("arith.divf")) {
            *counted.entry(line.rsplit(": ").next().unwrap_or_default()).or_insert(0) += 1;
        }
        assert_eq!(counted, BTreeMap::from_iter(expected), "{name}");
        // What one round carries to the next: of every row the best keys of its blocks, and its ids.
        let carried = |line: &str| line.contains("scf.for").then(|| line.matches("xi32>").count());
        let most = code.mlir.lines().filter_map(carried).max();
        assert_eq!(most, Some(if name == "mixtral" { 0 } else { 4 * 2 }), "{name}");
    }
}

/// Frames of whatever engines route with are small, with a block's rows in them too.
#[test]
fn r14_frames_of_blocks_are_small() {
    let engine = Engine::builder().build().expect("an engine");
    let (mut blocks, mut largest) = (0, 0);
    for example in models::examples() {
        let g = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        for kernel in kernels(&engine, &g) {
            if kernel.schedule.block_rows() == 1 {
                continue;
            }
            blocks += 1;
            let code = inspect::code(&kernel, Variant::HOST[0]).unwrap_or_else(|e| panic!("{}: {e}", example.file));
            let frames = code.asm.lines().filter_map(|line| {
                line.trim()
                    .strip_prefix("subq\t$")
                    .and_then(|l| l.strip_suffix(", %rsp"))
                    .and_then(|n| n.parse::<u64>().ok())
            });
            let frame = frames.max().unwrap_or(0);
            assert!(frame < MOST_FRAME, "{}: {frame} bytes", example.file);
            largest = largest.max(frame);
        }
    }
    assert!(blocks > 10, "{blocks} kernels do rows in blocks");
    assert!(largest > 0, "no frame was found in the code");
}
