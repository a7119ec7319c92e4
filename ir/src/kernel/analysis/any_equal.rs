//! Which numbers some columns of a row have: what `bin_any` is in a kernel.

use super::super::{Kernel, ValueId, ValueKind};
use crate::dtype::DType;
use crate::op::{BinaryOp, CompareOp, NanRule, ScalarOp};

/// For each column of a `bool`, that some of these columns of another value are equal to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyEqual {
    /// The other value, an integer.
    pub value: ValueId,
    /// Its columns, ascending; the same for all columns of the `bool`.
    pub columns: Vec<u64>,
    /// For each column of the `bool`, the number.
    pub numbers: Vec<u64>,
}

/// The most comparisons that are looked at.
const MOST_COMPARED: usize = 4096;

/// What a `bool` says of other columns, if it is that.
pub fn any_equal(kernel: &Kernel, id: ValueId) -> Option<AnyEqual> {
    let mut found: Option<AnyEqual> = None;
    let mut budget = MOST_COMPARED;
    if kernel.value(id).dtype != DType::Bool {
        return None;
    }
    for column in 0..kernel.value(id).space.cols {
        let mut compared = vec![];
        collect(kernel, (id, column), &mut compared, &mut budget)?;
        let (value, _, number) = *compared.first()?;
        if compared.iter().any(|(v, _, n)| (*v, *n) != (value, number)) {
            return None;
        }
        let mut columns: Vec<u64> = compared.iter().map(|c| c.1).collect();
        columns.sort_unstable();
        columns.dedup();
        let known = found.get_or_insert_with(|| AnyEqual { value, columns: columns.clone(), numbers: vec![] });
        if known.value != value || known.columns != columns {
            return None;
        }
        known.numbers.push(number);
    }
    found
}

/// The comparisons of which one has to hold for a `bool`, or for an `i32` that is made of such and is 1 or 0: of what, at which column,
/// with which number.
fn collect(
    kernel: &Kernel,
    (id, column): (ValueId, u64),
    compared: &mut Vec<(ValueId, u64, u64)>,
    budget: &mut usize,
) -> Option<()> {
    *budget = budget.checked_sub(1)?;
    let value = kernel.value(id);
    let column = if value.space.cols == 1 { 0 } else { column };
    let dtype = |id: ValueId| kernel.value(id).dtype;
    match &value.kind {
        ValueKind::Remap(operand, map) => collect(kernel, (*operand, map.apply(column)), compared, budget),
        ValueKind::Scalar(ScalarOp::Cast(DType::Bool), x) if dtype(x[0]) == DType::I32 => {
            collect(kernel, (x[0], column), compared, budget)
        }
        ValueKind::Scalar(ScalarOp::Cast(DType::I32), x) if dtype(x[0]) == DType::Bool => {
            collect(kernel, (x[0], column), compared, budget)
        }
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Max(NanRule::Number | NanRule::Propagate)), x)
            if value.dtype == DType::I32 =>
        {
            x.iter().try_for_each(|x| collect(kernel, (*x, column), compared, budget))
        }
        ValueKind::Scalar(ScalarOp::Compare(CompareOp::Eq), x) if dtype(x[0]).is_int() => {
            let (of, at) = moved(kernel, x[0], column);
            let number = number_at(kernel, x[1], column)?;
            compared.push((of, at, number));
            Some(())
        }
        _ => None,
    }
}

/// The value that a value is at a column, and which of its columns.
fn moved(kernel: &Kernel, id: ValueId, column: u64) -> (ValueId, u64) {
    let value = kernel.value(id);
    let column = if value.space.cols == 1 { 0 } else { column };
    match &value.kind {
        ValueKind::Remap(operand, map) => moved(kernel, *operand, map.apply(column)),
        _ => (id, column),
    }
}

/// The number that a value is at a column, if it is one of a column or a constant that is not negative.
fn number_at(kernel: &Kernel, id: ValueId, column: u64) -> Option<u64> {
    let (id, column) = moved(kernel, id, column);
    let value = kernel.value(id);
    let number = match &value.kind {
        ValueKind::Column => column,
        ValueKind::Const(literal) => literal.bits(),
        _ => return None,
    };
    (number >> (value.dtype.bits() - 1).min(31) == 0).then_some(number)
}
