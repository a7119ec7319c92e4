//! Counts that no row asks for: one launch of one block and two launches, the same bits in the emulator whatever the rows are.

use crate::amd::{self, Compiled};
use routefuse::{Graph, Verified, text};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::kernel::analysis::counts_alone;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::target::TargetKind;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

fn graph(body: &str) -> Verified<Graph> {
    text::parse_verified(&format!("route 1\ngraph @counts {{\n  dim T\n{body}}}\n")).expect("a right graph")
}

/// DeepEP's layout of so many experts, slots and ranks.
fn deepep(dtype: &str, [experts, slots, ranks]: [u64; 3]) -> Verified<Graph> {
    let each = experts / ranks;
    graph(&format!(
        "  input %ids : {dtype}[T, {slots}]
  %each = const {{dtype = {dtype}, value = {each}}}
  %rank = div_floor %ids, %each
  %any = bin_any %rank {{bins = {ranks}}}
  %of_ranks = count_rows %any
  %of_experts = bin_count %ids {{bins = {experts}}}
  output of_ranks = %of_ranks
  output of_experts = %of_experts
  output any = %any
"
    ))
}

/// Ids of several types, one count and several, functions of counts and of their columns, other outputs of the rows, which may be wide,
/// numbers of ranks that are bits of no word, and more columns than a thread has.
fn alone() -> Vec<Verified<Graph>> {
    let counts = |ids: &str, bins: u64| {
        graph(&format!("  input %ids : {ids}\n  %n = bin_count %ids {{bins = {bins}}}\n  output n = %n\n"))
    };
    vec![
        deepep("i64", [256, 8, 8]),
        deepep("i32", [72, 6, 4]),
        deepep("i32", [40, 3, 20]),
        counts("i32[T, 8]", 257),
        counts("u8[T, 10]", 300),
        counts("i64[T, 1]", 1),
        counts("u64[T, 22]", 896),
        graph(
            "  input %ids : i32[T, 4]
  input %more : i32[16]
  %two = const {dtype = i32, value = 2}
  %n = bin_count %ids {bins = 16}
  %twice = mul %n, %two
  %sum = add %twice, %more
  %low = slice %n {start = 3, stop = 9}
  %next = add %ids, %two
  output n = %n
  output sum = %sum
  output low = %low
  output next = %next
",
        ),
    ]
}

/// The same where a row, or something else, asks for counts, or a thread would have too many columns.
fn not_alone() -> Vec<Verified<Graph>> {
    vec![
        deepep("i64", [256, 8, 64]),
        graph("  input %ids : i32[T, 40]\n  %n = bin_count %ids {bins = 9}\n  output n = %n\n"),
        graph(
            "  input %ids : i32[T, 4]
  %n = bin_count %ids {bins = 16}
  %s = bin_starts %n {align = 1}
  output s = %s
",
        ),
        graph(
            "  input %ids : i32[T, 4]
  %n = bin_count %ids {bins = 16}
  %own = gather %n, %ids {out_of_range = pass}
  output own = %own
",
        ),
    ]
}

fn are_alone(compiled: &Compiled) -> bool {
    let [kernel] = compiled.kernels() else { return false };
    kernel.kernel.phases.as_deref().is_some_and(counts_alone)
}

fn by_each_schedule(target: &str, graphs: &[Verified<Graph>], rows: &[u64]) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 2 * (graphs.len() * rows.len()) as u64, amd::REQUIRED);
    };
    for (i, graph) in graphs.iter().enumerate() {
        let compiled = amd::compile(graph, target);
        let Schedule::Phased { .. } = compiled.kernels()[0].schedule else { panic!("{} is not phased", graph.name) };
        for (j, t) in rows.iter().copied().enumerate() {
            let extents = graph.extents_of_rows(t);
            let tensors = inputs(graph, &extents, [Rule::Ids, Rule::Mixed, Rule::Hostile][(i + j) % 3], t);
            // One launch and two, and one of them in more blocks than there are rows for.
            let more = [(0, Some(3)), (2, Some(9))][(i + j) % 2];
            for (n, blocks) in [(0, None), (2, None), more] {
                let artifacts = compiled.of_variant(n + (i + j) % 2);
                let artifacts = (&artifacts[..], blocks);
                let ran = amd::launch_in_blocks(&mut emulator, graph, &compiled, artifacts, &extents, &tensors, t);
                assert!(ran, "{target}, {i}, {t} rows");
            }
        }
    }
}

const ROWS: [u64; 3] = [0, 65, 130];

#[test]
fn gfx942_counts_alone() {
    by_each_schedule("gfx942", &alone(), &ROWS);
}

#[test]
fn gfx1100_counts_alone() {
    by_each_schedule("gfx1100", &alone(), &ROWS);
}

/// A thread has several rows of one block, and of a chunk.
#[test]
fn threads_count_several_rows() {
    by_each_schedule("gfx942", &[deepep("i64", [256, 8, 8])], &[511, 1025]);
}

#[test]
fn what_counts_alone_is_known() {
    for (i, graph) in alone().iter().enumerate() {
        let compiled = amd::compile(graph, "sm_90");
        assert!(are_alone(&compiled), "graph {i} of those that count alone");
        let schedule = &compiled.kernels()[0].schedule;
        let Schedule::Phased { few_rows, most_rows, rows_of_a_block, .. } = schedule else { panic!("not phased") };
        assert_eq!((*few_rows, *most_rows, *rows_of_a_block), (None, 512, [512, 64]));
        let blocks = |rows, variant: usize| {
            let variant = schedule.variants(TargetKind::Nvptx)[variant];
            schedule.grid(rows, variant, || 0)
        };
        assert_eq!([0, 1, 512].map(|rows| blocks(rows, 0)), [Some(0), Some(1), Some(1)]);
        assert_eq!([513, 4096, 65_536].map(|rows| blocks(rows, 2)), [Some(9), Some(64), Some(128)]);
    }
    for (i, graph) in not_alone().iter().enumerate() {
        assert!(!are_alone(&amd::compile(graph, "sm_90")), "graph {i} of those that do not");
    }
}
