//! What is held of a row on the host, and as what.

use crate::emit::pull::known::Nans;
use routefuse_ir::DType;
use routefuse_ir::kernel::{Kernel, ParamId, ValueId, ValueKind};
use routefuse_ir::op::{OutOfRange, ReduceOp, ScalarOp};

/// Who asks for each value, and which values are held.
pub(super) struct Holdings<'k> {
    kernel: &'k Kernel,
    /// By value, the values that ask for it, once for each operand; nothing stands for a store. None ask in vain.
    users: Vec<Vec<Option<ValueId>>>,
    held: Vec<bool>,
}

impl<'k> Holdings<'k> {
    /// Row values are held; of what the schedule says, what is asked for more than once or dear where a row value asks,
    /// other than memory that can be read again.
    pub fn of(kernel: &'k Kernel, is_aliased: impl Fn(ParamId) -> bool, held: &[ValueId]) -> Holdings<'k> {
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
        let mut holdings = Holdings { kernel, users, held: vec![] };
        holdings.held = kernel
            .values()
            .map(|(id, value)| match value.kind {
                _ if holdings.users[id.0 as usize].is_empty() => false,
                ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => false,
                ValueKind::Load(param) => is_aliased(param) && held.contains(&id),
                ref kind => kind.is_row_value() || (held.contains(&id) && !holdings.pulled_once(id)),
            })
            .collect();
        holdings
    }

    /// The values that are held, operands first.
    pub fn held(&self) -> Vec<ValueId> {
        self.kernel.values().map(|(id, _)| id).filter(|id| self.held[id.0 as usize]).collect()
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
                        && !self.held[user.0 as usize]
                        && self.only_ranked(user)
                }
                _ => false,
            }
        };
        value.dtype == DType::F32 && value.space.cols > 1 && users.iter().all(ranks)
    }
}

/// Of every value, whether an element of it may come by way of a gather that traps.
pub(super) fn may_trap(kernel: &Kernel) -> Vec<bool> {
    let mut traps: Vec<bool> = vec![];
    for value in &kernel.values {
        let itself = match &value.kind {
            ValueKind::Gather { out_of_range, proved, .. } | ValueKind::GatherRow { out_of_range, proved, .. } => {
                *out_of_range == OutOfRange::Trap && !proved
            }
            _ => false,
        };
        let before = value.kind.operands().iter().any(|o| traps[o.0 as usize]);
        traps.push(itself || before);
    }
    traps
}

/// What is known of the NaNs of every element of an `f32` value, if they are not made canonical.
pub(super) fn nans_of(kernel: &Kernel, id: ValueId) -> Nans {
    use routefuse_ir::op::ScalarOp::{Binary, Cast, Fma, Unary};
    match kernel.value(id).kind {
        ValueKind::Scalar(Unary(_) | Binary(_) | Fma | Cast(_), _) => Nans::Free,
        _ => Nans::Exact,
    }
}
