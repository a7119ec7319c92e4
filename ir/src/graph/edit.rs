//! How passes change a graph. Nothing is checked here: a changed graph is verified again.

use super::{Graph, Node, NodeId};
use crate::op::Op;
use petgraph::Direction;
use petgraph::visit::EdgeRef;

impl Graph {
    /// The node, to be changed.
    ///
    /// # Panics
    /// If the node is not of this graph.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    /// Adds a node with these operands, in order.
    ///
    /// # Panics
    /// If an operand is not of this graph.
    pub fn add_node(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let id = NodeId(self.nodes.add_node(node));
        self.connect(id, operands);
        id
    }

    /// The same node with another operation, on other operands; its type, its name and its users stay.
    ///
    /// # Panics
    /// If the node or an operand is not of this graph.
    pub fn replace_node_op(&mut self, id: NodeId, op: Op, operands: &[NodeId]) {
        let edges: Vec<_> = self.nodes.edges_directed(id.0, Direction::Incoming).map(|e| e.id()).collect();
        for edge in edges {
            self.nodes.remove_edge(edge);
        }
        self.connect(id, operands);
        self.nodes[id.0].op = op;
    }

    /// Every use of `old`, by an operation or by an output, becomes one of `new`.
    pub fn replace_uses(&mut self, old: NodeId, new: NodeId) {
        let edges = self.nodes.edges_directed(old.0, Direction::Outgoing);
        let uses: Vec<_> = edges.map(|e| (e.id(), e.target(), *e.weight())).collect();
        for (edge, user, position) in uses {
            self.nodes.remove_edge(edge);
            self.nodes.add_edge(new.0, user, position);
        }
        for output in self.outputs.iter_mut().filter(|o| o.node == old) {
            output.node = new;
        }
    }

    /// Takes a node away, and every use of it. `None` if it is not there.
    pub fn remove_node(&mut self, id: NodeId) -> Option<Node> {
        self.nodes.remove_node(id.0)
    }

    /// Takes away every node but those that `keep` says yes to.
    pub fn retain_nodes(&mut self, mut keep: impl FnMut(NodeId, &Node) -> bool) {
        self.nodes.retain_nodes(|nodes, index| keep(NodeId(index), &nodes[index]));
    }

    fn connect(&mut self, id: NodeId, operands: &[NodeId]) {
        for (position, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(operand.0, id.0, position as u32);
        }
    }
}
