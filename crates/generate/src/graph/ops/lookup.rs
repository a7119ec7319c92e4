//! Elements that an index or a device scalar names.

use crate::graph::Growing;
use routefuse_ir::op::OutOfRange;
use routefuse_ir::{DType, Dim, NodeId, Op, TensorType};

impl Growing<'_> {
    pub(in crate::graph) fn policy(&mut self, dtype: DType) -> OutOfRange {
        match self.c.below(12) {
            0..4 => OutOfRange::Pass,
            4..6 => OutOfRange::Fill(self.literal(dtype)),
            6..8 => OutOfRange::Clamp,
            8..10 => OutOfRange::Wrap,
            _ if self.profile.traps => OutOfRange::Trap,
            _ => OutOfRange::Pass,
        }
    }

    /// A table: mostly an input, sometimes one that is declared for it, sometimes a value.
    fn table(&mut self) -> Option<NodeId> {
        let inputs = self.inputs.clone();
        let of_input = !self.c.one_in(4);
        if self.c.one_in(4) {
            let dtype = self.dtype();
            let shape: Vec<Dim> = match self.c.below(6) {
                0 => vec![Dim::Const(1)],
                1 => vec![self.row_dim()],
                2 => vec![self.c.range(1..300).into()],
                3 => vec![self.row_dim(), self.c.range(1..9).into()],
                _ => vec![self.c.range(1..40).into(), self.c.range(1..9).into()],
            };
            Some(self.declare_of(dtype, shape))
        } else if of_input {
            self.c.any_of(&inputs)
        } else {
            self.value_where(|t| (1..=2).contains(&t.shape.len()))
        }
    }

    pub(super) fn gather(&mut self) -> Option<NodeId> {
        let table = self.table()?;
        let rank = self.shape_of(table).len();
        let first = self.index()?;
        let mut operands = vec![table, first];
        if rank == 2 {
            let shape = self.shape_of(first);
            let dtype = self.integer();
            let same = self.c.one_in(2);
            let second = if same { self.partner(&shape, self.dtype_of(first)) } else { self.partner(&shape, dtype) };
            operands.push(second?);
        }
        let out_of_range = self.policy(self.dtype_of(table));
        self.try_op(Op::Gather { out_of_range }, &operands)
    }

    pub(super) fn gather_row(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| !t.shape.is_empty())?;
        let shape = self.shape_of(x);
        let beside =
            |t: &TensorType| t.shape.len() == shape.len() && t.shape[..t.shape.len() - 1] == shape[..shape.len() - 1];
        let index = self.value_where(|t| t.dtype.is_int() && beside(t));
        let index = match index {
            Some(i) => i,
            None => {
                let other = self.value_where(beside)?;
                let dtype = self.integer();
                self.to(other, dtype)?
            }
        };
        let out_of_range = self.policy(self.dtype_of(x));
        self.try_op(Op::GatherRow { out_of_range }, &[x, index])
    }

    pub(super) fn mask_rows(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.row_symbol().is_some())?;
        let n = match self.value_where(|t| t.shape.is_empty() && t.dtype.is_int()) {
            Some(n) if !self.c.one_in(5) => n,
            _ => {
                let dtype = self.integer();
                self.declare_of(dtype, vec![])
            }
        };
        let fill = self.literal(self.dtype_of(x));
        self.try_op(Op::MaskRows { fill }, &[x, n])
    }
}
