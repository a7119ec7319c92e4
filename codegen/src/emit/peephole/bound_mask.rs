//! Rows up to a bound, as those that are no padding, on the host.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, key};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{Value, ValueId, ValueKind};
use routefuse_ir::op::{CompareOp, ScalarOp};
use routefuse_ir::target::TargetKind;

/// A row of a block of rows, as the host's loop over the block knows it.
#[derive(Clone, Copy)]
pub(in crate::emit) struct RowOfBlock<'m> {
    /// The row.
    pub row: Val<'m>,
    /// The block's first row.
    pub first: Val<'m>,
    /// How many rows of the block are done with this one, `i32`, on several lanes that are all the same.
    pub done: Val<'m>,
}

impl<'m> Emitter<'_, 'm> {
    /// A selection of integers on several lanes of one row, by whether the row is below a bound that is the same in all
    /// rows, else all ones: `or` with all ones where it is not. None if the value is anything else.
    pub fn ones_beyond_bound(&self, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let value = self.kernel.value(id);
        let (inside, bound) = self.below_bound(value)?;
        let lanes = index.lanes();
        // A row beyond the bound does not trap, and the arms of floats would have to agree on their NaNs.
        if index.row.len() > 1 || lanes == 1 || !value.dtype.is_int() || value.dtype.bits() < 32 {
            return None;
        }
        let inside = self.evaluate(inside, index);
        if inside.trap.is_some() {
            return None;
        }
        let bound = self.evaluate(bound, &self.seen_by(bound, index)).value;
        let beyond = self.beyond_bound(bound, index, value.dtype);
        Some(Lanes::exact(self.b.ori(self.spread(inside.value, lanes), beyond), lanes))
    }

    /// Whether a block's rows are better counted in a vector.
    pub fn has_bound(&self) -> bool {
        self.kernel.values().any(|(id, value)| self.is_reached(id) && self.below_bound(value).is_some())
    }

    /// What is selected in rows below a bound, and the bound, where all other rows are all ones.
    fn below_bound(&self, value: &Value) -> Option<(ValueId, ValueId)> {
        let ValueKind::Scalar(ScalarOp::Select, operands) = &value.kind else { return None };
        let &[condition, inside, beyond] = &operands[..] else { return None };
        let ValueKind::Const(fill) = self.kernel.value(beyond).kind else { return None };
        let ValueKind::Scalar(ScalarOp::Compare(CompareOp::Lt), operands) = &self.kernel.value(condition).kind else {
            return None;
        };
        let (row, bound) = (self.kernel.value(operands[0]), self.kernel.value(operands[1]));
        let rows = matches!(row.kind, ValueKind::Row) && row.dtype == DType::I64;
        let uniform = !bound.space.per_row && bound.space.cols == 1;
        let ones = fill.bits().trailing_ones() >= value.dtype.bits();
        (self.kind == TargetKind::Host && rows && uniform && ones).then_some((inside, operands[1]))
    }

    /// All ones on every lane where the row is not below the bound.
    fn beyond_bound(&self, bound: Val<'m>, index: &Index<'m>, dtype: DType) -> Val<'m> {
        let (b, i64, lanes) = (self.b, self.b.int(64), index.lanes());
        let row = self.materialise(index.row[0]);
        if let Some(block) = self.row_of_block.get().filter(|block| key(block.row) == key(row)) {
            // How many rows of the block are below the bound is the same for the whole block.
            let below = b.subi(b.maxsi(bound, block.first), block.first);
            let most = i64::from(i32::MAX);
            let below = b.splat(b.trunci(b.minui(below, b.const_int(i64, most)), b.int(32)), lanes);
            let places: Vec<i32> = (0..lanes as i32).map(|lane| lane % b.lanes(b.type_of(block.done)) as i32).collect();
            let done = b.shuffle(block.done, block.done, &places);
            return b.extsi(b.cmpi(IntPredicate::Sgt, done, below), b.int(dtype.bits()));
        }
        // An unsigned comparison is a subtraction with its borrow spread, two instructions; a row is never negative, nor the
        // last of all numbers. In LLVM's sight the answer would be joined with others lane by lane.
        let next = self.materialise(index.row[0].offset(1));
        let next = if self.index_bits() < 64 { b.extui(next, i64) } else { next };
        let bound = b.maxsi(bound, b.const_int(i64, 0));
        let beyond = b.extsi(b.cmpi(IntPredicate::Ult, bound, next), b.int(dtype.bits()));
        b.splat(b.opaque(beyond, self.kind), lanes)
    }
}
