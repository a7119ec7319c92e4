//! Row values: reductions, running sums, selections.

use super::Growing;
use routefuse_ir::DType;
use routefuse_ir::eval::row::is_key;
use routefuse_ir::kernel::{RowOp, RowValue, Space, Value, ValueId, ValueKind};
use routefuse_ir::op::{Candidates, ReduceOp, ScalarOp, TopKOrder};

impl Growing<'_> {
    /// A row value of segments of any value that has one, mostly of a wide one.
    pub(super) fn row_value(&mut self) {
        let wide = self.value_where(|v| v.space.cols > 1);
        let narrow = self.c.one_in(10);
        let Some(value) = wide.filter(|_| !narrow).or_else(|| self.any()) else { return };
        let value = if self.c.percent(30) { self.masked(value) } else { value };
        let (dtype, space) = (self.kernel.value(value).dtype, self.kernel.value(value).space);
        let widths: Vec<u64> = (1..=space.cols).filter(|w| space.cols.is_multiple_of(*w)).collect();
        let width = if self.c.percent(60) { space.cols } else { self.c.of(&widths) };
        let most = if self.c.percent(80) { 9 } else { 64 };
        let k = self.c.range(1..width.min(most) + 1);
        let candidates = self.c.of(&[Candidates::All, Candidates::AboveNegInf]);
        let order = self.c.of(&[TopKOrder::Value, TopKOrder::Value, TopKOrder::Column]);
        let sums = dtype.is_int() || dtype == DType::F32;
        let op = match self.c.below(8) {
            0..3 if is_key(dtype) => RowOp::TopK { k, candidates, order },
            3 if is_key(dtype) => RowOp::TopKMask { k, candidates },
            4 if sums => RowOp::CumSum,
            _ if sums => {
                let (op, _) = self.c.of(&ReduceOp::ALL);
                let op = if op == ReduceOp::TopTwoSum && dtype != DType::F32 { ReduceOp::Sum } else { op };
                RowOp::Reduce(op)
            }
            _ => return,
        };
        let Some(result) = op.dtype(dtype, width) else { return };
        let cols = space.cols / width * op.columns(width);
        self.push(ValueKind::RowValue(RowValue { op, value, width }), result, Space { per_row: space.per_row, cols });
    }

    /// The value where some answer of as many columns says so, else a constant; itself where there is no such answer.
    fn masked(&mut self, value: ValueId) -> ValueId {
        let v = self.kernel.value(value).clone();
        let fits = |a: &Value| a.dtype == DType::Bool && (a.space.cols == 1 || a.space.cols == v.space.cols);
        let Some(answer) = self.value_where(fits) else { return value };
        let other = self.constant(v.dtype);
        let per_row = v.space.per_row || self.kernel.value(answer).space.per_row;
        let kind = ValueKind::Scalar(ScalarOp::Select, vec![answer, value, other]);
        self.push(kind, v.dtype, Space { per_row, ..v.space })
    }
}
