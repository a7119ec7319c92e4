//! The tensor level: operations in SSA form over a `petgraph` graph.

mod alias;
mod edit;
mod verify;

pub use crate::layout::{Alias, Layout};
pub use crate::tensor_type::TensorType;
pub(crate) use verify::check_type;

use crate::bound::{DimBound, extents_of_rows};
use crate::diag::Span;
use crate::op::{Op, OutOfRange};
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, NodeIndexable};
use std::fmt;

/// A node of a graph: an operation and its one result. The number means nothing but in its own graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) NodeIndex<u32>);

impl NodeId {
    /// Its number: below [`Graph::node_bound`], and no other node's of the same graph.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.index())
    }
}

/// A declared input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The name by which arguments are bound.
    pub name: String,
    /// Its node, an [`Op::Input`].
    pub node: NodeId,
    /// How it lies in memory.
    pub layout: Layout,
}

/// A declared output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The name by which arguments are bound.
    pub name: String,
    /// The value that is stored.
    pub node: NodeId,
    /// How it lies in memory.
    pub layout: Layout,
    /// Which input's memory it may share.
    pub alias: Alias,
    /// Where it was declared.
    pub span: Option<Span>,
}

/// An operation of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// The type of its result: as inferred, or as declared until verification compares the two.
    pub ty: TensorType,
    /// The name of its result, without the `%`.
    pub name: String,
    /// Where it came from.
    pub span: Option<Span>,
}

/// A routing graph. Make one with [`GraphBuilder`](crate::GraphBuilder) or from text; [`Graph::verify`] checks it.
///
/// Nodes are reached by [`Graph::nodes`], [`Graph::node`] and [`Graph::operands`]; passes change them by
/// [`Graph::add_node`], [`Graph::replace_node_op`], [`Graph::replace_uses`] and [`Graph::remove_node`].
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// The symbols' names; `SymbolId(i)` is the i-th.
    pub symbols: Vec<String>,
    /// The least extents of dims of capacity, at most one a dim.
    pub bounds: Vec<DimBound>,
    /// The inputs, in order of declaration.
    pub inputs: Vec<Input>,
    /// The outputs, in order of declaration.
    pub outputs: Vec<Output>,
    /// Operations; an edge from operand to user carries the operand's position.
    pub(crate) nodes: StableDiGraph<Node, u32>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Graph {
        Graph { name: name.into(), ..Graph::default() }
    }

    /// The node.
    ///
    /// # Panics
    /// If the node is not of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Every node's id, in order of index.
    pub fn node_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> {
        self.nodes.node_indices().map(NodeId)
    }

    /// Every node, in order of index.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.nodes.node_indices().map(|i| &self.nodes[i])
    }

    /// How many nodes there are: operations, constants and inputs.
    pub fn node_count(&self) -> usize {
        self.nodes.node_count()
    }

    /// More than every node's [index](NodeId::index): the length of a list that has an entry a node.
    pub fn node_bound(&self) -> usize {
        self.nodes.node_bound()
    }

    /// Whether the node is there: it was not removed.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_node(id.0)
    }

    /// The operands, in order.
    pub fn operands(&self, id: NodeId) -> Vec<NodeId> {
        let mut edges: Vec<(u32, NodeId)> =
            self.nodes.edges_directed(id.0, Direction::Incoming).map(|e| (*e.weight(), NodeId(e.source()))).collect();
        edges.sort_unstable_by_key(|e| e.0);
        edges.into_iter().map(|e| e.1).collect()
    }

    /// The users, each once, in order of index.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<NodeId> = self.nodes.neighbors_directed(id.0, Direction::Outgoing).map(NodeId).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Every node, operands before users; ties in order of index, so that the order is a function of the graph alone.
    ///
    /// # Errors
    /// The nodes of a cycle and everything behind it.
    pub fn topological(&self) -> Result<Vec<NodeId>, Vec<NodeId>> {
        use std::cmp::Reverse;
        use std::collections::{BinaryHeap, HashMap};
        let mut waiting: HashMap<NodeIndex<u32>, usize> = HashMap::new();
        let mut ready = BinaryHeap::new();
        for n in self.nodes.node_indices() {
            let degree = self.nodes.edges_directed(n, Direction::Incoming).count();
            if degree == 0 {
                ready.push(Reverse(n));
            } else {
                waiting.insert(n, degree);
            }
        }
        let mut order = Vec::with_capacity(self.nodes.node_count());
        while let Some(Reverse(n)) = ready.pop() {
            order.push(NodeId(n));
            for e in self.nodes.edges_directed(n, Direction::Outgoing) {
                let user = e.target();
                if let Some(degree) = waiting.get_mut(&user) {
                    *degree -= 1;
                    if *degree == 0 {
                        waiting.remove(&user);
                        ready.push(Reverse(user));
                    }
                }
            }
        }
        if waiting.is_empty() {
            return Ok(order);
        }
        let mut left: Vec<NodeId> = waiting.into_keys().map(NodeId).collect();
        left.sort_unstable();
        Err(left)
    }

    /// True if a gather traps: a launch then takes one argument more, the `u32` error word, after the outputs.
    pub fn has_trap(&self) -> bool {
        self.nodes().any(|n| {
            matches!(
                n.op,
                Op::Gather { out_of_range: OutOfRange::Trap } | Op::GatherRow { out_of_range: OutOfRange::Trap }
            )
        })
    }

    /// The extent of each dim where all have `rows`, but for those with a bound, which have the least that it allows.
    pub fn extents_of_rows(&self, rows: u64) -> Vec<u64> {
        extents_of_rows(self.symbols.len(), &self.bounds, rows)
    }

    /// [`Graph::extents_of_rows`] by name.
    pub fn dims_of_rows(&self, rows: u64) -> Vec<(&str, u64)> {
        self.symbols.iter().map(String::as_str).zip(self.extents_of_rows(rows)).collect()
    }

    /// The input's type.
    pub fn input_type(&self, i: usize) -> &TensorType {
        &self.node(self.inputs[i].node).ty
    }

    /// The output's type.
    pub fn output_type(&self, i: usize) -> &TensorType {
        &self.node(self.outputs[i].node).ty
    }

    /// The number of operations that an unfused execution launches: all but inputs and constants.
    pub fn op_count(&self) -> usize {
        self.nodes().filter(|n| !matches!(n.op, Op::Input(_) | Op::Const(_))).count()
    }
}
