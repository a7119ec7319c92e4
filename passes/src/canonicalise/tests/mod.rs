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
use routefuse_ir::{DType, Graph, Op, Tensor, Verified, interp, text};

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

/// The operations of a graph without constants and types, then `-> result`.
pub(super) fn shown(g: &Graph) -> String {
    let mut lines = Vec::new();
    for line in text::print(g).lines().map(str::trim) {
        if let Some((_, value)) = line.strip_prefix("output ").and_then(|l| l.split_once(" = ")) {
            lines.push(format!("-> {}", value.split(' ').next().unwrap_or_default()));
        } else if line.starts_with('%') && !line.contains(" = const ") {
            lines.push(line.rsplit_once(" : ").map_or(line, |(l, _)| l).to_owned());
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
        let inputs: Vec<Tensor> = (0..before.inputs.len()).map(|i| hostile(before, i, rows, seed + i as u64)).collect();
        let run = |g: &Verified<Graph>| interp::run(g, &inputs, &[("T", rows)]).unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(run(before), run(after), "T = {rows}\n{}\n{}", text::print(before), text::print(after));
    }
}

/// Elements that rules get wrong: extremes, both zeros, NaN with payloads, infinities, denormals, powers of two; and bits.
fn hostile(g: &Graph, input: usize, rows: u64, seed: u64) -> Tensor {
    let ty = g.input_type(input);
    let shape: Vec<u64> = ty.shape.iter().map(|d| d.as_const().unwrap_or(rows)).collect();
    let special: &[u64] = match ty.dtype {
        DType::F32 => &[
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7fc0_0000,
            0x7fc0_0001,
            0xffc0_0000,
            0x7f80_0001,
            0x7f80_0000,
            0xff80_0000,
            1,
            0x807f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0x4000_0000,
            0x0040_0001,
            0x3eaa_aaab,
        ],
        DType::Bf16 => &[0, 0x8000, 0x3f80, 0xbf80, 0x7fc0, 0x7fc1, 0xffc0, 0x7f81, 0x7f80, 0xff80, 1, 0x807f, 0x3e4d],
        _ => &[0, 1, 2, 7, 8, 15, 16, 255, 256, 0x7f, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 1 << 63, (1 << 63) - 1],
    };
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let element = move |_| {
        // Knuth's MMIX generator; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (kind, pick) = (state >> 61, (state >> 33) as usize);
        match (kind, ty.dtype) {
            (_, DType::Bool) => state >> 40 & 1,
            (0..4, _) => special[pick % special.len()],
            (4, d) if d.is_int() => special[pick % special.len()].wrapping_neg(),
            (5, d) if d.is_int() => state >> 60,
            _ => state >> 7,
        }
    };
    let n: u64 = shape.iter().product();
    Tensor::from_bits(ty.dtype, &shape, (0..n).map(element))
}

#[test]
fn constants_are_written_by_value() {
    let g = graph("%r = add %x, i32:-1");
    assert!(g.nodes.node_weights().any(|n| n.name == "i32.m1" && matches!(n.op, Op::Const(_))));
}
