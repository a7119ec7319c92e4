//! DeepEP's dispatch layout.

use super::{Align, Items};
use routefuse_ir::op::BinaryOp;
use routefuse_ir::{GraphBuilder, NodeId};

/// Ranks that share a machine: those of one RDMA rank.
const RANKS_OF_A_MACHINE: u64 = 8;

/// A token counts once for a rank, however many of its experts are there.
pub(super) fn layout(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let in_groups = |b: &mut GraphBuilder, groups: u64| -> NodeId {
        let of_each = super::items::like(b, items.ids, i128::from(align.experts / groups));
        // Rounded down, for −1 is of no rank.
        let group = b.binary(BinaryOp::DivFloor, items.ids, of_each);
        b.bin_any(group, groups)
    };
    let in_rank = in_groups(b, align.ranks);
    let per_rank = b.count_rows(in_rank);
    b.output("num_tokens_per_rank", per_rank);
    if align.ranks > RANKS_OF_A_MACHINE && align.ranks.is_multiple_of(RANKS_OF_A_MACHINE) {
        let in_machine = in_groups(b, align.ranks / RANKS_OF_A_MACHINE);
        let per_machine = b.count_rows(in_machine);
        b.output("num_tokens_per_rdma_rank", per_machine);
    }
    let per_expert = b.bin_count(items.ids, align.experts);
    b.output("num_tokens_per_expert", per_expert);
    b.output("is_token_in_rank", in_rank);
}
