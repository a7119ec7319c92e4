//! Kernels that cross rows, as phases of one launch: which are, and that the interpreter of phases gives the bits of the graph.

use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{Profile, extents, of_seed};
use routefuse_ir::interp;
use routefuse_ir::kernel::phases::{MOST_CHUNKS, Reach};
use routefuse_ir::kernel::{Param, Role};
use routefuse_ir::program::{Buffer, Program, Step, Taken};
use routefuse_ir::{Graph, Verified, text};
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};

/// The joined program, after it gave the graph's bits for these extents.
fn joined(graph: &Verified<Graph>, extents: &[u64]) -> Program {
    let compiled = compile_graph(graph.clone(), &Options::default()).expect("kernels");
    let program = join(&compiled.program).expect("phases").program;
    program.check().expect("right kernels");
    each_number_of_rows_has_one_way(&program);
    for seed in 0..4 {
        let inputs = inputs(graph, extents, Rule::Hostile, seed);
        let given: Vec<(&str, u64)> = graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
        let expected = interp::run(graph, &inputs, &given).expect("bits");
        let got = interp::program::run(&program, &inputs, &given).expect("bits");
        assert_eq!(got.outputs, expected.outputs, "{}, {extents:?}", graph.name);
        for (rows, way) in ways(&program) {
            let got = interp::program::run(&way, &inputs, &given).expect("bits");
            assert_eq!(got.outputs, expected.outputs, "{}, {extents:?}, as {rows} rows", graph.name);
        }
    }
    program
}

/// Kernels for some numbers of rows stand beside those for others: with none between, and none twice.
fn each_number_of_rows_has_one_way(program: &Program) {
    let stored = |rows: u64| {
        let taken = program.steps.iter().filter(|step| step.is_taken_by(rows));
        let of_step = |step: &Step| {
            let (kernel, buffers) = (&step.kernel, &step.buffers);
            // What goes on with what another kernel began is no store more.
            let goes_on = |p: &Param, b: &Buffer| p.aliases.is_some_and(|a| buffers[a.0 as usize] == *b);
            let params = kernel.params.iter().zip(buffers).filter(|(p, b)| p.role == Role::Output && !goes_on(p, b));
            params.map(|(_, b)| *b).filter(|b| matches!(b, Buffer::Output(_))).collect::<Vec<_>>()
        };
        let mut outputs: Vec<Buffer> = taken.flat_map(of_step).collect();
        outputs.sort_unstable_by_key(|buffer| format!("{buffer:?}"));
        outputs
    };
    let ranges = program.steps.iter().filter_map(|step| step.taken).flat_map(Taken::ranges);
    let limits = ranges.flat_map(|(least, most)| [Some(least), most]).flatten();
    for rows in limits.flat_map(|limit| [limit.saturating_sub(1), limit, limit + 1]) {
        assert_eq!(stored(rows), stored(0), "{rows} rows");
    }
    // What runs on either side of other kernels' rows is one kernel, which is compiled once.
    for (n, step) in program.steps.iter().enumerate() {
        let again = |other: &Step| *other.kernel == *step.kernel && other.buffers == step.buffers;
        assert!(!program.steps[..n].iter().any(again), "{} is there twice", step.kernel.name);
    }
}

/// The kernels of each number of rows from which on they are others, for any number of rows; without those of one block.
fn ways(program: &Program) -> Vec<(u64, Program)> {
    let is_few = |step: &Step| step.kernel.phases.as_ref().is_some_and(|p| p.rows().is_some() && p.chunks.is_none());
    let ranges = program.steps.iter().filter_map(|step| step.taken).flat_map(Taken::ranges);
    let mut from: Vec<u64> = ranges.map(|(least, _)| least).collect();
    from.sort_unstable();
    from.dedup();
    let way = |rows: u64| {
        let taken = program.steps.iter().filter(|step| step.is_taken_by(rows));
        let steps: Vec<Step> = taken.map(|step| Step { taken: None, ..step.clone() }).collect();
        (!steps.iter().any(is_few)).then_some((rows, Program { steps, ..program.clone() }))
    };
    from.into_iter().filter_map(way).collect()
}

fn reaches(program: &Program) -> Vec<Vec<&'static str>> {
    let of = |phases: &routefuse_ir::kernel::phases::Phases| phases.list.iter().map(|p| p.reach.name()).collect();
    program.steps.iter().map(|s| s.kernel.phases.as_deref().map_or(vec![], of)).collect()
}

/// What engines launch beside their routers.
#[test]
fn an_engines_align_is_one_launch() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let one = ["counted", "every_block", "every_block", "ranked", "divided", "padding"];
    let two_sums = ["counted", "every_block", "every_block", "ranked", "padding"];
    let engines: [(&str, &[&[&str]]); 7] = [
        ("vllm_align", &[&one]),
        ("sglang_align", &[&one]),
        ("aiter_sorting", &[&one]),
        ("trtllm_routing", &[&one]),
        // Starts twice, of one kernel of one row: a phase for each.
        ("cutlass_prepare", &[&two_sums]),
        ("deepgemm_contiguous", &[&["counted", "every_block", "every_block", "divided"]]),
        (
            "behind_a_router",
            &[
                &["rows", "counted", "every_block", "ranked", "padding"],
                &[],
                &["counted", "every_block", "ranked", "padding"],
                &["rows", "counted", "every_block", "ranked", "padding"],
            ],
        ),
    ];
    for (name, phases) in engines {
        let source = std::fs::read_to_string(corpus.join(format!("bins_{name}.route"))).expect("a file of the corpus");
        let graph = text::parse_verified(&source).expect("a right graph");
        for (t, c, j) in [(0, 7, 3), (1, 40, 10), (33, 199, 50), (65, 310, 78)] {
            let of = |s: &String| match s.as_str() {
                "T" => t,
                "C" => c,
                _ => j,
            };
            let program = joined(&graph, &graph.symbols.iter().map(of).collect::<Vec<_>>());
            assert_eq!(reaches(&program), phases, "{name}");
        }
    }
}

/// Random graphs of bins have phases often enough, and phases give the bits of the graph.
#[test]
fn random_graphs_of_bins_agree_as_phases() {
    let mut phased = 0;
    for seed in 1..400 {
        let Ok(graph) = of_seed(seed, &Profile::BINS).graph else { continue };
        let compiled = compile_graph(graph.clone(), &Options::default()).expect("kernels");
        let program = join(&compiled.program).expect("phases").program;
        if program.steps.iter().all(|s| s.kernel.phases.is_none()) {
            continue;
        }
        phased += 1;
        let mut choices = Choices::seeded(seed);
        for _ in 0..2 {
            joined(&graph, &extents(&graph, &mut choices));
        }
    }
    println!("{phased} graphs have phases");
    assert!(phased > 50, "{phased} graphs have phases");
}

/// The counts of other ids say nothing of a rank, and of what is not filled in the launch it is not known where to fill.
#[test]
fn what_is_ranked_is_what_is_counted() {
    let graph = |ranked: &str| {
        let source = format!(
            "route 1
graph @g {{
  dim T
  dim C
  input %ids : i32[T, 4]
  input %others : i32[T, 4]
  %counts = bin_count %ids {{bins = 8}}
  %starts = bin_starts %counts {{align = 4}}
  %fill = const {{dtype = i32, value = -1}}
  %sorted = bin_scatter %ids, %{ranked}, %starts, %fill {{shape = [C]}}
  output sorted = %sorted
}}
"
        );
        text::parse_verified(&source).expect("a right graph")
    };
    let of = |ranked| reaches(&joined(&graph(ranked), &[9, 70]));
    assert_eq!(of("ids"), [["counted", "every_block", "ranked", "padding"].to_vec()]);
    assert_eq!(of("others"), [["counted", "every_block", "divided"].to_vec(), vec![]]);
    assert_eq!((Reach::Ranked.name(), MOST_CHUNKS), ("ranked", 128));
}

/// Weights are made beside the ids, in one kernel. What counts the ids and what ranks them does not go into their kernels, where it would be no
/// phase.
#[test]
fn a_routers_weights_leave_an_align_its_phases() {
    let source = "route 1
graph @g {
  dim T
  dim C
  input %logits : f32[T, 16]
  %scores = softmax %logits
  %ids = topk %scores {k = 4}
  %weights = gather_row %scores, %ids
  %counts = bin_count %ids {bins = 16}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output ids_out = %ids
  output weights = %weights
  output sorted = %sorted
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    for (t, c) in [(0, 5), (1, 4), (33, 180)] {
        let program = joined(&graph, &[t, c]);
        let phases = ["counted", "every_block", "ranked", "padding"];
        let rows = [&["rows"], &phases[..]].concat();
        assert_eq!(reaches(&program), [rows.clone(), vec![], phases.to_vec(), rows]);
        let ordered = program.steps.iter().filter(|s| s.kernel.phases.is_none() && s.kernel.is_ordered());
        assert_eq!(ordered.count(), 0, "a rank by itself looks at all rows before");
        assert_eq!(program.steps[1].kernel.stores.len(), 2, "a router is one kernel, its ids and its weights");
    }
}

/// Ranks that need no counts are phases behind them all the same, if the counts are asked for.
#[test]
fn what_is_counted_is_counted_before_it_is_ranked() {
    let source = "route 1
graph @g {
  dim T
  input %logits : f32[T, 16]
  %ids = topk %logits {k = 4}
  %rank = bin_rank %ids {bins = 16}
  %counts = bin_count %ids {bins = 16}
  output rank = %rank
  output counts = %counts
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    let rows = vec!["rows", "counted", "ranked"];
    let program = joined(&graph, &[9]);
    assert_eq!(reaches(&program), [rows.clone(), vec![], vec!["counted", "ranked"], rows]);
    // Few rows and many have kernels of all, and those between them and above have the same two.
    let ranges: Vec<_> = program.steps.iter().map(|step| step.taken.map(|t| t.ranges().collect::<Vec<_>>())).collect();
    let (few, many, beside) = ((0, Some(8)), (8193, Some(32768)), vec![(9, Some(8192)), (32769, None)]);
    assert_eq!(ranges, [vec![few], beside.clone(), beside, vec![many]].map(Some));
    joined(&graph, &[8]);
}

/// Running sums of inputs are a row by themselves, which every block does: one of all that is the same, whoever asks for it.
#[test]
fn sums_of_inputs_are_a_phase() {
    let graph = |more: &str| {
        let source = format!(
            "route 1
graph @g {{
  dim T
  dim J
  input %ids : i32[T, 4]
  input %mask : i32[16]
  %zero = const {{dtype = i32, value = 0}}
  %real = ne %mask, %zero
  %there = cast %real {{dtype = i32}}
  %number = cumsum %there
  %counts = bin_count %ids {{bins = 16}}
  %starts = bin_starts %counts {{align = 4}}
  %expert = bin_of %starts {{step = 4, shape = [J]}}
  %local = gather %number, %expert {{out_of_range = fill(-1)}}
  %rank = bin_rank %ids {{bins = 16}}
{more}  output local = %local
  output rank = %rank
}}
"
        );
        text::parse_verified(&source).expect("a right graph")
    };
    let one = ["counted", "every_block", "every_block", "ranked", "divided"];
    assert_eq!(reaches(&joined(&graph(""), &[9, 11])), [one]);
    // The items ask for the same numbers, in the kernel that ranks.
    let of_items = "  %mine = gather %number, %ids {out_of_range = fill(-1)}\n  output mine = %mine\n";
    for extents in [[0, 3], [1, 1], [40, 50]] {
        let program = joined(&graph(of_items), &extents);
        assert_eq!(reaches(&program), [[&one[..], &["divided"]].concat()]);
        assert_eq!(program.steps[0].kernel.phases.as_ref().map(|p| p.shared.len()), Some(3));
    }
    // Floats are added in an order that is the row's, and what a sum is of may be written: both stay where they are.
    let of_floats = "  %wide = cast %there {dtype = f32}\n  %sums = cumsum %wide\n  %weight = gather %sums, %expert {out_of_range = fill(0)}
  output weight = %weight\n";
    assert!(joined(&graph(of_floats), &[9, 11]).steps.len() > 1);
}

/// A router that counts by what it has at hand is parted for phases, and up to some rows it adds to its counts itself, as it was. Zeros,
/// which have no rows, are made for those rows alone.
#[test]
fn rows_that_are_not_many_add_to_counts_themselves() {
    let graph = |columns: u64, k: u64, more: &str| {
        let source = format!(
            "route 1
graph @layout {{
  dim T
  input %logits : f32[T, {columns}]
  %ids = topk %logits {{k = {k}}}
  %rank = div_floor %ids, {}
  %in_rank = bin_any %rank {{bins = 4}}
  %per_rank = count_rows %in_rank
  %per_expert = bin_count %ids {{bins = {columns}}}
{more}  output per_rank = %per_rank
  output per_expert = %per_expert
  output in_rank = %in_rank
}}
",
            columns / 4
        );
        text::parse_verified(&source).expect("a right graph")
    };
    // As many items as 64 for each column, and no more rows than were measured.
    for (columns, k, few, most) in [(16, 4, 4, 128), (256, 4, 4, 1024), (64, 12, 2, 256)] {
        let program = joined(&graph(columns, k, ""), &[5]);
        let taken: Vec<_> = program.steps.iter().map(|step| step.taken.map(|t| (t.least, t.most))).collect();
        let (few, most) = (Some((0, Some(few))), Some((few + 1, Some(most))));
        assert_eq!(taken[..3], [few, most, most], "{columns} columns");
        assert_eq!((program.steps[1].rows(), program.steps[2].rows().is_some()), (None, true));
        assert!(program.steps[2].kernel.stores.iter().any(|store| store.add_at.is_some()));
        assert_eq!(taken[3].map(|t| t.0), most.and_then(|(_, most)| Some(most? + 1)), "{columns} columns");
    }
    // What is behind asks for counts: then they are no more launches than before, and the router adds nothing.
    let starts = "  %starts = bin_starts %per_expert {align = 4}\n  output starts = %starts\n";
    let program = joined(&graph(16, 4, starts), &[5]);
    assert!(program.steps.iter().all(|step| step.rows().is_some()), "no zeros by themselves");
}
