//! The long chain: everything between top-k and the expert GEMMs in one kernel.

use super::{ChainResult, rows};
use routefuse_ir::op::PackForm;
use routefuse_ir::{DType, GraphBuilder, Literal};

/// Remap → scale → append shared experts → padding mask → pack, with the packed words, the ids and the weights all
/// stored (P1, P5, P8, P14 in one).
///
/// Inputs `ids i32[T, K]`, `weights f32[T, K]`, `map i32[E]`, `n i32[]`, `shared_weights bf16[T, S]`. Outputs `packed i32`,
/// `ids_out i32`, `weights_out f32`, all `[T, K+S]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PostChain {
    /// Logical experts E.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// Shared expert slots S.
    pub shared: u64,
    /// The first shared expert's id.
    pub first_shared_id: u64,
    /// Multiplied into the routed weights.
    pub scale: f32,
    /// How ids and weights are packed.
    pub form: PackForm,
}

impl Default for PostChain {
    fn default() -> PostChain {
        PostChain { experts: 256, top_k: 8, shared: 1, first_shared_id: 256, scale: 2.5, form: PackForm::Masked }
    }
}

impl PostChain {
    /// The graph.
    ///
    /// # Errors
    /// Sizes that do not fit their dtypes.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("post_chain");
        let t = b.symbol("T").into();
        let ids = b.input("ids", DType::I32, [t, self.top_k.into()]);
        let weights = b.input("weights", DType::F32, [t, self.top_k.into()]);
        let map = b.input("map", DType::I32, [self.experts.into()]);
        let n = b.input("n", DType::I32, []);
        let shared_weights = b.input("shared_weights", DType::Bf16, [t, self.shared.into()]);
        let physical = b.gather(map, &[ids]);
        let physical = b.name(physical, "physical");
        let scale = b.constant(Literal::f32(self.scale));
        let scaled = b.mul(weights, scale);
        let scaled = b.name(scaled, "scaled");
        let shared_ids = rows::consecutive_ids(&mut b, DType::I32, t, self.shared, self.first_shared_id);
        let shared = b.cast(shared_weights, DType::F32);
        let slots = b.concat(&[physical, shared_ids]);
        // Behind the shared slots: a row of padding has no live one.
        let ids_out = b.mask_rows(slots, n, Literal::i32(-1));
        let ids_out = b.name(ids_out, "masked");
        let weights_out = b.concat(&[scaled, shared]);
        let packed = b.pack(ids_out, weights_out, self.form);
        b.output("packed", packed);
        b.output("ids_out", ids_out);
        b.output("weights_out", weights_out);
        b.finish()
    }
}
