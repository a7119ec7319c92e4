//! Selections by the order of 16-bit floats.

use crate::DType;
use crate::kernel::{Kernel, RowOp, RowValue, ValueId, ValueKind};
use crate::op::{BinaryOp, ReduceOp, ScalarOp, UnaryOp};

/// What columns are chosen by: 16-bit floats themselves, or a softmax of such, which is in their order but for what rounding makes
/// equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The 16-bit floats, widened or not.
    pub source: ValueId,
    /// Their own dtype.
    pub dtype: DType,
    /// The largest of each row, where it is a softmax of them.
    pub softmax: Option<ValueId>,
}

impl Ordered {
    /// The bits that a widened float and its rank key have to spare for a column.
    pub fn column_mask(&self) -> u32 {
        if self.dtype == DType::Bf16 { 0xffff } else { 0x1fff }
    }

    /// Floats of this magnitude or more are 2⁻¹⁸ or more from the next lower one of their dtype: of bf16, with seven bits
    /// behind the first, those from 2⁻¹⁰ on; of f16, with ten, those from 2⁻⁷ on.
    pub fn least_apart(&self) -> f32 {
        f32::exp2(if self.dtype == DType::Bf16 { -10.0 } else { -7.0 })
    }
}

/// What a value of segments of `width` columns is by its order, if that is an order of 16-bit floats. The powers of a softmax are
/// used for nothing else: then all that comes of a row with a NaN is NaNs, whatever is the largest of the others.
pub fn ordered(kernel: &Kernel, id: ValueId, width: u64) -> Option<Ordered> {
    if let Some(dtype) = sixteen_bits(kernel, id) {
        return Some(Ordered { source: id, dtype, softmax: None });
    }
    let operands = |id: ValueId, wanted: ScalarOp| match &kernel.value(id).kind {
        ValueKind::Scalar(op, operands) if *op == wanted => Some(operands.as_slice()),
        _ => None,
    };
    let row_value = |id: ValueId, of: ValueId, op: ReduceOp| {
        kernel.value(id).kind.row_value() == Some(&RowValue { op: RowOp::Reduce(op), value: of, width })
    };
    let [power, sum] = operands(id, ScalarOp::Binary(BinaryOp::Div))? else { return None };
    let [exponent] = operands(*power, ScalarOp::Unary(UnaryOp::Exp))? else { return None };
    let [source, largest] = operands(*exponent, ScalarOp::Binary(BinaryOp::Sub))? else { return None };
    let dtype = sixteen_bits(kernel, *source)?;
    let is_softmax = row_value(*sum, *power, ReduceOp::Sum) && row_value(*largest, *source, ReduceOp::Max);
    let is_quotient = |user: ValueId| operands(user, ScalarOp::Binary(BinaryOp::Div)) == Some(&[*power, *sum]);
    let alone = kernel
        .values()
        .filter(|(_, v)| v.kind.operands().contains(power))
        .all(|(user, _)| user == *sum || is_quotient(user));
    let is_stored = kernel.stores.iter().any(|store| store.operands().any(|o| o == *power));
    (is_softmax && alone && !is_stored).then_some(Ordered { source: *source, dtype, softmax: Some(*largest) })
}

/// The dtype of the 16-bit floats that a value is, widened or not.
pub fn sixteen_bits(kernel: &Kernel, id: ValueId) -> Option<DType> {
    let half = |id: ValueId| Some(kernel.value(id).dtype).filter(|d| matches!(d, DType::Bf16 | DType::F16));
    match &kernel.value(id).kind {
        ValueKind::Scalar(ScalarOp::Cast(DType::F32), operands) => half(operands[0]),
        _ => half(id),
    }
}
