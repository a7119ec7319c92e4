//! `select(row < n, x, −1)` is `x | mask`, with a mask of all ones in rows from `n` on.
//!
//! - **Machine:** the host; integers of 32 bits and more on several lanes of one row, where `n` is the same in all rows.
//! - **Reason:** this is how rows that are padding get ids of −1. As a selection by one answer it is four instructions a
//!   vector; the mask is one, and where rows are taken in blocks the mask itself is two for a whole row: a vector counts the
//!   rows that are done, and how many of the block are below the bound is known before it.
//! - **Test:** `peephole::tests`, and the snapshots `tests/snapshots/chains/host/a_remap_static@mlir` and `@asm`.

use crate::emit::pull::index::{Index, key};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{Kernel, Value, ValueId, ValueKind};
use routefuse_ir::op::{CompareOp, ScalarOp};
use std::cell::Cell;

/// A row of a block of rows, as the loop over the block knows it.
#[derive(Clone, Copy)]
pub(in crate::emit) struct RowOfBlock<'m> {
    /// The row.
    pub row: Val<'m>,
    /// The block's first row.
    pub first: Val<'m>,
    /// How many rows of the block are done with this one, `i32`, on several lanes that are all the same.
    pub done: Val<'m>,
}

/// The peephole.
#[derive(Default)]
pub(in crate::emit) struct BoundMask<'m> {
    /// Inside a loop over a block of rows: its row.
    block: Cell<Option<RowOfBlock<'m>>>,
}

impl<'m> BoundMask<'m> {
    /// Whether a block's rows are better counted in a vector.
    pub fn has_bound(&self, pull: &Pull<'_, 'm>) -> bool {
        pull.kernel.values().any(|(id, value)| pull.is_reached(id) && below_bound(pull.kernel, value).is_some())
    }

    /// Runs `body`, which emits a row of a block.
    pub fn in_block(&self, block: Option<RowOfBlock<'m>>, body: impl FnOnce()) {
        self.block.set(block);
        body();
        self.block.set(None);
    }

    /// All ones on every lane where the row is not below the bound.
    fn beyond(&self, pull: &Pull<'_, 'm>, bound: Val<'m>, index: &Index<'m>, dtype: DType) -> Val<'m> {
        let (b, i64, lanes) = (pull.b, pull.b.int(64), index.lanes());
        let row = pull.ix.materialise(index.row[0]);
        if let Some(block) = self.block.get().filter(|block| key(block.row) == key(row)) {
            // How many rows of the block are below the bound is the same for the whole block.
            let below = b.subi(b.maxsi(bound, block.first), block.first);
            let most = i64::from(i32::MAX);
            let below = b.splat(b.trunci(b.minui(below, b.const_int(i64, most)), b.int(32)), lanes);
            let lanes_of_done: Vec<i32> =
                (0..lanes as i32).map(|lane| lane % b.lanes(b.type_of(block.done)) as i32).collect();
            let done = b.shuffle(block.done, block.done, &lanes_of_done);
            return b.extsi(b.cmpi(IntPredicate::Sgt, done, below), b.int(dtype.bits()));
        }
        // An unsigned comparison is a subtraction with its borrow spread, two instructions; a row is never negative, nor the
        // last of all numbers. In LLVM's sight the answer would be joined with others lane by lane.
        let next = pull.ix.materialise(index.row[0].offset(1));
        let next = if pull.ix.bits() < 64 { b.extui(next, i64) } else { next };
        let bound = b.maxsi(bound, b.const_int(i64, 0));
        let beyond = b.extsi(b.cmpi(IntPredicate::Ult, bound, next), b.int(dtype.bits()));
        b.splat(pull.machine.opaque(b, beyond), lanes)
    }
}

impl<'m> Shortcut<'m> for BoundMask<'m> {
    fn value(&self, pull: &Pull<'_, 'm>, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let value = pull.kernel.value(id);
        let (inside, bound) = below_bound(pull.kernel, value)?;
        let lanes = index.lanes();
        // A row beyond the bound does not trap, and the arms of floats would have to agree on their NaNs.
        if index.row.len() > 1 || lanes == 1 || !value.dtype.is_int() || value.dtype.bits() < 32 {
            return None;
        }
        let inside = pull.evaluate(inside, index);
        if inside.trap.is_some() {
            return None;
        }
        let bound = pull.evaluate(bound, &pull.seen_by(bound, index)).value;
        let beyond = self.beyond(pull, bound, index, value.dtype);
        Some(Lanes::exact(pull.b.ori(pull.lanewise.spread(inside.value, lanes), beyond), lanes))
    }
}

/// What is selected in rows below a bound, and the bound, where all other rows are all ones.
fn below_bound(kernel: &Kernel, value: &Value) -> Option<(ValueId, ValueId)> {
    let ValueKind::Scalar(ScalarOp::Select, operands) = &value.kind else { return None };
    let &[condition, inside, beyond] = &operands[..] else { return None };
    let ValueKind::Const(fill) = kernel.value(beyond).kind else { return None };
    let ValueKind::Scalar(ScalarOp::Compare(CompareOp::Lt), operands) = &kernel.value(condition).kind else {
        return None;
    };
    let (row, bound) = (kernel.value(operands[0]), kernel.value(operands[1]));
    let rows = matches!(row.kind, ValueKind::Row) && row.dtype == DType::I64;
    let uniform = !bound.space.per_row && bound.space.cols == 1;
    let ones = fill.bits().trailing_ones() >= value.dtype.bits();
    (rows && uniform && ones).then_some((inside, operands[1]))
}
