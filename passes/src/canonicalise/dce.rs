//! Dead code elimination.

use super::Pass;
use routefuse_ir::{Graph, NodeId, Op};
use std::collections::HashSet;

/// Operations that no output depends on go. Inputs stay: they are the graph's signature.
pub struct Dce;

impl Pass for Dce {
    fn name(&self) -> &'static str {
        "dce"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let mut live: HashSet<NodeId> = HashSet::new();
        let mut pending: Vec<NodeId> = g.outputs.iter().map(|o| o.node).collect();
        while let Some(id) = pending.pop() {
            if live.insert(id) {
                pending.extend(g.operands(id));
            }
        }
        let before = g.node_count();
        g.retain_nodes(|id, node| live.contains(&id) || matches!(node.op, Op::Input(_)));
        g.node_count() != before
    }
}
