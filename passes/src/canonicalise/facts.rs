//! What is known of each value while rules run.

use crate::range::Ranges;
use routefuse_ir::math::{BF16_NAN, F16_NAN, F32_NAN};
use routefuse_ir::op::{BinaryOp, GroupFill, GroupScore, OutOfRange, ReduceOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Graph, Literal, NodeId, Op};

/// Ranges of integers, floats whose NaN is canonical, floats without a sign, and values behind which a gather traps.
///
/// Rules keep values, so a fact that held before a rewrite holds after it; only nodes that a rewrite adds are new.
pub(super) struct Facts {
    pub(super) ranges: Ranges,
    canonical: Vec<bool>,
    unsigned: Vec<bool>,
    trapping: Vec<bool>,
}

impl Facts {
    pub(super) fn of(g: &Graph) -> Facts {
        let mut facts = Facts { ranges: Ranges::of(g), canonical: vec![], unsigned: vec![], trapping: vec![] };
        for id in g.topological().unwrap_or_default() {
            facts.learn_bits(g, id);
        }
        facts
    }

    /// Learns a node that was added, or whose operation was replaced by one of the same value.
    pub(super) fn learn(&mut self, g: &Graph, id: NodeId) {
        self.ranges.learn(g, id);
        self.learn_bits(g, id);
    }

    /// No element is a NaN with another payload than the canonical one. True of every integer.
    pub(super) fn is_canonical(&self, id: NodeId) -> bool {
        self.canonical.get(id.0.index()).copied().unwrap_or(false)
    }

    /// No element is a float below 0.0: each is 0.0, above it, or a NaN; −0.0 is not among them either.
    pub(super) fn is_unsigned(&self, id: NodeId) -> bool {
        self.unsigned.get(id.0.index()).copied().unwrap_or(false)
    }

    /// It is a gather that traps, or depends on one.
    pub(super) fn may_trap(&self, id: NodeId) -> bool {
        self.trapping.get(id.0.index()).copied().unwrap_or(true)
    }

    fn learn_bits(&mut self, g: &Graph, id: NodeId) {
        let canonical = canonical(g, id, |x| self.is_canonical(x));
        let unsigned = unsigned(g, id, |x| self.is_unsigned(x));
        let trapping = traps(&g.node(id).op) || g.operands(id).iter().any(|x| self.may_trap(*x));
        let index = id.0.index();
        if self.canonical.len() <= index {
            self.canonical.resize(index + 1, false);
            self.unsigned.resize(index + 1, false);
            self.trapping.resize(index + 1, true);
        }
        self.canonical[index] = canonical;
        self.unsigned[index] = unsigned;
        self.trapping[index] = trapping;
    }
}

pub(super) fn traps(op: &Op) -> bool {
    matches!(op, Op::Gather { out_of_range: OutOfRange::Trap } | Op::GatherRow { out_of_range: OutOfRange::Trap })
}

fn canonical_literal(l: Literal) -> bool {
    let nan = match l.dtype() {
        DType::F16 => u64::from(F16_NAN),
        DType::Bf16 => u64::from(BF16_NAN),
        _ => u64::from(F32_NAN.to_bits()),
    };
    l.as_f64().is_none_or(|x| !x.is_nan()) || l.bits() == nan
}

fn canonical_fill(policy: OutOfRange) -> bool {
    match policy {
        OutOfRange::Fill(l) => canonical_literal(l),
        _ => true,
    }
}

fn canonical(g: &Graph, id: NodeId, known: impl Fn(NodeId) -> bool) -> bool {
    let node = g.node(id);
    if !node.ty.dtype.is_float() {
        return true;
    }
    let all = |from: usize| g.operands(id)[from..].iter().all(|o| known(*o));
    match &node.op {
        Op::Const(l) => canonical_literal(*l),
        Op::Scalar(ScalarOp::Select) => all(1),
        Op::Scalar(op) => op.canonicalises_nan(),
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. } | Op::Concat | Op::Copy => all(0),
        Op::Gather { out_of_range } | Op::GatherRow { out_of_range } => {
            known(g.operands(id)[0]) && canonical_fill(*out_of_range)
        }
        Op::MaskRows { fill } => known(g.operands(id)[0]) && canonical_literal(*fill),
        // One column is itself; more are combined by arithmetic.
        Op::Reduce { op: ReduceOp::TopTwoSum, .. } | Op::Softmax | Op::LogSoftmax | Op::Renorm { .. } => true,
        Op::Reduce { .. } | Op::CumSum => all(0),
        Op::Dot => true,
        Op::GroupScore { score: GroupScore::TopTwoSum, .. } => true,
        Op::GroupScore { score: GroupScore::Max, .. } => all(0),
        Op::GroupMask { fill: GroupFill::Multiply, .. } => true,
        Op::GroupMask { .. } => known(g.operands(id)[0]),
        Op::Input(_)
        | Op::Iota { .. }
        | Op::Pack { .. }
        | Op::UnpackId
        | Op::UnpackWeight
        | Op::ArgMax
        | Op::TopK { .. }
        | Op::TopKMask { .. }
        | Op::AtomicAdd => false,
    }
}

/// Exact arithmetic rounds to the nearest, so a result without a sign that is not 0.0 stays one.
fn unsigned(g: &Graph, id: NodeId, known: impl Fn(NodeId) -> bool) -> bool {
    let node = g.node(id);
    if !node.ty.dtype.is_float() {
        return false;
    }
    let operands = g.operands(id);
    let all = |from: usize| operands[from..].iter().all(|o| known(*o));
    let positive = |l: Literal| l.as_f64().is_some_and(|x| x.is_nan() || x.is_sign_positive());
    match &node.op {
        Op::Const(l) => positive(*l),
        Op::Scalar(ScalarOp::Unary(op)) => match op {
            UnaryOp::Exp | UnaryOp::Sigmoid | UnaryOp::Softplus | UnaryOp::Abs => true,
            UnaryOp::Sqrt => all(0),
            _ => false,
        },
        Op::Scalar(ScalarOp::Binary(BinaryOp::Add | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Min)) => all(0),
        // A number before a NaN: one side without a sign does not keep the other's out.
        Op::Scalar(ScalarOp::Binary(BinaryOp::Max)) => all(0),
        Op::Scalar(ScalarOp::Fma) => all(0),
        Op::Scalar(ScalarOp::Select) => all(1),
        Op::Scalar(ScalarOp::Cast(_)) => {
            let from = g.node(operands[0]).ty.dtype;
            if from.is_float() { all(0) } else { from == DType::Bool || !from.is_signed() }
        }
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. } | Op::Concat | Op::Copy => all(0),
        Op::GatherRow { out_of_range } | Op::Gather { out_of_range } => {
            known(operands[0]) && positive(out_of_range.replacement(node.ty.dtype))
        }
        Op::MaskRows { fill } => known(operands[0]) && positive(*fill),
        Op::Reduce { .. } | Op::CumSum => all(0),
        Op::Softmax => true,
        _ => false,
    }
}
