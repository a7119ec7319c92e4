//! Constant folding.

use super::Pass;
use super::rewrite::{Expr, Rule, apply};
use super::view::View;
use routefuse_ir::op::OutOfRange;
use routefuse_ir::{Graph, Literal, NodeId, Op, eval};

/// Operations on constants become constants, computed by the function that defines them.
pub struct Fold;

impl Pass for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn run(&self, g: &mut Graph) -> bool {
        apply(g, RULES)
    }
}

const RULES: &[Rule] = &[scalar, reduced, single_value, gather_outside];

/// op(c0, c1, …) = c, every operand being one constant in every element
fn scalar(v: View, id: NodeId) -> Option<Expr> {
    let Op::Scalar(op) = v.op(id) else { return None };
    let operands: Option<Vec<Literal>> = v.g.operands(id).iter().map(|o| v.literal(*o)).collect();
    Some(eval::scalar(*op, &operands?).into())
}

/// The longest segment that is reduced here.
const MAX_SEGMENT: u64 = 1 << 16;

/// reduce(c, c, …) = d
fn reduced(v: View, id: NodeId) -> Option<Expr> {
    let Op::Reduce { op, axis } = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    let (dtype, literal) = (v.dtype(x), v.literal(x)?);
    let extent = v.ty(x).shape[*axis].as_const().filter(|n| *n <= MAX_SEGMENT)?;
    let bits = eval::row::reduce(*op, dtype, &vec![literal.bits(); extent as usize])?;
    Some(Literal::from_bits(dtype, bits).into())
}

/// x = c, if c is the only integer or bool that x can be
fn single_value(v: View, id: NodeId) -> Option<Expr> {
    if matches!(v.op(id), Op::Input(_) | Op::Const(_)) || v.literal(id).is_some() {
        return None;
    }
    let range = v.range(id)?;
    if range.lo == range.hi { Expr::int(v.dtype(id), range.lo) } else { None }
}

/// table[i] = replacement, if i is never in range
fn gather_outside(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Gather { out_of_range } | Op::GatherRow { out_of_range }) = v.op(id) else { return None };
    if !matches!(out_of_range, OutOfRange::Pass | OutOfRange::Fill(_)) {
        return None;
    }
    let operands = v.g.operands(id);
    let dims = match v.op(id) {
        Op::Gather { .. } => v.ty(operands[0]).shape.clone(),
        _ => v.ty(operands[0]).shape.last().copied().into_iter().collect(),
    };
    let outside = operands[1..].iter().zip(dims).any(|(index, dim)| {
        v.range(*index).is_some_and(|r| r.hi < 0 || dim.as_const().is_some_and(|n| r.lo >= i128::from(n)))
    });
    outside.then(|| out_of_range.replacement(v.dtype(id)).into())
}
