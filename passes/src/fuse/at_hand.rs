//! What a kernel has at hand although it lies in memory.
//!
//! Some values lie in memory for rows other than their own: a table that is gathered at any row, or the ids that items of later
//! rows are ranked by. Whoever asks for such a value in the same row alone needs no memory. In the kernel that stores the value,
//! it is in registers. So a router's weights share the kernel of its ids, whatever sorts the ids behind it.

use super::materialise::BUDGET;
use super::walk::{Place, walk};
use crate::alias::Access;
use crate::lower::cone::{cone, table};
use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;
use routefuse_ir::program::Buffer;

/// Whether a value can be at hand: it is of rows, and each is there as soon as it was computed.
pub(super) fn can_be(rowwise: &Rowwise<'_>, id: NodeId) -> bool {
    rowwise.at(id).rows.is_some() && rowwise.goes_on_from(id).is_none() && !rowwise.is_addition(id)
}

/// The values in memory that a kernel of this one need not load, if it stores them as well; `for_others`, by node index: the
/// value lies in memory for other rows alone. None where computing them costs more than loading them, or would read what an
/// output overwrites (`overwritten`, by input) at other places than the value itself does.
pub(super) fn at_hand(
    rowwise: &Rowwise<'_>,
    memory: &[Option<Buffer>],
    for_others: &[bool],
    overwritten: &[Option<usize>],
    from: NodeId,
) -> Vec<NodeId> {
    let mut without = memory.to_vec();
    let mut found: Vec<NodeId> = vec![];
    loop {
        let cone = cone(rowwise, &without, std::iter::once(from));
        let tables: Vec<NodeId> = cone.iter().filter_map(|id| table(rowwise, *id)).collect();
        // Ranks ask for earlier rows, whatever else asks for its own.
        let crosses = |id: &NodeId| matches!(rowwise.node(*id).op, Op::BinRank { .. } | Op::BinScatter { .. });
        if cone.iter().any(crosses) || found.iter().any(|id| tables.contains(id)) {
            return vec![];
        }
        let is_at_hand = |id: &NodeId| for_others[id.index()] && without[id.index()].is_some() && !tables.contains(id);
        let more: Vec<NodeId> = cone.into_iter().filter(is_at_hand).collect();
        if more.is_empty() {
            break;
        }
        more.iter().for_each(|id| without[id.index()] = None);
        found.extend(more);
    }
    if found.is_empty() {
        return found;
    }
    let reads = |memory: &[Option<Buffer>]| {
        let walked = walk(rowwise, memory, from, BUDGET);
        (!walked.stopped).then(|| Access::of(rowwise, &walked, 0, vec![], overwritten).reads)
    };
    match (reads(memory), reads(&without)) {
        (Some(loaded), Some(computed)) if computed.iter().all(|r| r.1 == Place::Row || loaded.contains(r)) => found,
        _ => vec![],
    }
}
