//! The attention indexer's head gates, and the guarded copy-back.

use super::ChainResult;
use routefuse_ir::{Alias, DType, GraphBuilder, Layout, Literal};

/// Head gates of the sparse-attention indexer (N1, NSA/DSA): `((g × nh^-½) × q_scale) × d^-½`, in this order.
///
/// Inputs `gate [T, nh]`, `q_scale f32[T, nh, 1]`. Output `head_gate f32[T, nh, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadGate {
    /// Heads nh.
    pub heads: u64,
    /// The head dim d.
    pub head_dim: u64,
    /// bf16 or f32.
    pub gate_dtype: DType,
}

impl Default for HeadGate {
    fn default() -> HeadGate {
        HeadGate { heads: 64, head_dim: 128, gate_dtype: DType::Bf16 }
    }
}

impl HeadGate {
    /// The graph.
    ///
    /// # Errors
    /// A gate dtype that does not cast to f32.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("head_gate");
        let t = b.symbol("T").into();
        let gate = b.input("gate", self.gate_dtype, [t, self.heads.into()]);
        let q_scale = b.input("q_scale", DType::F32, [t, self.heads.into(), 1.into()]);
        // Both factors are computed in f64 and rounded once, as Python does.
        let head_factor = b.constant(Literal::f32((self.heads as f64).powf(-0.5) as f32));
        let softmax_scale = b.constant(Literal::f32((self.head_dim as f64).powf(-0.5) as f32));
        let gate = b.cast(gate, DType::F32);
        let gate = b.mul(gate, head_factor);
        let gate = b.reshape(gate, [t, self.heads.into(), 1.into()]);
        let scaled = b.mul(gate, q_scale);
        let out = b.mul(scaled, softmax_scale);
        b.output("head_gate", out);
        b.finish()
    }
}

/// The guarded copy-back of the rope update (N2): the same view is left alone, disjoint memory is copied to, anything
/// between is an error at launch.
///
/// Input `source [T, width]` of any row stride. Output `destination`, likewise.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyBack {
    /// Elements of a row.
    pub width: u64,
    /// The dtype.
    pub dtype: DType,
}

impl Default for CopyBack {
    fn default() -> CopyBack {
        CopyBack { width: 64, dtype: DType::Bf16 }
    }
}

impl CopyBack {
    /// The graph.
    ///
    /// # Errors
    /// None with a constant width that fits.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("copy_back");
        let t = b.symbol("T");
        let source = b.input_with_layout("source", self.dtype, [t.into(), self.width.into()], Layout::Rows);
        let copy = b.copy(source);
        b.output_with("destination", copy, Layout::Rows, Alias::Guarded(0));
        b.finish()
    }
}
