//! What is held of a row on the host, and as what.

use super::key_blocks::key_blocks;
use crate::dtype::DType;
use crate::kernel::analysis::{self, User};
use crate::kernel::{Kernel, RowOp, ValueId, ValueKind};
use crate::op::{ReduceOp, ScalarOp};

/// Who asks for each value, and which values code for the host holds.
#[derive(Clone, Debug)]
pub struct Holdings<'k> {
    kernel: &'k Kernel,
    /// By value, who asks for it. None ask in vain.
    users: Vec<Vec<User>>,
    held: Vec<bool>,
}

impl<'k> Holdings<'k> {
    /// Row values are held; of what the schedule says, what is asked for more than once or dear where a row value asks,
    /// other than memory that can be read again.
    pub fn of(kernel: &'k Kernel, held: &[ValueId]) -> Holdings<'k> {
        let users = analysis::users(kernel);
        let mut holdings = Holdings { kernel, users, held: vec![] };
        holdings.held = kernel
            .values()
            .map(|(id, value)| match value.kind {
                _ if holdings.users[id.0 as usize].is_empty() => false,
                ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => false,
                ValueKind::Load(param) => kernel.is_aliased(param) && held.contains(&id),
                ref kind => kind.is_row_value() || (held.contains(&id) && !holdings.pulled_once(id)),
            })
            .collect();
        holdings
    }

    /// The values that are held, operands first.
    pub fn held(&self) -> Vec<ValueId> {
        self.kernel.values().map(|(id, _)| id).filter(|id| self.held[id.0 as usize]).collect()
    }

    /// Whether a value is held.
    pub fn holds(&self, id: ValueId) -> bool {
        self.held[id.0 as usize]
    }

    /// Whether one row value asks for each column once, in a loop if it is dear. What is cheap may be gathered from too: that
    /// is a few columns of many, of memory that nothing writes.
    fn pulled_once(&self, id: ValueId) -> bool {
        let value = |id: ValueId| &self.kernel.value(id).kind;
        let read = match value(id) {
            ValueKind::Scalar(ScalarOp::Cast(_), operands) => match value(operands[0]) {
                ValueKind::Load(param) => Some(*param),
                _ => None,
            },
            _ => None,
        };
        let (cheap, lasts) = (read.is_some(), read.is_some_and(|param| !self.kernel.is_aliased(param)));
        let users = self.users[id.0 as usize].iter().map(|user| match *user {
            User::Value(user) => Some(value(user)),
            User::Store => None,
        });
        let mut row_values = 0;
        for user in users {
            match user {
                Some(ValueKind::RowValue(row)) => {
                    row_values += 1;
                    let in_a_loop = row.op.selects() && key_blocks(row.width).is_some();
                    if !cheap && !in_a_loop {
                        return false;
                    }
                }
                Some(ValueKind::GatherRow { value, index, .. }) if lasts && *value == id && *index != id => {}
                _ => return false,
            }
        }
        row_values == 1
    }

    /// Whether all that ask for a value, a float, want its rank keys: selections, the sum of the best two, and those that
    /// want the rank keys of a choice between it and a constant.
    pub fn only_ranked(&self, id: ValueId) -> bool {
        let (value, users) = (self.kernel.value(id), &self.users[id.0 as usize]);
        let ranks = |user: &User| {
            let User::Value(user) = *user else { return false };
            match &self.kernel.value(user).kind {
                ValueKind::RowValue(row) => row.op.selects() || row.op == RowOp::Reduce(ReduceOp::TopTwoSum),
                ValueKind::Scalar(ScalarOp::Select, operands) => {
                    operands[1] == id
                        && operands[2] != id
                        && matches!(self.kernel.value(operands[2]).kind, ValueKind::Const(_))
                        && !self.held[user.0 as usize]
                        && self.only_ranked(user)
                }
                _ => false,
            }
        };
        value.dtype == DType::F32 && value.space.cols > 1 && users.iter().all(ranks)
    }
}
