//! What dispatchers want: expert-parallel ids, wider buffers, zero experts, other dtypes.

use super::{ChainResult, rows};
use routefuse_ir::op::{BinaryOp, CompareOp, ReduceOp};
use routefuse_ir::{DType, Dim, GraphBuilder, Layout, Literal, NodeId};

/// Where shared experts live when every rank holds L routed experts followed by S shared ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertParallel {
    /// Routed expert slots K.
    pub top_k: u64,
    /// Shared expert slots S.
    pub shared: u64,
    /// Routed experts of a rank, L.
    pub experts_per_rank: u64,
    /// This rank.
    pub rank: u64,
    /// What the caller multiplies the experts' sum by later, the routed scaling factor, or 1.0 if the weights carry it already;
    /// a shared expert slot's weight is 1 / scale.
    pub scale: f32,
}

impl Default for ExpertParallel {
    fn default() -> ExpertParallel {
        ExpertParallel { top_k: 8, shared: 1, experts_per_rank: 32, rank: 0, scale: 2.5 }
    }
}

impl ExpertParallel {
    /// The remap alone (P9): routed `e → e + (e ÷ L) × S` (`e + e ÷ L` for one shared expert), shared columns
    /// `rank·(L+S) + L + s` with weight 1 / scale. A negative id stays.
    ///
    /// Inputs `ids i32[T, K+S]`, `weights f32[T, K+S]`, whose last S columns are placeholders. Outputs `ids_out`,
    /// `weights_out`, likewise.
    ///
    /// # Errors
    /// L = 0, or ids that do not fit i32.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("expert_parallel");
        let t = b.symbol("T").into();
        let columns = self.top_k + self.shared;
        let ids = b.input("ids", DType::I32, [t, columns.into()]);
        let weights = b.input("weights", DType::F32, [t, columns.into()]);
        let routed = b.slice(ids, 0, self.top_k);
        let routed_weights = b.slice(weights, 0, self.top_k);
        self.append(&mut b, t, routed, routed_weights);
        b.finish()
    }

    fn append(&self, b: &mut GraphBuilder, t: Dim, ids: NodeId, weights: NodeId) {
        let routed = expert_parallel_ids(b, ids, self.experts_per_rank, self.shared);
        let first = self.rank * (self.experts_per_rank + self.shared) + self.experts_per_rank;
        let shared_ids = rows::consecutive_ids(b, DType::I32, t, self.shared, first);
        let weight = b.constant(Literal::f32(1.0 / self.scale));
        let shared_weights = b.broadcast(weight, [t, self.shared.into()]);
        let ids_out = b.concat(&[routed, shared_ids]);
        let weights_out = b.concat(&[weights, shared_weights]);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
    }
}

/// `e + (e ÷ L) × S`, in the dtype of the ids; a negative id stays.
pub(crate) fn expert_parallel_ids(b: &mut GraphBuilder, ids: NodeId, per_rank: u64, shared: u64) -> NodeId {
    let dtype = b.ty(ids).dtype;
    let (per_rank, shared) = (b.int(dtype, i128::from(per_rank)), b.int(dtype, i128::from(shared)));
    let rank = b.binary(BinaryOp::Div, ids, per_rank);
    let offset = b.mul(rank, shared);
    let moved = b.add(ids, offset);
    let zero = b.int(dtype, 0);
    let negative = b.compare(CompareOp::Lt, ids, zero);
    b.select(negative, ids, moved)
}

/// Shared experts appended and remapped at once (P10): [`ExpertParallel`] from `ids i32[T, K]`, `weights f32[T, K]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct AppendExpertParallel(pub ExpertParallel);

impl AppendExpertParallel {
    /// The graph.
    ///
    /// # Errors
    /// As [`ExpertParallel::graph`].
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("append_expert_parallel");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.0.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.0.top_k.into()]);
        self.0.append(&mut b, t, ids, weights);
        b.finish()
    }
}

/// Routed columns written into a wider persistent buffer whose shared columns were filled once (P13): ids that this rank
/// does not own become the sentinel `E + S`.
///
/// Inputs `ids i32[T, K]`, `weights f32[T, K]`. Outputs `ids_out`, `weights_out`, `[T, K]` with a free row stride: bind a column
/// slice of the `[T, K+S]` buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteWider {
    /// Routed experts E.
    pub experts: u64,
    /// Shared experts S.
    pub shared: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// The first expert that the rank owns.
    pub first_owned: u64,
    /// Experts that the rank owns.
    pub owned: u64,
}

impl Default for WriteWider {
    fn default() -> WriteWider {
        WriteWider { experts: 256, shared: 1, top_k: 8, first_owned: 0, owned: 32 }
    }
}

impl WriteWider {
    /// The graph.
    ///
    /// # Errors
    /// Ids that do not fit i32.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("write_wider");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.top_k.into()]);
        let first = b.int(DType::I32, i128::from(self.first_owned));
        let end = b.int(DType::I32, i128::from(self.first_owned + self.owned));
        let sentinel = b.int(DType::I32, i128::from(self.experts + self.shared));
        let (above, below) = (b.compare(CompareOp::Ge, ids, first), b.compare(CompareOp::Lt, ids, end));
        let owned = b.binary(BinaryOp::And, above, below);
        let kept = b.select(owned, ids, sentinel);
        let weights_out = b.copy(weights);
        b.output_with("ids_out", kept, Layout::Rows, Default::default());
        b.output_with("weights_out", weights_out, Layout::Rows, Default::default());
        b.finish()
    }
}

/// Zero (identity) experts (P15), before anything counts ids: expert slots with `id ≥ E` give their weight to an identity output; their id becomes `masked_id`
/// and their weight 0. The sum is the canonical tree over K.
///
/// Inputs `ids i32[T, K]`, `weights f32[T, K]`. Outputs `ids_out i32[T, K]`, `weights_out f32[T, K]`, `identity f32[T, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ZeroExperts {
    /// Real experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// The id of a masked expert slot: −1 or 0.
    pub masked_id: i32,
}

impl Default for ZeroExperts {
    fn default() -> ZeroExperts {
        ZeroExperts { experts: 256, top_k: 8, masked_id: -1 }
    }
}

impl ZeroExperts {
    /// The graph.
    ///
    /// # Errors
    /// E that does not fit i32.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("zero_experts");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.top_k.into()]);
        let experts = b.int(DType::I32, i128::from(self.experts));
        let is_zero = b.compare(CompareOp::Ge, ids, experts);
        let masked = b.int(DType::I32, i128::from(self.masked_id));
        let zero = b.constant(Literal::f32(0.0));
        let ids_out = b.select(is_zero, masked, ids);
        let weights_out = b.select(is_zero, zero, weights);
        let given = b.select(is_zero, weights, zero);
        let identity = b.reduce_inner(ReduceOp::Sum, given);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.output("identity", identity);
        b.finish()
    }
}

/// Dtypes for the dispatcher (P16).
///
/// Inputs `ids [T, K]`, `weights [T, K]`. Outputs `ids_out`, `weights_out` of the other dtypes.
#[derive(Clone, Debug, PartialEq)]
pub struct Convert {
    /// Routed expert slots K.
    pub top_k: u64,
    /// The dtype of the incoming ids.
    pub from_id: DType,
    /// The dtype of the outgoing ids: i32, i64, u32, i16 or u16.
    pub to_id: DType,
    /// The dtype of the incoming weights.
    pub from_weight: DType,
    /// The dtype of the outgoing weights: f32, bf16 or f16.
    pub to_weight: DType,
}

impl Default for Convert {
    fn default() -> Convert {
        Convert { top_k: 8, from_id: DType::I32, to_id: DType::I64, from_weight: DType::F32, to_weight: DType::Bf16 }
    }
}

impl Convert {
    /// The graph.
    ///
    /// # Errors
    /// None with a constant K that fits.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("convert");
        let t = b.symbol("T").into();
        let ids = b.input("ids", self.from_id, [t, self.top_k.into()]);
        let weights = b.input("weights", self.from_weight, [t, self.top_k.into()]);
        let ids_out = b.cast(ids, self.to_id);
        let weights_out = b.cast(weights, self.to_weight);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.finish()
    }
}
