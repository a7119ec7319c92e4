//! Shared experts appended behind the routed expert slots.

use super::{ChainResult, rows};
use routefuse_ir::op::{ReduceOp, UnaryOp};
use routefuse_ir::{DType, GraphBuilder, Literal};

/// The weight of an appended shared expert slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SharedWeight {
    /// One constant for all (P7).
    Constant(f32),
    /// An input `shared_weights [T, S]` of the given dtype, cast to the weights' dtype (P8).
    PerToken(DType),
    /// `σ(f32(logit)) × scale` of an input `shared_gate bf16[T, S]` (P8, gate folded in).
    SigmoidGate {
        /// Multiplied after the sigmoid.
        scale: f32,
    },
}

/// Appends S shared experts: ids `[T, K+S]` with `first_id + s` behind the routed ones, and their weights (P7, P8).
///
/// Inputs `ids [T, K]`, `weights [T, K]`, and `shared_weights` or `shared_gate`. Outputs `ids_out`, `weights_out`, `[T, K+S]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppendShared {
    /// Routed expert slots K.
    pub top_k: u64,
    /// Shared expert slots S; may be 0.
    pub shared: u64,
    /// The first shared expert's id, usually the number of (physical) routed experts.
    pub first_id: u64,
    /// The dtype of ids: i32 or i64.
    pub id_dtype: DType,
    /// The dtype of weights: f32, bf16 or f16.
    pub weight_dtype: DType,
    /// Where the shared weights come from.
    pub weight: SharedWeight,
}

impl Default for AppendShared {
    fn default() -> AppendShared {
        AppendShared {
            top_k: 8,
            shared: 1,
            first_id: 256,
            id_dtype: DType::I32,
            weight_dtype: DType::F32,
            weight: SharedWeight::PerToken(DType::Bf16),
        }
    }
}

impl AppendShared {
    /// The graph.
    ///
    /// # Errors
    /// Dtypes that are no integers or floats where they must be, or a first id that does not fit.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new(match self.weight {
            SharedWeight::Constant(_) => "append_shared_constant",
            SharedWeight::PerToken(_) => "append_shared",
            SharedWeight::SigmoidGate { .. } => "append_shared_gated",
        });
        let t = b.symbol("T").into();
        let ids = b.input("ids", self.id_dtype, [t, self.top_k.into()]);
        let weights = b.input("weights", self.weight_dtype, [t, self.top_k.into()]);
        let shared_ids = rows::consecutive_ids(&mut b, self.id_dtype, t, self.shared, self.first_id);
        let shape = [t, self.shared.into()];
        let shared = match self.weight {
            SharedWeight::Constant(w) => {
                let w = b.constant(Literal::f32(w));
                let w = b.cast(w, self.weight_dtype);
                b.broadcast(w, shape)
            }
            SharedWeight::PerToken(dtype) => {
                let w = b.input("shared_weights", dtype, shape);
                b.cast(w, self.weight_dtype)
            }
            SharedWeight::SigmoidGate { scale } => {
                let logits = b.input("shared_gate", DType::Bf16, shape);
                let logits = b.cast(logits, DType::F32);
                let gate = b.unary(UnaryOp::Sigmoid, logits);
                let gate = b.name(gate, "gate");
                let scale = b.constant(Literal::f32(scale));
                let gate = b.mul(gate, scale);
                b.cast(gate, self.weight_dtype)
            }
        };
        let ids_out = b.concat(&[ids, shared_ids]);
        let weights_out = b.concat(&[weights, shared]);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.finish()
    }
}

/// The weight of a shared expert slot inside the gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SharedExpertSlotWeight {
    /// `Σw / scale`, the sum over the routed expert slots.
    SumOverScale {
        /// The routed scaling factor.
        scale: f32,
    },
    /// 1.0.
    One,
}

/// The shared expert slot inside the gate (P12): id `E + s`, weight `Σw / rsf` or 1.0, left out of the renormalising sum. The sum
/// is the canonical tree over K.
///
/// Inputs `ids i32[T, K]`, `weights f32[T, K]`. Outputs `ids_out`, `weights_out`, `[T, K+S]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedInGate {
    /// Routed experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// Shared expert slots S.
    pub shared: u64,
    /// Their weight.
    pub weight: SharedExpertSlotWeight,
}

impl Default for SharedInGate {
    fn default() -> SharedInGate {
        SharedInGate { experts: 256, top_k: 8, shared: 1, weight: SharedExpertSlotWeight::SumOverScale { scale: 2.5 } }
    }
}

impl SharedInGate {
    /// The graph.
    ///
    /// # Errors
    /// Sizes that do not fit their dtypes.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("shared_in_gate");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.top_k.into()]);
        let shared_ids = rows::consecutive_ids(&mut b, DType::I32, t, self.shared, self.experts);
        let shared = match self.weight {
            SharedExpertSlotWeight::One => b.constant(Literal::f32(1.0)),
            SharedExpertSlotWeight::SumOverScale { scale } => {
                let sum = b.reduce_inner(ReduceOp::Sum, weights);
                let sum = b.name(sum, "weight_sum");
                let scale = b.constant(Literal::f32(scale));
                b.div(sum, scale)
            }
        };
        let shared = b.broadcast(shared, [t, self.shared.into()]);
        let ids_out = b.concat(&[ids, shared_ids]);
        let weights_out = b.concat(&[weights, shared]);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.finish()
    }
}
