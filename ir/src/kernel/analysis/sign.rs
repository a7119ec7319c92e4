//! What is known of a value's floats.

use crate::kernel::{Kernel, RowOp, Value, ValueId, ValueKind};
use crate::op::info::Fact;
use crate::op::{BinaryOp, ReduceOp, ScalarOp};

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

/// Whether every element of the value, a float, is 0 or less, or a NaN: what is left of a row's elements when the largest of them
/// is taken off.
pub fn is_not_above_0(kernel: &Kernel, id: ValueId) -> bool {
    let ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Sub), operands) = &kernel.value(id).kind else { return false };
    let [x, largest] = operands[..] else { return false };
    kernel.value(largest).kind.row_value().is_some_and(|row| {
        row.op == RowOp::Reduce(ReduceOp::Max) && row.value == x && row.width == kernel.value(x).space.cols
    })
}

/// Whether arithmetic makes the value, a float: its NaNs are canonical by definition, and a machine may make others, which
/// code generation has to replace.
pub fn is_arithmetic(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Scalar(op, _) if op.nan() == Fact::Always)
}
