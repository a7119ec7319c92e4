//! Few rows of which groups of a softmax's columns are chosen from, as code for AMD's GPUs in the emulator, bit for bit. Groups and
//! columns are chosen by the logits there, and by the softmax in rows where that could differ.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, launch_on};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::inspect;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{DType, Graph, Tensor, Verified, text};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::logits::{Kind, logits};
use routefuse_tests::skips::skip;

/// Columns, groups of them, how many are kept, and how many columns are chosen.
#[derive(Clone, Copy)]
struct Choice {
    columns: u64,
    groups: u64,
    keep: u64,
    k: u64,
}

fn graph(dtype: &str, Choice { columns, groups, keep, k }: Choice, masked: &str) -> Verified<Graph> {
    let source = format!(
        "route 1
graph @groups {{
  dim T
  input %logits : {dtype}[T, {columns}]
  %x = cast %logits {{dtype = f32}}
  %scores = softmax %x
  %of_groups = group_score %scores {{groups = {groups}, score = max}}
  %kept = group_mask %scores, %of_groups {{keep = {keep}, masked = {masked}}}
  %ids = topk %kept {{k = {k}, candidates = above_neg_inf}}
  %w = gather_row %kept, %ids {{out_of_range = pass}}
  output ids = %ids
  output w = %w
}}
"
    );
    text::parse_verified(&source).unwrap_or_else(|e| panic!("{e}\n{source}"))
}

/// Rows of every kind, and of any bits.
fn rows(graph: &Graph, dtype: DType, columns: u64) -> Tensor {
    let mut rng = SmallRng::seed_from_u64(5);
    let mut tensors: Vec<Tensor> = Kind::ALL.iter().map(|kind| logits(dtype, &[3, columns], *kind, &mut rng)).collect();
    tensors.extend(inputs(graph, &[4], Rule::Hostile, 11));
    let bits: Vec<u64> = tensors.iter().flat_map(|t| (0..t.len()).map(|i| t.bits(i))).collect();
    Tensor::from_bits(dtype, &[bits.len() as u64 / columns, columns], bits)
}

fn agree(choices: &[Choice], dtype: DType, masked: &str) {
    const TARGETS: [&str; 3] = ["gfx942", "gfx1100", "gfx1200"];
    let launches = TARGETS.len() * choices.len();
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, launches as u64, REQUIRED) };
    for choice in choices {
        let name = if dtype == DType::Bf16 { "bf16" } else { "f16" };
        let graph = graph(name, *choice, masked);
        let rows = rows(&graph, dtype, choice.columns);
        let count = rows.shape()[0];
        for target in TARGETS {
            let compiled = compile(&graph, target);
            assert_eq!(compiled.kernels().len(), 1, "{target}");
            launch_on(
                &mut emulator,
                &graph,
                &compiled,
                &compiled.of_variant(0),
                &[count],
                std::slice::from_ref(&rows),
                3,
            );
        }
    }
}

/// Two, four, eight and sixteen lanes a group.
#[test]
fn groups_of_several_lanes() {
    let choices = [
        Choice { columns: 160, groups: 8, keep: 3, k: 6 },
        Choice { columns: 64, groups: 2, keep: 1, k: 4 },
        Choice { columns: 96, groups: 4, keep: 2, k: 8 },
        Choice { columns: 128, groups: 16, keep: 4, k: 8 },
    ];
    agree(&choices, DType::Bf16, "neg_inf");
}

/// Groups that are left out are zeros, which are candidates; of a row with a NaN they are the better ones.
#[test]
fn groups_that_become_zeros() {
    agree(&[Choice { columns: 160, groups: 8, keep: 3, k: 6 }], DType::Bf16, "zero");
}

/// Logits of another dtype, and as many columns chosen as are kept.
#[test]
fn groups_of_half_floats() {
    let choices = [Choice { columns: 96, groups: 8, keep: 2, k: 8 }, Choice { columns: 32, groups: 8, keep: 2, k: 8 }];
    agree(&choices, DType::F16, "neg_inf");
}

/// The first thing that is asked of all lanes for the choice is not a sum: powers of e are made behind the keys.
#[test]
fn the_choice_is_by_logits() {
    let graph = graph("bf16", Choice { columns: 160, groups: 8, keep: 3, k: 6 }, "neg_inf");
    let compiled = compile(&graph, "sm_90");
    let kernel = &compiled.kernels()[0];
    let code = inspect::code(kernel, kernel.variants()[0]).unwrap_or_else(|e| panic!("{e}"));
    let text = &code.asm;
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}:\n{text}"));
    assert!(at("redux.sync.max.u32") < at("fma.rn.f32"), "the largest key is known before any power is:\n{text}");
    assert!(!text[..at("redux.sync.max.u32")].contains("vote.sync"), "{text}");
}
