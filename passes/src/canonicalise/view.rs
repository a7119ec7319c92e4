//! What a rule sees of a graph.

use super::facts::Facts;
use crate::range::Interval;
use routefuse_ir::op::info::Fact;
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Graph, Literal, NodeId, Op, TensorType};

/// A graph and what is known of its values.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) g: &'a Graph,
    pub(super) facts: &'a Facts,
}

impl View<'_> {
    pub(super) fn op(&self, id: NodeId) -> &Op {
        &self.g.node(id).op
    }

    pub(super) fn ty(&self, id: NodeId) -> &TensorType {
        &self.g.node(id).ty
    }

    pub(super) fn dtype(&self, id: NodeId) -> DType {
        self.ty(id).dtype
    }

    pub(super) fn is_scalar(&self, id: NodeId) -> bool {
        self.ty(id).shape.is_empty()
    }

    /// The operands of a node that has this many.
    pub(super) fn operands<const N: usize>(&self, id: NodeId) -> Option<[NodeId; N]> {
        self.g.operands(id).try_into().ok()
    }

    /// The scalar that every element of the value is.
    pub(super) fn scalar_source(&self, id: NodeId) -> Option<NodeId> {
        let mut at = id;
        loop {
            if self.is_scalar(at) {
                return Some(at);
            }
            let (Op::Broadcast { .. } | Op::Reshape { .. }) = self.op(at) else { return None };
            [at] = self.operands(at)?;
        }
    }

    /// The constant that every element of the value is.
    pub(super) fn literal(&self, id: NodeId) -> Option<Literal> {
        match self.op(self.scalar_source(id)?) {
            Op::Const(l) => Some(*l),
            _ => None,
        }
    }

    /// The integer or bool constant that every element of the value is.
    pub(super) fn int(&self, id: NodeId) -> Option<i128> {
        self.literal(id)?.as_int()
    }

    /// The `f32` constant that every element of the value is.
    pub(super) fn f32(&self, id: NodeId) -> Option<f32> {
        self.literal(id).filter(|l| l.dtype() == DType::F32).map(|l| f32::from_bits(l.bits() as u32))
    }

    /// Where the value lies, for integers and bool.
    pub(super) fn range(&self, id: NodeId) -> Option<Interval> {
        self.facts.ranges.get(id)
    }

    pub(super) fn unary(&self, id: NodeId) -> Option<(UnaryOp, NodeId)> {
        match self.op(id) {
            Op::Scalar(ScalarOp::Unary(op)) => self.operands(id).map(|[x]| (*op, x)),
            _ => None,
        }
    }

    pub(super) fn binary(&self, id: NodeId) -> Option<(BinaryOp, NodeId, NodeId)> {
        match self.op(id) {
            Op::Scalar(ScalarOp::Binary(op)) => self.operands(id).map(|[a, b]| (*op, a, b)),
            _ => None,
        }
    }

    pub(super) fn compare(&self, id: NodeId) -> Option<(CompareOp, NodeId, NodeId)> {
        match self.op(id) {
            Op::Scalar(ScalarOp::Compare(op)) => self.operands(id).map(|[a, b]| (*op, a, b)),
            _ => None,
        }
    }

    /// condition, a, b.
    pub(super) fn select(&self, id: NodeId) -> Option<[NodeId; 3]> {
        match self.op(id) {
            Op::Scalar(ScalarOp::Select) => self.operands(id),
            _ => None,
        }
    }

    /// What is cast; the dtype is the value's own.
    pub(super) fn cast(&self, id: NodeId) -> Option<NodeId> {
        match self.op(id) {
            Op::Scalar(ScalarOp::Cast(_)) => self.operands(id).map(|[x]| x),
            _ => None,
        }
    }

    /// The operand of a `not`.
    pub(super) fn not(&self, id: NodeId) -> Option<NodeId> {
        self.unary(id).and_then(|(op, x)| (op == UnaryOp::Not).then_some(x))
    }

    /// `x` may stand for arithmetic on `x` that returns every number unchanged: either no NaN of `x` has a payload that the
    /// arithmetic would have replaced, or nothing that uses `at` sees a payload.
    pub(super) fn replaces_arithmetic(&self, at: NodeId, x: NodeId) -> bool {
        self.facts.is_canonical(x) || self.payload_unseen(at)
    }

    /// Every use of the value makes the same of every NaN. Only direct users are asked: what they give does not depend on
    /// the payload, so the facts that are known of them stay true.
    fn payload_unseen(&self, id: NodeId) -> bool {
        let blind = |user: &NodeId| match self.op(*user) {
            Op::Scalar(ScalarOp::Unary(UnaryOp::IsNan) | ScalarOp::Compare(_)) => true,
            Op::Scalar(op) => op.nan() == Fact::Always,
            _ => false,
        };
        !self.g.outputs.iter().any(|o| o.node == id) && self.g.users(id).iter().all(blind)
    }
}
