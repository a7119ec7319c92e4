//! What is known of each value while rules run.

use crate::range::Ranges;
use routefuse_ir::math::{BF16_NAN, F16_NAN, F32_NAN};
use routefuse_ir::op::OutOfRange;
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
        self.canonical.get(id.index()).copied().unwrap_or(false)
    }

    /// No element is a float below 0.0: each is 0.0, above it, or a NaN; −0.0 is not among them either.
    pub(super) fn is_unsigned(&self, id: NodeId) -> bool {
        self.unsigned.get(id.index()).copied().unwrap_or(false)
    }

    /// It is a gather that traps, or depends on one.
    pub(super) fn may_trap(&self, id: NodeId) -> bool {
        self.trapping.get(id.index()).copied().unwrap_or(true)
    }

    fn learn_bits(&mut self, g: &Graph, id: NodeId) {
        let canonical = canonical(g, id, |x| self.is_canonical(x));
        let unsigned = unsigned(g, id, |x| self.is_unsigned(x));
        let trapping = traps(&g.node(id).op) || g.operands(id).iter().any(|x| self.may_trap(*x));
        let index = id.index();
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

fn canonical(g: &Graph, id: NodeId, known: impl Fn(NodeId) -> bool) -> bool {
    let node = g.node(id);
    let operands = g.operands(id);
    !node.ty.dtype.is_float()
        || node.op.nan().holds(&node.op, operands.len(), |i| known(operands[i]), canonical_literal)
}

/// Exact arithmetic rounds to the nearest, so a result without a sign that is not 0.0 stays one.
fn unsigned(g: &Graph, id: NodeId, known: impl Fn(NodeId) -> bool) -> bool {
    let node = g.node(id);
    if !node.ty.dtype.is_float() {
        return false;
    }
    let operands = g.operands(id);
    // An operand that is no float is a number in a cast: of a dtype that has no sign, it has none.
    let operand = |i: usize| match g.node(operands[i]).ty.dtype {
        dtype if dtype.is_float() => known(operands[i]),
        dtype => !dtype.is_signed(),
    };
    let positive = |l: Literal| l.as_f64().is_some_and(|x| x.is_nan() || x.is_sign_positive());
    node.op.sign().holds(&node.op, operands.len(), operand, positive)
}
