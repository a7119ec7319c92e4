//! The bin of each row: a search for the last start that is not behind it.

use super::super::{Kernel, ParamId, ValueId, ValueKind};
use crate::dtype::DType;
use crate::op::{BinaryOp, CompareOp, NanRule, ScalarOp};

/// A value that is the last e for which `table[e]` ≤ row × step. Starts do not fall, and the first is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The value, an `i64`.
    pub value: ValueId,
    /// The starts.
    pub table: ParamId,
    /// What a row is multiplied with.
    pub step: u64,
}

/// The search among the values of a kernel, if there is one and no other.
pub fn search(kernel: &Kernel) -> Option<Search> {
    let mut found: Option<Search> = None;
    for (id, _) in kernel.values() {
        let Some(search) = ending_at(kernel, id) else { continue };
        if found.is_some() {
            return None;
        }
        found = Some(search);
    }
    found
}

/// A chain of `e = table[min(e + b, E)] ≤ place ? min(e + b, E) : e`, where b is each power of two up to E, the largest first, and e
/// is 0 at first.
fn ending_at(kernel: &Kernel, value: ValueId) -> Option<Search> {
    let (mut at, mut bit) = (value, 1);
    let mut known: Option<(ParamId, ValueId)> = None;
    loop {
        let [begun, next, before] = operands(kernel, ScalarOp::Select, at)?;
        let [start, place] = operands(kernel, ScalarOp::Compare(CompareOp::Le), begun)?;
        let [narrow] = operands(kernel, ScalarOp::Cast(DType::I64), start)?;
        let ValueKind::Gather { table, indices, .. } = &kernel.value(narrow).kind else { return None };
        let [further, last] = operands(kernel, ScalarOp::Binary(BinaryOp::Min(NanRule::Number)), next)?;
        let [from, more] = operands(kernel, ScalarOp::Binary(BinaryOp::Add), further)?;
        let [dim] = kernel.param(*table).ty.shape[..] else { return None };
        let bins = dim.as_const()?.checked_sub(1)?;
        let same = known.is_none_or(|of| of == (*table, place));
        let fits =
            indices[..] == [next] && from == before && number(kernel, more)? == bit && number(kernel, last)? == bins;
        if !same || !fits {
            return None;
        }
        known = Some((*table, place));
        if 2 * bit > bins {
            let is_first = number(kernel, before)? == 0;
            return is_first.then_some(Search { value, table: *table, step: step_of(kernel, place)? });
        }
        (at, bit) = (before, 2 * bit);
    }
}

/// Of min(row, 2³¹ − 1) × step, the step.
fn step_of(kernel: &Kernel, place: ValueId) -> Option<u64> {
    let [least, step] = operands(kernel, ScalarOp::Binary(BinaryOp::Mul), place)?;
    let [row, most] = operands(kernel, ScalarOp::Binary(BinaryOp::Min(NanRule::Number)), least)?;
    let is_row = kernel.value(row).kind == ValueKind::Row && number(kernel, most)? == i32::MAX as u64;
    number(kernel, step).filter(|step| is_row && *step > 0)
}

fn operands<const N: usize>(kernel: &Kernel, op: ScalarOp, id: ValueId) -> Option<[ValueId; N]> {
    match &kernel.value(id).kind {
        ValueKind::Scalar(found, operands) if *found == op => operands.as_slice().try_into().ok(),
        _ => None,
    }
}

fn number(kernel: &Kernel, id: ValueId) -> Option<u64> {
    match kernel.value(id).kind {
        ValueKind::Const(l) if kernel.value(id).dtype == DType::I64 => Some(l.bits()),
        _ => None,
    }
}
