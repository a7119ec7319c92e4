//! Operations on whole rows, with a cast before those that take `f32` alone.

use crate::graph::Growing;
use crate::graph::values::inner;
use routefuse_ir::op::{Candidates, Denominator, NanOrder, OutOfRange, ReduceOp, TopKOrder};
use routefuse_ir::{DType, NodeId, Op};

impl Growing<'_> {
    fn candidates(&mut self) -> Candidates {
        if self.c.one_in(2) { Candidates::All } else { Candidates::AboveNegInf }
    }

    /// How many of a value's columns: mostly few, sometimes all.
    fn how_many(&mut self, x: NodeId) -> Option<u64> {
        let columns = inner(self.b.ty(x))?;
        Some(if self.c.one_in(6) { columns } else { self.c.range(1..columns.min(12) + 1) })
    }

    pub(super) fn reduce(&mut self) -> Option<NodeId> {
        let (op, _) = self.c.of(&ReduceOp::ALL);
        let x = if op == ReduceOp::TopTwoSum { self.float()? } else { self.value_where(|t| inner(t).is_some())? };
        let rank = self.shape_of(x).len();
        let axis = if self.c.one_in(5) { self.c.below(rank) } else { rank - 1 };
        self.try_op(Op::Reduce { op, axis }, &[x]).or_else(|| {
            let x = self.to(x, DType::F32)?;
            self.try_op(Op::Reduce { op, axis }, &[x])
        })
    }

    pub(super) fn argmax(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| inner(t).is_some())?;
        let nan = self.nan_order();
        self.try_op(Op::ArgMax { nan }, &[x])
    }

    pub(super) fn cumsum(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| inner(t).is_some())?;
        self.try_op(Op::CumSum, &[x])
    }

    /// Or its logarithm.
    pub(super) fn softmax(&mut self) -> Option<NodeId> {
        let x = self.float()?;
        let op = self.c.of(&[Op::Softmax, Op::LogSoftmax]);
        self.try_op(op, &[x])
    }

    pub(super) fn dot(&mut self) -> Option<NodeId> {
        let a = self.float()?;
        let shape = self.shape_of(a);
        let b = self.partner(&shape, DType::F32)?;
        self.try_op(Op::Dot, &[a, b])
    }

    pub(super) fn topk(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| inner(t).is_some())?;
        let (k, candidates) = (self.how_many(x)?, self.candidates());
        let order = if self.c.one_in(3) { TopKOrder::Column } else { TopKOrder::Value };
        let nan = self.nan_order();
        self.try_op(Op::TopK { k, candidates, order, nan }, &[x])
    }

    pub(super) fn topk_mask(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| inner(t).is_some())?;
        let (k, candidates) = (self.how_many(x)?, self.candidates());
        let nan = self.nan_order();
        self.try_op(Op::TopKMask { k, candidates, nan }, &[x])
    }

    fn nan_order(&mut self) -> NanOrder {
        if self.c.one_in(4) { NanOrder::First } else { NanOrder::Last }
    }

    pub(super) fn renorm(&mut self) -> Option<NodeId> {
        let w = self.float()?;
        let epsilon = self.literal(DType::F32);
        let rules =
            [Denominator::Sum, Denominator::PlusEpsilon(epsilon), Denominator::Clamp(epsilon), Denominator::Positive];
        let denominator = self.c.of(&rules);
        self.try_op(Op::Renorm { denominator }, &[w])
    }

    /// What a top-k chose, of its own keys or of other values of the row.
    pub(super) fn chosen(&mut self) -> Option<NodeId> {
        let ids = self.topk()?;
        let row = *self.shape_of(ids).first()?;
        let x = self.value_where(|t| t.shape.len() == 2 && t.shape[0] == row && inner(t).is_some())?;
        let out_of_range = if self.c.one_in(2) { OutOfRange::Pass } else { self.policy(self.dtype_of(x)) };
        self.try_op(Op::GatherRow { out_of_range }, &[x, ids])
    }
}
