//! What is known of a value's floats.

use crate::kernel::{Kernel, Value, ValueKind};
use crate::op::info::Fact;
use crate::op::{BinaryOp, ScalarOp};

/// Of every value, a float, whether no element is −0.0. A value of another dtype may be said to have none or some.
pub fn no_negative_zero(kernel: &Kernel) -> Vec<bool> {
    let mut known: Vec<bool> = Vec::with_capacity(kernel.values.len());
    for value in &kernel.values {
        let holds = match &value.kind {
            ValueKind::Const(literal) => literal.bits() as u32 != (-0.0f32).to_bits(),
            // Only −0.0 + −0.0 is −0.0.
            ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), operands) => {
                operands.iter().any(|o| known[o.0 as usize])
            }
            // No −0.0 among the operands is not enough: −1.0 × 0.0 is −0.0.
            ValueKind::Scalar(op, _) => op.sign() == Fact::Always,
            _ => false,
        };
        known.push(holds);
    }
    known
}

/// Whether arithmetic makes the value, a float: its NaNs are canonical by definition, and a machine may make others, which
/// code generation has to replace.
pub fn is_arithmetic(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Scalar(op, _) if op.nan() == Fact::Always)
}
