//! TensorRT-LLM's packed routing: an id and a bf16 weight in one word.

use super::ChainResult;
use routefuse_ir::op::{Op, PackForm};
use routefuse_ir::{DType, GraphBuilder};

/// `(i32(id) << 16) | bf16 bits of w`, round to nearest even (P14).
///
/// Inputs `ids [T, K]`, `weights [T, K]`. Output `packed i32[T, K]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Expert slots of a row.
    pub top_k: u64,
    /// The dtype of ids.
    pub id_dtype: DType,
    /// The dtype of weights: f32 or bf16.
    pub weight_dtype: DType,
    /// Masked, or as torch does it.
    pub form: PackForm,
}

impl Default for Pack {
    fn default() -> Pack {
        Pack { top_k: 8, id_dtype: DType::I32, weight_dtype: DType::F32, form: PackForm::Masked }
    }
}

impl Pack {
    /// The graph.
    ///
    /// # Errors
    /// Dtypes that `pack` does not take.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new(match self.form {
            PackForm::Masked => "pack",
            PackForm::SignExtended => "pack_sign_extended",
        });
        let t = b.symbol("T");
        let ids = b.input("ids", self.id_dtype, [t.into(), self.top_k.into()]);
        let weights = b.input("weights", self.weight_dtype, [t.into(), self.top_k.into()]);
        let packed = b.pack(ids, weights, self.form);
        b.output("packed", packed);
        b.finish()
    }
}

/// The inverse of the masked [`Pack`]: ids and weights of packed words.
///
/// Input `packed i32[T, K]`. Outputs `ids i32[T, K]`, `weights bf16[T, K]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpack {
    /// Expert slots of a row.
    pub top_k: u64,
}

impl Default for Unpack {
    fn default() -> Unpack {
        Unpack { top_k: 8 }
    }
}

impl Unpack {
    /// The graph.
    ///
    /// # Errors
    /// None with a constant K that fits.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("unpack");
        let t = b.symbol("T");
        let packed = b.input("packed", DType::I32, [t.into(), self.top_k.into()]);
        let ids = b.op(Op::UnpackId, &[packed]);
        let weights = b.op(Op::UnpackWeight, &[packed]);
        b.output("ids", ids);
        b.output("weights", weights);
        b.finish()
    }
}
