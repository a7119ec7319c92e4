//! Lanes of a warp that share memory: what one of them has yet to read, no other overwrites.
//!
//! Lanes of a warp need not be at one place at a time. A GPU's racecheck sees a read and a write with nothing between them;
//! numbers go wrong on no machine at hand, so what is looked at here is the code.

use routefuse_codegen::{Dump, compile};
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::target::Target;
use routefuse_ir::text;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;

/// What a line of PTX does to words of shared memory, of those that lanes share. A lane's own pairs are vectors; and its keys
/// are where it reads them itself, while others read a word of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Read,
    Write,
    Barrier,
}

fn access(line: &str) -> Option<Access> {
    let starts = |what: &str| line.split_whitespace().any(|word| word.starts_with(what));
    match () {
        () if line.contains(".v2") || line.contains("ld.shared.v4") => None,
        () if starts("ld.shared") => Some(Access::Read),
        () if starts("st.shared") => Some(Access::Write),
        () if starts("bar.warp.sync") || starts("barrier") || starts("bar.sync") => Some(Access::Barrier),
        () => None,
    }
}

/// The kernel's code, for few rows and for many.
fn codes(lines: &str) -> Vec<(Variant, String)> {
    let source = format!("route 1\ngraph @g {{\n  dim T\n{lines}}}\n");
    let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{e}"));
    let program = compile_graph(graph, &Options::default()).unwrap_or_else(|e| panic!("{e}")).program;
    assert_eq!(program.steps.len(), 1, "{source}");
    let kernel = program.steps[0].kernel.clone();
    let scheduled = schedule(kernel, Target::named("sm_90").expect("a known target")).unwrap_or_else(|e| panic!("{e}"));
    let ways = scheduled.variants().iter().filter(|v| !v.aligned && !v.narrow);
    let code = |v: &Variant| {
        let compiled = compile(&scheduled, *v, Dump::default()).unwrap_or_else(|e| panic!("{source}: {e}"));
        (*v, String::from_utf8(compiled.artifact.code).expect("PTX is text"))
    };
    ways.map(code).collect()
}

/// Cells are written again only behind a barrier: by a second selection, by its columns in their order, and by its traps.
#[test]
fn a_second_selection_waits_until_the_first_is_read() {
    let two = |columns: u64, k: u64, options: &str| {
        format!(
            "  input %x : f32[T, {columns}]\n  input %y : f32[T, {columns}]\n  %a = topk %x {{k = {k}{options}}}\n  \
             %b = topk %y {{k = {k}{options}}}\n  output a = %a\n  output b = %b\n"
        )
    };
    let graphs = [
        two(64, 8, ""),
        two(64, 8, ", order = column"),
        two(64, 8, ", candidates = above_neg_inf"),
        // In a loop over the rounds.
        two(128, 100, ""),
        // Groups, of which each has cells of its own.
        two(256, 2, "").replace("[T, 256]", "[T, 8, 32]"),
        // A selection from what another one found, both of which may trap.
        "  input %x : f32[T, 64]\n  input %i : i32[T, 64]\n  %g = gather_row %x, %i {out_of_range = trap}\n  \
         %a = topk %g {k = 8}\n  %w = gather_row %x, %a\n  %b = topk %w {k = 2}\n  output b = %b\n"
            .to_owned(),
    ];
    for lines in &graphs {
        for (variant, code) in codes(lines) {
            let accesses: Vec<(&str, Access)> = code.lines().filter_map(|l| Some((l, access(l)?))).collect();
            let reads = accesses.iter().filter(|a| a.1 == Access::Read).count();
            assert!(reads >= 2, "{variant}: two selections are read\n{lines}\n{code}");
            for pair in accesses.windows(2) {
                let hazard = pair[0].1 == Access::Read && pair[1].1 == Access::Write;
                assert!(!hazard, "{variant}: nothing between `{}` and `{}` of\n{lines}", pair[0].0, pair[1].0);
            }
        }
    }
}
