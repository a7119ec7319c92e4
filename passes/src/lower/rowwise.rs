//! A graph seen as rows and columns: what lowering and fusion ask of every node, computed once.

use routefuse_ir::dim::SymbolId;
use routefuse_ir::graph::{Graph, Node, NodeId};
use routefuse_ir::op::info::Cost;
use routefuse_ir::op::{NanOrder, Op};

/// A node's place among rows and columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowwiseNode {
    /// Operands in order.
    pub(crate) operands: Vec<NodeId>,
    /// Its position in [`Rowwise::order`].
    pub(crate) position: usize,
    /// The symbol of the leading dim.
    pub(crate) rows: Option<SymbolId>,
    /// The product of the other dims. A value without columns has no elements and no place in a kernel.
    pub(crate) cols: u64,
    /// Every column of a row has the same value, so the kernel computes one.
    pub(crate) uniform: bool,
    /// Some input has to be loaded to compute it.
    pub(crate) loads: bool,
}

/// The verified graph with its nodes' places.
pub(crate) struct Rowwise<'g> {
    pub(crate) graph: &'g Graph,
    /// Operands before users; a function of the graph alone.
    pub(crate) order: Vec<NodeId>,
    nodes: Vec<RowwiseNode>,
}

impl<'g> Rowwise<'g> {
    /// The places of a verified graph.
    pub(crate) fn new(graph: &'g Graph) -> Rowwise<'g> {
        // A verified graph has no cycle; the nodes of an unverified one's would be left out.
        let order = graph.topological().unwrap_or_default();
        let mut rowwise = Rowwise { graph, order: vec![], nodes: vec![RowwiseNode::default(); graph.node_bound()] };
        for (position, id) in order.iter().enumerate() {
            let node = graph.node(*id);
            let operands = graph.operands(*id);
            let cols = node.ty.row_elements().unwrap_or(0);
            let rows = node.ty.row_symbol();
            let uniform = cols <= 1 || rowwise.uniform(node, &operands);
            let loads = matches!(node.op, Op::Input(_)) || operands.iter().any(|o| rowwise.at(*o).loads);
            rowwise.nodes[id.index()] = RowwiseNode { operands, position, rows, cols, uniform, loads };
        }
        rowwise.order = order;
        rowwise
    }

    /// What names the elements that are added to or put, of an operation that does so. Where an `atomic_add` has no indices,
    /// nothing is added and the counts are stored as they are.
    fn elements(&self, id: NodeId) -> Option<NodeId> {
        let operands = &self.at(id).operands;
        let at = match self.node(id).op {
            Op::AtomicAdd => operands.get(1)?,
            Op::BinCount { .. } => operands.first()?,
            Op::BinScatter { .. } => operands.get(1)?,
            _ => return None,
        };
        (self.at(*at).cols > 0).then_some(*at)
    }

    /// The value is added to an output in place, rather than stored in one.
    pub(crate) fn is_addition(&self, id: NodeId) -> bool {
        matches!(self.node(id).op, Op::AtomicAdd) && self.elements(id).is_some()
    }

    /// What lies in the value's memory before the operation, if that goes on from there: it is made of all rows, and is there
    /// only when all of them were done.
    pub(crate) fn goes_on_from(&self, id: NodeId) -> Option<NodeId> {
        let operands = &self.at(id).operands;
        match self.node(id).op {
            Op::BinCount { .. } => operands.get(1).copied(),
            Op::BinScatter { .. } => operands.get(3).copied(),
            _ => None,
        }
    }

    /// The rows and columns over which the kernel that makes the value loops: its own, or those of what names its elements.
    pub(crate) fn looped(&self, id: NodeId) -> (Option<SymbolId>, u64) {
        let at = self.at(self.elements(id).unwrap_or(id));
        (at.rows, at.cols)
    }

    fn uniform(&self, node: &Node, operands: &[NodeId]) -> bool {
        let all = |from: usize| operands.iter().skip(from).all(|o| self.at(*o).uniform);
        match &node.op {
            Op::Input(_) => false,
            Op::Const(_) | Op::Rows { .. } => true,
            Op::Iota { shape, axis, .. } => shape[*axis].as_const().is_none_or(|n| n <= 1),
            Op::Concat => {
                let mut parts = operands.iter().filter(|o| self.at(**o).cols > 0);
                let first = parts.next();
                parts.all(|p| Some(p) == first) && first.is_some_and(|f| self.at(*f).uniform)
            }
            Op::Gather { .. } => all(1),
            // A bin is counted, whatever column its ids are in.
            Op::BinCount { .. } => false,
            // Mostly a column of its own for each place, whatever the operand.
            op if Reads::of(op) != Reads::Own => false,
            // With other constant dims the rows of `x` are columns too: see `index`.
            Op::GatherRow { .. } => all(1) && (self.inner_rows(operands[1]) == 1 || all(0)),
            _ => all(0),
        }
    }

    /// How many *inner rows* a row of the kernel has: rows along the inner dim, one beside the other, for each element of the
    /// other constant dims. To `gather_row` they are rows.
    pub(crate) fn inner_rows(&self, id: NodeId) -> u64 {
        let shape = &self.node(id).ty.shape;
        shape.iter().take(shape.len().saturating_sub(1)).filter_map(|d| d.as_const()).product()
    }

    /// The node.
    pub(crate) fn node(&self, id: NodeId) -> &'g Node {
        self.graph.node(id)
    }

    /// Its place.
    pub(crate) fn at(&self, id: NodeId) -> &RowwiseNode {
        &self.nodes[id.index()]
    }

    /// One more than the largest node index.
    pub(crate) fn bound(&self) -> usize {
        self.nodes.len()
    }

    /// An operation: neither an input nor a constant.
    pub(crate) fn is_op(&self, id: NodeId) -> bool {
        !matches!(self.node(id).op, Op::Input(_) | Op::Const(_))
    }

    /// Moves elements or changes nothing at all: materialising its operand serves as well as itself.
    pub(crate) fn is_movement(&self, id: NodeId) -> bool {
        matches!(self.node(id).op, Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. } | Op::Copy)
    }

    /// Integer operations, or as long as one, that an evaluation of one element takes; loads count as one.
    pub(crate) fn weight(&self, id: NodeId) -> u64 {
        // Row values are computed once a row and kept.
        if self.is_row_value(id) {
            return 1;
        }
        match self.node(id).op.cost() {
            Cost::Each(n) => n,
            Cost::EachOf { integers, floats } => {
                if self.node(id).ty.dtype.is_float() {
                    floats
                } else {
                    integers
                }
            }
            Cost::EachOperand => self.at(id).operands.len() as u64,
            Cost::EachOfAxis(axis) => {
                let operand = self.at(id).operands[0];
                self.node(operand).ty.shape[axis].as_const().unwrap_or(1)
            }
        }
    }

    /// A row value of the kernel that holds it: computed once a row, for all who ask. Not of the composite ones, which are
    /// more than a row value.
    pub(crate) fn is_row_value(&self, id: NodeId) -> bool {
        match &self.node(id).op {
            // Over another axis, it is elementwise.
            Op::Reduce { axis, .. } => axis + 1 == self.node(id).ty.shape.len(),
            op => Reads::of(op) == Reads::RowOnce,
        }
    }

    /// An operation whose result depends on other columns of its operand than its own.
    pub(crate) fn is_row_op(&self, id: NodeId) -> bool {
        Reads::of(&self.node(id).op) != Reads::Own
    }
}

/// Which columns of its operand an element of a result depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// One for each operand: its own, or the one that a movement or an index says.
    Own,
    /// All of its segment, for a value that a kernel computes once a row.
    RowOnce,
    /// All of its segment, in several steps.
    RowInSteps,
}

impl Reads {
    /// No arm is for the rest, so an operation that is forgotten here does not compile.
    fn of(op: &Op) -> Reads {
        match op {
            Op::TopK { nan: NanOrder::First, .. }
            | Op::TopKMask { nan: NanOrder::First, .. }
            | Op::ArgMax { nan: NanOrder::First } => Reads::RowInSteps,
            Op::Dot
            | Op::ArgMax { .. }
            | Op::CumSum
            | Op::TopK { .. }
            | Op::TopKMask { .. }
            | Op::GroupScore { .. }
            | Op::BinRank { .. } => Reads::RowOnce,
            Op::Reduce { .. }
            | Op::Softmax
            | Op::LogSoftmax
            | Op::GroupMask { .. }
            | Op::Renorm { .. }
            | Op::BinStarts { .. } => Reads::RowInSteps,
            Op::Input(_)
            | Op::Const(_)
            | Op::Scalar(_)
            | Op::Iota { .. }
            | Op::Rows { .. }
            | Op::Broadcast { .. }
            | Op::Reshape { .. }
            | Op::Slice { .. }
            | Op::Concat
            | Op::Gather { .. }
            | Op::GatherRow { .. }
            | Op::MaskRows { .. }
            | Op::Pack { .. }
            | Op::UnpackId
            | Op::UnpackWeight
            | Op::Copy
            | Op::AtomicAdd
            | Op::BinCount { .. }
            | Op::BinAny { .. }
            | Op::CountRows
            | Op::BinScatter { .. }
            | Op::BinOf { .. } => Reads::Own,
        }
    }
}
