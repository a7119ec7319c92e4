//! Replicas by load: in proportion to given probabilities, and where there is room.

use super::{ChainResult, remap};
use routefuse_ir::op::{BinaryOp, CompareOp, OutOfRange, ReduceOp};
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};

/// The replica of an expert by given probabilities (P3): `p = probabilities[id]`, `pick = #(cumsum(p) ≤ u × Σp)`, at most
/// `valid − 1`; where `Σp > 0` does not hold, `⌊u × valid⌋` instead; valid is at least 1 and at most X, whatever it was. Σp is the last of the running sums, so that a u below 1
/// stays inside. An id out of range gives −1.
///
/// Inputs `ids i32[T, K]`, `replicas [E, X]`, `valid_replicas i32[E]`, `probabilities f32[E, X]` and `uniform f32[T, K]` in
/// [0, 1); a uniform number outside (or NaN) gives some replica of the expert all the same. Output `physical_ids [T, K]`.
#[derive(Clone, Debug, PartialEq)]
pub struct EplbProportional {
    /// Logical experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// Columns of the tables, X.
    pub replicas: u64,
    /// The dtype of the table of replicas: i32 or i64.
    pub map_dtype: DType,
}

impl Default for EplbProportional {
    fn default() -> EplbProportional {
        EplbProportional { experts: 256, top_k: 8, replicas: 4, map_dtype: DType::I32 }
    }
}

impl EplbProportional {
    /// The graph.
    ///
    /// # Errors
    /// No replicas, or a dtype that is no integer.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("eplb_proportional");
        let t = b.symbol("T").into();
        let per_token = [t, self.top_k.into()];
        let ids = b.input("ids", DType::I32, per_token);
        let table = [self.experts.into(), self.replicas.into()];
        let replicas = b.input("replicas", self.map_dtype, table);
        let valid = b.input("valid_replicas", DType::I32, [self.experts.into()]);
        let probabilities = b.input("probabilities", DType::F32, table);
        let uniform = b.input("uniform", DType::F32, per_token);
        let tables = Replicas { replicas, valid, probabilities, columns: self.replicas };
        let physical = tables.pick(&mut b, t, self.top_k, ids, uniform);
        b.output("physical_ids", physical);
        b.finish()
    }
}

/// The tables of a proportional choice.
pub(crate) struct Replicas {
    pub replicas: NodeId,
    pub valid: NodeId,
    pub probabilities: NodeId,
    /// X.
    pub columns: u64,
}

impl Replicas {
    /// The physical ids of logical ones, `[T, K]`.
    pub(crate) fn pick(&self, b: &mut GraphBuilder, t: Dim, top_k: u64, ids: NodeId, uniform: NodeId) -> NodeId {
        let (per_token, spread) = ([t, top_k.into()], [t, top_k.into(), self.columns.into()]);
        let one_column = [t, top_k.into(), 1.into()];
        let of_slot = b.reshape(ids, one_column);
        let of_slot = b.broadcast(of_slot, spread);
        let column = b.iota(DType::I32, spread, 2);
        // An id out of range has no probabilities: 0, as `pass` gives.
        let p = b.gather(self.probabilities, &[of_slot, column]);
        let sums = b.cumsum(p);
        let total = b.slice(sums, self.columns.saturating_sub(1), self.columns);
        let u = b.reshape(uniform, one_column);
        let target = b.mul(u, total);
        let target = b.broadcast(target, spread);
        let passed = b.compare(CompareOp::Le, sums, target);
        let passed = b.cast(passed, DType::I32);
        let passed = b.reduce_inner(ReduceOp::Sum, passed);
        let passed = b.reshape(passed, per_token);
        let valid = b.gather_with(self.valid, &[ids], OutOfRange::Pass);
        let (zero, one) = (b.int(DType::I32, 0), b.int(DType::I32, 1));
        let valid = remap::between_one_and(b, valid, self.columns);
        let count = b.cast(valid, DType::F32);
        let even = b.mul(uniform, count);
        let even = b.cast(even, DType::I32);
        let total = b.reshape(total, per_token);
        let nothing = b.constant(Literal::f32(0.0));
        let weighted = b.compare(CompareOp::Gt, total, nothing);
        let pick = b.select(weighted, passed, even);
        let last = b.sub(valid, one);
        let pick = b.min(pick, last);
        let pick = b.max(pick, zero);
        let pick = b.name(pick, "replica");
        b.gather(self.replicas, &[ids, pick])
    }
}

/// Uniform numbers in [0, 1) of random words: the high 24 bits × 2⁻²⁴, exact in f32.
pub(crate) fn uniform(b: &mut GraphBuilder, random: NodeId) -> NodeId {
    let eight = b.int(DType::U32, 8);
    let high = b.binary(BinaryOp::Shr, random, eight);
    let high = b.cast(high, DType::F32);
    let unit = b.constant(Literal::f32(1.0 / 16_777_216.0));
    b.mul(high, unit)
}

/// The rank of each token's shared expert where there is room (P11), by the histogram of routed items a rank: room of a
/// rank is `max(load) − load`, `h = (t × 1664525 + 1013904223) mod 2³²` (Knuth's and Lewis's linear congruential numbers),
/// and the rank `#(cumsum(room) ≤ h mod Σroom)`; where no rank has room, `h mod R`.
///
/// The histogram is over all rows. The graph counts it, or is given it: a sum over machines is made elsewhere.
///
/// Inputs `rank_load u32[R]` with [`Histogram::Given`], and `ids i32[T, K]`, `weights f32[T, K]`. Outputs `ids_out`, `weights_out`, `[T, K+1]`: the shared
/// expert of rank r is `r × (L + 1) + L`, routed ids are moved by their rank, the weight is 1 / scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Waterfill {
    /// Ranks R.
    pub ranks: u64,
    /// Routed experts of a rank, L.
    pub experts_per_rank: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// What the caller multiplies the experts' sum by later; 1.0 if the weights carry the routed scaling factor already.
    pub scale: f32,
    /// Where the histogram comes from.
    pub histogram: Histogram,
}

/// Where the histogram of a [`Waterfill`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histogram {
    /// An input `rank_load u32[R]`.
    Given,
    /// The ids, of all rows: `⌊id / L⌋` of each; what is of no rank, −1 too, counts nowhere.
    Counted,
}

impl Default for Waterfill {
    fn default() -> Waterfill {
        Waterfill { ranks: 8, experts_per_rank: 32, top_k: 8, scale: 2.5, histogram: Histogram::Given }
    }
}

impl Waterfill {
    /// The graph.
    ///
    /// # Errors
    /// No ranks, or ids that do not fit i32.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("waterfill");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.top_k.into()]);
        let load = match self.histogram {
            Histogram::Given => b.input("rank_load", DType::U32, [self.ranks.into()]),
            Histogram::Counted => {
                let of_rank = b.int(DType::I32, i128::from(self.experts_per_rank));
                // Rounded down, for −1 is of no rank.
                let rank = b.binary(BinaryOp::DivFloor, ids, of_rank);
                let load = b.bin_count(rank, self.ranks);
                b.cast(load, DType::U32)
            }
        };
        let load = b.broadcast(load, [t, self.ranks.into()]);
        let most = b.reduce_inner(ReduceOp::Max, load);
        let most = b.broadcast(most, [t, self.ranks.into()]);
        let room = b.sub(most, load);
        let room = b.name(room, "room");
        let sums = b.cumsum(room);
        let total = b.slice(sums, self.ranks.saturating_sub(1), self.ranks);
        let token = b.iota(DType::U32, [t, 1.into()], 0);
        let (a, c) = (b.int(DType::U32, 1_664_525), b.int(DType::U32, 1_013_904_223));
        let hash = b.mul(token, a);
        let hash = b.add(hash, c);
        let hash = b.name(hash, "hash");
        // The remainder by 0 is the hash itself, and is not used then.
        let point = b.binary(BinaryOp::Rem, hash, total);
        let point = b.broadcast(point, [t, self.ranks.into()]);
        let passed = b.compare(CompareOp::Le, sums, point);
        let passed = b.cast(passed, DType::I32);
        let passed = b.reduce_inner(ReduceOp::Sum, passed);
        // Room that sums to 2³² or more names some rank all the same.
        let last = b.int(DType::I32, i128::from(self.ranks) - 1);
        let passed = b.min(passed, last);
        let ranks = b.int(DType::U32, i128::from(self.ranks));
        let even = b.binary(BinaryOp::Rem, hash, ranks);
        let even = b.cast(even, DType::I32);
        let nothing = b.int(DType::U32, 0);
        let has_room = b.compare(CompareOp::Ne, total, nothing);
        let rank = b.select(has_room, passed, even);
        let rank = b.name(rank, "rank");
        let routed = super::dispatch::expert_parallel_ids(&mut b, ids, self.experts_per_rank, 1);
        let (per_rank, first) = (
            b.int(DType::I32, i128::from(self.experts_per_rank) + 1),
            b.int(DType::I32, i128::from(self.experts_per_rank)),
        );
        let shared = b.mul(rank, per_rank);
        let shared = b.add(shared, first);
        let weight = b.constant(Literal::f32(1.0 / self.scale));
        let shared_weight = b.broadcast(weight, [t, 1.into()]);
        let ids_out = b.concat(&[routed, shared]);
        let weights_out = b.concat(&[weights, shared_weight]);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.finish()
    }
}
