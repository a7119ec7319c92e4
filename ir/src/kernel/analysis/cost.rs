//! How dear a value is.

use crate::kernel::{Kernel, Value, ValueKind};

/// Roughly the machine instructions that an element of the value takes, without its operands.
pub fn cost(value: &Value) -> u64 {
    match &value.kind {
        ValueKind::Scalar(op, _) => op.cost(value.dtype),
        ValueKind::Const(_)
        | ValueKind::Load(_)
        | ValueKind::Row
        | ValueKind::Column
        | ValueKind::Extent(_)
        | ValueKind::Remap(..)
        | ValueKind::Concat(_)
        | ValueKind::Gather { .. }
        | ValueKind::GatherRow { .. }
        | ValueKind::RowValue(_) => 1,
    }
}

/// Of every value, the cost of an element with all that is computed for it. A row value is there when it is asked for, and
/// what two operands share counts twice.
pub fn cost_with_operands(kernel: &Kernel) -> Vec<u64> {
    let mut costs: Vec<u64> = Vec::with_capacity(kernel.values.len());
    for value in &kernel.values {
        let operands = value.kind.operands().into_iter().map(|o| costs[o.0 as usize]);
        costs.push(if value.kind.is_row_value() { 1 } else { operands.fold(cost(value), u64::saturating_add) });
    }
    costs
}
