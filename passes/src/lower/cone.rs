//! What a kernel over given roots computes or loads.

use super::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;
use routefuse_ir::program::Buffer;

/// The operands of a node that a kernel computes or loads: not a table in memory, not parts without columns, not what lies
/// in its memory before.
pub(crate) fn pulled<'f>(
    rowwise: &'f Rowwise,
    memory: &'f [Option<Buffer>],
    id: NodeId,
) -> impl Iterator<Item = NodeId> + use<'f> {
    let operands = &rowwise.at(id).operands;
    let is_gather = matches!(rowwise.node(id).op, Op::Gather { .. });
    let table_in_memory = is_gather && table(rowwise, id).is_some_and(|t| memory[t.index()].is_some());
    let joins = matches!(rowwise.node(id).op, Op::Concat);
    // Where there is nothing to add, the counts alone are stored.
    let adds = rowwise.is_addition(id);
    let last = match rowwise.node(id).op {
        Op::AtomicAdd if !adds => 1,
        // What lies there before is another kernel's, and starts are a table.
        Op::BinCount { .. } => 1,
        Op::BinScatter { .. } => 2,
        Op::BinOf { .. } => 0,
        _ => operands.len(),
    };
    operands[..last]
        .iter()
        .skip(usize::from(table_in_memory || adds))
        .copied()
        .filter(move |o| !joins || rowwise.at(*o).cols > 0)
}

/// The table of a gather, or of what lays out bins.
pub(crate) fn table(rowwise: &Rowwise, id: NodeId) -> Option<NodeId> {
    match rowwise.node(id).op {
        Op::Gather { .. } => Some(rowwise.at(id).operands[0]),
        Op::BinScatter { .. } => Some(rowwise.at(id).operands[2]),
        Op::BinOf { .. } => Some(rowwise.at(id).operands[0]),
        _ => None,
    }
}

/// What a kernel over these roots computes or loads, operands first.
pub(crate) fn cone(rowwise: &Rowwise, memory: &[Option<Buffer>], roots: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut seen = vec![false; rowwise.bound()];
    let mut waiting: Vec<NodeId> = roots.collect();
    let mut found = Vec::new();
    while let Some(id) = waiting.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        found.push(id);
        if memory[id.index()].is_none() {
            waiting.extend(pulled(rowwise, memory, id));
        }
    }
    found.sort_unstable_by_key(|id| rowwise.at(*id).position);
    found
}
