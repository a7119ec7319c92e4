//! Inputs.

use super::Growing;
use rand::Rng;
use routefuse_ir::{DType, Dim, Layout, NodeId};

impl Growing {
    /// An input of any dtype and shape.
    pub(super) fn declare(&mut self) -> NodeId {
        let dtype = self.dtype();
        let shape = self.any_shape();
        self.declare_of(dtype, shape)
    }

    pub(super) fn declare_of(&mut self, dtype: DType, shape: Vec<Dim>) -> NodeId {
        let layout = match self.rng.random_range(0..8) {
            0 if !shape.is_empty() => Layout::Rows,
            1 => Layout::Strided,
            _ => Layout::Contiguous,
        };
        let number = self.inputs.len();
        let name = if self.one_in(40) { format!("x {number}") } else { format!("x{number}") };
        let v = self.b.input_with_layout(&name, dtype, shape, layout);
        self.inputs.push(v);
        self.layouts.push(layout);
        self.pool.push(v);
        v
    }

    /// A leading dim: mostly a symbol, sometimes a constant.
    pub(super) fn row_dim(&mut self) -> Dim {
        if self.rows.is_empty() || self.one_in(10) {
            return Dim::Const(self.rng.random_range(1..4));
        }
        // The first symbol is most things' rows; others are tables' and other kernels'.
        let other = self.rows.len() > 1 && self.one_in(4);
        self.rows[usize::from(other)]
    }

    /// A shape of rank 0 to 5.
    pub(super) fn any_shape(&mut self) -> Vec<Dim> {
        let row = self.row_dim();
        let k: Dim = self.columns().into();
        let (a, b): (u64, u64) = (self.rng.random_range(1..5), self.rng.random_range(1..9));
        match self.rng.random_range(0..16) {
            0..6 => vec![row, k],
            6 => vec![row],
            7 => vec![row, 1.into()],
            8 => vec![row, a.into(), b.into()],
            9 => vec![row, a.into(), 1.into()],
            10 => vec![row, 2.into(), a.into(), b.into()],
            11 => vec![a.into(), b.into()],
            12 => vec![self.rng.random_range(1..40).into()],
            13 => vec![k],
            14 => vec![row, 2.into(), 1.into(), a.into(), 3.into()],
            _ => vec![],
        }
    }
}
