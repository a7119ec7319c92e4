//! What crosses rows: how many kernels it takes, and why.

use crate::agreement::agree;
use routefuse_ir::program::Buffer;
use routefuse_ir::text;
use routefuse_passes::fuse::{Fusion, Reason};

fn fused(statements: &str) -> Fusion {
    let source = format!("route 1\ngraph @g {{\n  dim T\n  dim C\n{statements}}}\n");
    let graph = text::parse_verified(&source).unwrap_or_else(|d| panic!("{d}"));
    agree(&graph, &[("T", 5), ("C", 40)], 1)
}

fn reasons(fusion: &Fusion) -> Vec<String> {
    fusion.cuts.iter().filter(|c| c.kernels.is_none()).map(|c| c.reason.to_string()).collect()
}

/// Zeros, the counts onto them, the starts, the fill, and the items over it.
#[test]
fn counts_and_places_go_on_from_what_lies_there() {
    let fusion = fused(
        "  input %ids : i32[T, 4]
  %counts = bin_count %ids {bins = 8}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output sorted = %sorted
",
    );
    assert_eq!(fusion.program.steps.len(), 5);
    assert_eq!(
        reasons(&fusion),
        [
            "%counts is in memory: it is made of all rows, and what asks for it begins behind the last",
            "%starts is in memory: the gather %sorted reads rows of it that are not its own",
        ]
    );
}

/// What a router chooses is counted and ranked from memory, by a kernel each, which can be phases of one launch.
#[test]
fn a_choice_is_kept_for_who_ranks_it() {
    let fusion = fused(
        "  input %logits : f32[T, 16]
  %ids = topk %logits {k = 4}
  %counts = bin_count %ids {bins = 16}
  %rank = bin_rank %ids {bins = 16}
  output counts = %counts
  output rank = %rank
",
    );
    let kept = |r: &Reason| matches!(r, Reason::EarlierRows { value, user } if value == "ids" && user == "rank");
    assert!(fusion.cuts.iter().any(|c| kept(&c.reason)), "{:?}", reasons(&fusion));
    let counted = |r: &Reason| matches!(r, Reason::Items { value } if value == "counts");
    assert!(fusion.cuts.iter().any(|c| counted(&c.reason)), "{:?}", reasons(&fusion));
    assert_eq!(fusion.program.steps.len(), 4);
    assert_eq!(fusion.program.steps.iter().filter(|s| s.kernel.is_ordered()).count(), 1);
}

/// A router's launch counts what it chooses, as long as nobody ranks it.
#[test]
fn a_choice_that_nobody_ranks_is_counted_where_it_is_made() {
    let fusion = fused(
        "  input %logits : f32[T, 16]
  %ids = topk %logits {k = 4}
  %counts = bin_count %ids {bins = 16}
  output counts = %counts
  output ids = %ids
",
    );
    assert_eq!(fusion.program.steps.len(), 2);
}

/// A kernel that ranks reads the ids of earlier rows, which nobody may have overwritten.
#[test]
fn ids_are_ranked_before_they_are_overwritten() {
    let fusion = fused(
        "  input %ids : i32[T, 4]
  %rank = bin_rank %ids {bins = 8}
  %next = add %ids, 1
  output rank = %rank
  output next = %next in_place(ids)
",
    );
    assert_eq!(fusion.program.steps.len(), 2);
    assert!(fusion.program.steps[0].kernel.is_ordered());
}

/// What is laid out in the memory that it comes from is laid out elsewhere and copied: one value is stored elsewhere, not what
/// begins it as well.
#[test]
fn a_permutation_in_place_is_staged_once() {
    let fusion = fused(
        "  input %ids : i32[T]
  input %old : i32[T]
  %counts = bin_count %ids {bins = 4}
  %starts = bin_starts %counts
  %fill = const {dtype = i32, value = -1}
  %permuted = bin_scatter %old, %ids, %starts, %fill, %old {shape = [T]}
  output permuted = %permuted in_place(old)
",
    );
    let staged = |r: &&String| r.starts_with("`permuted` is stored elsewhere");
    assert_eq!(reasons(&fusion).iter().filter(staged).count(), 1);
    let kept: Vec<&str> = fusion.program.intermediates.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(kept, ["counts", "starts", "permuted"]);
    assert_eq!(fusion.program.steps.len(), 6);
}

/// What ranks ids reads them from memory. The weights of the same rows share the kernel of the ids, and read none.
#[test]
fn weights_share_the_kernel_of_ids_that_are_ranked() {
    let router = |also: &str| {
        fused(&format!(
            "  input %logits : f32[T, 16]
  %scores = softmax %logits
  %ids = topk %scores {{k = 4}}
  %weights = gather_row %scores, %ids
  %rank = bin_rank %ids {{bins = 16}}
{also}  output ids = %ids
  output weights = %weights
  output rank = %rank
"
        ))
    };
    let fusion = router("");
    let [first, ranks] = &fusion.program.steps[..] else { panic!("{} kernels", fusion.program.steps.len()) };
    assert_eq!((first.kernel.stores.len(), ranks.kernel.is_ordered()), (2, true));
    assert!(first.buffers.iter().all(|b| !matches!(b, Buffer::Intermediate(_))));
    // What ranks and what asks for the weights of the same rows is no part of it.
    let fusion = router(
        "  %of_rank = cast %rank {dtype = f32}\n  %weighed = mul %weights, %of_rank\n  output weighed = %weighed\n",
    );
    assert_eq!(fusion.program.steps.len(), 2);
}

/// A table that is computed is in memory for those who gather from it. Who asks for the same row only has it at hand.
#[test]
fn a_computed_table_is_at_hand_where_it_is_made() {
    let fusion = fused(
        "  input %x : f32[T, 8]
  input %i : i32[T]
  %table = exp %x
  %doubled = add %table, %table
  %others = gather %table, %i, %i {out_of_range = clamp}
  output doubled = %doubled
  output others = %others
",
    );
    let stores: Vec<usize> = fusion.program.steps.iter().map(|s| s.kernel.stores.len()).collect();
    assert_eq!(stores, [2, 1]);
}

/// Columns of the table that are others' of the same row are read from memory where they are overwritten.
#[test]
fn what_is_overwritten_is_not_at_hand_at_other_columns() {
    let fusion = fused(
        "  input %x : f32[T, 8]
  input %i : i32[T]
  %table = exp %x
  %first = slice %table {start = 0, stop = 4}
  %last = slice %table {start = 4, stop = 8}
  %turned = concat %last, %first
  %others = gather %table, %i, %i {out_of_range = clamp}
  output turned = %turned in_place(x)
  output others = %others
",
    );
    let stores: Vec<usize> = fusion.program.steps.iter().map(|s| s.kernel.stores.len()).collect();
    assert_eq!(stores, [1, 2]);
}
