//! Algebraic rewrites that keep every bit.

use super::Pass;
use super::rewrite::{Expr, Rule, apply};
use super::view::View;
use super::{boolean, cast, float, integer, row};
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp};
use routefuse_ir::{Graph, NodeId, Op};

/// Elementwise operations, and those on rows, become fewer or cheaper ones. Each rule is one equation, stated above it; in an equation, `c`
/// are constants.
pub struct Algebra;

impl Pass for Algebra {
    fn name(&self) -> &'static str {
        "algebra"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let rules: Vec<Rule> =
            [&[constant_right as Rule][..], integer::RULES, boolean::RULES, cast::RULES, float::RULES, row::RULES]
                .concat();
        apply(g, &rules)
    }
}

/// c ∘ x = x ∘ c where ∘ commutes, and c < x = x > c; so that the other rules look for constants on the right
fn constant_right(v: View, id: NodeId) -> Option<Expr> {
    let (op, a, b) = match v.op(id) {
        Op::Scalar(op @ (ScalarOp::Binary(_) | ScalarOp::Compare(_))) => v.operands(id).map(|[a, b]| (*op, a, b))?,
        _ => return None,
    };
    if v.literal(a).is_none() || v.literal(b).is_some() {
        return None;
    }
    match op {
        ScalarOp::Binary(op) if commutes(op) => Some(Expr::binary(op, b, a)),
        ScalarOp::Compare(op) => Some(Expr::compare(mirrored(op), b, a)),
        _ => None,
    }
}

/// On integers, bool and `f32` alike: a NaN made by arithmetic is canonical, and `min` and `max` order the zeros.
pub(super) fn commutes(op: BinaryOp) -> bool {
    use BinaryOp::{Add, And, Max, Min, Mul, Or, Xor};
    matches!(op, Add | Mul | Min(_) | Max(_) | And | Or | Xor)
}

/// The comparison of b and a that a and b ask for.
pub(super) fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Le,
        CompareOp::Eq | CompareOp::Ne => op,
    }
}
