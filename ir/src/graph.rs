//! The tensor level: operations in SSA form over a `petgraph` graph.

use crate::diag::Span;
use crate::dim::{Dim, SymbolId, shape_text};
use crate::dtype::DType;
use crate::op::{Op, OutOfRange};
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;
use std::fmt;

/// A node of a graph: an operation and its one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub NodeIndex<u32>);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0.index())
    }
}

/// dtype and shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// The dims; only the first may be symbolic.
    pub shape: Vec<Dim>,
}

impl TensorType {
    /// dtype and shape.
    pub fn new(dtype: DType, shape: impl Into<Vec<Dim>>) -> TensorType {
        TensorType { dtype, shape: shape.into() }
    }

    /// Rank 0.
    pub fn scalar(dtype: DType) -> TensorType {
        TensorType { dtype, shape: vec![] }
    }

    /// The symbol of the leading dim, if it has one: the rows.
    pub fn row_symbol(&self) -> Option<SymbolId> {
        self.shape.first().and_then(|d| d.as_sym())
    }

    /// The elements of one row: the product of all dims but a symbolic leading one. `None` if it overflows.
    pub fn row_elements(&self) -> Option<u64> {
        crate::dim::const_product(&self.shape[usize::from(self.row_symbol().is_some())..])
    }

    /// `i32[T, 8]`, with the symbols' names.
    pub fn text(&self, symbols: &[String]) -> String {
        format!("{}[{}]", self.dtype, shape_text(&self.shape, symbols))
    }
}

/// How an input's or output's elements lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Row-major without gaps.
    #[default]
    Contiguous,
    /// The leading dim's stride is free, given at launch; the rest is row-major without gaps. In text: `rows`.
    Rows,
    /// Every stride is free, given at launch. In text: `strided`.
    Strided,
}

/// How an output's memory may meet an input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Alias {
    /// The output is disjoint from every input.
    #[default]
    None,
    /// The output *is* this input's view; launch checks it. In text: `in_place(name)`.
    InPlace(usize),
    /// The output may be this input's view, or disjoint from it. In text: `donates(name)`.
    Donates(usize),
    /// The output is a copy of this input: the same view is left alone, a disjoint one is written, anything between is an
    /// error at launch. In text: `guarded(name)`.
    Guarded(usize),
}

impl Alias {
    /// The input it names.
    pub fn input(self) -> Option<usize> {
        match self {
            Alias::None => None,
            Alias::InPlace(i) | Alias::Donates(i) | Alias::Guarded(i) => Some(i),
        }
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
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// The symbols' names; `SymbolId(i)` is the i-th.
    pub symbols: Vec<String>,
    /// The inputs, in order of declaration.
    pub inputs: Vec<Input>,
    /// The outputs, in order of declaration.
    pub outputs: Vec<Output>,
    /// Operations; an edge from operand to user carries the operand's position.
    pub nodes: StableDiGraph<Node, u32>,
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

    /// Adds a node and its edges; nothing is checked.
    pub fn add_node(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let id = self.nodes.add_node(node);
        for (position, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(operand.0, id, position as u32);
        }
        NodeId(id)
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
        self.nodes.node_weights().any(|n| {
            matches!(
                n.op,
                Op::Gather { out_of_range: OutOfRange::Trap } | Op::GatherRow { out_of_range: OutOfRange::Trap }
            )
        })
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
        self.nodes.node_weights().filter(|n| !matches!(n.op, Op::Input(_) | Op::Const(_))).count()
    }
}
