//! EPLB: logical expert ids to physical ones, then the padding mask.

use super::ChainResult;
use routefuse_ir::op::{BinaryOp, CompareOp, OutOfRange};
use routefuse_ir::{Alias, DType, Dim, GraphBuilder, Layout, Literal, NodeId};

/// How a logical expert finds its physical copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// `M[id]`, M `[E]` (P1).
    Static,
    /// `A[id, r % NV[id]]`, A `[E, replicas]` padded with −1, NV `[E]`, of which less than 1 is 1 and more than `replicas` is
    /// that, and a random tensor r `[T, K]`, read as unsigned (P2).
    Dynamic {
        /// Columns of A.
        replicas: u64,
    },
}

/// What happens to the rows past the number of valid tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// They are left as they are.
    Keep,
    /// Their ids become −1 (P5).
    MinusOne,
    /// Their ids become 0 and their weights 0; weights `f32[T, K]` pass through the chain.
    ZeroWithWeights,
    /// Their ids become −1 and their weights 0; weights `f32[T, K]` pass through the chain.
    MinusOneWithWeights,
}

/// EPLB remap, then the padding mask: sglang's `_biased_grouped_topk_postprocess` (P1 or P2, then P5).
///
/// Inputs `ids [T, K]`, `map [E]` (static) or `replicas [E, X]`, `valid_replicas [E]`, `random [T, K]` (dynamic), `n []` if
/// padding is masked, `weights f32[T, K]` if they are too. Outputs `physical_ids [T, K]`, and `masked_weights`.
#[derive(Clone, Debug, PartialEq)]
pub struct EplbRemap {
    /// Logical experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// The dtype of the incoming ids: i32 or i64.
    pub id_dtype: DType,
    /// The dtype of the map and of A: i32 or i64.
    pub map_dtype: DType,
    /// The dtype of the outgoing ids.
    pub out_dtype: DType,
    /// Static or dynamic.
    pub mapping: Mapping,
    /// What happens to padding.
    pub padding: Padding,
    /// The outgoing ids overwrite the incoming ones; their dtypes must then be equal.
    pub in_place: bool,
}

impl Default for EplbRemap {
    fn default() -> EplbRemap {
        EplbRemap {
            experts: 256,
            top_k: 8,
            id_dtype: DType::I32,
            map_dtype: DType::I32,
            out_dtype: DType::I32,
            mapping: Mapping::Static,
            padding: Padding::MinusOne,
            in_place: false,
        }
    }
}

impl EplbRemap {
    /// The graph.
    ///
    /// # Errors
    /// Dtypes that are no integers, or differ where in place.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new(match self.mapping {
            Mapping::Static => "eplb_remap_static",
            Mapping::Dynamic { .. } => "eplb_remap_dynamic",
        });
        let t = b.symbol("T");
        let ids = b.input("ids", self.id_dtype, [t.into(), self.top_k.into()]);
        let physical = match self.mapping {
            Mapping::Static => {
                let map = b.input("map", self.map_dtype, [self.experts.into()]);
                b.gather(map, &[ids])
            }
            Mapping::Dynamic { replicas } => {
                let a = b.input("replicas", self.map_dtype, [self.experts.into(), replicas.into()]);
                let valid = b.input("valid_replicas", DType::I32, [self.experts.into()]);
                let random = b.input("random", DType::I32, [t.into(), self.top_k.into()]);
                let random = b.bitcast(random, DType::U32);
                replica(&mut b, a, valid, ids, random, replicas)
            }
        };
        let physical = b.name(physical, "physical");
        let physical = b.cast(physical, self.out_dtype);
        let out = match self.padding {
            Padding::Keep => physical,
            Padding::MinusOne | Padding::ZeroWithWeights | Padding::MinusOneWithWeights => {
                let n = b.input("n", DType::I32, []);
                let fill = if self.padding == Padding::ZeroWithWeights { 0 } else { -1 };
                // −1 in an unsigned dtype is all ones, as a gather's `pass` gives.
                let fill = Literal::from_bits(self.out_dtype, i64::from(fill) as u64);
                if self.padding != Padding::MinusOne {
                    let weights = b.input("weights", DType::F32, [t.into(), self.top_k.into()]);
                    let masked = b.mask_rows(weights, n, Literal::f32(0.0));
                    b.output("masked_weights", masked);
                }
                b.mask_rows(physical, n, fill)
            }
        };
        let alias = if self.in_place { Alias::InPlace(0) } else { Alias::None };
        b.output_with("physical_ids", out, Layout::Contiguous, alias);
        b.finish()
    }
}

/// `A[id, choice % valid[id]]`, with valid at least 1 and at most the `columns` of A, whatever it was; an id out of range gives
/// −1. `choice` is u32.
pub(crate) fn replica(
    b: &mut GraphBuilder,
    a: NodeId,
    valid: NodeId,
    ids: NodeId,
    choice: NodeId,
    columns: u64,
) -> NodeId {
    let valid = b.gather_with(valid, &[ids], OutOfRange::Pass);
    let count = between_one_and(b, valid, columns);
    let count = b.bitcast(count, DType::U32);
    let column = b.binary(BinaryOp::Rem, choice, count);
    let column = b.name(column, "replica");
    b.gather(a, &[ids, column])
}

/// The nearest number from 1 to `most`.
pub(crate) fn between_one_and(b: &mut GraphBuilder, x: NodeId, most: u64) -> NodeId {
    let dtype = b.ty(x).dtype;
    let (one, most) = (b.int(dtype, 1), b.int(dtype, i128::from(most)));
    let x = b.max(x, one);
    b.min(x, most)
}

/// `bool` of this shape of rank 2: whether an element's row is before `n`.
pub(crate) fn rows_before(b: &mut GraphBuilder, n: NodeId, shape: [Dim; 2]) -> NodeId {
    // A negative n counts no row, so both are signed and wide.
    let row = b.iota(DType::I64, shape, 0);
    let n = b.cast(n, DType::I64);
    b.compare(CompareOp::Lt, row, n)
}

/// `load[id] += 1` for every id that is `counted` while `enabled` is not 0 (P4). An id out of range counts nothing.
pub(crate) fn record_load(b: &mut GraphBuilder, load: NodeId, enabled: NodeId, counted: NodeId, ids: NodeId) -> NodeId {
    let off = b.int(DType::I32, 0);
    let on = b.compare(CompareOp::Ne, enabled, off);
    let counted = b.binary(BinaryOp::And, counted, on);
    let dtype = b.ty(load).dtype;
    let amounts = b.cast(counted, dtype);
    b.atomic_add(load, ids, amounts)
}

/// An output in place of this input.
pub(crate) fn in_place(b: &mut GraphBuilder, name: &str, value: NodeId, input: NodeId) {
    // Only inputs are passed in.
    let alias = b.input_position(input).map_or(Alias::None, Alias::InPlace);
    b.output_with(name, value, Layout::Contiguous, alias);
}

/// vLLM's EPLB remap by a hash of the token's position (P4): `h = (t × 2654435769) mod 2³²`,
/// `y = A[id, h % NV[id]]`, with NV at least 1 and at most X; an invalid id gives −1. (The position of an element divided by K is its token.)
///
/// Inputs `ids [T, K]`, `replicas [E, X]`, `valid_replicas [E]`; with the load record also `load i32[P]`, and the scalars
/// `record_load i32[]` and `n i32[]`, both read at launch. Output `physical_ids [T, K]`, and `load_out` in place of `load`.
#[derive(Clone, Debug, PartialEq)]
pub struct EplbHashed {
    /// Logical experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// Columns of A.
    pub replicas: u64,
    /// The dtype of the ids and of A: i32 or i64.
    pub id_dtype: DType,
    /// Counts of physical experts P in which every id is recorded, while `record_load` is not 0, of rows before `n`.
    pub load: Option<u64>,
}

impl Default for EplbHashed {
    fn default() -> EplbHashed {
        EplbHashed { experts: 256, top_k: 8, replicas: 4, id_dtype: DType::I32, load: None }
    }
}

impl EplbHashed {
    /// The graph.
    ///
    /// # Errors
    /// An id dtype that is no integer.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new(if self.load.is_some() { "eplb_hashed_load" } else { "eplb_hashed" });
        let t = b.symbol("T");
        let ids = b.input("ids", self.id_dtype, [t.into(), self.top_k.into()]);
        let a = b.input("replicas", self.id_dtype, [self.experts.into(), self.replicas.into()]);
        let valid = b.input("valid_replicas", DType::I32, [self.experts.into()]);
        let token = b.iota(DType::U32, [t.into(), self.top_k.into()], 0);
        let hash = b.multiplicative_hash(token);
        let hash = b.name(hash, "hash");
        let physical = replica(&mut b, a, valid, ids, hash, self.replicas);
        b.output("physical_ids", physical);
        if let Some(experts) = self.load {
            let load = b.input("load", DType::I32, [experts.into()]);
            let enabled = b.input("record_load", DType::I32, []);
            let n = b.input("n", DType::I32, []);
            // `pos < n × K` of a position `t × K + k` is `t < n`.
            let counted = rows_before(&mut b, n, [t.into(), self.top_k.into()]);
            let loaded = record_load(&mut b, load, enabled, counted, physical);
            in_place(&mut b, "load_out", loaded, load);
        }
        b.finish()
    }
}
