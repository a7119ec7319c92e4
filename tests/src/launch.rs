//! One launch of a host plan on guarded memory, against what the interpreter gives.

use crate::memory::{Alignment, Arrangement, Buffer};
use rand::Rng;
use routefuse_ir::interp;
use routefuse_ir::{Diagnostic, Tensor};
use routefuse_runtime::{Args, HostPlan, Plan, TensorMut, TensorRef, Workspace};
use std::sync::Arc;

fn bytes(b: &Buffer) -> u64 {
    (b.bytes().len() - b.base()) as u64
}

/// Launches the plan on the inputs and compares all of the memory: outputs with `outputs` bit for bit, everything else with
/// what it was; the error word with that of the fused program in the interpreter.
///
/// # Errors
/// What differs, or what the launch refuses.
pub fn agree(
    plan: &Arc<Plan>,
    extents: &[u64],
    inputs: &[Tensor],
    outputs: &[Tensor],
    rng: &mut impl Rng,
) -> Result<(), String> {
    let alone = |plan: &HostPlan, args: &Args<'_>, workspace: &mut [u8]| plan.launch_with(args, workspace);
    agree_by(alone, plan, extents, inputs, outputs, rng)
}

/// [`agree`], of a launch that is made so.
///
/// # Errors
/// Those of [`agree`].
pub fn agree_by(
    launch: impl FnOnce(&HostPlan, &Args<'_>, &mut [u8]) -> Result<(), Diagnostic>,
    plan: &Arc<Plan>,
    extents: &[u64],
    inputs: &[Tensor],
    outputs: &[Tensor],
    rng: &mut impl Rng,
) -> Result<(), String> {
    let program = plan.program();
    let alignment = if rng.random_range(0..3) == 0 { Alignment::Sixteen } else { Alignment::Element };
    let mut memory = Arrangement::new(program, extents, inputs, alignment, rng);
    let given: Vec<(&str, u64)> = program.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let trapped = program.has_trap
        && interp::program::run(program, inputs, &given).map_err(|e| format!("the fused program: {e}"))?.trapped;
    let expected = memory.expected(outputs, trapped);
    let size = plan.workspace_size(extents).map_err(|e| e.to_string())?;
    let mut workspace = Workspace::new(size as usize);
    workspace.fill(crate::memory::POISON);

    let views: Vec<(*mut u8, u64)> = memory
        .buffers
        .iter_mut()
        .map(|b| {
            let (base, bytes) = (b.base(), bytes(b));
            (b.bytes_mut()[base..].as_mut_ptr(), bytes)
        })
        .collect();
    let mut args = Args::new();
    for i in &memory.inputs {
        let (b, (ptr, bytes)) = (&memory.buffers[*i], views[*i]);
        // SAFETY: the buffers outlive the launch and nobody else has them; what may overlap is what the launch allows.
        args.input(unsafe { TensorRef::from_raw(ptr, bytes, b.dtype, &b.shape, &b.strides) });
    }
    for o in memory.outputs.iter().chain(&memory.error_word) {
        let (b, (ptr, bytes)) = (&memory.buffers[*o], views[*o]);
        // SAFETY: as above.
        args.output(unsafe { TensorMut::from_raw(ptr, bytes, b.dtype, &b.shape, &b.strides) });
    }
    let plan = HostPlan::new(Arc::clone(plan)).map_err(|e| e.to_string())?;
    launch(&plan, &args, &mut workspace).map_err(|e| format!("the launch: {e}"))?;
    drop(args);
    memory.check(program, &expected).map_err(|e| format!("{e}, {alignment:?}"))
}
