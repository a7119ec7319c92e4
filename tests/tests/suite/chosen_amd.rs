//! What a few rows of AMD code know of chosen columns, asked for on lanes that are not theirs, in the emulator, bit for bit.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, launch_on};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::text;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// Three rows of a graph that is one kernel, on targets whose lanes exchange words in different ways.
fn few_rows(source: &str) {
    const TARGETS: [&str; 4] = ["gfx942", "gfx950", "gfx1100", "gfx1200"];
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, TARGETS.len() as u64 * 2, REQUIRED) };
    let graph = text::parse_verified(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    for target in TARGETS {
        let compiled = compile(&graph, target);
        assert_eq!(compiled.kernels().len(), 1, "{target}");
        for rule in [Rule::Rows, Rule::Hostile] {
            let tensors = inputs(&graph, &[3], rule, 7);
            launch_on(&mut emulator, &graph, &compiled, &compiled.of_variant(0), &[3], &tensors, 3);
        }
    }
}

/// A sum of chosen columns is asked for by the lanes that have a group's score each.
#[test]
fn by_the_lanes_of_groups() {
    few_rows(
        "route 1
graph @by_groups {
  dim T
  input %h : bf16[T, 64]
  input %z : f32[T, 64]
  %x = cast %h {dtype = f32}
  %ids = topk %x {k = 8}
  %w = gather_row %x, %ids
  %sum = reduce_sum %w {axis = 1}
  %scores = group_score %z {groups = 8, score = max}
  %factor = broadcast %sum {shape = [T, 8]}
  %scaled = mul %scores, %factor
  %mask = topk_mask %scaled {k = 2}
  output ids = %ids
  output mask = %mask
}
",
    );
}

/// And by those of segments that fill no power of two.
#[test]
fn by_the_lanes_of_odd_segments() {
    few_rows(
        "route 1
graph @by_odd_segments {
  dim T
  input %h : bf16[T, 64]
  input %z : f32[T, 15]
  %x = cast %h {dtype = f32}
  %ids = topk %x {k = 8}
  %w = gather_row %x, %ids
  %sum = reduce_sum %w {axis = 1}
  %factor = broadcast %sum {shape = [T, 15]}
  %scaled = mul %z, %factor
  %scores = group_score %scaled {groups = 3, score = max}
  output ids = %ids
  output scores = %scores
}
",
    );
}

/// What is gathered from a row of which only a part was chosen from is asked for at its other columns too.
#[test]
fn from_a_wider_row() {
    for out_of_range in ["clamp", "wrap", "fill(0.5)"] {
        few_rows(&format!(
            "route 1
graph @wider {{
  dim T
  input %x : f32[T, 128]
  %a = slice %x {{start = 0, stop = 64}}
  %b = slice %x {{start = 64, stop = 128}}
  %ids = topk %a {{k = 8, candidates = above_neg_inf}}
  %w = gather_row %x, %ids {{out_of_range = {out_of_range}}}
  %others = topk %b {{k = 8}}
  %most = reduce_max %b {{axis = 1}}
  output ids = %ids
  output w = %w
  output others = %others
  output most = %most
}}
"
        ));
    }
}
