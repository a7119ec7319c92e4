//! Which values have to lie in memory, whatever the kernels.

use super::cut::Reason;
use super::walk::walk;
use crate::lower::cone::{cone, pulled, table};
use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;
use routefuse_ir::program::Buffer;

/// The most that one stored element may take to evaluate, in loads and integer operations or their like.
///
/// A kernel is evaluated backwards from its stores, and a value that is asked for at several columns is evaluated for
/// each. A row sum written as a tree of slices and adds over 64 columns takes 63 adds and 64 times the summand, a softmax
/// in front of it included; that must fuse, and does up to 256 columns. What takes more would make more machine code than
/// a round trip through memory costs.
pub const BUDGET: u64 = 4096;

/// Gives memory to computed tables with rows, and to what would be evaluated too often. `give` places a value in memory.
pub(super) fn materialise(
    rowwise: &Rowwise,
    memory: &mut [Option<Buffer>],
    mut give: impl FnMut(&mut [Option<Buffer>], NodeId, Reason),
) {
    let mut live = vec![false; rowwise.bound()];
    for o in &rowwise.graph.outputs {
        live[o.node.index()] |= rowwise.at(o.node).cols > 0;
    }
    for id in rowwise.order.iter().rev().filter(|id| rowwise.is_op(**id)) {
        if live[id.index()] {
            rowwise.at(*id).operands.iter().for_each(|o| live[o.index()] = true);
        }
    }
    let name = |id: NodeId| rowwise.node(id).name.clone();
    // An upper bound of the evaluations of one element: operands' bounds add up, and where that says too much, the walk
    // that knows what is shared says it exactly. A value asked for at columns that map to the same column shares at least
    // as much as at its own columns, so an exact count is a bound for every user.
    let mut bounds = vec![1u64; rowwise.bound()];
    for id in
        rowwise.order.iter().copied().filter(|id| live[id.index()] && rowwise.is_op(*id) && rowwise.at(*id).cols > 0)
    {
        let is_starts = |t: NodeId| matches!(rowwise.node(t).op, Op::BinStarts { .. });
        if let Some(t) = table(rowwise, id)
            && memory[t.index()].is_none()
            && (rowwise.at(t).rows.is_some() || is_starts(t))
        {
            give(memory, t, Reason::ComputedTable { table: name(t), gather: name(id) });
        }
        for again in asked_again(rowwise, id) {
            let made = source(rowwise, memory, *again);
            if memory[made.index()].is_none() && needs_rows(rowwise, memory, made) {
                give(memory, made, Reason::EarlierRows { value: name(made), user: name(id) });
            }
        }
        let only_stored =
            rowwise.graph.users(id).is_empty() && rowwise.graph.outputs.iter().filter(|o| o.node == id).count() == 1;
        if rowwise.goes_on_from(id).is_some() && memory[id.index()].is_none() && !only_stored {
            give(memory, id, Reason::AllRows { value: name(id) });
        }
        let bound = |memory: &[Option<Buffer>], o: NodeId| {
            if memory[o.index()].is_some() { 1 } else { bounds[o.index()] }
        };
        // A row value is kept, so its operand, which stays in the budget by itself, is nobody's recomputation.
        let recomputed = pulled(rowwise, memory, id).filter(|_| !rowwise.is_row_value(id));
        let sum = recomputed.fold(rowwise.weight(id), |n, o| n.saturating_add(bound(memory, o)));
        bounds[id.index()] = if sum <= BUDGET {
            sum
        } else {
            loop {
                let walked = walk(rowwise, memory, id, BUDGET);
                if !walked.stopped {
                    break walked.evaluations;
                }
                let sources = pulled(rowwise, memory, id).map(|o| source(rowwise, memory, o));
                let heaviest = sources
                    .filter(|s| memory[s.index()].is_none() && bounds[s.index()] > 1)
                    .min_by_key(|s| (std::cmp::Reverse(bounds[s.index()]), rowwise.at(*s).position));
                let Some(value) = heaviest else { break walked.evaluations };
                give(memory, value, Reason::Recomputation { value: name(value), user: name(id), budget: BUDGET });
            }
        };
    }
}

/// The operands of which a kernel that goes through rows in order would have to know those of earlier rows.
fn asked_again<'r>(rowwise: &'r Rowwise, id: NodeId) -> &'r [NodeId] {
    let operands = &rowwise.at(id).operands;
    match rowwise.node(id).op {
        Op::BinRank { .. } => &operands[..1],
        Op::BinScatter { .. } => &operands[..2],
        _ => &[],
    }
}

/// Whether a kernel that makes the value computes something of whole rows.
fn needs_rows(rowwise: &Rowwise, memory: &[Option<Buffer>], id: NodeId) -> bool {
    let computed = |id: &NodeId| memory[id.index()].is_none() && rowwise.is_row_op(*id);
    cone(rowwise, memory, std::iter::once(id)).iter().any(computed)
}

/// The value that a chain of movements moves: what is worth storing. A gather within the row is one of them if others ask for
/// the row too, which then need not compute it either.
pub(super) fn source(rowwise: &Rowwise, memory: &[Option<Buffer>], id: NodeId) -> NodeId {
    let of_shared = |at: NodeId| rowwise.graph.users(rowwise.at(at).operands[0]).len() > 1;
    let gathers = |at: NodeId| matches!(rowwise.node(at).op, Op::GatherRow { .. });
    behind(rowwise, memory, id, |at| rowwise.is_movement(at) || gathers(at) && of_shared(at))
}

/// As [`source`], where a gather is a value of its own.
pub(super) fn moved(rowwise: &Rowwise, memory: &[Option<Buffer>], id: NodeId) -> NodeId {
    behind(rowwise, memory, id, |at| rowwise.is_movement(at))
}

/// The first value on the way back that is no movement, or lies in memory.
fn behind(rowwise: &Rowwise, memory: &[Option<Buffer>], id: NodeId, is_movement: impl Fn(NodeId) -> bool) -> NodeId {
    let mut at = id;
    while memory[at.index()].is_none() && is_movement(at) {
        at = rowwise.at(at).operands[0];
    }
    at
}
