//! Operations on whole rows.

use super::GraphBuilder;
use crate::graph::NodeId;
use crate::op::{Candidates, Denominator, GroupFill, GroupScore, NanOrder, Op, ReduceOp, TopKOrder};

impl GraphBuilder {
    /// One constant axis reduced to extent 1.
    pub fn reduce(&mut self, op: ReduceOp, x: NodeId, axis: usize) -> NodeId {
        self.op(Op::Reduce { op, axis }, &[x])
    }

    /// The inner dim reduced to extent 1.
    pub fn reduce_inner(&mut self, op: ReduceOp, x: NodeId) -> NodeId {
        let axis = self.ty(x).shape.len().saturating_sub(1);
        self.reduce(op, x, axis)
    }

    /// The `i32` column of the best of the inner dim, a NaN the least; `[…, 1]`.
    pub fn argmax(&mut self, x: NodeId) -> NodeId {
        self.op(Op::ArgMax { nan: NanOrder::Last }, &[x])
    }

    /// Running sums of the inner dim.
    pub fn cumsum(&mut self, x: NodeId) -> NodeId {
        self.op(Op::CumSum, &[x])
    }

    /// The softmax over the inner dim; `f32`.
    pub fn softmax(&mut self, x: NodeId) -> NodeId {
        self.op(Op::Softmax, &[x])
    }

    /// The logarithm of the softmax over the inner dim; `f32`.
    pub fn log_softmax(&mut self, x: NodeId) -> NodeId {
        self.op(Op::LogSoftmax, &[x])
    }

    /// The sum of the products over the inner dim; `f32`, `[…, 1]`.
    pub fn dot(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.op(Op::Dot, &[a, b])
    }

    /// The `i32` columns of the k best of the inner dim, −1 where candidates run out; `[…, k]`. A NaN is the least: [`Op::TopK`]
    /// by [`GraphBuilder::op`] has the other order too.
    pub fn topk(&mut self, x: NodeId, k: u64, candidates: Candidates, order: TopKOrder) -> NodeId {
        self.op(Op::TopK { k, candidates, order, nan: NanOrder::Last }, &[x])
    }

    /// Whether each column is among the k best of the inner dim; bool.
    pub fn topk_mask(&mut self, x: NodeId, k: u64, candidates: Candidates) -> NodeId {
        self.op(Op::TopKMask { k, candidates, nan: NanOrder::Last }, &[x])
    }

    /// `[T, E]` to `[T, G]`: the score of each of `groups` groups of neighbouring columns.
    pub fn group_score(&mut self, x: NodeId, groups: u64, score: GroupScore) -> NodeId {
        self.op(Op::GroupScore { groups, score }, &[x])
    }

    /// `x`, `[T, E]`, with the columns of all but the `keep` best groups masked; `scores` is `[T, G]`.
    pub fn group_mask(&mut self, x: NodeId, scores: NodeId, keep: u64, fill: GroupFill) -> NodeId {
        self.op(Op::GroupMask { keep, fill }, &[x, scores])
    }

    /// `w` divided by its sum over the inner dim, guarded as the rule says; `f32`.
    pub fn renorm(&mut self, w: NodeId, denominator: Denominator) -> NodeId {
        self.op(Op::Renorm { denominator }, &[w])
    }

    /// `counts[index] += amount`, to be an output in place of the input `counts`; see [`Op::AtomicAdd`].
    pub fn atomic_add(&mut self, counts: NodeId, indices: NodeId, amounts: NodeId) -> NodeId {
        self.op(Op::AtomicAdd, &[counts, indices, amounts])
    }
}
