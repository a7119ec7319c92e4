//! Values of scalar operations.

use super::Growing;
use routefuse_ir::infer::infer;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::{CompareOp, Op, ScalarOp, UnaryOp};
use routefuse_ir::{DType, TensorType};

impl Growing<'_> {
    pub(super) fn scalar(&mut self) {
        let op = match self.c.below(10) {
            0 | 1 => ScalarOp::Unary(self.c.of(&UnaryOp::ALL).0),
            2..5 => ScalarOp::Binary(self.c.binary_op()),
            5 => ScalarOp::Compare(self.c.of(&CompareOp::ALL).0),
            6 => ScalarOp::Fma,
            7 => ScalarOp::Select,
            8 => ScalarOp::Cast(self.c.of(&DType::ALL)),
            _ => self.c.of(&[ScalarOp::Bitcast(DType::I32), ScalarOp::Bitcast(DType::F32), ScalarOp::Philox]),
        };
        let n = self.kernel.values.len();
        for _ in 0..if n == 0 { 0 } else { 20 } {
            let operands: Vec<ValueId> = (0..op.arity()).map(|_| ValueId(self.c.below(n) as u32)).collect();
            let types: Vec<TensorType> =
                operands.iter().map(|o| TensorType::scalar(self.kernel.value(*o).dtype)).collect();
            let Ok(ty) = infer(&Op::Scalar(op), &types, &[]) else { continue };
            let Some(space) = self.pointwise(&operands) else { continue };
            self.push(ValueKind::Scalar(op, operands), ty.dtype, space);
            return;
        }
    }
}
