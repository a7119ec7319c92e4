//! Whatever verifies has kernels for every target: graphs at the limits of the verifier, and just beyond them.

use crate::agreement::agree;
use routefuse_generate::Choices;
use routefuse_ir::kernel::schedule::room::MOST_SLOTS;
use routefuse_ir::program::{Program, Step};
use routefuse_ir::target::Target;
use routefuse_ir::{Code, text};
use routefuse_passes::fuse::Fusion;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;
use std::fmt::Write;

fn source(lines: &str) -> String {
    let symbol = if lines.contains('T') { "  dim T\n" } else { "" };
    format!("route 1\ngraph @g {{\n{symbol}{lines}}}\n")
}

/// The kernels, fused or not, each of which has a schedule on every target.
fn scheduled(lines: &str, options: &Options) -> Program {
    let graph = text::parse_verified(&source(lines)).unwrap_or_else(|e| panic!("{lines}: {e}"));
    let program = compile_graph(graph, options).unwrap_or_else(|e| panic!("{lines}: {e}")).program;
    for step in &program.steps {
        for target in Target::all() {
            if let Err(e) = schedule(step.kernel.clone(), target) {
                panic!("{options}: {e}\n{}", &lines[..lines.len().min(2000)]);
            }
        }
    }
    program
}

fn fits(lines: &str) {
    scheduled(lines, &Options::default());
    scheduled(lines, &Options::unfused());
}

/// One operation of `x`, of f32.
fn one(shape: &str, op: &str) -> String {
    format!("  input %x : f32[{shape}]\n  %y = {op}\n  output out = %y\n")
}

fn refused(lines: &str) -> String {
    let errors = text::parse_verified(&source(lines)).expect_err(lines);
    let text = errors.to_string();
    assert!(text.contains(Code::CountOutOfRange.as_str()), "{lines}: {text}");
    text
}

/// So many selections of all columns of `x`, each of the one before, and the last one's name.
fn selections(columns: u64, count: usize) -> (String, String) {
    let (mut lines, mut last) = (format!("  input %x : i16[T, {columns}]\n"), "x".to_owned());
    for number in 0..count {
        writeln!(lines, "  %s{number} = topk %{last} {{k = {columns}, candidates = all, order = column}}").unwrap();
        last = format!("s{number}");
    }
    (lines, last)
}

/// How large a selection is depends on a warp's lanes, and on the ways of selecting that a target has: from some number on, they
/// are too large for one kernel on some targets and not yet on others.
#[test]
fn r8_chains_of_selections_fit_every_target() {
    for columns in [8, 22, 33, 60] {
        for count in 1..=14 {
            let (lines, last) = selections(columns, count);
            fits(&format!("{lines}  output out = %{last}\n"));
        }
    }
}

/// What is gathered by a selection is large by its columns, also where the row that it is gathered from lies in memory.
#[test]
fn r8_chains_of_gathered_selections_fit_every_target() {
    for columns in [8, 33, 60] {
        for count in 1..=14 {
            let mut lines = format!("  input %g0 : f32[T, {columns}]\n");
            for n in 0..count {
                let next = n + 1;
                writeln!(lines, "  %s{n} = topk %g{n} {{k = {columns}, order = column}}").unwrap();
                writeln!(lines, "  %g{next} = gather_row %g{n}, %s{n}").unwrap();
            }
            fits(&format!("{lines}  %most = reduce_max %g{count} {{axis = 1}}\n  output out = %most\n"));
        }
    }
}

/// A value that just fits by itself may not fit with all the outputs that it is.
#[test]
fn r8_many_outputs_of_one_value_fit_every_target() {
    for columns in [33, 60] {
        for count in 1..=6 {
            let (mut lines, last) = selections(columns, count);
            // Each more is a few instructions, so that with some number the limit is just passed.
            for output in 0..64 {
                writeln!(lines, "  output out{output} = %{last}").unwrap();
                if output % 3 == 0 {
                    scheduled(&lines, &Options::default());
                }
            }
        }
    }
}

/// An input that is an output as well is copied in whatever kernel has room.
#[test]
fn r8_a_copied_input_beside_what_is_too_large() {
    let (lines, last) = selections(33, 14);
    fits(&format!("{lines}  input %z : f32[T, 33]\n  output copied = %z\n  output out = %{last}\n"));
}

/// Selections of many segments are several kernels, up to 1,048,576 columns of a row.
#[test]
fn r8_selections_of_many_segments_fit_every_target() {
    for (shape, k) in [
        ("T, 8192, 64", 32),
        ("T, 1024, 16", 16),
        ("T, 64, 16384", 128),
        ("T, 1024, 256", 256),
        ("T, 7, 9, 13, 1000", 3),
        ("2048, 512", 8),
        ("T, 524288, 2", 2),
    ] {
        fits(&one(shape, &format!("topk %x {{k = {k}}}")));
    }
    for (shape, options) in [("T, 1024, 16", "k = 16, order = column"), ("T, 4080, 257", "k = 64, order = column")] {
        fits(&one(shape, &format!("topk %x {{{options}, candidates = above_neg_inf}}")));
    }
    for op in ["argmax %x", "cumsum %x", "topk_mask %x {k = 5}", "top2_sum %x {axis = 2}"] {
        fits(&one("T, 4096, 64", op));
        fits(&one("T, 64, 16384", op));
    }
    for shape in ["T, 16385, 64", "2048, 513"] {
        for op in ["topk %x {k = 2}", "argmax %x", "cumsum %x", "topk_mask %x {k = 2}"] {
            let text = refused(&one(shape, op));
            assert!(text.contains("1048576 at most"), "{text}");
            assert_eq!(text.contains("symbolic (`dim T`)"), !shape.starts_with('T'), "{text}");
        }
    }
}

/// Sums and their like are halved as often as it takes: no number of columns is too many.
#[test]
fn r8_sums_of_any_size_fit_every_target() {
    for shape in ["8192, 512", "T, 65536, 64", "T, 2097152", "T, 100, 700, 9"] {
        for op in ["softmax %x", "log_softmax %x", "dot %x, %x", "renorm %x {denominator = sum}"] {
            fits(&one(shape, op));
        }
        let axis = shape.matches(',').count();
        for op in ["reduce_sum", "reduce_max", "reduce_min"] {
            fits(&one(shape, &format!("{op} %x {{axis = {axis}}}")));
        }
    }
    fits(&one("T, 4096, 256", "group_score %x {groups = 64, score = top2_sum}"));
    fits(&one("T, 8192, 256", "group_score %x {groups = 64, score = max}"));
}

#[test]
fn groups_are_kept_as_columns_are_selected() {
    let mask = |groups: u64, keep: u64| {
        format!(
            "  input %x : f32[T, {groups}]\n  input %s : f32[T, {groups}]\n  %y = group_mask %x, %s {{keep = {keep}, \
             masked = zero}}\n  output out = %y\n"
        )
    };
    fits(&mask(16_384, 128));
    fits(&mask(256, 256));
    refused(&mask(16_385, 1));
    refused(&mask(257, 129));
}

/// What is kept of a row on the host, and a kernel's arguments, are cut like code.
#[test]
fn r8_what_takes_too_much_room_together_is_cut() {
    let mut many = "  input %x : f32[T, 65536]\n  input %w : f32[T, 32, 2048]\n".to_owned();
    for k in 0..100 {
        writeln!(many, "  %c{k} = const {{value = {k}.5, dtype = f32}}\n  %a{k} = mul %w, %c{k}").unwrap();
        writeln!(many, "  %t{k} = reduce_max %a{k} {{axis = 2}}\n  output y{k} = %t{k}").unwrap();
    }
    fits(&many);
    let concat = |parts: usize| {
        let mut lines = String::new();
        (0..parts).for_each(|k| writeln!(lines, "  input %x{k} : f32[T, 3] strided").unwrap());
        let names: Vec<String> = (0..parts).map(|k| format!("%x{k}")).collect();
        writeln!(lines, "  %all = concat {}\n  output out = %all", names.join(", ")).unwrap();
        lines
    };
    fits(&concat(1024));
    let sums = |count: usize| {
        let mut lines = String::new();
        (0..count).for_each(|k| writeln!(lines, "  input %x{k} : f32[T, 2] strided").unwrap());
        for k in 0..count {
            writeln!(lines, "  %s{k} = add %x{k}, %x{}\n  output y{k} = %s{k} strided", (k + 1) % count).unwrap();
        }
        lines
    };
    let program = scheduled(&sums(1000), &Options::default());
    let of = |s: &Step| routefuse_ir::kernel::abi::slots(&s.kernel, Target::host()).len() as u64;
    let slots = |p: &Program| p.steps.iter().map(of).max();
    assert!(program.steps.len() > 1 && slots(&program) <= Some(MOST_SLOTS), "{:?}", slots(&program));
}

/// Row values of all kernels: more than the operation has by itself where its segments were taken apart.
fn row_values(fused: &Fusion) -> usize {
    fused.program.steps.iter().flat_map(|s| &s.kernel.values).filter(|v| v.kind.is_row_value()).count()
}

/// The segments keep their bits and their places.
#[test]
fn segments_apart_give_the_same_bits() {
    for op in ["topk %x {k = 64}", "topk %x {k = 64, order = column}"] {
        let lines = one("T, 129, 64", op);
        let graph = text::parse_verified(&source(&lines)).unwrap();
        assert!(row_values(&agree(&graph, &[("T", 2)], 7)) > 1, "{op}");
    }
    for op in ["topk_mask %x {k = 2}", "cumsum %x", "top2_sum %x {axis = 2}"] {
        let f = agree(&text::parse_verified(&source(&one("T, 31, 2200", op))).unwrap(), &[("T", 1)], 8);
        assert!(row_values(&f) > 1, "{op}");
    }
    agree(&text::parse_verified(&source(&one("T, 31, 2200", "softmax %x"))).unwrap(), &[("T", 1)], 8);
    agree(&text::parse_verified(&source(&one("140, 470", "topk %x {k = 2}"))).unwrap(), &[], 9);
}

/// Random operations on rows, of any segments within the limits and with something before and behind them.
#[test]
fn r9_random_operations_near_the_limits_fit_every_target() {
    for seed in 0..40 {
        let mut choices = Choices::seeded(seed);
        let width = choices.of(&[2u64, 3, 16, 63, 64, 255, 256, 257, 1000, 2049, 16_383, 16_384]);
        let total = choices.of(&[1u64 << 10, 1 << 15, 1 << 16, (1 << 16) + 1, 1 << 18, 1 << 20]).max(width);
        let segments = (total / width).max(1);
        let most = if width <= 256 { width } else { 128 };
        let k = choices.of(&[1, 2, most / 2, most]).clamp(1, most);
        let more = choices.of(&["", ", order = column"]);
        let op = match choices.of(&[0, 0, 0, 1, 2, 3, 4, 5]) {
            0 => format!("topk %v {{k = {k}{more}}}"),
            1 => format!("topk_mask %v {{k = {k}}}"),
            2 => "argmax %v".to_owned(),
            3 => "cumsum %v".to_owned(),
            4 => "top2_sum %v {axis = 2}".to_owned(),
            _ => "softmax %v".to_owned(),
        };
        let before = choices.of(&["copy %x", "sigmoid %x", "softmax %x", "exp %x"]);
        fits(&format!("  input %x : f32[T, {segments}, {width}]\n  %v = {before}\n  %y = {op}\n  output out = %y\n"));
    }
}

/// Ranks are of whole rows, which no cut makes narrower.
#[test]
fn ranks_of_any_row_fit_every_target() {
    for dtype in ["u8", "i32", "i64"] {
        for shape in ["T, 9", "T, 32", "T, 33", "T, 4096", "T, 65536", "T, 262144", "262144", "32768, 8"] {
            let ids = format!("  input %ids : {dtype}[{shape}]\n");
            fits(&format!("{ids}  %rank = bin_rank %ids {{bins = 16384}}\n  output rank = %rank\n"));
            let mut lines =
                format!("{ids}  %none = const {{dtype = {dtype}, value = 0}}\n  input %counts : i32[16384]\n");
            lines += "  %starts = bin_starts %counts {align = 3}\n  %rank = bin_rank %ids {bins = 4}\n";
            lines += "  %square = mul %ids, %ids\n  output rank = %rank\n";
            for values in ["ids", "square"] {
                writeln!(lines, "  %of_{values} = bin_scatter %{values}, %ids, %starts, %none {{shape = [100000]}}")
                    .unwrap();
                writeln!(lines, "  output of_{values} = %of_{values}").unwrap();
            }
            fits(&lines);
        }
    }
    for shape in ["T, 262145", "262145", "32769, 8"] {
        let lines =
            format!("  input %ids : i32[{shape}]\n  %rank = bin_rank %ids {{bins = 4}}\n  output rank = %rank\n");
        let text = refused(&lines);
        assert!(text.contains("262144 at most"), "{text}");
        assert_eq!(text.contains("symbolic (`dim T`)"), !shape.starts_with('T'), "{text}");
    }
}
