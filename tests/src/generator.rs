//! Random valid graphs from a seed: every op, dtype, layout and alias, with the extents that break loops.
//!
//! Operations are proposed and [inference](routefuse_ir::infer) says which of them are valid, so that a rule is written in
//! one place only; what it refuses is counted.

mod declare;
mod ops;
mod ports;
mod rows;

use crate::hostile::{Mood, element};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use routefuse_ir::infer::infer;
use routefuse_ir::op::ScalarOp;
use routefuse_ir::{DType, Diagnostics, Dim, Graph, GraphBuilder, Layout, Literal, NodeId, Op, TensorType, Verified};

/// Inner extents: 0, 1, powers of two and their neighbours, the K and E of models.
const COLUMNS: [u64; 20] = [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 16, 17, 22, 31, 32, 33, 65, 72];

/// Inner extents of rows: the E of models and their neighbours, and what no warp divides.
const EXPERTS: [u64; 18] = [1, 2, 3, 4, 8, 16, 17, 31, 32, 33, 40, 60, 64, 65, 72, 96, 128, 160];

/// Values of symbols: none, one, warps and pieces give or take one, blocks give or take one.
pub const EXTENTS: [u64; 16] = [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 257, 500];

/// No value has more elements in a row.
const MAX_ROW: u64 = 600;

/// A random graph and what it took.
#[derive(Debug)]
pub struct Generated {
    /// The graph, or what the verifier says against it.
    pub graph: Result<Verified<Graph>, Diagnostics>,
    /// Operations that were proposed and refused by inference.
    pub refused: u32,
}

/// The graph of this seed: nothing in it crosses columns.
pub fn generate(seed: u64) -> Generated {
    grown(Growing::new(seed, 0))
}

/// The graph of this seed, with operations on rows: about half of all.
pub fn row_graph(seed: u64) -> Generated {
    row_graph_with(seed, 50)
}

/// The graph of this seed, with this many operations on rows of a hundred.
pub fn row_graph_with(seed: u64, percent: u32) -> Generated {
    grown(Growing::new(seed, percent))
}

fn grown(mut g: Growing) -> Generated {
    let ops = match g.rng.random_range(0..10) {
        0 => 1,
        1..7 => g.rng.random_range(2..10),
        _ => g.rng.random_range(10..28),
    };
    let mut made = 0;
    while made < ops && g.refused < 200 {
        if g.grow() {
            made += 1;
        } else {
            g.refused += 1;
        }
    }
    g.outputs();
    Generated { refused: g.refused, graph: g.b.finish() }
}

/// Extents to run a graph with: one a symbol, from [`EXTENTS`].
pub fn extents(g: &Graph, rng: &mut impl Rng) -> Vec<u64> {
    g.symbols.iter().map(|_| *EXTENTS.choose(rng).unwrap_or(&1)).collect()
}

struct Growing {
    b: GraphBuilder,
    rng: SmallRng,
    /// Values so far, in order.
    pool: Vec<NodeId>,
    inputs: Vec<NodeId>,
    /// Of the inputs.
    layouts: Vec<Layout>,
    used: Vec<NodeId>,
    rows: Vec<Dim>,
    /// Operations on rows, of a hundred.
    on_rows: u32,
    refused: u32,
}

impl Growing {
    fn new(seed: u64, on_rows: u32) -> Growing {
        let mut rng = SmallRng::seed_from_u64(seed);
        let name = if rng.random_range(0..50) == 0 { "a \"quoted\" name".to_owned() } else { format!("random_{seed}") };
        let mut b = GraphBuilder::new(name);
        let mut rows: Vec<Dim> = vec![];
        for symbol in ["T", "U"].into_iter().take([0, 1, 1, 1, 1, 1, 1, 1, 2, 2][rng.random_range(0..10)]) {
            rows.push(b.symbol(symbol).into());
        }
        let (pool, inputs, layouts, used) = (vec![], vec![], vec![], vec![]);
        let mut g = Growing { b, rng, pool, inputs, layouts, used, rows, on_rows, refused: 0 };
        if on_rows > 0 {
            g.declare_logits();
        }
        for _ in 0..g.rng.random_range(1..5) {
            g.declare();
        }
        // A symbol that no argument has could not be bound.
        for dim in g.rows.clone() {
            if !g.pool.iter().any(|v| g.b.ty(*v).shape.first() == Some(&dim)) {
                let dtype = g.dtype();
                g.declare_of(dtype, vec![dim, 4.into()]);
            }
        }
        g
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    fn dtype(&mut self) -> DType {
        use DType::{Bf16, F16, F32, I32, I64};
        let common = [I32, I32, I32, F32, F32, F32, I64, Bf16, F16];
        let all = DType::ALL.as_slice();
        let from = if self.rng.random_range(0..3) == 0 { all } else { &common };
        *from.choose(&mut self.rng).unwrap_or(&I32)
    }

    fn integer(&mut self) -> DType {
        loop {
            let d = self.dtype();
            if d.is_int() {
                return d;
            }
        }
    }

    fn columns(&mut self) -> u64 {
        *COLUMNS.choose(&mut self.rng).unwrap_or(&8)
    }

    fn shape_of(&self, v: NodeId) -> Vec<Dim> {
        self.b.ty(v).shape.clone()
    }

    fn dtype_of(&self, v: NodeId) -> DType {
        self.b.ty(v).dtype
    }

    /// Any value; recent ones more often, so that chains grow.
    fn value(&mut self) -> NodeId {
        let n = self.pool.len();
        let from = if self.rng.random_range(0..2) == 0 { n.saturating_sub(4) } else { 0 };
        self.pool[self.rng.random_range(from..n)]
    }

    /// Any value that fits.
    fn value_where(&mut self, fits: impl Fn(&TensorType) -> bool) -> Option<NodeId> {
        let found: Vec<NodeId> = self.pool.iter().copied().filter(|v| fits(self.b.ty(*v))).collect();
        found.choose(&mut self.rng).copied()
    }

    /// Adds the operation if it is valid and not too large.
    fn try_op(&mut self, op: Op, operands: &[NodeId]) -> Option<NodeId> {
        let types: Vec<TensorType> = operands.iter().map(|o| self.b.ty(*o).clone()).collect();
        let ty = infer(&op, &types, &["T".to_owned(), "U".to_owned()]).ok()?;
        if ty.shape.len() > 5 || ty.row_elements().is_none_or(|n| n > MAX_ROW) {
            return None;
        }
        // Without a symbolic dim everything is columns of one row.
        let v = self.b.op(op, operands);
        self.used.extend_from_slice(operands);
        self.pool.push(v);
        Some(v)
    }

    /// The value as another dtype, if it is not of it.
    fn to(&mut self, v: NodeId, dtype: DType) -> Option<NodeId> {
        let from = self.dtype_of(v);
        if from == dtype {
            return Some(v);
        }
        let bits = from.size() == dtype.size() && self.one_in(3);
        let op = if bits { ScalarOp::Bitcast(dtype) } else { ScalarOp::Cast(dtype) };
        self.try_op(Op::Scalar(op), &[v]).or_else(|| self.try_op(Op::Scalar(ScalarOp::Cast(dtype)), &[v]))
    }

    fn literal(&mut self, dtype: DType) -> Literal {
        Literal::from_bits(dtype, element(dtype, Mood::Hostile, &mut self.rng))
    }

    fn constant(&mut self, dtype: DType) -> NodeId {
        let literal = self.literal(dtype);
        let v = self.b.constant(literal);
        self.pool.push(v);
        v
    }

    /// A second operand for one of this shape: a value of the same shape, or a scalar.
    fn partner(&mut self, shape: &[Dim], dtype: DType) -> Option<NodeId> {
        let scalar = self.one_in(4);
        if self.one_in(5) {
            return Some(self.constant(dtype));
        }
        let same = self.value_where(|t| t.dtype == dtype && (t.shape == shape || (scalar && t.shape.is_empty())));
        match same {
            Some(v) if !self.one_in(6) => Some(v),
            _ => {
                let other = self.value_where(|t| t.shape == shape)?;
                self.to(other, dtype)
            }
        }
    }
}
