//! The rank key of `x` needs no `x + 0.0` where `x` is never −0.0, and no answer to `x ≠ x` where its NaN wraps to the key.
//!
//! - **Machine:** GPUs, in row schedules; the second half where
//!   [`Machine::nan_key_wraps_by`](crate::machine::Machine::nan_key_wraps_by) says so: NVIDIA.
//! - **Reason:** keys are made for every column of every row. −0.0 and 0.0 have one key, which an addition makes of them, and
//!   scores are what `sigmoid` or `exp` gave, with a bias: never −0.0, and computed by the machine itself.
//!   That a value is never −0.0 is an [analysis](routefuse_ir::kernel::analysis::no_negative_zero) of the kernel.
//! - **Test:** `peephole::tests`, the snapshot `tests/snapshots/models/deepseek-v3-post@sm_90`, and the test
//!   `models_ptx::instructions_of_a_row`.

use routefuse_ir::kernel::{Kernel, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, ScalarOp};

/// Whether a value is what the machine's arithmetic gives, NaNs included.
pub(in crate::emit) fn is_made_by_arithmetic(kernel: &Kernel, id: ValueId) -> bool {
    let is_const = |o: &ValueId| matches!(kernel.value(*o).kind, ValueKind::Const(_));
    match &kernel.value(id).kind {
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), operands) => {
            !operands.iter().any(is_const)
        }
        _ => false,
    }
}
