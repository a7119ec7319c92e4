//! Which gathers need no check, and why, in words.

use super::Ranges;
use super::transfer::constant;
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp};
use routefuse_ir::{Dim, Graph, NodeId, Op};

impl Ranges {
    /// Whether index `position` (0 for the first) of a `gather` or `gather_row` is in range in every element, whatever the
    /// inputs hold, and why.
    ///
    /// # Errors
    /// Why it could not be proved: the index is then checked at run time, with the policy that the graph names.
    pub fn prove_index(&self, g: &Graph, gather: NodeId, position: usize) -> Result<String, String> {
        let operands = g.operands(gather);
        if !matches!(g.node(gather).op, Op::Gather { .. } | Op::GatherRow { .. }) {
            return Err(format!("`{}` is no gather", g.node_text(gather)));
        }
        let (Some(table), Some(index)) = (operands.first(), operands.get(position + 1)) else {
            return Err(format!("`{}` has no index {position}", g.node_text(gather)));
        };
        let shape = &g.node(*table).ty.shape;
        let (dims, counted) = match g.node(gather).op {
            Op::GatherRow { .. } => (shape.last().map_or(&[][..], std::slice::from_ref), "columns"),
            _ => (&shape[..], if position == 0 { "rows" } else { "columns" }),
        };
        let counted = if g.node(*table).ty.shape.len() == 1 { "elements" } else { counted };
        let Some((dim, range)) = dims.get(position).zip(self.get(*index)) else {
            return Err(format!("`{}` is not verified", g.node_text(gather)));
        };
        let (index_text, table) = (described(g, *index), &g.node(*table).name);
        match dim {
            Dim::Const(n) if range.lo >= 0 && range.hi < i128::from(*n) => {
                Ok(format!("{index_text}: in {range}, and `%{table}` has {n} {counted}"))
            }
            Dim::Const(n) => Err(format!("{index_text}: in {range}, but `%{table}` has {n} {counted}")),
            Dim::Sym(s) => {
                let symbol = g.symbols.get(s.0 as usize).map_or("?", |s| s);
                // The index along a dim of this very symbol; a dtype of 64 bits holds every extent.
                if counts(g, *index, *dim) {
                    return Ok(format!("{index_text}: below {symbol}, and `%{table}` has {symbol} {counted}"));
                }
                Err(format!("{index_text}: in {range}, but `%{table}` has {symbol} {counted}, known only at launch"))
            }
        }
    }

    /// Whether every index of a `gather` or `gather_row` is in range, and why: one reason an index.
    ///
    /// # Errors
    /// Why the first that could not be proved could not be.
    pub fn prove_gather(&self, g: &Graph, gather: NodeId) -> Result<Vec<String>, String> {
        (0..g.operands(gather).len().saturating_sub(1).max(1)).map(|i| self.prove_index(g, gather, i)).collect()
    }
}

/// `index %phys is min(%x, 255)`.
fn described(g: &Graph, id: NodeId) -> String {
    let node = g.node(id);
    let what = match &node.op {
        Op::Input(_) => format!("an input of {}", node.ty.dtype),
        Op::Iota { axis: 0, shape, .. } if shape[0].as_sym().is_some() => "the row index".to_owned(),
        Op::Iota { axis, .. } => format!("the index along axis {axis}"),
        Op::Rows { .. } => "the number of rows".to_owned(),
        Op::Const(l) => return format!("index {l}"),
        Op::TopK { k, candidates, .. } => {
            let x = operand(g, g.operands(id)[0]);
            let short = if *candidates == Candidates::All { "" } else { ", or -1 where candidates run out" };
            format!("one of the {k} best columns of {x}{short}")
        }
        Op::ArgMax { .. } => format!("the best column of {}", operand(g, g.operands(id)[0])),
        Op::Gather { .. } => format!("looked up in `%{}`", g.node(g.operands(id)[0]).name),
        op => {
            let operands: Vec<String> = g.operands(id).iter().map(|o| operand(g, *o)).collect();
            match (op, &operands[..]) {
                (Op::Scalar(ScalarOp::Binary(op)), [a, b]) if infix(*op).is_some() => {
                    format!("{a} {} {b}", infix(*op).unwrap_or_default())
                }
                (Op::Scalar(ScalarOp::Cast(to)), [x]) => format!("{to}({x})"),
                _ => format!("{}({})", op.mnemonic(), operands.join(", ")),
            }
        }
    };
    format!("index `%{}` is {what}", node.name)
}

fn operand(g: &Graph, id: NodeId) -> String {
    constant(g, id).map_or_else(|| format!("%{}", g.node(id).name), |l| l.to_string())
}

fn infix(op: BinaryOp) -> Option<&'static str> {
    match op {
        BinaryOp::Add => Some("+"),
        BinaryOp::Sub => Some("-"),
        BinaryOp::Mul => Some("*"),
        BinaryOp::Div => Some("/"),
        BinaryOp::Rem => Some("%"),
        BinaryOp::And => Some("&"),
        BinaryOp::Or => Some("|"),
        BinaryOp::Xor => Some("^"),
        BinaryOp::Shl => Some("<<"),
        BinaryOp::Shr => Some(">>"),
        BinaryOp::DivFloor | BinaryOp::RemFloor | BinaryOp::Min(_) | BinaryOp::Max(_) => None,
    }
}

/// The value is the index along a dim that is this symbol, in a dtype of 64 bits.
fn counts(g: &Graph, id: NodeId, dim: Dim) -> bool {
    let mut at = id;
    loop {
        match (&g.node(at).op, g.operands(at).first()) {
            (Op::Iota { dtype, shape, axis }, _) => return shape[*axis] == dim && dtype.bits() == 64,
            (Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. }, Some(x)) => at = *x,
            _ => return false,
        }
    }
}
