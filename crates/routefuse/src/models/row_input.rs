//! Inputs with a row for each token.

use super::options::ModelOptions;
use routefuse_ir::{DType, Dim, GraphBuilder, Layout, NodeId};

/// An input with a row for each token; its row stride is free where the options say so.
pub(super) fn row_input(
    b: &mut GraphBuilder,
    options: &ModelOptions,
    name: &str,
    dtype: DType,
    shape: impl Into<Vec<Dim>>,
) -> NodeId {
    let layout = if options.strided_inputs { Layout::Rows } else { Layout::Contiguous };
    b.input_with_layout(name, dtype, shape, layout)
}
