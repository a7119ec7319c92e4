//! Kernel IR to MLIR.
//!
//! The work has two axes: the schedule (flat, or rows whose values are held) and how the machine spreads work (a thread alone,
//! or warps). Each of these four corners is an *owner* with its own state: [`flat::host`], [`flat::gpu`], [`row::host`] and
//! [`row::gpu`]. What they share is [`pull`]: a value at an index, which knows neither axis. [`peephole`] is where what an owner
//! emits otherwise than its operands say is written down.
//!
//! Modules here use each other in one direction: `machine` and `mlir` below, then `pull`, then `peephole` and `pieces`, then the
//! owners, then this file. An owner uses no other owner, but for [`phased`], which emits kernels that are phases of one launch: it
//! takes the pieces of [`flat::gpu`] for what its blocks divide, and [`row::gpu`] for rows that make the items of one block.

mod entry_point;
mod flat;
pub(crate) mod peephole;
mod phased;
mod pieces;
mod pull;
mod row;

use crate::error::{CodegenError, Problem};
use crate::machine::{Machine, Threads};
use crate::mlir::builder::Builder;
use peephole::Peepholes;
use pull::job::Job;
use routefuse_ir::Verified;
use routefuse_ir::kernel::schedule::{Part, Schedule, Scheduled, Variant};

/// Builds the function or GPU kernel of `scheduled` into `builder`'s module.
pub(crate) fn emit(
    b: &Builder,
    machine: &dyn Machine,
    scheduled: &Verified<Scheduled>,
    variant: Variant,
    peepholes: Peepholes,
) -> Result<(), CodegenError> {
    let job = Job { b, kernel: &scheduled.kernel, machine, variant };
    let refused = |message: String| {
        let problem = Problem::Schedule { kernel: scheduled.kernel.name.clone(), message };
        Err(CodegenError::new(scheduled.target, problem))
    };
    match (machine.threads(), &scheduled.schedule) {
        (Threads::Alone(vectors), Schedule::Flat { domains, .. }) => {
            entry_point::host(job, &entry_point::WHOLE, |arguments, rows, _| {
                flat::host::emit(job, vectors, domains, peepholes, arguments, rows);
            })
        }
        (Threads::Alone(vectors), Schedule::Row { held, block_rows, domains, .. }) => {
            let (room, mut taken) = (scheduled.scratch_bytes(), 0);
            let [whole, behind] = match room {
                0 => [&entry_point::WHOLE, &entry_point::BEHIND],
                _ => [&entry_point::WITH_SCRATCH, &entry_point::BEHIND_WITH_SCRATCH],
            };
            let shape = (&held[..], &domains[..], *block_rows);
            entry_point::host(job, whole, |arguments, rows, further| {
                let given = row::host::Given { before: None, scratch: further.first().copied() };
                taken = row::host::emit(job, vectors, shape, peepholes, arguments, (rows, given));
            });
            if scheduled.kernel.counted_for_parts().is_some() {
                entry_point::host(job, &entry_point::COUNTING, |arguments, rows, further| {
                    row::host::count(job, vectors, arguments, rows, further[0]);
                });
                entry_point::host(job, behind, |arguments, rows, further| {
                    let given = row::host::Given { before: Some(further[0]), scratch: further.get(1).copied() };
                    row::host::emit(job, vectors, shape, peepholes, arguments, (rows, given));
                });
            }
            if taken > room {
                return refused(format!(
                    "its code takes {taken} bytes of scratch memory, and {room} were reckoned with"
                ));
            }
        }
        (Threads::InWarps(warps), Schedule::Flat { threads, domains }) => {
            flat::gpu::emit(job, warps, *threads, domains, peepholes);
        }
        (Threads::InWarps(warps), Schedule::Row { domains, .. }) => {
            let Some(shape) = scheduled.schedule.shape(variant) else {
                return refused(format!("`{}` has no shape for {variant}", scheduled.schedule));
            };
            row::gpu::emit(job, warps, shape, domains, peepholes);
        }
        (Threads::InWarps(warps), Schedule::Phased { warps: ranking, domains, .. }) => {
            let (Some(phases), Some(part)) = (&scheduled.kernel.phases, Part::of_shape(variant.shape)) else {
                return refused(format!("`{}` has no part for {variant}", scheduled.schedule));
            };
            let threads = scheduled.schedule.threads(variant);
            phased::emit(job, warps, phases, (threads, *ranking), part, domains);
        }
        (Threads::InWarps(warps), Schedule::AtOnce { rows, shape, domains, .. }) => {
            let Some(phases) = &scheduled.kernel.phases else {
                return refused(format!("`{}` has no phases", scheduled.schedule));
            };
            phased::emit_at_once(job, warps, (phases, *rows), *shape, domains, peepholes);
        }
        (Threads::InWarps(warps), Schedule::InChunks { shape, threads, warps: ranking, domains, .. }) => {
            let Some(phases) = &scheduled.kernel.phases else {
                return refused(format!("`{}` has no phases", scheduled.schedule));
            };
            match variant.shape {
                0 => phased::emit_rows_of_chunks(job, warps, (phases, *ranking), *shape, domains, peepholes),
                _ => phased::emit(job, warps, phases, (*threads, *ranking), Part::Placing, domains),
            }
        }
        (_, other) => {
            return refused(format!("`{other}` is no schedule that this version emits"));
        }
    }
    Ok(())
}
