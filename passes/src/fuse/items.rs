//! Items that are both counted and ranked, as an alignment does.
//!
//! On a GPU the kernels that do so can be phases of one launch ([`join`](crate::join)), if they do nothing else: a count in a
//! router's kernel would leave each rank to look at all rows before it.

use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;

/// What a unit does with items that are both counted and ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    /// Nothing.
    Others,
    /// It counts them, and shares no kernel.
    Counts,
    /// It ranks them, and shares kernels with those that do so.
    Ranks,
}

/// The ids of which there are both counts and ranks.
pub(super) fn counted_and_ranked(rowwise: &Rowwise<'_>) -> Vec<NodeId> {
    let ranked: Vec<NodeId> = rowwise.order.iter().filter_map(|id| ranked(rowwise, *id)).collect();
    rowwise.order.iter().filter_map(|id| counted(rowwise, *id)).filter(|ids| ranked.contains(ids)).collect()
}

/// What a value, which is computed from these, does with such ids.
pub(super) fn role(rowwise: &Rowwise<'_>, id: NodeId, cone: &[NodeId], both: &[NodeId]) -> Items {
    let is_of = |ids: Option<NodeId>| ids.is_some_and(|ids| both.contains(&ids));
    if is_of(counted(rowwise, id)) {
        return Items::Counts;
    }
    if cone.iter().any(|id| is_of(ranked(rowwise, *id))) { Items::Ranks } else { Items::Others }
}

/// The ids that a value counts, if it does.
fn counted(rowwise: &Rowwise<'_>, id: NodeId) -> Option<NodeId> {
    matches!(rowwise.node(id).op, Op::BinCount { .. }).then(|| rowwise.at(id).operands.first().copied()).flatten()
}

/// The ids whose ranks a value is, or is laid out by.
fn ranked(rowwise: &Rowwise<'_>, id: NodeId) -> Option<NodeId> {
    let ids = match rowwise.node(id).op {
        Op::BinRank { .. } => 0,
        Op::BinScatter { .. } => 1,
        _ => return None,
    };
    rowwise.at(id).operands.get(ids).copied()
}
