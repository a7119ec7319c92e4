//! What a condition says of a value.

use super::{Interval, Ranges};
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp, UnaryOp};
use routefuse_ir::{Graph, NodeId, Op};

/// How deep conditions are taken apart; a conjunction of more parts than this is read in part.
const DEPTH: u32 = 8;

/// The part of `known` in which `value` lies where `condition` holds (or does not); `None` if there is none.
pub(super) fn refined(
    ranges: &Ranges,
    g: &Graph,
    condition: NodeId,
    holds: bool,
    value: NodeId,
    known: Interval,
) -> Option<Interval> {
    let subject = Subject { ranges, g, value: number(ranges, g, value) };
    subject.refine(condition, holds, known, DEPTH)
}

struct Subject<'a> {
    ranges: &'a Ranges,
    g: &'a Graph,
    value: NodeId,
}

impl Subject<'_> {
    fn refine(&self, condition: NodeId, holds: bool, known: Interval, depth: u32) -> Option<Interval> {
        let operands = self.g.operands(condition);
        if depth == 0 {
            return Some(known);
        }
        match (&self.g.node(condition).op, &operands[..]) {
            (Op::Scalar(ScalarOp::Unary(UnaryOp::Not)), [c]) => self.refine(*c, !holds, known, depth - 1),
            // Both sides hold, or both do not.
            (Op::Scalar(ScalarOp::Binary(op @ (BinaryOp::And | BinaryOp::Or))), [c, d])
                if (*op == BinaryOp::And) == holds =>
            {
                let known = self.refine(*c, holds, known, depth - 1)?;
                self.refine(*d, holds, known, depth - 1)
            }
            // One side holds, or one does not.
            (Op::Scalar(ScalarOp::Binary(BinaryOp::And | BinaryOp::Or)), [c, d]) => {
                let sides = [*c, *d].map(|c| self.refine(c, holds, known, depth - 1));
                match sides {
                    [Some(a), Some(b)] => Some(a.union(b)),
                    [one, other] => one.or(other),
                }
            }
            (Op::Scalar(ScalarOp::Compare(op)), [a, b]) => {
                let mut known = known;
                if self.is_subject(*a) {
                    known = bounded(*op, holds, known, self.ranges.get(*b)?)?;
                }
                if self.is_subject(*b) {
                    known = bounded(mirrored(*op), holds, known, self.ranges.get(*a)?)?;
                }
                Some(known)
            }
            _ => Some(known),
        }
    }

    fn is_subject(&self, id: NodeId) -> bool {
        number(self.ranges, self.g, id) == self.value
    }
}

/// The value of the same number before casts that hold every number it has.
fn number(ranges: &Ranges, g: &Graph, id: NodeId) -> NodeId {
    let mut at = id;
    while let (Op::Scalar(ScalarOp::Cast(to)), [x]) = (&g.node(at).op, &g.operands(at)[..]) {
        let lossless = ranges.get(*x).zip(Interval::of_dtype(*to)).is_some_and(|(x, to)| to.contains(x));
        if !lossless {
            break;
        }
        at = *x;
    }
    at
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Le,
        CompareOp::Eq | CompareOp::Ne => op,
    }
}

fn inverse(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        CompareOp::Lt => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Lt,
        CompareOp::Le => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Le,
    }
}

/// The part of `known` that compares so with something in `bound`.
fn bounded(op: CompareOp, holds: bool, known: Interval, bound: Interval) -> Option<Interval> {
    let op = if holds { op } else { inverse(op) };
    let below = |hi: i128| known.intersect(Interval { lo: i128::MIN, hi });
    let above = |lo: i128| known.intersect(Interval { lo, hi: i128::MAX });
    match op {
        CompareOp::Eq => known.intersect(bound),
        CompareOp::Lt => below(bound.hi - 1),
        CompareOp::Le => below(bound.hi),
        CompareOp::Gt => above(bound.lo + 1),
        CompareOp::Ge => above(bound.lo),
        // A single number cuts off an end.
        CompareOp::Ne if bound.lo == bound.hi => {
            let lo = known.lo + i128::from(known.lo == bound.lo);
            let hi = known.hi - i128::from(known.hi == bound.lo);
            (lo <= hi).then_some(Interval { lo, hi })
        }
        CompareOp::Ne => Some(known),
    }
}
