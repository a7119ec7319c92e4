//! What of a row is kept on the host, and as what.

use routefuse_ir::DType;
use routefuse_ir::kernel::{Kernel, ParamId, ValueId, ValueKind};
use routefuse_ir::op::{ReduceOp, ScalarOp};

/// Who asks for each value, and what is kept.
pub(in crate::emit) struct Keeping<'k> {
    kernel: &'k Kernel,
    /// By value, the values that ask for it, once for each operand; nothing stands for a store. None ask in vain.
    users: Vec<Vec<Option<ValueId>>>,
    kept: Vec<bool>,
}

impl<'k> Keeping<'k> {
    /// Row values are kept; of what the schedule holds, what is asked for more than once or dear where a row value asks,
    /// other than memory that can be read again.
    pub fn of(kernel: &'k Kernel, is_aliased: impl Fn(ParamId) -> bool, held: &[ValueId]) -> Keeping<'k> {
        let mut users: Vec<Vec<Option<ValueId>>> = vec![vec![]; kernel.values.len()];
        for id in kernel.stores.iter().flat_map(|s| [Some(s.value), s.add_at]).flatten() {
            users[id.0 as usize].push(None);
        }
        for (id, value) in kernel.values().rev() {
            if !users[id.0 as usize].is_empty() {
                for operand in value.kind.operands() {
                    users[operand.0 as usize].push(Some(id));
                }
            }
        }
        let mut keeping = Keeping { kernel, users, kept: vec![] };
        keeping.kept = kernel
            .values()
            .map(|(id, value)| match value.kind {
                _ if keeping.users[id.0 as usize].is_empty() => false,
                ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => false,
                ValueKind::Load(param) => is_aliased(param) && held.contains(&id),
                ref kind => kind.is_row_value() || (held.contains(&id) && !keeping.pulled_once(id)),
            })
            .collect();
        keeping
    }

    /// The kept values, operands first.
    pub fn kept(&self) -> Vec<ValueId> {
        self.kernel.values().map(|(id, _)| id).filter(|id| self.kept[id.0 as usize]).collect()
    }

    /// Whether one row value asks for each column once, in a loop if it is dear.
    fn pulled_once(&self, id: ValueId) -> bool {
        let [Some(user)] = self.users[id.0 as usize][..] else { return false };
        let value = |id: ValueId| &self.kernel.value(id).kind;
        let cheap = match value(id) {
            ValueKind::Scalar(ScalarOp::Cast(_), operands) => matches!(value(operands[0]), ValueKind::Load(_)),
            _ => false,
        };
        match value(user) {
            ValueKind::TopK { width, .. } | ValueKind::TopKMask { width, .. } => {
                cheap || super::topk::blocks(*width).is_some()
            }
            kind => cheap && kind.is_row_value(),
        }
    }

    /// Whether all that ask for a value, a float, want its rank keys: selections, the sum of the best two, and those that
    /// want the rank keys of a choice between it and a constant.
    pub fn only_ranked(&self, id: ValueId) -> bool {
        let (value, users) = (self.kernel.value(id), &self.users[id.0 as usize]);
        let ranks = |user: &Option<ValueId>| {
            let Some(user) = *user else { return false };
            match &self.kernel.value(user).kind {
                ValueKind::TopK { .. } | ValueKind::TopKMask { .. } => true,
                ValueKind::Reduce { op, .. } => *op == ReduceOp::TopTwoSum,
                ValueKind::Scalar(ScalarOp::Select, operands) => {
                    operands[1] == id
                        && operands[2] != id
                        && matches!(self.kernel.value(operands[2]).kind, ValueKind::Const(_))
                        && !self.kept[user.0 as usize]
                        && self.only_ranked(user)
                }
                _ => false,
            }
        };
        value.dtype == DType::F32 && value.space.cols > 1 && users.iter().all(ranks)
    }
}
