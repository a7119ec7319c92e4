//! What `explain` says: of the long chain in full, of the unfused form, and as JSON.

use routefuse_passes::explain::Report;
use routefuse_passes::pipeline::{Compiled, Options, compile_graph};
use std::path::Path;

fn compiled(example: &str, options: &Options) -> Compiled {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
    let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let g = routefuse_ir::text::parse_verified(&source).unwrap_or_else(|d| panic!("{d}"));
    compile_graph(g, options).unwrap_or_else(|d| panic!("{d}"))
}

fn report(example: &str) -> Report {
    compiled(example, &Options::default()).report().unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn the_long_chain_is_explained() {
    let r = report("e_post_chain.route");
    assert_eq!((r.before.launches, r.after.launches), (9, 1));
    let after = r.after.traffic;
    // ids, weights and the shared weight in; packed words, ids and weights of nine columns out; the map and n once.
    assert_eq!((after.read_per_row, after.written_per_row, after.read_once), (32 + 32 + 2, 3 * 36, 1024 + 4));
    assert!(r.before.traffic.bytes(64) > 2 * after.bytes(64));
    assert_eq!(r.kernels[0].ops, ["physical", "scaled", "v10", "v11", "v12", "masked", "v14", "v15"]);
    // There is one shared expert: the index among them is 0.
    assert_eq!(r.simplified, ["v8"]);
    assert!(r.cuts.is_empty());
    let text = r.to_text(1000);
    for line in [
        "graph @post_chain: 1 kernel",
        "  after    1 launch, 66 B read and 108 B written a row, 1028 B read once",
        "kernel @post_chain: a loop over T, 8 operations",
        "  holds    %physical, %scaled, %v10, %v11, %v12, %masked, %v14, %v15",
        "  on every host",
        "    schedule flat threads=1 [cols=9 in_row=16 stores=0,1,2]",
        "    variants align1/i64",
        "simplified away: %v8",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }
    let (_, schedule) = text.split_once("  on every NVIDIA GPU\n").unwrap_or_else(|| panic!("{text}"));
    assert!(schedule.starts_with("    schedule flat threads=256 [cols=9 across=2 stores=0,1,2]\n"), "{schedule}");
    // Nine columns, two a thread: the fifth thread has the last column of one row and the first of the next.
    assert!(schedule.contains(" row 0 │ 0 │ 0 │ 1 │"), "{schedule}");
    assert!(schedule.contains("align16/i32, align1/i32, align16/i64, align1/i64"), "{schedule}");
    assert!(text.contains("\n    store v") && text.contains(" to p5\n"), "{text}");
    assert!(text.contains("%physical from %map: checked, pass (index `%ids` is an input of i32: in "), "{text}");
}

#[test]
fn the_unfused_form_says_why() {
    let c = compiled("e_post_chain.route", &Options::unfused());
    let r = c.report().unwrap_or_else(|d| panic!("{d}"));
    assert_eq!((&r.before, r.after.launches), (&r.after, 9));
    assert!(r.to_string().contains("not one kernel, because\n  fusion is switched off"));
}

#[test]
fn reports_are_json() {
    let json = serde_json::to_value(report("a_remap_dynamic.route")).unwrap();
    assert_eq!(json["after"]["launches"], 1);
    assert_eq!(json["kernels"][0]["rows"], "T");
    assert_eq!(json["gathers"][0]["proved"], false);
    assert!(json["kernels"][0]["signature"].as_str().unwrap().starts_with("kernel rows=s0 symbols=1 {"));
    assert_eq!(json["passes"][0]["name"], "expand");
}

#[test]
fn options_are_named_in_keys() {
    assert_eq!(Options::default().to_string(), "fuse=true");
    assert_eq!(Options::unfused().to_string(), "fuse=false");
}

#[test]
fn the_same_graph_gives_the_same_text() {
    let text = |c: &Compiled| c.program.steps.iter().map(|s| s.kernel.to_string()).collect::<String>();
    for example in ["e_post_chain.route", "zero_experts.route", "eplb_hashed.route"] {
        let (a, b) = (compiled(example, &Options::default()), compiled(example, &Options::default()));
        assert_eq!(text(&a), text(&b));
        assert_eq!(a.report(), b.report());
    }
}

#[test]
fn a_proved_gather_has_no_check_and_says_why() {
    let source = "route 1
graph @hashed {
  dim T
  input %ids : u32[T, 4]
  input %map : i32[16]
  %count = const {dtype = u32, value = 16}
  %slot = rem %ids, %count
  %physical = gather %map, %slot {out_of_range = trap}
  output physical_ids = %physical
}
";
    let g = routefuse_ir::text::parse_verified(source).unwrap_or_else(|d| panic!("{d}"));
    let c = compile_graph(g, &Options::default()).unwrap_or_else(|d| panic!("{d}"));
    let kernel = &c.program.steps[0].kernel;
    assert!(kernel.to_string().contains("gather p1[v2] proved"), "{}", **kernel);
    // Nothing can trap, but the launch still takes the error word that the graph declares.
    assert!(kernel.error_word().is_none() && c.program.has_trap);
    let gather = &c.report().unwrap_or_else(|d| panic!("{d}")).gathers[0];
    assert!(gather.proved, "{gather:?}");
    assert!(gather.to_string().starts_with("%physical from %map: proved in range (index `%slot` is "), "{gather}");
}

#[test]
fn a_router_is_explained() {
    let source = "route 1
graph @router {
  dim T
  input %logits : bf16[T, 256]
  input %load : i32[256]
  %x = cast %logits {dtype = f32}
  %scores = softmax %x
  %ids = topk %scores {k = 8}
  %chosen = gather_row %scores, %ids
  %weights = renorm %chosen {denominator = sum}
  %one = const {dtype = i32, value = 1}
  %counted = atomic_add %load, %ids, %one
  output ids = %ids
  output weights = %weights
  output load_out = %counted in_place(load)
}
";
    let g = routefuse_ir::text::parse_verified(source).unwrap_or_else(|d| panic!("{d}"));
    let r = compile_graph(g, &Options::default()).unwrap().report().unwrap();
    assert_eq!((r.before.launches, r.after.launches), (6, 1));
    let after = r.after.traffic;
    // The logits are asked for by a maximum, a sum, a top-k and a gather, and read once.
    assert_eq!((after.read_per_row, after.written_per_row), (512, 64));
    assert!(r.gathers.iter().all(|g| g.proved), "{:?}", r.gathers);
    assert_eq!(r.kernels[0].ops, ["x", "scores", "ids", "chosen", "weights", "counted"]);
    let text = r.to_text(1000);
    for line in [
        "  after    1 launch, 512 B read and 64 B written a row, 1024 B written once",
        "  writes   ids i32[T, 8], weights f32[T, 8], load_out i32[256] (in load's memory)",
        "    up to 2048 rows: 32 lanes share a row, 8 columns each; 2 rows at a time, a block for each",
        "    more: 32 lanes share a row, 8 columns each; 4 rows at a time, a block for each",
        "    8 rows are done together, and rows that are left over one by one",
        "    of them, values of at most 16 columns that no wide one needs have a row in each lane; the rest is done row by \
         row, 16 columns at a time",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }
    assert!(text.contains("need whole rows, the widest of 256 columns"), "{text}");
    assert!(text.contains("computed once a row and kept: %x (256 columns), %scores.exp (256 columns), "), "{text}");
    assert!(
        text.contains("%chosen from %scores: proved in range (index `%ids` is one of the 8 best columns of %scores")
    );
    let json = serde_json::to_value(&r).unwrap();
    assert!(json["kernels"][0]["schedules"][0]["why"][0].as_str().unwrap().contains("%ids"), "{json}");
}

#[test]
fn f16_bytes_of_rows_of_different_dims_are_told_apart() {
    let source = "route 1\ngraph @two {\n  dim T\n  dim S\n  input %a : i32[T, 2]\n  input %b : i32[S, 3]\n  %x = neg %a\n  \
                  %y = neg %b\n  output x = %x\n  output y = %y\n}\n";
    let g = routefuse_ir::text::parse_verified(source).unwrap_or_else(|d| panic!("{d}"));
    let report = compile_graph(g, &Options::default()).and_then(|c| c.report()).unwrap_or_else(|d| panic!("{d}"));
    let text = report.to_text(1000);
    let line = "  after    2 launches, 8 B read and 8 B written a row of T, 12 B read and 12 B written a row of S";
    assert!(text.lines().any(|l| l == line), "{text}");
}

/// Counts that a block has no room for: who ended the phases, and how much there is.
#[test]
fn what_has_no_room_in_a_block_says_so() {
    let of = |bins: u64| {
        let source = format!(
            "route 1
graph @g {{
  dim T
  dim C
  input %ids : i32[T, 4]
  %counts = bin_count %ids {{bins = {bins}}}
  %starts = bin_starts %counts {{align = 4}}
  %fill = const {{dtype = i32, value = -1}}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {{shape = [C]}}
  output sorted = %sorted
}}
"
        );
        let graph = routefuse_ir::text::parse_verified(&source).expect("a right graph");
        let report = compile_graph(graph, &Options::default()).expect("kernels").report().expect("a report");
        assert_eq!(report.joined.len() + report.apart.len(), 1);
        report
    };
    let fits = of(2048);
    assert_eq!(fits.joined.len(), 1);
    let text = fits.to_text(1000);
    for line in [
        "each block keeps in its own memory, behind its barriers: counts i32[2048], starts i32[2049]",
        "of two launches, at most 1048576 B of counts go through memory between them",
    ] {
        assert!(text.contains(&format!("\n  {line}\n")), "{text}");
    }
    assert!(fits.to_markdown().contains("\n- of two launches, at most 1048576 B of counts"), "{}", fits.to_markdown());
    let report = of(4096);
    let text = report.to_text(1000);
    let why = "@g.1 counts, and @g.2 is no phase behind it: with its one row a block would share 92992 bytes of memory, and it has 49152";
    assert!(text.contains("\non a GPU, launches of their own\n") && text.contains(why), "{text}");
    assert!(report.to_markdown().contains("\nOn a GPU, launches of their own:\n\n- "));
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["apart"][0]["kernel"], "g.1");
}
