//! Macro operations, in terms of primitive ones.

mod bins;
pub(crate) mod row;

use super::Pass;
use super::movement::MAX_PARTS;
use super::rewrite::{Expr, Rule, apply};
use super::view::View;
use routefuse_ir::op::{BinaryOp, CompareOp, NanRule, PackForm};
use routefuse_ir::{Alias, DType, Graph, Literal, NodeId, Op};

/// `pack`, `unpack_id`, `unpack_weight`, `mask_rows`, `copy` and operations on rows and bins that have a formula become
/// primitive operations, and what is too much for one kernel several.
pub struct Expand;

impl Pass for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let rules: Vec<Rule> = [RULES, row::RULES, bins::RULES].concat();
        // What a formula is made of may have a formula in turn.
        let mut changed = false;
        while apply(g, &rules) {
            changed = true;
        }
        changed
    }
}

/// As [`Expand`], and `bin_starts` too: for a graph of which a kernel is made, and no more.
pub(crate) struct ExpandAll;

impl Pass for ExpandAll {
    fn name(&self) -> &'static str {
        "expand all"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let starts = apply(g, bins::STARTS);
        Expand.run(g) || starts
    }
}

/// Operations on bins alone become what fusion takes, in a graph that is to be done as it was written otherwise.
pub struct ExpandBins;

impl Pass for ExpandBins {
    fn name(&self) -> &'static str {
        "expand bins"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let mut changed = false;
        while apply(g, bins::RULES) {
            changed = true;
        }
        changed
    }
}

const RULES: &[Rule] = &[pack, unpack_id, unpack_weight, mask_rows, copy, concat_apart];

/// pack(id, w) = (i32(id) << 16) | extend(bits of bf16(w))
///
/// The 16 bits are extended by zeros, or by their sign where the form says so: `cast` extends by the source's sign.
fn pack(v: View, id: NodeId) -> Option<Expr> {
    let Op::Pack { form } = v.op(id) else { return None };
    let [ids, weights] = v.operands(id)?;
    let word = if v.dtype(ids) == DType::I32 { ids.into() } else { Expr::cast(ids, DType::I32) };
    let weight = if v.dtype(weights) == DType::Bf16 { weights.into() } else { Expr::cast(weights, DType::Bf16) };
    let half = match form {
        PackForm::Masked => DType::U16,
        PackForm::SignExtended => DType::I16,
    };
    let high = Expr::binary(BinaryOp::Shl, word, Literal::i32(16));
    Some(Expr::binary(BinaryOp::Or, high, Expr::cast(Expr::bitcast(weight, half), DType::I32)))
}

/// unpack_id(p) = p >> 16, arithmetic
fn unpack_id(v: View, id: NodeId) -> Option<Expr> {
    let (Op::UnpackId, [p]) = (v.op(id), v.operands(id)?) else { return None };
    Some(Expr::binary(BinaryOp::Shr, p, Literal::i32(16)))
}

/// unpack_weight(p) = bf16 of the bits u16(p)
fn unpack_weight(v: View, id: NodeId) -> Option<Expr> {
    let (Op::UnpackWeight, [p]) = (v.op(id), v.operands(id)?) else { return None };
    Some(Expr::bitcast(Expr::cast(p, DType::U16), DType::Bf16))
}

/// mask_rows(x, n)[t] = t < n ? x[t] : fill
///
/// Compared as `i64`: every integer dtype fits but `u64`, whose n above 2⁶³ − 1 is more than any row count and so may be
/// 2⁶³ − 1. A negative n is below every t.
fn mask_rows(v: View, id: NodeId) -> Option<Expr> {
    let Op::MaskRows { fill } = v.op(id) else { return None };
    let [x, n] = v.operands(id)?;
    let n64 = match v.dtype(n) {
        DType::I64 => n.into(),
        DType::U64 => {
            let most = Literal::from_bits(DType::U64, i64::MAX as u64);
            Expr::cast(Expr::binary(BinaryOp::Min(NanRule::Number), n, most), DType::I64)
        }
        _ => Expr::cast(n, DType::I64),
    };
    let row = Op::Iota { dtype: DType::I64, shape: v.ty(id).shape.clone(), axis: 0 };
    Some(Expr::select(Expr::compare(CompareOp::Lt, Expr::Op(row, vec![]), n64), x, *fill))
}

/// concat(x, y, …) = concat(concat(x, …), concat(y, …), …), of more parts than a kernel asks for
fn concat_apart(v: View, id: NodeId) -> Option<Expr> {
    let parts = v.g.operands(id);
    if !matches!(v.op(id), Op::Concat) || parts.len() <= MAX_PARTS {
        return None;
    }
    let concat = |parts: &[NodeId]| Expr::Op(Op::Concat, parts.iter().map(|p| Expr::Value(*p)).collect());
    Some(Expr::Op(Op::Concat, parts.chunks(MAX_PARTS).map(concat).collect()))
}

/// copy(x) = x, unless a guarded output stores it: that output is a copy by definition
fn copy(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Copy, [x]) = (v.op(id), v.operands(id)?) else { return None };
    let guarded = v.g.outputs.iter().any(|o| o.node == id && matches!(o.alias, Alias::Guarded(_)));
    (!guarded).then_some(Expr::Value(x))
}
