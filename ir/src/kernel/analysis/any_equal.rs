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

#[cfg(test)]
mod tests {
    use super::super::moved_bin::{MovedBin, moved_bin};
    use super::*;
    use crate::kernel::{ColumnMap, ParamId, Space, Term, Value};
    use crate::literal::Literal;

    struct Values(Kernel);

    impl Values {
        fn add(&mut self, kind: ValueKind, dtype: DType, cols: u64) -> ValueId {
            let space = Space { per_row: true, cols };
            self.0.values.push(Value { kind, dtype, space, name: String::new() });
            ValueId(self.0.values.len() as u32 - 1)
        }

        fn scalar(&mut self, op: ScalarOp, operands: &[ValueId], dtype: DType, cols: u64) -> ValueId {
            self.add(ValueKind::Scalar(op, operands.to_vec()), dtype, cols)
        }

        fn number(&mut self, n: i32) -> ValueId {
            self.add(ValueKind::Const(Literal::i32(n)), DType::I32, 1)
        }
    }

    /// Two ids of a row, each compared with three numbers; what an id is compared with may be one more than the column.
    fn any(more: u64) -> (Kernel, ValueId, ValueId) {
        let mut v = Values(Kernel::default());
        let ids = v.add(ValueKind::Load(ParamId(0)), DType::I32, 2);
        let each = |div, modulo| ColumnMap { cols: 6, base: 0, terms: vec![Term { div, modulo, mul: 1 }] };
        let of_each = v.add(ValueKind::Remap(ids, each(3, 2)), DType::I32, 6);
        let column = v.add(ValueKind::Column, DType::I32, 3 + more);
        let numbers = v.add(ValueKind::Remap(column, ColumnMap { base: more, ..each(1, 3) }), DType::I32, 6);
        let equal = v.scalar(ScalarOp::Compare(CompareOp::Eq), &[of_each, numbers], DType::Bool, 6);
        let one = v.scalar(ScalarOp::Cast(DType::I32), &[equal], DType::I32, 6);
        let halves = [0, 3].map(|base| ColumnMap::offset(3, base));
        let halves = halves.map(|half| v.add(ValueKind::Remap(one, half), DType::I32, 3));
        let max = ScalarOp::Binary(BinaryOp::Max(NanRule::Number));
        let most = v.scalar(max, &halves, DType::I32, 3);
        let some = v.scalar(ScalarOp::Cast(DType::Bool), &[most], DType::Bool, 3);
        (v.0, ids, some)
    }

    #[test]
    fn which_ids_some_columns_are() {
        for more in [0, 1] {
            let (kernel, ids, some) = any(more);
            let numbers = (more..more + 3).collect();
            let expected = AnyEqual { value: ids, columns: vec![0, 1], numbers };
            assert_eq!(any_equal(&kernel, some), Some(expected));
            // Of the comparisons themselves each column asks another id.
            assert_eq!(any_equal(&kernel, ValueId(4)), None);
            assert_eq!(any_equal(&kernel, ids), None);
        }
    }

    #[test]
    fn a_bin_behind_others_is_known() {
        let mut v = Values(Kernel::default());
        let id = v.add(ValueKind::Load(ParamId(0)), DType::I32, 4);
        let [zero, end, first, none] = [0, 16, 8, -1].map(|n| v.number(n));
        let not_less = v.scalar(ScalarOp::Compare(CompareOp::Ge), &[id, zero], DType::Bool, 4);
        let not_more = v.scalar(ScalarOp::Compare(CompareOp::Lt), &[id, end], DType::Bool, 4);
        let is_one = v.scalar(ScalarOp::Binary(BinaryOp::And), &[not_less, not_more], DType::Bool, 4);
        let bin = v.scalar(ScalarOp::Binary(BinaryOp::Add), &[id, first], DType::I32, 4);
        let index = v.scalar(ScalarOp::Select, &[is_one, bin, none], DType::I32, 4);
        let other = v.scalar(ScalarOp::Select, &[is_one, bin, zero], DType::I32, 4);
        assert_eq!(moved_bin(&v.0, index, 24), Some(MovedBin { is_one, bin }));
        // There are too few bins for the last ones; what has no bin is in the first one; it is no choice.
        assert_eq!([(index, 23), (other, 24), (bin, 24)].map(|(id, bins)| moved_bin(&v.0, id, bins)), [None; 3]);
    }
}
