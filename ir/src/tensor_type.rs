//! What a tensor is, but for its elements: dtype and shape.

use crate::dim::{Dim, SymbolId, shape_text};
use crate::dtype::DType;

/// dtype and shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// The dims; only the first may be symbolic.
    pub shape: Vec<Dim>,
}

impl TensorType {
    /// dtype and shape.
    pub fn new(dtype: DType, shape: impl Into<Vec<Dim>>) -> TensorType {
        TensorType { dtype, shape: shape.into() }
    }

    /// Rank 0.
    pub fn scalar(dtype: DType) -> TensorType {
        TensorType { dtype, shape: vec![] }
    }

    /// The symbol of the leading dim, if it has one: the rows.
    pub fn row_symbol(&self) -> Option<SymbolId> {
        self.shape.first().and_then(|d| d.as_sym())
    }

    /// The elements of one row: the product of all dims but a symbolic leading one. `None` if it overflows.
    pub fn row_elements(&self) -> Option<u64> {
        crate::dim::const_product(&self.shape[usize::from(self.row_symbol().is_some())..])
    }

    /// `i32[T, 8]`, with the symbols' names.
    pub fn text(&self, symbols: &[String]) -> String {
        format!("{}[{}]", self.dtype, shape_text(&self.shape, symbols))
    }
}
