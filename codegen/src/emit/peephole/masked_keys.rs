//! `key(select(c, x, none))` is `select(c, key(x), 0)`, where `none` is no candidate.
//!
//! - **Machine:** GPUs, in row schedules.
//! - **Reason:** groups of experts that were not selected are filled with −∞. Keys of `x` are there already, or can be made and
//!   sorted before the condition is known; and one selection does for what the mask leaves out and for what is no candidate by
//!   itself. Where the condition is the same for all of a lane's columns, the lane's sorted keys are left out as a whole.
//! - **Test:** `peephole::tests`, the snapshot `tests/snapshots/models/deepseek-v3-post@sm_90`, and the test
//!   `models_ptx::instructions_of_a_row`.

use routefuse_ir::eval::row::rank_key;
use routefuse_ir::kernel::{Kernel, ValueId, ValueKind};
use routefuse_ir::op::{Candidates, ScalarOp};

/// Whether the value is a constant that is no candidate.
pub(in crate::emit) fn is_no_candidate(kernel: &Kernel, id: ValueId, candidates: Candidates) -> bool {
    let value = kernel.value(id);
    matches!(value.kind, ValueKind::Const(literal) if rank_key(value.dtype, literal.bits(), candidates) == 0)
}

/// The condition and `x` of `select(condition, x, none)`.
pub(in crate::emit) fn masked(kernel: &Kernel, id: ValueId, candidates: Candidates) -> Option<(ValueId, ValueId)> {
    let ValueKind::Scalar(ScalarOp::Select, operands) = &kernel.value(id).kind else { return None };
    is_no_candidate(kernel, operands[2], candidates).then_some((operands[0], operands[1]))
}
