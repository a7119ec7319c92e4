//! Operations on single elements.

use crate::graph::Growing;
use routefuse_ir::op::{CompareOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, NodeId};

impl Growing<'_> {
    pub(super) fn unary(&mut self) -> Option<NodeId> {
        let (op, _) = self.c.of(&UnaryOp::ALL);
        let mut x = self.value();
        if self.c.one_in(2) && !matches!(op, UnaryOp::Not) {
            x = self.to(x, DType::F32)?;
        }
        let op = ScalarOp::Unary(op);
        self.scalar(op, &[x]).or_else(|| {
            let x = self.to(x, DType::F32)?;
            self.scalar(op, &[x])
        })
    }

    /// Two operands of one dtype.
    fn operands(&mut self) -> Option<[NodeId; 2]> {
        let mut a = self.value();
        if self.c.one_in(4) {
            let dtype = self.dtype();
            a = self.to(a, dtype)?;
        }
        // 16-bit floats are not computed with.
        if matches!(self.dtype_of(a), DType::F16 | DType::Bf16) {
            a = self.to(a, DType::F32)?;
        }
        let (shape, dtype) = (self.shape_of(a), self.dtype_of(a));
        let b = self.partner(&shape, dtype)?;
        Some(if self.c.one_in(2) { [a, b] } else { [b, a] })
    }

    pub(super) fn binary(&mut self) -> Option<NodeId> {
        let op = self.c.binary_op();
        let operands = self.operands()?;
        self.scalar(ScalarOp::Binary(op), &operands)
    }

    pub(super) fn compare(&mut self) -> Option<NodeId> {
        let (op, _) = self.c.of(&CompareOp::ALL);
        let operands = self.operands()?;
        self.scalar(ScalarOp::Compare(op), &operands)
    }

    pub(super) fn fma(&mut self) -> Option<NodeId> {
        let a = self.value();
        let a = self.to(a, DType::F32)?;
        let shape = self.shape_of(a);
        let (b, c) = (self.partner(&shape, DType::F32)?, self.partner(&shape, DType::F32)?);
        self.scalar(ScalarOp::Fma, &[a, b, c])
    }

    pub(super) fn select(&mut self) -> Option<NodeId> {
        let a = self.value();
        let (shape, dtype) = (self.shape_of(a), self.dtype_of(a));
        let b = self.partner(&shape, dtype)?;
        let condition = self.partner(&shape, DType::Bool)?;
        self.scalar(ScalarOp::Select, &[condition, a, b])
    }

    /// By value, or the same bits.
    pub(super) fn cast(&mut self) -> Option<NodeId> {
        let x = self.value();
        let from = self.dtype_of(x);
        if self.c.one_in(3) {
            let same_width: Vec<DType> = DType::ALL.into_iter().filter(|d| d.size() == from.size()).collect();
            let to = self.c.any_of(&same_width)?;
            return self.scalar(ScalarOp::Bitcast(to), &[x]);
        }
        // The same dtype too: a cast from f32 to f32 makes NaNs canonical.
        let to = self.c.of(&DType::ALL);
        self.scalar(ScalarOp::Cast(to), &[x])
    }

    pub(super) fn philox(&mut self) -> Option<NodeId> {
        let x = self.value();
        let position = self.to(x, DType::U64)?;
        let shape = self.shape_of(position);
        let (seed, offset) = (self.partner(&shape, DType::U64)?, self.partner(&shape, DType::U64)?);
        self.scalar(ScalarOp::Philox, &[seed, offset, position])
    }
}
