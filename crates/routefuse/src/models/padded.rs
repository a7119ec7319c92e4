//! Rows that are padding.

use super::options::{Eplb, ModelOptions, PaddedRows};
use super::row_input::row_input;
use crate::chains::{Padding, remap};
use routefuse_ir::op::UnaryOp;
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};

/// Which rows are padding, as the launch says it.
#[derive(Clone, Copy)]
pub(super) enum Padded {
    /// Those from the scalar `n i32[]` on.
    From(NodeId),
    /// Those where `padding_mask bool[T]` is true.
    Where(NodeId),
}

impl Padded {
    /// Declares the input, if the options ask for one.
    pub fn input(b: &mut GraphBuilder, o: &ModelOptions, t: Dim) -> Option<Padded> {
        if o.padding == Padding::Keep && o.eplb != Eplb::HashedWithLoad {
            return None;
        }
        Some(match o.padded_rows {
            PaddedRows::Count => Padded::From(b.input("n", DType::I32, [])),
            PaddedRows::Mask => Padded::Where(row_input(b, o, "padding_mask", DType::Bool, [t])),
        })
    }

    /// `x`, of rank 2, with every element of rows of padding replaced.
    pub fn fill(self, b: &mut GraphBuilder, x: NodeId, fill: Literal) -> NodeId {
        match self {
            Padded::From(n) => b.mask_rows(x, n, fill),
            Padded::Where(mask) => {
                let shape = b.ty(x).shape.clone();
                let mask = spread(b, mask, shape);
                let fill = b.constant(fill);
                b.select(mask, fill, x)
            }
        }
    }

    /// `bool` of this shape of rank 2: which elements are of other rows.
    pub fn others(self, b: &mut GraphBuilder, shape: [Dim; 2]) -> NodeId {
        match self {
            Padded::From(n) => remap::rows_before(b, n, shape),
            Padded::Where(mask) => {
                let mask = spread(b, mask, shape.to_vec());
                b.unary(UnaryOp::Not, mask)
            }
        }
    }
}

fn spread(b: &mut GraphBuilder, mask: NodeId, shape: Vec<Dim>) -> NodeId {
    let column = b.reshape(mask, [shape[0], 1.into()]);
    b.broadcast(column, shape)
}
