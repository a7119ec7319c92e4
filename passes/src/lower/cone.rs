//! What a kernel over given roots computes or loads.

use super::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;
use routefuse_ir::program::Buffer;

/// The operands of a node that a kernel computes or loads: not a table in memory, not parts without columns, of counts that
/// are added to not the counts.
pub(crate) fn pulled<'f>(
    rowwise: &'f Rowwise,
    memory: &'f [Option<Buffer>],
    id: NodeId,
) -> impl Iterator<Item = NodeId> + use<'f> {
    let operands = &rowwise.at(id).operands;
    let table_in_memory = table(rowwise, id).is_some_and(|t| memory[t.index()].is_some());
    let joins = matches!(rowwise.node(id).op, Op::Concat);
    // Where there is nothing to add, the counts alone are stored.
    let (adds, counts) = (rowwise.is_addition(id), matches!(rowwise.node(id).op, Op::AtomicAdd));
    let last = if counts && !adds { 1 } else { operands.len() };
    operands[..last]
        .iter()
        .skip(usize::from(table_in_memory || adds))
        .copied()
        .filter(move |o| !joins || rowwise.at(*o).cols > 0)
}

/// The table of a gather.
pub(crate) fn table(rowwise: &Rowwise, id: NodeId) -> Option<NodeId> {
    matches!(rowwise.node(id).op, Op::Gather { .. }).then(|| rowwise.at(id).operands[0])
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
