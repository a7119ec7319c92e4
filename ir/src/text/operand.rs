//! Operands that are written as literals: `mul %w, 2.5`.
//!
//! A literal is a scalar constant. It has the dtype of the operand that it has to agree with, which the op table says: the
//! other one of its group (`mul %w, 2.5`, `select %valid, %ids, -1`), or the first operand where both are of one kind
//! (`atomic_add %counts, %ids, 1`). Where nothing says a dtype, a `const` has to.

use super::ast::{Line, Name, Operand, Spanned, Statement};
use super::attributes;
use super::lower::Lowering;
use crate::diag::Code;
use crate::dtype::DType;
use crate::graph::{Node, NodeId, TensorType};
use crate::op::Op;
use crate::op::table::lookup;
use crate::suggest::excerpt;

impl<'a> Lowering<'a, '_> {
    /// The values of a statement's operands; `None` for one that has none, which is or was reported.
    pub(super) fn operands(
        &mut self,
        name: &Name,
        op: &Name,
        operands: &'a [Operand],
        line: &Line<Statement>,
    ) -> Vec<Option<NodeId>> {
        let value = |operand: &'a Operand| match operand {
            Operand::Value(of) => Some(self.value(of, line)),
            Operand::Literal(_) => None,
        };
        // The values first: they say what the literals are.
        let values: Vec<Option<Option<NodeId>>> = operands.iter().map(value).collect();
        let mut all = Vec::with_capacity(operands.len());
        for (position, operand) in operands.iter().enumerate() {
            all.push(match operand {
                Operand::Value(_) => values[position].flatten(),
                Operand::Literal(text) => self.literal(name, op, (position, text), &values, line),
            });
        }
        all
    }

    fn literal(
        &mut self,
        name: &Name,
        op: &Name,
        (position, text): (usize, &Spanned<String>),
        values: &[Option<Option<NodeId>>],
        line: &Line<Statement>,
    ) -> Option<NodeId> {
        // An unknown op is reported where its attributes are read.
        lookup(&op.value)?;
        let beside: Vec<usize> = peers(&op.value, position).into_iter().filter(|p| *p < values.len()).collect();
        // A value with an error says nothing, and was reported.
        let known = beside.iter().find_map(|p| values[*p]);
        let Some(known) = known else {
            let message =
                format!("nothing says of which dtype the operand `{}` of `{}` is", excerpt(&text.value), op.value);
            let help = format!("define it above, as in `%c = const {{dtype = i32, value = {}}}`", excerpt(&text.value));
            self.error(Code::UnexpectedToken, message, text.span, line, help);
            return None;
        };
        let dtype = self.graph.node(known?).ty.dtype;
        let what = format!("operand {position} of `{}`", op.value);
        match attributes::literal(&what, &text.value, dtype) {
            Ok(literal) => {
                let name = self.constant_name(&name.value, position);
                let ty = TensorType::scalar(dtype);
                Some(self.graph.add_node(Node { op: Op::Const(literal), ty, name, span: line.item.span }, &[]))
            }
            Err((code, message, help)) => {
                self.error(code, message, text.span, line, help);
                None
            }
        }
    }

    /// A name that no value has: the statement's, with the position.
    fn constant_name(&mut self, of: &str, position: usize) -> String {
        let mut name = format!("{of}.{position}");
        while self.definitions.contains_key(name.as_str()) || !self.constants.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// Positions of the operands that say of which dtype the one at `position` is.
fn peers(op: &str, position: usize) -> Vec<usize> {
    let Some(info) = lookup(op) else { return vec![] };
    let mut start = 0;
    for group in info.operands {
        let many = group.more.is_some_and(|(_, many)| many);
        let end = if many { usize::MAX } else { start + group.names.len() + usize::from(group.more.is_some()) };
        if (start..end).contains(&position) {
            let mut peers: Vec<usize> = (start..end.min(start + 64)).filter(|p| *p != position).collect();
            // Amounts are of the dtype of the counts.
            let narrow = !DType::ALL.iter().all(|d| group.dtypes.holds(*d));
            if narrow && start > 0 && info.operands[0].dtypes.one == group.dtypes.one {
                peers.push(0);
            }
            return peers;
        }
        start = end;
    }
    vec![]
}
