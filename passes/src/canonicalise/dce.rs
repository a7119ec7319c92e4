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
        let before = g.nodes.node_count();
        g.nodes.retain_nodes(|g, n| live.contains(&NodeId(n)) || matches!(g[n].op, Op::Input(_)));
        g.nodes.node_count() != before
    }
}
