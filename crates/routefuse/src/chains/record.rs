//! The recorder of the experts' distribution.

use super::ChainResult;
use routefuse_ir::{Alias, DType, GraphBuilder, Layout};

/// Counts every id that is not padding (P6): `data[layer][id] += 1`, with the layer's row of `data` as `counts`.
///
/// Inputs `ids [T, K]`, `counts [P]`. Output `counts_out` in place of `counts`. An id of −1, and any other out of range,
/// counts nothing; what stands for no expert must be −1 here, for 0 is an expert.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorder {
    /// Physical experts P.
    pub experts: u64,
    /// Routed expert slots K.
    pub top_k: u64,
    /// The dtype of the ids.
    pub id_dtype: DType,
    /// The dtype of the counts: i32, u32, i64 or u64.
    pub count_dtype: DType,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder { experts: 256, top_k: 8, id_dtype: DType::I32, count_dtype: DType::I32 }
    }
}

impl Recorder {
    /// The graph.
    ///
    /// # Errors
    /// No experts, or dtypes that do not count.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new("recorder");
        let t = b.symbol("T");
        let ids = b.input("ids", self.id_dtype, [t.into(), self.top_k.into()]);
        let counts = b.input("counts", self.count_dtype, [self.experts.into()]);
        let one = b.int(self.count_dtype, 1);
        let counted = b.atomic_add(counts, ids, one);
        let alias = b.input_position(counts).map_or(Alias::None, Alias::InPlace);
        b.output_with("counts_out", counted, Layout::Contiguous, alias);
        b.finish()
    }
}
