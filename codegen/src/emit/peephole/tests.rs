//! Every peephole changes the code of its example.

use super::{Peephole, Peepholes};
use crate::compile::mlir_with;
use routefuse_ir::target::Target;
use routefuse_ir::text;
use routefuse_passes::pipeline::compile_graph;
use routefuse_passes::schedule::schedule;

/// Groups of eight experts by the sum of their two best, and the best of what is left: a row schedule.
const ROUTER: &str = "route 1
graph @router {
  dim T
  input %logits : bf16[T, 64]
  input %bias : f32[64]
  %wide = cast %logits {dtype = f32}
  %scores = sigmoid %wide
  %all = broadcast %bias {shape = [T, 64]}
  %biased = add %scores, %all
  %group_scores = group_score %biased {groups = 8, score = top2_sum}
  %kept = group_mask %biased, %group_scores {keep = 4, masked = neg_inf}
  %ids = topk %kept {k = 8, candidates = above_neg_inf, order = value}
  output ids_out = %ids
}
";

/// The logits of the two best of eight experts: a row schedule whose rows are done in blocks.
const NARROW: &str = "route 1
graph @narrow {
  dim T
  input %logits : f32[T, 8]
  %ids = topk %logits {k = 2, candidates = all, order = value}
  %chosen = gather_row %logits, %ids {out_of_range = pass}
  output chosen = %chosen
}
";

/// Ids through a table, −1 in rows that are padding: a flat schedule.
const REMAP: &str = "route 1
graph @remap {
  dim T
  input %ids : i32[T, 8]
  input %map : i32[256]
  input %n : i32[]
  %physical = gather %map, %ids {out_of_range = pass}
  %masked = mask_rows %physical, %n {fill = -1}
  output physical_ids = %masked
}
";

/// Every element is read and written once.
const SCALE: &str = "route 1
graph @scale {
  dim T
  input %x : f32[T, 64]
  %half = const {dtype = f32, value = 0.5} : f32[]
  %y = mul %x, %half
  output y = %y
}
";

impl Peephole {
    const ALL: [Peephole; 8] = [
        Peephole::Bf16Pairs,
        Peephole::BoundMask,
        Peephole::ChosenColumns,
        Peephole::DistinctColumns,
        Peephole::IndexWords,
        Peephole::MaskedKeys,
        Peephole::PlainKeys,
        Peephole::StreamedLoad,
    ];

    /// A graph and a target for which it matters.
    fn example(self) -> (&'static str, &'static str) {
        match self {
            Peephole::Bf16Pairs | Peephole::MaskedKeys | Peephole::PlainKeys => (ROUTER, "sm_90"),
            Peephole::ChosenColumns => (NARROW, "host"),
            Peephole::DistinctColumns => (ROUTER, "host"),
            Peephole::BoundMask | Peephole::IndexWords => (REMAP, "host"),
            Peephole::StreamedLoad => (SCALE, "sm_90"),
        }
    }
}

fn mlir(graph: &str, target: &str, peepholes: Peepholes) -> String {
    let graph = text::parse_verified(graph).unwrap_or_else(|d| panic!("{d}"));
    let program = compile_graph(graph, &Default::default()).unwrap_or_else(|d| panic!("{d}")).program;
    let target = Target::named(target).expect("a known target");
    let kernel = program.steps[0].kernel.clone();
    let scheduled = schedule(kernel, target).unwrap_or_else(|d| panic!("{d}"));
    let variant = scheduled.variants()[0];
    mlir_with(&scheduled, variant, peepholes).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn each_peephole_changes_its_example() {
    for peephole in Peephole::ALL {
        let (graph, target) = peephole.example();
        let (with, without) = (Peepholes::default(), Peepholes::without(peephole));
        assert!(mlir(graph, target, with) != mlir(graph, target, without), "{peephole:?} does nothing");
    }
}

#[test]
fn a_peephole_leaves_other_machines_alone() {
    for (peephole, target) in [
        (Peephole::BoundMask, "gfx942"),
        (Peephole::StreamedLoad, "sm_80"),
        (Peephole::IndexWords, "sm_90"),
        (Peephole::DistinctColumns, "sm_90"),
        (Peephole::ChosenColumns, "sm_90"),
        (Peephole::Bf16Pairs, "host"),
    ] {
        let (graph, _) = peephole.example();
        let (with, without) = (Peepholes::default(), Peepholes::without(peephole));
        assert!(mlir(graph, target, with) == mlir(graph, target, without), "{peephole:?} on {target}");
    }
}
