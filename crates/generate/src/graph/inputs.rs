//! Inputs.

use super::{Declared, Growing};
use routefuse_ir::{DType, Dim, Layout, NodeId};

impl Growing<'_> {
    /// All that the profile wants.
    pub(super) fn declarations(&mut self) {
        if self.profile.declared == Declared::EveryDtype {
            return self.declare_every_dtype();
        }
        if self.profile.row_ops > 0 {
            self.declare_logits();
        }
        for _ in 0..self.c.position(1..5) {
            self.declare();
        }
        // A symbol that no argument has could not be bound.
        for dim in self.rows.clone() {
            if !self.pool.iter().any(|v| self.b.ty(*v).shape.first() == Some(&dim)) {
                let dtype = self.dtype();
                self.declare_of(dtype, vec![dim, 4.into()]);
            }
        }
    }

    /// What is routed: floats, seldom integers, in rows of as many columns as models have experts.
    fn declare_logits(&mut self) {
        use DType::{Bf16, F16, F32, I16, I32};
        let dtype = self.c.of(&[F32, F32, F32, Bf16, Bf16, F16, I32, I16]);
        let experts = self.c.of(self.profile.experts);
        let row = self.row_dim();
        self.declare_of(dtype, vec![row, experts.into()]);
    }

    /// An input of any dtype and shape.
    pub(super) fn declare(&mut self) -> NodeId {
        let dtype = self.dtype();
        let shape = self.any_shape();
        self.declare_of(dtype, shape)
    }

    pub(super) fn declare_of(&mut self, dtype: DType, shape: Vec<Dim>) -> NodeId {
        let layout = match self.c.below(8) {
            0 if !shape.is_empty() => Layout::Rows,
            1 => Layout::Strided,
            _ => Layout::Contiguous,
        };
        let name = self.profile.names.argument('x', self.inputs.len(), self.c);
        let v = self.b.input_with_layout(&name, dtype, shape, layout);
        self.inputs.push(v);
        self.layouts.push(layout);
        self.pool.push(v);
        v
    }

    /// One of each dtype, and what routers have beside: a bias, tables, columns, scalars.
    fn declare_every_dtype(&mut self) {
        let row = self.rows.first().copied().unwrap_or(Dim::Const(3));
        let (k, experts): (Dim, Dim) = (self.profile.columns[0].into(), 9.into());
        for dtype in DType::ALL {
            self.declare_of(dtype, vec![row, k]);
        }
        let others: [(DType, Vec<Dim>); 11] = [
            (DType::F32, vec![row, 1.into()]),
            (DType::I32, vec![k]),
            (DType::I64, vec![row]),
            (DType::I32, vec![]),
            (DType::I64, vec![]),
            (DType::U64, vec![]),
            (DType::F32, vec![]),
            (DType::I32, vec![experts]),
            (DType::I16, vec![experts, 4.into()]),
            (DType::F32, vec![experts]),
            (DType::U8, vec![row]),
        ];
        for (dtype, shape) in others {
            self.declare_of(dtype, shape);
        }
    }

    /// A leading dim: mostly a symbol, sometimes a constant.
    pub(super) fn row_dim(&mut self) -> Dim {
        if self.rows.is_empty() || self.c.one_in(10) {
            return Dim::Const(self.c.range(1..4));
        }
        // The first symbol is most things' rows; others are tables' and other kernels'.
        let other = self.rows.len() > 1 && self.c.one_in(4);
        self.rows[usize::from(other)]
    }

    /// A shape of rank 0 to 5.
    pub(super) fn any_shape(&mut self) -> Vec<Dim> {
        let row = self.row_dim();
        let k: Dim = self.columns().into();
        let (a, b): (Dim, Dim) = (self.c.range(1..5).into(), self.c.range(1..9).into());
        match self.c.below(16) {
            0..6 => vec![row, k],
            6 => vec![row],
            7 => vec![row, 1.into()],
            8 => vec![row, a, b],
            9 => vec![row, a, 1.into()],
            10 => vec![row, 2.into(), a, b],
            11 => vec![a, b],
            12 => vec![self.c.range(1..40).into()],
            13 => vec![k],
            14 => vec![row, 2.into(), 1.into(), a, 3.into()],
            _ => vec![],
        }
    }
}
