//! The combine tail: what the experts gave, summed.

use super::ChainResult;
use routefuse_ir::op::{ReduceOp, UnaryOp};
use routefuse_ir::{DType, GraphBuilder, Literal};

/// `Σ_k y_k × w_k × rsf`, and `σ(gate) × shared` added if there is a gated shared expert (P20). All in f32, rounded once at
/// the end; the sum over the expert slots is the canonical tree.
///
/// Inputs `expert_out [T, K, H]`, `weights f32[T, K]`, and `shared_out [T, H]`, `shared_gate bf16[T, 1]`. Output
/// `hidden [T, H]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Combine {
    /// Routed expert slots K.
    pub top_k: u64,
    /// The hidden dim H.
    pub hidden: u64,
    /// The dtype of the experts' outputs and of the result.
    pub dtype: DType,
    /// The routed scaling factor; 1.0 multiplies nothing.
    pub scale: f32,
    /// A shared expert behind a sigmoid gate.
    pub shared: bool,
}

impl Default for Combine {
    fn default() -> Combine {
        Combine { top_k: 8, hidden: 7168, dtype: DType::Bf16, scale: 2.5, shared: true }
    }
}

impl Combine {
    /// The graph.
    ///
    /// # Errors
    /// No expert slots, or a dtype that is no float.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("combine");
        let t = b.symbol("T").into();
        let (k, h) = (self.top_k.into(), self.hidden.into());
        let experts = b.input("expert_out", self.dtype, [t, k, h]);
        let weights = b.input("weights", DType::F32, [t, k]);
        let experts = b.cast(experts, DType::F32);
        let weights = b.reshape(weights, [t, k, 1.into()]);
        let weights = b.broadcast(weights, [t, k, h]);
        let weighted = b.mul(experts, weights);
        let sum = b.reduce(ReduceOp::Sum, weighted, 1);
        let mut sum = b.reshape(sum, [t, h]);
        if self.scale != 1.0 {
            let scale = b.constant(Literal::f32(self.scale));
            sum = b.mul(sum, scale);
        }
        if self.shared {
            let shared = b.input("shared_out", self.dtype, [t, h]);
            let shared = b.cast(shared, DType::F32);
            let gate = b.input("shared_gate", DType::Bf16, [t, 1.into()]);
            let gate = b.cast(gate, DType::F32);
            let gate = b.unary(UnaryOp::Sigmoid, gate);
            let gate = b.broadcast(gate, [t, h]);
            let shared = b.mul(gate, shared);
            sum = b.add(sum, shared);
        }
        let hidden = b.cast(sum, self.dtype);
        b.output("hidden", hidden);
        b.finish()
    }
}
