//! Operations on bins, across rows.

use super::GraphBuilder;
use crate::dim::Dim;
use crate::graph::NodeId;
use crate::op::Op;

impl GraphBuilder {
    /// How often each of `bins` bins is among the ids of all rows, `[T]` or `[T, K]`; `i32[bins]`. Other ids are in none.
    pub fn bin_count(&mut self, ids: NodeId, bins: u64) -> NodeId {
        self.op(Op::BinCount { bins }, &[ids])
    }

    /// Whether each row of ids, `[T, K]`, has one of the bin; `bool[T, bins]`.
    pub fn bin_any(&mut self, ids: NodeId, bins: u64) -> NodeId {
        self.op(Op::BinAny { bins }, &[ids])
    }

    /// In how many rows each column of `x`, `bool[T, R]`, is true; `i32[R]`.
    pub fn count_rows(&mut self, x: NodeId) -> NodeId {
        self.op(Op::CountRows, &[x])
    }

    /// Where each of E bins of so many items, `i32[E]`, begins, in multiples of `align` places, and last where all end;
    /// `i32[E + 1]`. Bins without items take none.
    pub fn bin_starts(&mut self, counts: NodeId, align: u64) -> NodeId {
        self.op(Op::BinStarts { align, empty: 0, stride: None }, &[counts])
    }

    /// Where bins begin that have `stride` places each, as many bins as there are counts, `i32[E]`; `i32[E + 1]`.
    pub fn strided_starts(&mut self, counts: NodeId, stride: u64) -> NodeId {
        self.op(Op::BinStarts { align: 1, empty: 0, stride: Some(stride) }, &[counts])
    }

    /// How many items before each, by row and then by column, have its id; `i32` of the ids' shape, −1 where the id is in none of
    /// `bins` bins.
    pub fn bin_rank(&mut self, ids: NodeId, bins: u64) -> NodeId {
        self.op(Op::BinRank { bins }, &[ids])
    }

    /// Each value, of the ids' shape or a scalar, at the start of its bin plus its rank in it, and `fill` elsewhere; of the one
    /// dim that `places` is. A bin that is full drops its last items.
    pub fn bin_scatter(
        &mut self,
        values: NodeId,
        ids: NodeId,
        starts: NodeId,
        fill: NodeId,
        places: impl Into<Dim>,
    ) -> NodeId {
        self.op(Op::BinScatter { shape: vec![places.into()] }, &[values, ids, starts, fill])
    }

    /// The bin in which place j × `step` is, for each j of the dim `elements`; `i32`, −1 where it is in none.
    pub fn bin_of(&mut self, starts: NodeId, step: u64, elements: impl Into<Dim>) -> NodeId {
        self.op(Op::BinOf { step, shape: vec![elements.into()] }, &[starts])
    }
}
