//! Launching on a GPU: the same checks as on the host, then one call of the driver a kernel. Nothing here allocates, locks
//! or asks the driver anything.

use super::cuda::driver;
use super::plan::{CudaPlan, Launch, LoadedStep, about};
use super::residency::GpuKernel;
use crate::args::ABSENT;
use crate::args::Args;
use crate::plan::Plan;
use crate::plan::bind::ports::Bounds;
use crate::plan::bind::quick::PARAMETERS;
use crate::plan::bind::slots::{Offsets, Source, StepSlots};
use crate::plan::bind::{Bound, PORTS, SLOTS, SYMBOLS, Span, fill_slots, room};
use cudarc::driver::sys::{self, CUlaunchAttributeID_enum, CUresult};
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Elements that 32-bit indices reach, with room for the threads past the end and for a grid's stride of rows.
pub(crate) const NARROW: u64 = (1 << 31) - (1 << 20);

impl CudaPlan {
    #[inline]
    pub(crate) fn run(&self, launch: &Launch<'_>, args: &Args<'_>) -> Result<(), Diagnostic> {
        let usual = launch.variant.is_none() && launch.context.is_none_or(|c| c.addr() == self.context);
        if let Some(quick) = self.quick.as_ref().filter(|_| usual)
            && let Some(found) = quick.find(args, self.device)
            && let Some(kernel) = self.steps[0].variants[found.variant].1.get()
        {
            let resident = if found.persistent { u64::from(kernel.resident) } else { u64::MAX };
            // Fewer than 2³¹.
            let blocks = found.blocks.min(resident) as u32;
            let mut room = [const { MaybeUninit::uninit() }; PARAMETERS];
            let parameters = quick.parameters(args, &mut room);
            let (step, variant, threads) = (0, found.variant, found.threads);
            let dependent = self.may_depend(launch, blocks);
            let ready = Ready { kernel, step, variant, blocks, threads, dependent, stream: launch.stream, parameters };
            #[cfg(debug_assertions)]
            self.compare_with_thorough(launch, args, &ready);
            // SAFETY: as in `run_thoroughly`, of whose checks these are the short form.
            return unsafe { self.go(ready) };
        }
        // SAFETY: the parameters are those of this kernel, whose artifact was checked against them; every address behind
        // them was checked to have the elements that the kernel touches, exclusively where it writes.
        self.run_thoroughly(launch, args, &mut |ready| unsafe { self.go(ready) })
    }

    /// Checks everything, and says what is wrong; or else hands on `each` kernel.
    #[inline(never)]
    fn run_thoroughly(
        &self,
        launch: &Launch<'_>,
        args: &Args<'_>,
        each: &mut dyn FnMut(Ready<'_>) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let plan = &*self.plan;
        if launch.context.is_some_and(|c| c.addr() != self.context) {
            return Err(self.other_context());
        }
        let (mut near, mut far) = ([&ABSENT; PORTS], Vec::new());
        let views = room(&mut near, &mut far, plan.ports.len(), &ABSENT);
        let (mut near, mut far) = ([Bounds::default(); PORTS], Vec::new());
        let bounds = room(&mut near, &mut far, plan.ports.len(), Bounds::default());
        let (mut near, mut far) = ([0; SYMBOLS], Vec::new());
        let extents = room(&mut near, &mut far, plan.program.symbols.len(), 0);
        let mut bound = Bound { device: self.device, views, bounds, extents, unchanged: 0 };
        plan.bind(args, &mut bound)?;
        let mut offsets = Offsets::new();
        let workspace = Span { begin: launch.workspace.0, bytes: launch.workspace.1 };
        if !plan.program.intermediates.is_empty() {
            plan.check_workspace(&bound, workspace, &mut offsets)?;
        }
        // Everything that can be refused is, before the first kernel runs.
        if plan.steps.len() > 1 {
            for ((step, scheduled), loaded) in plan.steps.iter().zip(&plan.kernels).zip(&self.steps) {
                let Some(rows) = bound.rows(step) else { continue };
                self.choose(launch, &bound, step, scheduled, loaded, rows)?;
            }
        }
        for (s, ((step, scheduled), loaded)) in plan.steps.iter().zip(&plan.kernels).zip(&self.steps).enumerate() {
            let Some(rows) = bound.rows(step) else { continue };
            let (variant, kernel, blocks) = self.choose(launch, &bound, step, scheduled, loaded, rows)?;
            let (mut near, mut far) = ([0u64; SLOTS], Vec::new());
            let slots = room(&mut near, &mut far, step.sources.len(), 0);
            fill_slots(slots, step, &bound, self.gpu.nothing(), workspace.begin, &offsets);
            let (mut near, mut far) = ([Parameter(std::ptr::null_mut()); SLOTS], Vec::new());
            let parameters = room(&mut near, &mut far, slots.len(), Parameter(std::ptr::null_mut()));
            for (parameter, slot) in parameters.iter_mut().zip(slots.iter_mut()) {
                *parameter = Parameter((&raw mut *slot).cast());
            }
            let threads = scheduled.schedule.threads(loaded.variants[variant].0);
            let dependent = self.may_depend(launch, blocks);
            each(Ready { kernel, step: s, variant, blocks, threads, dependent, stream: launch.stream, parameters })?;
        }
        Ok(())
    }

    /// Whether the launch is a programmatic dependent. Blocks that come early where there is no multiprocessor for each of
    /// them crowd on a few, and are late there: the H100 then takes up to a fifth longer than without.
    #[inline]
    fn may_depend(&self, launch: &Launch<'_>, blocks: u32) -> bool {
        launch.dependent && blocks <= self.most_dependent
    }

    /// The quick way does what the thorough one would.
    #[cfg(debug_assertions)]
    fn compare_with_thorough(&self, launch: &Launch<'_>, args: &Args<'_>, quick: &Ready<'_>) {
        let value = |p: &Parameter| {
            // SAFETY: the address of an argument or a slot, which live longer than this.
            unsafe { p.0.cast::<u64>().read() }
        };
        let values = |ready: &Ready<'_>| -> Vec<u64> { ready.parameters.iter().map(value).collect() };
        let shape = |r: &Ready<'_>| (r.step, r.variant, r.blocks, r.threads, r.dependent, std::ptr::from_ref(r.kernel));
        let mut launches = 0;
        let checked = self.run_thoroughly(launch, args, &mut |thorough| {
            launches += 1;
            assert_eq!((shape(&thorough), values(&thorough)), (shape(quick), values(quick)));
            Ok(())
        });
        assert_eq!((checked, launches), (Ok(()), 1));
    }

    /// One launch; a thread without a context gets the plan's, and tries again.
    ///
    /// # Safety
    /// The parameters are what the kernel takes, each behind its address, and what it touches may be touched.
    #[inline]
    unsafe fn go(&self, mut ready: Ready<'_>) -> Result<(), Diagnostic> {
        // SAFETY: handed on to the caller.
        match unsafe { launch_kernel(&mut ready) } {
            CUresult::CUDA_SUCCESS => Ok(()),
            // SAFETY: as above.
            result => unsafe { self.failed(result, ready) },
        }
    }

    /// The variant to launch, loaded, and its blocks.
    #[inline]
    fn choose<'k>(
        &self,
        launch: &Launch<'_>,
        bound: &Bound<'_, '_>,
        step: &StepSlots,
        scheduled: &Scheduled,
        loaded: &'k LoadedStep,
        rows: u64,
    ) -> Result<(usize, &'k GpuKernel, u32), Diagnostic> {
        let (aligned, narrow) = assumptions(bound, step, rows, &self.plan);
        let few = scheduled.schedule.few_rows() >= rows;
        let holds = |v: Variant| (aligned || !v.aligned) && (narrow || !v.narrow);
        let found = match launch.variant {
            None => loaded.variants.iter().position(|(v, _)| holds(*v) && (few || !v.few)),
            Some(wanted) => loaded.variants.iter().position(|(v, _)| *v == wanted && holds(*v)),
        };
        let Some(found) = found else { return Err(self.no_such_variant(scheduled, launch, aligned, narrow)) };
        let (variant, slot) = &loaded.variants[found];
        let Some(kernel) = slot.get() else { return Err(self.not_loaded(scheduled, *variant)) };
        let Some(blocks) = scheduled.schedule.blocks(rows, *variant) else { return Err(too_many(scheduled, rows)) };
        // A grid that strides over the rows is best as large as what is resident at once, and no larger.
        let persistent = scheduled.schedule.shape(*variant).is_some_and(|s| s.persistent);
        let blocks = if persistent { blocks.min(u64::from(kernel.resident)) } else { blocks };
        Ok((found, kernel, blocks as u32))
    }

    /// # Safety
    /// As for [`CudaPlan::go`].
    #[cold]
    unsafe fn failed(&self, mut result: CUresult, mut ready: Ready<'_>) -> Result<(), Diagnostic> {
        let about = about(&self.plan.kernels[ready.step], self.steps[ready.step].variants[ready.variant].0);
        if result == CUresult::CUDA_ERROR_INVALID_CONTEXT {
            let bound = self.gpu.context().bind_to_thread();
            bound.map_err(|e| driver::failed("cuCtxSetCurrent", e, &about))?;
            // SAFETY: handed on to the caller.
            result = unsafe { launch_kernel(&mut ready) };
        }
        result.result().map_err(|e| driver::failed("cuLaunchKernelEx", e, &about))
    }

    #[cold]
    fn other_context(&self) -> Diagnostic {
        let message = format!("the stream is of another context than the plan of `{}`", self.plan.program.name);
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
    fn no_such_variant(&self, scheduled: &Scheduled, launch: &Launch<'_>, aligned: bool, narrow: bool) -> Diagnostic {
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

#[cold]
fn too_many(scheduled: &Scheduled, rows: u64) -> Diagnostic {
    let message = format!("kernel `{}` over {rows} rows takes more than 2^31 - 1 blocks", scheduled.kernel.name);
    Diagnostic::new(Code::ExtentTooLarge, message).help("give smaller extents")
}

/// Whether everything is aligned to 16 bytes, and whether 31 bits reach every element.
#[inline]
fn assumptions(bound: &Bound<'_, '_>, step: &StepSlots, rows: u64, plan: &Plan) -> (bool, bool) {
    let (mut low, mut most) = (0u64, rows);
    for source in &step.sources {
        match *source {
            Source::Port(p) => {
                let (b, size) = (bound.bounds[p as usize], plan.ports[p as usize].dtype.size());
                low |= b.begin;
                most = most.max((b.end - b.begin) / size);
            }
            Source::Stride(p, 0) => {
                let view = bound.views[p as usize];
                // The stride of a single row means nothing.
                if view.shape[0] > 1 {
                    low |= (view.strides[0] as u64).wrapping_mul(view.dtype.size());
                }
            }
            Source::Intermediate(i) => {
                let ty = &plan.program.intermediates[i as usize].ty;
                let rows = ty.row_symbol().map_or(1, |s| bound.extents[s.0 as usize]);
                most = most.max(rows.saturating_mul(ty.row_elements().unwrap_or(u64::MAX)));
            }
            Source::Stride(..) | Source::Fixed(_) | Source::Extent(_) => {}
        }
    }
    (low.is_multiple_of(16) && step.fixed_aligned, most <= NARROW)
}

/// The address of an argument.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Parameter(pub(crate) *mut c_void);

/// A kernel with all that a launch of it says.
struct Ready<'k> {
    kernel: &'k GpuKernel,
    /// Which step of the plan it is.
    step: usize,
    /// Which variant of the step.
    variant: usize,
    blocks: u32,
    threads: u32,
    dependent: bool,
    stream: sys::CUstream,
    parameters: &'k mut [Parameter],
}

/// One call of the driver.
///
/// # Safety
/// The parameters are what the kernel takes, each behind its address, and what it touches may be touched.
#[inline]
unsafe fn launch_kernel(ready: &mut Ready<'_>) -> CUresult {
    let mut attribute = MaybeUninit::<sys::CUlaunchAttribute>::uninit();
    if ready.dependent {
        let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
        value.programmaticStreamSerializationAllowed = 1;
        let id = CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        attribute.write(sys::CUlaunchAttribute { id, pad: [0; 4], value });
    }
    let config = sys::CUlaunchConfig {
        gridDimX: ready.blocks,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: ready.threads,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: 0,
        hStream: ready.stream,
        attrs: attribute.as_mut_ptr(),
        numAttrs: u32::from(ready.dependent),
    };
    // SAFETY: configuration, attribute and parameters live through the call, which copies them; the rest is handed on.
    unsafe {
        let parameters = ready.parameters.as_mut_ptr().cast::<*mut c_void>();
        sys::cuLaunchKernelEx(&raw const config, ready.kernel.function(), parameters, std::ptr::null_mut())
    }
}
