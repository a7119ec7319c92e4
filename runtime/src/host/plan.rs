//! A plan on the host: every check, then the kernels, on the calling thread or a pool's.

use super::parts::run_parts;
use super::{HostCode, Scratch, processor_lacks};
use crate::args::{Args, Device, Location};
use crate::plan::Plan;
use crate::plan::bind::Span;
use crate::plan::bind::slots::StepSlots;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use routefuse_ir::target::TargetKind;
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::sync::Arc;

/// Threads share a launch in pieces of a multiple of this many rows.
const CHUNK_ROWS: u64 = 64;
/// A thread is worth waking for this many bytes; less takes longer to hand over than to do.
const CHUNK_BYTES: u64 = 64 << 10;

/// What an empty tensor's address becomes: code may load from a clamped index and throw the value away.
#[repr(align(64))]
struct Nothing(#[allow(dead_code)] [u8; 64]);
static NOTHING: Nothing = Nothing([0; 64]);

/// A plan for a processor such as this machine's, which this process launches on memory of its own: `Send + Sync`, launched from any number
/// of threads. Cloning makes another handle.
#[derive(Clone)]
pub struct HostPlan {
    plan: Arc<Plan>,
}

impl HostPlan {
    /// The plan on this host. Nothing is compiled or loaded before [`HostPlan::prepare`].
    ///
    /// # Errors
    /// `RF0806` if the plan is for a GPU; `RF0803` if it is for a host that has more than this processor.
    pub fn new(plan: impl Into<Arc<Plan>>) -> Result<HostPlan, Diagnostic> {
        let plan = plan.into();
        if plan.target().kind() != TargetKind::Host {
            let (name, target) = (&plan.program().name, plan.target());
            let message = format!("the plan of `{name}` is for `{target}`, which the host does not run");
            return Err(Diagnostic::new(Code::TargetNotHere, message).help(
                "compile for the target `host`, load the plan on a GPU (`CudaPlan`), or take its `artifacts` elsewhere",
            ));
        }
        let lacking = processor_lacks(plan.target());
        if !lacking.is_empty() {
            let (name, target) = (&plan.program().name, plan.target());
            let message =
                format!("the plan of `{name}` is for `{target}`, and this processor lacks {}", lacking.join(", "));
            return Err(Diagnostic::new(Code::HostUnsupported, message)
                .help("compile for the target `host`, or take the plan's `artifacts` to such a machine"));
        }
        Ok(HostPlan { plan })
    }

    /// Compiles and loads every kernel, but those that the cache has. Afterwards no launch compiles or loads. Without it,
    /// the first launch does this.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn prepare(&self) -> Result<(), Diagnostic> {
        self.plan.prepare()
    }

    /// [`HostPlan::prepare`] with the kernels shared by a pool's threads.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn prepare_on(&self, pool: &ThreadPool) -> Result<(), Diagnostic> {
        self.plan.prepare_on(pool)
    }

    /// Checks every argument, then runs the kernels on the calling thread. The first launch prepares the plan if
    /// [`HostPlan::prepare`] was not called; any later one compiles, loads and allocates nothing.
    ///
    /// # Errors
    /// `RF0601` to `RF0614`, before anything is written; those of [`Plan::prepare`] at the first launch.
    #[inline]
    pub fn launch(&self, args: &Args<'_>) -> Result<(), Diagnostic> {
        self.run(args, &mut [], None)
    }

    /// As [`HostPlan::launch`], for plans of several kernels: `workspace` has at least [`Plan::workspace_size`] bytes, at an
    /// address that is a multiple of [`WORKSPACE_ALIGN`](crate::WORKSPACE_ALIGN).
    ///
    /// # Errors
    /// Those of [`HostPlan::launch`].
    pub fn launch_with(&self, args: &Args<'_>, workspace: &mut [u8]) -> Result<(), Diagnostic> {
        self.run(args, workspace, None)
    }

    /// As [`HostPlan::launch`], with the rows of each kernel shared by the pool's threads where there are enough of them. The
    /// queue that they take the work from grows now and then, which allocates.
    ///
    /// # Errors
    /// Those of [`HostPlan::launch`].
    pub fn launch_on(&self, pool: &ThreadPool, args: &Args<'_>) -> Result<(), Diagnostic> {
        self.run(args, &mut [], Some(pool))
    }

    /// As [`HostPlan::launch_with`] and [`HostPlan::launch_on`] together.
    ///
    /// # Errors
    /// Those of [`HostPlan::launch`].
    pub fn launch_on_with(&self, pool: &ThreadPool, args: &Args<'_>, workspace: &mut [u8]) -> Result<(), Diagnostic> {
        self.run(args, workspace, Some(pool))
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    #[inline]
    fn run(&self, args: &Args<'_>, workspace: &mut [u8], pool: Option<&ThreadPool>) -> Result<(), Diagnostic> {
        let begin = workspace.as_mut_ptr().expose_provenance() as u64;
        let workspace = Span { begin, bytes: workspace.len() as u64 };
        self.plan.bind(args, Location::of(Device::Host), workspace, |bound| {
            let kernels = self.plan.loaded()?;
            let scratch = self.plan.scratch();
            for (step, kernel) in self.plan.steps().iter().zip(kernels) {
                // Host plans hold host code; it was refused when loading otherwise.
                let (Some(rows), Some(code)) = (bound.rows(step), kernel.host()) else { continue };
                bound.with_slots(step, (&raw const NOTHING).addr() as u64, |slots| {
                    let shared = match pool.filter(|_| step.rows.is_some()) {
                        // SAFETY: the slots are those of this kernel, whose artifact was checked against them; every address
                        // behind them was checked to have the elements that the kernel touches, exclusively where it writes.
                        // Each row is of one chunk, which alone writes it; what all rows count in is added to atomically.
                        Some(pool) if !step.ordered => unsafe {
                            run_chunks(pool, (code, scratch), slots, step, rows);
                            true
                        },
                        // SAFETY: as above; and what is put has a place that is no other item's.
                        Some(pool) => unsafe {
                            run_parts(pool, (code, scratch, self.plan.counts()), slots, step, (rows, least_chunk(step)))
                        },
                        None => false,
                    };
                    if !shared {
                        // SAFETY: as above. The step knows what scratch memory its kernel takes.
                        scratch.lend(step.scratch, |scratch| unsafe { code.call(slots.as_ptr(), [0, rows], scratch) });
                    }
                });
            }
            Ok(())
        })
    }
}

impl fmt::Debug for HostPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostPlan({:?})", self.plan)
    }
}

/// The least rows that are worth a thread.
fn least_chunk(step: &StepSlots) -> u64 {
    (CHUNK_BYTES / step.row_bytes.max(1)).max(1).next_multiple_of(CHUNK_ROWS)
}

/// Runs rows in chunks on a pool, and waits for all of them.
///
/// # Safety
/// `slots` are the arguments of this code, in order, and the memory behind them is what the kernel reads and writes in so many
/// rows. It writes only the rows that it is called for.
unsafe fn run_chunks(
    pool: &ThreadPool,
    (code, scratch): (&HostCode, &Scratch),
    slots: &[u64],
    step: &StepSlots,
    rows: u64,
) {
    let least = least_chunk(step);
    let threads = pool.current_num_threads() as u64;
    // A few chunks a thread even out what one thread is late by.
    let chunk = rows.div_ceil(threads * 4).max(least).next_multiple_of(CHUNK_ROWS);
    if rows <= chunk || threads < 2 {
        // SAFETY: one call over all rows is what the caller vouches for.
        return scratch.lend(step.scratch, |scratch| unsafe { code.call(slots.as_ptr(), [0, rows], scratch) });
    }
    pool.install(|| {
        (0..rows.div_ceil(chunk)).into_par_iter().for_each(|i| {
            // SAFETY: the chunks are disjoint parts of the rows that the caller vouches for, and calls side by side write
            // different rows, each with scratch memory of its own.
            scratch.lend(step.scratch, |scratch| unsafe {
                code.call(slots.as_ptr(), [i * chunk, rows.min((i + 1) * chunk)], scratch);
            });
        });
    });
}
