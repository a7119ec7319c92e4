//! Launching on a GPU: the same checks as on the host, then one call of the driver a kernel. Nothing here allocates, locks
//! or asks the driver anything.

use super::plan::{LoadedStep, about};
use super::residency::GpuKernel;
use super::{Driver, GpuPlan, KernelLaunch};
use crate::args::Args;
use crate::plan::bind::quick::PARAMETERS;
use crate::plan::bind::slots::StepSlots;
use crate::plan::bind::{Bound, SLOTS, Span, room};
use routefuse_ir::kernel::schedule::{MOST_BLOCKS, Schedule, Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

/// Where and how a launch runs.
pub struct Launch<'s, D: Driver> {
    stream: D::Stream,
    /// The stream's, if it is known.
    context: Option<D::Context>,
    pub(super) workspace: Span,
    pub(super) dependent: bool,
    variant: Option<Variant>,
    life: PhantomData<&'s ()>,
}

impl<'s, D: Driver> Launch<'s, D> {
    /// On a stream, as the driver has it; a launch compares its context, where that is known, with the plan's.
    ///
    /// # Safety
    /// It is a live stream of that context, or else of the plan's, for `'s`.
    #[inline]
    pub unsafe fn on_stream(stream: D::Stream, context: Option<D::Context>) -> Launch<'s, D> {
        let workspace = Span { begin: 0, bytes: 0 };
        Launch { stream, context, workspace, dependent: false, variant: None, life: PhantomData }
    }

    /// With memory between the kernels of a plan that has several: at least
    /// [`Plan::workspace_size`](crate::Plan::workspace_size) bytes of the GPU's memory, at an address that is a multiple
    /// of [`WORKSPACE_ALIGN`](crate::WORKSPACE_ALIGN).
    ///
    /// # Safety
    /// The memory is the GPU's, stays allocated, and nobody else uses it until the stream has run the launch.
    #[inline]
    #[must_use]
    pub unsafe fn workspace(mut self, address: u64, bytes: u64) -> Launch<'s, D> {
        self.workspace = Span { begin: address, bytes };
        self
    }

    /// With programmatic dependent launch, for targets that have it (NVIDIA's, from sm_90 on): the kernel may be set up while
    /// the kernel in front of it in the stream still runs, and waits for its end before it reads or writes anything. For
    /// other targets this says nothing, nor for launches of more blocks than the GPU has multiprocessors, which would lose
    /// by it. A plan's kernels behind its first one are launched so in any case, where the one in front has no more blocks than
    /// that either, or is of a row schedule.
    ///
    /// A kernel in front that lets its dependents go early must do so for all that it writes before; those of routefuse do.
    #[inline]
    #[must_use]
    pub fn dependent(mut self, yes: bool) -> Launch<'s, D> {
        self.dependent = yes;
        self
    }

    /// With this variant instead of the best one: to measure or to test. What it assumes must hold. Of several kernels, those that
    /// have no such shape take their own.
    #[inline]
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Launch<'s, D> {
        self.variant = Some(variant);
        self
    }
}

impl<D: Driver> Clone for Launch<'_, D> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Driver> Copy for Launch<'_, D> {}

impl<D: Driver> fmt::Debug for Launch<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Launch { stream, context, workspace, dependent, variant, life: _ } = self;
        f.debug_struct("Launch")
            .field("stream", stream)
            .field("context", context)
            .field("workspace", &(workspace.begin, workspace.bytes))
            .field("dependent", dependent)
            .field("variant", variant)
            .finish()
    }
}

/// A launch of one kernel, and which kernel of the plan it is.
pub(super) struct Ready<'k, D: Driver> {
    /// Which step of the plan it is.
    step: usize,
    /// Which variant of the step.
    variant: usize,
    launch: KernelLaunch<'k, D>,
}

/// What is compared of two launches.
#[cfg(debug_assertions)]
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    step: usize,
    variant: usize,
    blocks: u32,
    threads: u32,
    dependent: bool,
    values: Vec<u64>,
}

/// More threads than a launch of this driver may have.
#[inline]
pub(super) fn too_many_threads<D: Driver>(blocks: u32, threads: u32) -> bool {
    u64::from(blocks) * u64::from(threads) > D::MOST_THREADS
}

impl<D: Driver> GpuPlan<D> {
    /// Checks every argument, then launches the kernels: `launch` is a stream, or a [`Launch`] with more to say. Nothing is
    /// launched for no rows, and nothing for a guarded output that is its input's view.
    ///
    /// The thread's current context is the plan's, as it is where the stream was made; a thread that has none gets it.
    ///
    /// # Errors
    /// `RF0601` to `RF0614`, before anything is launched; `RF0807` if the variant that it takes is not loaded; `RF0808` if the
    /// driver refuses the launch.
    #[inline]
    pub fn launch<'s>(&self, launch: impl Into<Launch<'s, D>>, args: &Args<'_>) -> Result<(), Diagnostic> {
        self.run(&launch.into(), args)
    }

    #[inline]
    fn run(&self, launch: &Launch<'_, D>, args: &Args<'_>) -> Result<(), Diagnostic> {
        let usual = launch.variant.is_none() && launch.context.is_none_or(|c| c == self.context);
        if let Some(quick) = self.quick.as_ref().filter(|_| usual)
            && let Some(found) = quick.find(args, self.location)
            && let Some(kernel) = self.steps[0].variants[found.variant].1.get()
        {
            let resident = if found.persistent { u64::from(kernel.resident) } else { u64::MAX };
            // Fewer than 2³¹.
            let blocks = found.blocks.min(resident) as u32;
            if !too_many_threads::<D>(blocks, found.threads) {
                let mut room = [const { MaybeUninit::uninit() }; PARAMETERS];
                let parameters = quick.parameters(args, &mut room);
                let ready = self.ready(launch, kernel, (0, found.variant), blocks, found.threads, parameters);
                #[cfg(debug_assertions)]
                assert_eq!(self.thorough(launch, args), [Self::said(&ready)]);
                // SAFETY: the parameters are those of this kernel, whose artifact was checked against them; the quick way
                // found that every address behind them has the elements that the kernel touches, exclusively where it
                // writes.
                return unsafe { self.go(ready) };
            }
        }
        if let Some(several) = self.several.as_ref().filter(|_| usual)
            && let Some(done) = self.run_several(several, launch, args)
        {
            return done;
        }
        // SAFETY: the parameters are those of this kernel, whose artifact was checked against them; every address behind
        // them was checked to have the elements that the kernel touches, exclusively where it writes.
        self.run_thoroughly(launch, args, &mut |ready| unsafe { self.go(ready) })
    }

    #[inline]
    pub(super) fn ready<'k>(
        &self,
        launch: &Launch<'_, D>,
        kernel: &GpuKernel<D>,
        (step, variant): (usize, usize),
        blocks: u32,
        threads: u32,
        parameters: &'k mut [*mut c_void],
    ) -> Ready<'k, D> {
        let dependent = launch.dependent && blocks <= self.steps[step].most_dependent[variant];
        let (function, stream, shared_bytes) = (kernel.function(), launch.stream, kernel.shared_bytes);
        let launch = KernelLaunch { function, stream, blocks, threads, shared_bytes, dependent, parameters };
        Ready { step, variant, launch }
    }

    /// Checks everything, and says what is wrong; or else hands on `each` kernel.
    #[inline(never)]
    fn run_thoroughly(
        &self,
        launch: &Launch<'_, D>,
        args: &Args<'_>,
        each: &mut dyn FnMut(Ready<'_, D>) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        if launch.context.is_some_and(|c| c != self.context) {
            return Err(self.other_context());
        }
        let steps = || self.plan.steps().iter().zip(self.plan.kernels()).zip(&self.steps).enumerate();
        self.plan.bind(args, self.location, launch.workspace, |bound| {
            // Everything that can be refused is, before the first kernel runs.
            if self.steps.len() > 1 {
                for (_, ((step, scheduled), loaded)) in steps() {
                    let Some(rows) = bound.rows(step) else { continue };
                    for shape in shapes(launch, scheduled, rows) {
                        self.choose(launch, bound, step, (scheduled, shape), loaded, rows)?;
                    }
                }
            }
            let dependent = launch.dependent;
            let mut launch = *launch;
            for (s, ((step, scheduled), loaded)) in steps() {
                let Some(rows) = bound.rows(step) else { continue };
                for shape in shapes(&launch, scheduled, rows) {
                    let (variant, kernel, blocks) =
                        self.choose(&launch, bound, step, (scheduled, shape), loaded, rows)?;
                    let threads = scheduled.schedule.threads(loaded.variants[variant].0);
                    bound.with_slots(step, self.gpu.driver().nothing(), |slots| {
                        let (mut near, mut far) = ([std::ptr::null_mut(); SLOTS], Vec::new());
                        let parameters = room(&mut near, &mut far, slots.len(), std::ptr::null_mut());
                        for (parameter, slot) in parameters.iter_mut().zip(slots.iter_mut()) {
                            *parameter = (&raw mut *slot).cast();
                        }
                        each(self.ready(&launch, kernel, (s, variant), blocks, threads, parameters))
                    })?;
                    launch.dependent = self.lets_go(dependent, blocks, &scheduled.schedule);
                }
            }
            Ok(())
        })
    }

    /// Whether what is behind a kernel of so many blocks in the same launch may be set up early: whoever is in front of the first one
    /// says it of all. Where that kernel leaves no multiprocessor free, blocks that come early would crowd on a few; one of a row schedule
    /// sees to it.
    #[inline]
    pub(super) fn lets_go(&self, all: bool, blocks: u32, schedule: &Schedule) -> bool {
        all || blocks <= self.multiprocessors || schedule.leads()
    }

    /// What the thorough way would launch: a quick one has to do the same.
    #[cfg(debug_assertions)]
    pub(super) fn thorough(&self, launch: &Launch<'_, D>, args: &Args<'_>) -> Vec<Said> {
        let mut all = vec![];
        let checked = self.run_thoroughly(launch, args, &mut |ready| {
            all.push(Self::said(&ready));
            Ok(())
        });
        assert_eq!(checked, Ok(()));
        all
    }

    /// All of a launch but its stream.
    #[cfg(debug_assertions)]
    pub(super) fn said(ready: &Ready<'_, D>) -> Said {
        let value = |p: &*mut c_void| {
            // SAFETY: the address of an argument or a slot, which live longer than this.
            unsafe { p.cast::<u64>().read() }
        };
        let values = ready.launch.parameters.iter().map(value).collect();
        let KernelLaunch { blocks, threads, dependent, .. } = ready.launch;
        Said { step: ready.step, variant: ready.variant, blocks, threads, dependent, values }
    }

    /// One launch; a thread without a context gets the plan's, and tries again.
    ///
    /// # Safety
    /// The parameters are what the kernel takes, each behind its address, and what it touches may be touched.
    #[inline]
    pub(super) unsafe fn go(&self, mut ready: Ready<'_, D>) -> Result<(), Diagnostic> {
        // SAFETY: the plan holds the kernel, so that it is loaded; whoever made the `Launch` vouches for the stream, and who
        // calls for the parameters.
        match unsafe { self.gpu.driver().launch(&mut ready.launch) } {
            Ok(()) => Ok(()),
            // SAFETY: who calls vouches for the parameters; nothing was launched yet.
            Err(error) => unsafe { self.failed(error, ready) },
        }
    }

    /// The variant to launch, loaded, and its blocks.
    #[inline]
    fn choose<'k>(
        &self,
        launch: &Launch<'_, D>,
        bound: &Bound<'_, '_>,
        step: &StepSlots,
        (scheduled, shape): (&Scheduled, u8),
        loaded: &'k LoadedStep<D>,
        rows: u64,
    ) -> Result<(usize, &'k GpuKernel<D>, u32), Diagnostic> {
        let (aligned, narrow) = bound.assumptions(step, rows, self.plan.program());
        let holds = |v: Variant| (aligned || !v.aligned) && (narrow || !v.narrow);
        let found = match launch.variant {
            None => loaded.variants.iter().position(|(v, _)| holds(*v) && v.shape == shape),
            Some(wanted) => {
                let wanted = Variant { shape, ..wanted };
                let takes = scheduled.schedule.takes(shape, rows);
                loaded.variants.iter().position(|(v, _)| takes && *v == wanted && holds(*v))
            }
        };
        let Some(found) = found else { return Err(self.no_such_variant(scheduled, launch, aligned, narrow)) };
        let (variant, cell) = &loaded.variants[found];
        let Some(kernel) = cell.get() else { return Err(self.not_loaded(scheduled, *variant)) };
        let blocks = scheduled.schedule.grid(rows, *variant, || u64::from(kernel.resident));
        let Some(blocks) = blocks.filter(|&blocks| blocks <= MOST_BLOCKS) else {
            return Err(too_many(scheduled, rows, "2^31 - 1 blocks"));
        };
        // Only phases come here without rows.
        let blocks = blocks.max(1);
        if too_many_threads::<D>(blocks as u32, scheduled.schedule.threads(*variant)) {
            return Err(too_many(scheduled, rows, &format!("{} threads", D::MOST_THREADS)));
        }
        Ok((found, kernel, blocks as u32))
    }

    /// A launch that the driver refused: tried again if it only lacked a context.
    ///
    /// # Safety
    /// The parameters are what the kernel takes, each behind its address, and what it touches may be touched.
    #[cold]
    unsafe fn failed(&self, mut error: D::Error, mut ready: Ready<'_, D>) -> Result<(), Diagnostic> {
        let about = about(&self.plan.kernels()[ready.step], self.steps[ready.step].variants[ready.variant].0);
        let driver = self.gpu.driver();
        if driver.enters(error, &about)? {
            // SAFETY: the plan holds the kernel, so that it is loaded; the caller vouches for stream and parameters.
            match unsafe { driver.launch(&mut ready.launch) } {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        Err(driver.refused(error, &about))
    }

    #[cold]
    fn other_context(&self) -> Diagnostic {
        let message = format!("the stream is of another context than the plan of `{}`", self.plan.program().name);
        Diagnostic::new(Code::WrongDevice, message)
            .help(format!("give a stream of the context of {}, in which the plan was loaded", self.gpu.device()))
    }

    #[cold]
    fn not_loaded(&self, scheduled: &Scheduled, variant: Variant) -> Diagnostic {
        let message = format!("{} is not loaded on {}", about(scheduled, variant), self.gpu.device());
        Diagnostic::new(Code::NotPrepared, message)
            .help("call `prepare` before the first launch; a launch loads nothing")
    }

    #[cold]
    fn no_such_variant(
        &self,
        scheduled: &Scheduled,
        launch: &Launch<'_, D>,
        aligned: bool,
        narrow: bool,
    ) -> Diagnostic {
        let wanted = launch.variant.map_or_else(|| "no variant".to_owned(), |v| format!("not the variant {v}"));
        let is = |holds: bool| if holds { "" } else { "not " };
        let message = format!(
            "kernel `{}` has {wanted} for these arguments, which are {}aligned to 16 bytes and {}within 31-bit offsets",
            scheduled.kernel.name,
            is(aligned),
            is(narrow)
        );
        let variants: Vec<String> = scheduled.variants().iter().map(Variant::to_string).collect();
        Diagnostic::new(Code::NotPrepared, message).help(format!("its variants are {}", variants.join(", ")))
    }
}

/// The launches of one kernel over so many rows, by the shapes of their variants. A variant that was asked for stands for those
/// that belong to it; a kernel that has no such shape takes its own.
#[inline]
fn shapes<D: Driver>(launch: &Launch<'_, D>, scheduled: &Scheduled, rows: u64) -> RangeInclusive<u8> {
    match launch.variant {
        None => scheduled.schedule.shapes_for(rows),
        Some(wanted) if scheduled.variants().iter().any(|v| v.shape == wanted.shape) => {
            scheduled.schedule.shapes_beside(wanted.shape)
        }
        Some(_) => scheduled.schedule.shapes_for(rows),
    }
}

#[cold]
fn too_many(scheduled: &Scheduled, rows: u64, limit: &str) -> Diagnostic {
    let message = format!("kernel `{}` over {rows} rows takes more than {limit}", scheduled.kernel.name);
    Diagnostic::new(Code::ExtentTooLarge, message).help("give smaller extents")
}
