//! Row schedules: lanes own a row, compute what is a function of the whole row once, and hold it.
//!
//! The two owners, [`host`] (one lane has a row, and holds values on the stack) and [`gpu`] (the lanes of a team share a row,
//! and hold values in their registers), have nothing in common but what they must be able to do: [`Rows`]. Files of equal names
//! do the same job in both.

pub(super) mod gpu;
pub(super) mod host;

use super::pull::index::Index;
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, ValueId};
use routefuse_ir::op::{Candidates, ReduceOp, TopKOrder};

/// What a row value is made of: an operand's columns in segments.
#[derive(Clone, Copy)]
pub(super) struct Segments {
    /// The operand.
    pub operand: ValueId,
    /// Columns of a segment.
    pub width: u64,
}

impl Segments {
    /// The number of segments of a row.
    pub fn count(self, kernel: &Kernel) -> u64 {
        kernel.value(self.operand).space.cols / self.width
    }
}

/// What is selected of each segment.
#[derive(Clone, Copy)]
pub(super) struct Selection {
    /// How many.
    pub k: u64,
    /// Of what.
    pub candidates: Candidates,
}

/// What an owner of rows computes: a method for each kind of row value, so that a new kind does not compile before every owner
/// has it. `at` is the row that is asked about.
pub(super) trait Rows<'m> {
    /// What the owner has prepared for a row value before any loop.
    type Prepared;
    /// What it holds afterwards.
    type Result;

    /// One value a segment.
    fn reduce(&self, of: Segments, op: ReduceOp, prepared: &Self::Prepared, at: &Index<'m>) -> Self::Result;

    /// A running sum of every column.
    fn cumsum(&self, of: Segments, prepared: &Self::Prepared, at: &Index<'m>) -> Self::Result;

    /// The columns of the k best of each segment.
    fn topk(
        &self,
        of: Segments,
        what: Selection,
        order: TopKOrder,
        prepared: &Self::Prepared,
        at: &Index<'m>,
    ) -> Self::Result;

    /// Whether each column is among the k best of its segment.
    fn topk_mask(&self, of: Segments, what: Selection, prepared: &Self::Prepared, at: &Index<'m>) -> Self::Result;

    /// How many columns before each, of this row and of those before, are the same id of so many bins.
    fn bin_rank(&self, of: Segments, bins: u64, prepared: &Self::Prepared, at: &Index<'m>) -> Self::Result;
}

/// Computes a row value.
pub(super) fn compute<'m, R: Rows<'m>>(
    owner: &R,
    row_value: RowValue,
    prepared: &R::Prepared,
    at: &Index<'m>,
) -> R::Result {
    let RowValue { op, value: operand, width } = row_value;
    let of = Segments { operand, width };
    match op {
        RowOp::Reduce(op) => owner.reduce(of, op, prepared, at),
        RowOp::CumSum => owner.cumsum(of, prepared, at),
        RowOp::TopK { k, candidates, order } => owner.topk(of, Selection { k, candidates }, order, prepared, at),
        RowOp::TopKMask { k, candidates } => owner.topk_mask(of, Selection { k, candidates }, prepared, at),
        RowOp::Rank { bins } => owner.bin_rank(of, bins, prepared, at),
    }
}
