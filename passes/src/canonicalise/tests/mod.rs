//! Every rule, by what it makes of a few lines: structure and numbers together.
//!
//! A case is written as statements over fixed inputs, ending with `%r`, and read back as what the canonical graph computes.
//! `i32:-1` stands for a constant; constants are left out of what is read back, since they are named by their value.
//! Whatever the structure, the interpreter must find the same bits before and after.

mod boolean;
mod cast;
mod driver;
mod expand;
mod float;
mod integer;
mod movement;
mod row;

use super::canonicalise;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{DType, Graph, Op, Verified, interp, text};

const INPUTS: &str = "
  input %x : i32[T, 8]
  input %y : i32[T, 8]
  input %u : u32[T, 8]
  input %w : u8[T, 8]
  input %q : i64[T, 8]
  input %f : f32[T, 8]
  input %g : f32[T, 8]
  input %h : bf16[T, 8]
  input %c : bool[T, 8]
  input %d : bool[T, 8]
  input %row : f32[T, 1]
  input %bias : i32[8]
  input %n : i64[]
  input %many : u64[]
  input %s : i32[]
  input %map : i32[16]
  input %none : i32[T, 0]
";

/// The graph of these statements, whose result is `%r`.
pub(super) fn graph(statements: &str) -> Verified<Graph> {
    let mut constants = Vec::new();
    let mut body = String::new();
    for line in statements.lines() {
        let words = line.split(' ').map(|word| {
            let (bare, comma) = word.strip_suffix(',').map_or((word, ""), |w| (w, ","));
            match bare.split_once(':') {
                Some((dtype, value)) if DType::from_name(dtype).is_some() => {
                    let name = format!("{dtype}.{value}").replace('-', "m").replace('+', "");
                    constants.push(format!("  %{name} = const {{dtype = {dtype}, value = {value}}}\n"));
                    format!("%{name}{comma}")
                }
                _ => word.to_owned(),
            }
        });
        body += &words.collect::<Vec<_>>().join(" ");
        body.push('\n');
    }
    constants.sort();
    constants.dedup();
    let source =
        format!("route 1\ngraph @case {{\n  dim T\n{INPUTS}{}{body}\n  output out = %r\n}}\n", constants.concat());
    text::parse_verified(&source).unwrap_or_else(|d| panic!("{d}\nin\n{source}"))
}

/// The operations of a graph without constants and types, then `-> result`. `min` and `max` are by default those of numbers.
pub(super) fn shown(g: &Graph) -> String {
    let mut lines = Vec::new();
    for line in text::print(g).lines().map(str::trim) {
        if let Some((_, value)) = line.strip_prefix("output ").and_then(|l| l.split_once(" = ")) {
            lines.push(format!("-> {}", value.split(' ').next().unwrap_or_default()));
        } else if line.starts_with('%') && !line.contains(" = const ") {
            lines.push(line.rsplit_once(" : ").map_or(line, |(l, _)| l).replace(" {nan = number}", ""));
        }
    }
    lines.join("\n")
}

/// The canonical form of the statements reads as `expected`, and computes the same bits.
#[track_caller]
pub(super) fn becomes(statements: &str, expected: &str) {
    let before = graph(statements);
    let (after, _) = canonicalise(before.clone()).unwrap();
    let trimmed = |s: &str| s.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(shown(&after), trimmed(expected), "\nof\n{}", trimmed(statements));
    same_bits(&before, &after);
}

/// The statements are canonical as they are: a rewrite would be wrong, or is not wanted.
#[track_caller]
pub(super) fn stays(statements: &str) {
    let before = graph(statements);
    becomes(statements, &shown(&before));
}

#[track_caller]
fn same_bits(before: &Verified<Graph>, after: &Verified<Graph>) {
    for (rows, seed) in [(0, 1), (1, 2), (5, 3), (33, 4)] {
        let inputs = inputs(before, &[rows], Rule::Edges, seed);
        let run = |g: &Verified<Graph>| interp::run(g, &inputs, &[("T", rows)]).unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(run(before), run(after), "T = {rows}\n{}\n{}", text::print(before), text::print(after));
    }
}

#[test]
fn constants_are_written_by_value() {
    let g = graph("%r = add %x, i32:-1");
    assert!(g.nodes().any(|n| n.name == "i32.m1" && matches!(n.op, Op::Const(_))));
}
