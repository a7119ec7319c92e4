//! Building a graph from Rust.

mod bins;
mod row;

use crate::bound::{BoundTerm, DimBound};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::dim::{Dim, SymbolId};
use crate::dtype::DType;
use crate::graph::{Alias, Graph, Input, Layout, Node, NodeId, Output, TensorType};
use crate::infer;
use crate::literal::Literal;
use crate::op::{BinaryOp, CompareOp, NanRule, Op, OutOfRange, PackForm, ScalarOp, UnaryOp};
use crate::verify::Verified;

/// Builds a graph op by op. Types are inferred as ops are added; the first mistakes are kept and reported by
/// [`GraphBuilder::finish`], so that building needs no `?` on every line.
///
/// ```
/// use routefuse_ir::{DType, GraphBuilder, Literal};
/// let mut b = GraphBuilder::new("remap_mask");
/// let t = b.symbol("T");
/// let ids = b.input("ids", DType::I32, [t.into(), 8.into()]);
/// let map = b.input("map", DType::I32, [256.into()]);
/// let n = b.input("n", DType::I32, []);
/// let physical = b.gather(map, &[ids]);
/// let masked = b.mask_rows(physical, n, Literal::i32(-1));
/// b.output("out", masked);
/// let graph = b.finish().unwrap();
/// assert_eq!(graph.op_count(), 2);
/// ```
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    problems: Diagnostics,
}

impl GraphBuilder {
    /// An empty graph of this name.
    pub fn new(name: impl Into<String>) -> GraphBuilder {
        GraphBuilder { graph: Graph::new(name), problems: Diagnostics::default() }
    }

    /// Declares a symbolic dim.
    pub fn symbol(&mut self, name: impl Into<String>) -> SymbolId {
        self.graph.symbols.push(name.into());
        SymbolId(self.graph.symbols.len() as u32 - 1)
    }

    /// Bounds a dim of capacity: it is at least `times` × the least of the terms, whose T is the extent of `of`. A launch with
    /// less is refused (`RF0607`). What no launch could check is reported at [`GraphBuilder::finish`].
    pub fn at_least(&mut self, symbol: SymbolId, times: u64, of: SymbolId, terms: &[BoundTerm]) {
        match DimBound::new(symbol, Some(of), times, terms.iter().copied()) {
            Ok(bound) => self.graph.bounds.push(bound),
            Err(why) => self.problems.push(Diagnostic::new(Code::BadBound, why)),
        }
    }

    /// Declares a contiguous input.
    pub fn input(&mut self, name: &str, dtype: DType, shape: impl Into<Vec<Dim>>) -> NodeId {
        self.input_with_layout(name, dtype, shape, Layout::Contiguous)
    }

    /// Declares an input of this layout.
    pub fn input_with_layout(
        &mut self,
        name: &str,
        dtype: DType,
        shape: impl Into<Vec<Dim>>,
        layout: Layout,
    ) -> NodeId {
        let op = Op::Input(self.graph.inputs.len());
        let ty = TensorType::new(dtype, shape);
        let node = self.graph.add_node(Node { op, ty, name: name.to_owned(), span: None }, &[]);
        self.graph.inputs.push(Input { name: name.to_owned(), node, layout });
        node
    }

    /// Declares a contiguous output in memory of its own.
    pub fn output(&mut self, name: &str, value: NodeId) {
        self.output_with(name, value, Layout::Contiguous, Alias::None);
    }

    /// Declares an output of this layout and alias.
    pub fn output_with(&mut self, name: &str, value: NodeId, layout: Layout, alias: Alias) {
        self.graph.outputs.push(Output { name: name.to_owned(), node: value, layout, alias, span: None });
    }

    /// The position of an input among the inputs, for [`Alias`].
    pub fn input_position(&self, node: NodeId) -> Option<usize> {
        self.graph.inputs.iter().position(|i| i.node == node)
    }

    /// The inferred type of a value.
    pub fn ty(&self, value: NodeId) -> &TensorType {
        &self.graph.node(value).ty
    }

    /// Names a value; otherwise it is called `v<number>`. An input's argument is then bound by the new name too.
    pub fn name(&mut self, value: NodeId, name: &str) -> NodeId {
        for input in self.graph.inputs.iter_mut().filter(|i| i.node == value) {
            name.clone_into(&mut input.name);
        }
        self.graph.nodes[value.0].name = name.to_owned();
        value
    }

    /// Any op.
    pub fn op(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let types: Vec<TensorType> = operands.iter().map(|o| self.ty(*o).clone()).collect();
        let name = format!("v{}", self.graph.nodes.node_count());
        // After a mistake, the first operand's type stands in so that building can go on.
        let ty = infer::infer(&op, &types, &self.graph.symbols).unwrap_or_else(|p| {
            let mut d = Diagnostic::new(p.code, p.message).within(format!("%{name} = {}", op.mnemonic()));
            d.help = p.help;
            self.problems.push(d);
            types.first().cloned().unwrap_or_else(|| TensorType::scalar(DType::F32))
        });
        self.graph.add_node(Node { op, ty, name, span: None }, operands)
    }

    /// The verified graph.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn finish(self) -> Result<Verified<Graph>, Diagnostics> {
        self.problems.into_result(())?;
        self.graph.verify()
    }

    /// The graph as it stands, unverified.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// A scalar constant.
    pub fn constant(&mut self, value: Literal) -> NodeId {
        self.op(Op::Const(value), &[])
    }

    /// A scalar integer constant of this dtype; reported at [`GraphBuilder::finish`] if it does not fit.
    pub fn int(&mut self, dtype: DType, value: i128) -> NodeId {
        let literal = Literal::from_int(dtype, value).unwrap_or_else(|| {
            let message = format!("{value} does not fit {dtype}");
            self.problems.push(Diagnostic::new(Code::LiteralOutOfRange, message));
            Literal::zero(dtype)
        });
        self.constant(literal)
    }

    /// One operand.
    pub fn unary(&mut self, op: UnaryOp, x: NodeId) -> NodeId {
        self.op(Op::Scalar(ScalarOp::Unary(op)), &[x])
    }

    /// Two operands.
    pub fn binary(&mut self, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Scalar(ScalarOp::Binary(op)), &[a, b])
    }

    /// Two operands to bool.
    pub fn compare(&mut self, op: CompareOp, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Scalar(ScalarOp::Compare(op)), &[a, b])
    }

    /// a + b.
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Add, a, b)
    }

    /// a − b.
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Sub, a, b)
    }

    /// a × b.
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Mul, a, b)
    }

    /// a ÷ b.
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Div, a, b)
    }

    /// The smaller of a and b; a number before a NaN.
    pub fn min(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Min(NanRule::Number), a, b)
    }

    /// The larger of a and b; a number before a NaN.
    pub fn max(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(BinaryOp::Max(NanRule::Number), a, b)
    }

    /// `condition ? a : b`.
    pub fn select(&mut self, condition: NodeId, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Scalar(ScalarOp::Select), &[condition, a, b])
    }

    /// Another dtype, by value. Nothing is added if it is the same.
    pub fn cast(&mut self, x: NodeId, to: DType) -> NodeId {
        if self.ty(x).dtype == to { x } else { self.op(Op::Scalar(ScalarOp::Cast(to)), &[x]) }
    }

    /// Another dtype, by bits.
    pub fn bitcast(&mut self, x: NodeId, to: DType) -> NodeId {
        self.op(Op::Scalar(ScalarOp::Bitcast(to)), &[x])
    }

    /// The index along an axis.
    pub fn iota(&mut self, dtype: DType, shape: impl Into<Vec<Dim>>, axis: usize) -> NodeId {
        self.op(Op::Iota { dtype, shape: shape.into(), axis }, &[])
    }

    /// The leading extent of a shape, as a scalar: of `[T]` the number of rows.
    pub fn rows(&mut self, dtype: DType, shape: impl Into<Vec<Dim>>) -> NodeId {
        self.op(Op::Rows { dtype, shape: shape.into() }, &[])
    }

    /// Repeats dims of extent 1 and adds leading dims.
    pub fn broadcast(&mut self, x: NodeId, shape: impl Into<Vec<Dim>>) -> NodeId {
        self.op(Op::Broadcast { shape: shape.into() }, &[x])
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, x: NodeId, shape: impl Into<Vec<Dim>>) -> NodeId {
        self.op(Op::Reshape { shape: shape.into() }, &[x])
    }

    /// `start..stop` of the inner dim.
    pub fn slice(&mut self, x: NodeId, start: u64, stop: u64) -> NodeId {
        self.op(Op::Slice { start, stop }, &[x])
    }

    /// Joined along the inner dim.
    pub fn concat(&mut self, parts: &[NodeId]) -> NodeId {
        self.op(Op::Concat, parts)
    }

    /// `table[indices…]`; an index out of range passes −1 through.
    pub fn gather(&mut self, table: NodeId, indices: &[NodeId]) -> NodeId {
        self.gather_with(table, indices, OutOfRange::Pass)
    }

    /// `table[indices…]` with a policy.
    pub fn gather_with(&mut self, table: NodeId, indices: &[NodeId], out_of_range: OutOfRange) -> NodeId {
        let operands: Vec<NodeId> = std::iter::once(table).chain(indices.iter().copied()).collect();
        self.op(Op::Gather { out_of_range }, &operands)
    }

    /// `x[t, index[t, k]]` with a policy.
    pub fn gather_row(&mut self, x: NodeId, index: NodeId, out_of_range: OutOfRange) -> NodeId {
        self.op(Op::GatherRow { out_of_range }, &[x, index])
    }

    /// Rows `t ≥ n` replaced by `fill`.
    pub fn mask_rows(&mut self, x: NodeId, n: NodeId, fill: Literal) -> NodeId {
        self.op(Op::MaskRows { fill }, &[x, n])
    }

    /// `(id << 16) | bf16(weight)`.
    pub fn pack(&mut self, ids: NodeId, weights: NodeId, form: PackForm) -> NodeId {
        self.op(Op::Pack { form }, &[ids, weights])
    }

    /// `x`, copied.
    pub fn copy(&mut self, x: NodeId) -> NodeId {
        self.op(Op::Copy, &[x])
    }

    /// The multiplicative hash `(x × 2654435769) mod 2³²` of vLLM's load balancer (Knuth, TAOCP vol. 3, §6.4); `x` of any
    /// integer dtype, the result `u32`.
    pub fn multiplicative_hash(&mut self, x: NodeId) -> NodeId {
        let x = self.cast(x, DType::U32);
        let k = self.int(DType::U32, 2_654_435_769);
        self.mul(x, k)
    }
}
