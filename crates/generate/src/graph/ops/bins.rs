//! Operations on bins: what is made of all rows, and what is done with it.

use crate::graph::Growing;
use routefuse_ir::{DType, Dim, NodeId, Op, TensorType};

/// How many bins there are, one of these.
const BINS: &[u64] = &[1, 2, 3, 8, 17, 64, 72, 160];

impl Growing<'_> {
    /// Integers that may name bins: of some in no bin, of some in few.
    fn ids(&mut self) -> Option<NodeId> {
        let is_ids = |t: &TensorType| t.dtype.is_int() && (1..=2).contains(&t.shape.len());
        match self.value_where(is_ids) {
            Some(ids) => Some(ids),
            None => self.index(),
        }
    }

    pub(super) fn bin_count(&mut self) -> Option<NodeId> {
        let ids = self.ids()?;
        let bins: u64 = self.c.of(BINS);
        let before = self.value_where(|t| t.dtype == DType::I32 && t.shape == [Dim::Const(bins)]);
        match before.filter(|_| self.c.one_in(4)) {
            Some(before) => self.try_op(Op::BinCount { bins }, &[ids, before]),
            None => self.try_op(Op::BinCount { bins }, &[ids]),
        }
    }

    pub(super) fn bin_any(&mut self) -> Option<NodeId> {
        let ids = self.ids()?;
        let bins: u64 = self.c.of(BINS);
        self.try_op(Op::BinAny { bins }, &[ids])
    }

    pub(super) fn count_rows(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.dtype == DType::Bool && t.shape.len() == 2)?;
        self.try_op(Op::CountRows, &[x])
    }

    /// Of counts, where there are some; of another vector otherwise.
    pub(super) fn bin_starts(&mut self) -> Option<NodeId> {
        let is_counts = |t: &TensorType| t.dtype == DType::I32 && matches!(t.shape[..], [Dim::Const(1..)]);
        let counts = match self.value_where(is_counts) {
            Some(counts) => counts,
            None => self.bin_count()?,
        };
        let op = if self.c.one_in(4) {
            Op::BinStarts { align: 1, empty: 0, stride: Some(self.c.of(&[0, 1, 3, 7, 64, i32::MAX as u64])) }
        } else {
            let align = self.c.of(&[1, 1, 2, 3, 7, 16, 64, i32::MAX as u64]);
            Op::BinStarts { align, empty: u64::from(self.c.one_in(3)), stride: None }
        };
        self.try_op(op, &[counts])
    }

    pub(super) fn bin_rank(&mut self) -> Option<NodeId> {
        let ids = self.ids()?;
        let bins: u64 = self.c.of(BINS);
        self.try_op(Op::BinRank { bins }, &[ids])
    }

    /// Starts that there are, or new ones.
    fn starts(&mut self) -> Option<NodeId> {
        let known: Vec<NodeId> = self.pool.iter().copied().filter(|v| self.starts.contains(v)).collect();
        if let Some(starts) = self.c.any_of(&known) {
            return Some(starts);
        }
        let made = self.bin_starts()?;
        self.starts.push(made);
        Some(made)
    }

    /// What bins are laid out in: places, or a dim that is given at launch.
    fn places(&mut self) -> Vec<Dim> {
        let known = if self.c.one_in(3) { Some(self.row_dim()) } else { None };
        vec![known.unwrap_or_else(|| self.c.of(&[1u64, 5, 40, 64, 200]).into())]
    }

    pub(super) fn bin_scatter(&mut self) -> Option<NodeId> {
        let starts = self.starts()?;
        let ids = self.ids()?;
        let shape = self.shape_of(ids);
        let values = self.value_where(|t| t.shape == shape || t.shape.is_empty())?;
        let dtype = self.dtype_of(values);
        let places = self.places();
        let fill = match self.value_where(|t| t.dtype == dtype && t.shape == places) {
            Some(fill) if self.c.one_in(2) => fill,
            _ => self.constant(dtype),
        };
        let mut operands = vec![values, ids, starts, fill];
        if self.c.one_in(3) {
            operands.extend(self.value_where(|t| t.dtype == dtype && t.shape == places));
        }
        self.try_op(Op::BinScatter { shape: places }, &operands)
    }

    /// What engines make of the ids of all rows, all of it stored: counts, starts, where items of the same ids go, whose places are
    /// whose. Chance alone seldom takes the same ids for all of them, and on a GPU these are phases of one launch.
    pub(in crate::graph) fn laid_out(&mut self) -> Option<()> {
        let is_ids = |t: &TensorType| t.dtype.is_int() && t.shape.len() <= 2 && t.row_symbol().is_some();
        let ids = self.value_where(is_ids)?;
        let bins: u64 = self.c.of(BINS);
        let counts = self.try_op(Op::BinCount { bins }, &[ids])?;
        let (align, empty) = (self.c.of(&[1, 2, 3, 16, 64]), u64::from(self.c.one_in(5)));
        let starts = self.try_op(Op::BinStarts { align, empty, stride: None }, &[counts])?;
        let (shape, places) = (self.shape_of(ids), vec![self.row_dim()]);
        for _ in 0..1 + self.c.below(3) {
            let values = self.value_where(|t| t.shape == shape || t.shape.is_empty())?;
            let fill = self.constant(self.dtype_of(values));
            let laid = self.try_op(Op::BinScatter { shape: places.clone() }, &[values, ids, starts, fill])?;
            self.laid.push(laid);
        }
        if self.c.one_in(2) {
            let bin = self.try_op(Op::BinOf { step: align, shape: places }, &[starts])?;
            self.laid.push(bin);
        }
        if self.c.one_in(2) {
            let rank = self.try_op(Op::BinRank { bins }, &[ids])?;
            self.laid.push(rank);
        }
        if self.c.one_in(2) {
            self.laid.push(counts);
        }
        Some(())
    }

    pub(super) fn bin_of(&mut self) -> Option<NodeId> {
        let starts = self.starts()?;
        let (step, shape) = (self.c.of(&[1, 1, 2, 16, 64, i32::MAX as u64]), self.places());
        self.try_op(Op::BinOf { step, shape }, &[starts])
    }
}
