//! Statistics of the load: how often each expert is chosen, how probable it is, how large the logits are.

use super::{ChainResult, remap};
use routefuse_ir::op::{ReduceOp, UnaryOp};
use routefuse_ir::{DType, GraphBuilder, Literal, NodeId};

/// What the loss of load balancing and the z-loss are made of, added to sums that last: without rows of padding, and in fixed
/// point, so that no order of the rows changes a bit.
///
/// Inputs `logits [T, E]`, `ids i32[T, K]`, `n i32[]` with [`LoadStatistics::counted_rows`], and the sums `counts i64[E]`,
/// `probabilities i64[E]`, `z i64[1]`. Outputs in their place: `counts_out`, how often each expert was chosen, ids that are none
/// aside; `probabilities_out`, Σ p × 2³² of p = softmax(x), each rounded to the nearest integer; `z_out`, Σ (log Σ eˣ)² × 2¹⁶,
/// likewise. A NaN adds nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadStatistics {
    /// Experts E.
    pub experts: u64,
    /// Expert slots K.
    pub top_k: u64,
    /// The dtype of the logits: bf16, f16 or f32.
    pub logits: DType,
    /// Rows from a scalar `n i32[]` on are padding.
    pub counted_rows: bool,
}

impl Default for LoadStatistics {
    fn default() -> LoadStatistics {
        LoadStatistics { experts: 256, top_k: 8, logits: DType::Bf16, counted_rows: true }
    }
}

impl LoadStatistics {
    /// The graph.
    ///
    /// # Errors
    /// No experts, or more than a row may have.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("load_statistics");
        let t = b.symbol("T").into();
        let experts = self.experts.into();
        let logits = b.input("logits", self.logits, [t, experts]);
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let rows = self.counted_rows.then(|| b.input("n", DType::I32, []));
        let [counts, probabilities, z] = [("counts", experts), ("probabilities", experts), ("z", 1.into())]
            .map(|(name, n)| b.input(name, DType::I64, [n]));
        let kept = |b: &mut GraphBuilder, x: NodeId, fill: Literal| match rows {
            Some(n) => b.mask_rows(x, n, fill),
            None => x,
        };
        let ids = kept(&mut b, ids, Literal::i32(-1));
        let one = b.int(DType::I64, 1);
        let counted = b.atomic_add(counts, ids, one);
        remap::in_place(&mut b, "counts_out", counted, counts);
        let x = b.cast(logits, DType::F32);
        let p = b.softmax(x);
        let p = fixed(&mut b, p, 4_294_967_296.0);
        let p = kept(&mut b, p, Literal::from_int(DType::I64, 0).unwrap_or(Literal::i32(0)));
        let expert = b.iota(DType::I32, [t, experts], 1);
        let summed = b.atomic_add(probabilities, expert, p);
        remap::in_place(&mut b, "probabilities_out", summed, probabilities);
        let most = b.reduce_inner(ReduceOp::Max, x);
        let spread = b.broadcast(most, [t, experts]);
        let below = b.sub(x, spread);
        let powers = b.unary(UnaryOp::Exp, below);
        let sum = b.reduce_inner(ReduceOp::Sum, powers);
        let log = b.unary(UnaryOp::Log, sum);
        let log = b.add(log, most);
        let square = b.mul(log, log);
        let square = fixed(&mut b, square, 65_536.0);
        let square = kept(&mut b, square, Literal::from_int(DType::I64, 0).unwrap_or(Literal::i32(0)));
        let only = b.iota(DType::I32, [t, 1.into()], 1);
        let summed = b.atomic_add(z, only, square);
        remap::in_place(&mut b, "z_out", summed, z);
        b.finish()
    }
}

/// The nearest multiple of 1 / `scale`, in those; `scale` is a power of two, so the product is exact.
fn fixed(b: &mut GraphBuilder, x: NodeId, scale: f32) -> NodeId {
    let scale = b.constant(Literal::f32(scale));
    let scaled = b.mul(x, scale);
    let whole = b.unary(UnaryOp::Round, scaled);
    b.cast(whole, DType::I64)
}
