//! Tables of bins that are known where few items are, without a look at every bin.

use super::super::phases::{Phase, Phases, Place, Reach};
use super::super::{Role, RowOp, ValueId, ValueKind};
use crate::eval;
use crate::literal::Literal;

/// Whether every block sums here what no item says: numbers of the launch's parameters alone. These sums are there before items are
/// looked at.
pub fn sums_inputs(phase: &Phase) -> bool {
    let mut params = phase.kernel.params.iter().zip(&phase.places);
    phase.reach == Reach::EveryBlock
        && phase.kernel.has_row_values()
        && params.all(|(p, place)| p.role == Role::Output || matches!(place, Place::Param(_)))
}

/// Whether every running sum of what every block computes is one of inputs, or of numbers that are made of counts, and 0 for a bin
/// without items: then the sum at a bin is that of the bins up to it which have items.
pub fn is_sparse(phases: &Phases) -> bool {
    let every_block = phases.list.iter().filter(|p| p.reach == Reach::EveryBlock && !sums_inputs(p));
    every_block.flat_map(|p| p.kernel.values.iter().map(move |v| (p, v))).all(|(phase, v)| match v.kind.row_value() {
        Some(row) => row.op == RowOp::CumSum && of_no_items(phase, row.value).is_some_and(|l| l.bits() == 0),
        None => true,
    })
}

/// Whether the starts in a memory of the block are the same for a bin without items and for the one behind it: 0, and behind it what
/// is made of running sums alone.
pub fn is_flat_over_empty(phases: &Phases, table: u32) -> bool {
    let stores = phases.list.iter().filter(|p| p.reach == Reach::EveryBlock).flat_map(|p| {
        let stores = p.kernel.stores.iter().filter(|s| p.places[s.param.0 as usize] == Place::Shared(table));
        stores.map(move |s| (p, s.value))
    });
    stores.last().is_some_and(|(phase, value)| match &phase.kernel.value(value).kind {
        ValueKind::Concat(parts) => match parts[..] {
            [(zero, 1), (rest, bins)] => {
                let is_0 = matches!(phase.kernel.value(zero).kind, ValueKind::Const(l) if l.bits() == 0);
                is_0 && bins == phases.bins() && is_of_sums(phase, rest)
            }
            _ => false,
        },
        _ => false,
    })
}

/// The value at a bin without items, if it is made of counts.
fn of_no_items(phase: &Phase, id: ValueId) -> Option<Literal> {
    let value = phase.kernel.value(id);
    match &value.kind {
        ValueKind::Const(literal) => Some(*literal),
        ValueKind::Load(param) if phase.places[param.0 as usize] == Place::Shared(0) => {
            Some(Literal::from_bits(value.dtype, 0))
        }
        ValueKind::Scalar(op, operands) => {
            let operands: Option<Vec<Literal>> = operands.iter().map(|o| of_no_items(phase, *o)).collect();
            Some(eval::scalar(*op, &operands?))
        }
        _ => None,
    }
}

fn is_of_sums(phase: &Phase, id: ValueId) -> bool {
    match &phase.kernel.value(id).kind {
        ValueKind::Const(_) => true,
        ValueKind::RowValue(row) => row.op == RowOp::CumSum,
        ValueKind::Scalar(_, operands) => operands.iter().all(|o| is_of_sums(phase, *o)),
        _ => false,
    }
}
