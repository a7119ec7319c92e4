//! Launching on a GPU: the same checks as on the host, then one call of the driver a kernel. Nothing here allocates, locks
//! or asks the driver anything.

use super::launch::{Bound, PORTS, SLOTS, SYMBOLS, Span, fill_slots, room};
use super::ports::Bounds;
use super::slots::{Offsets, Source, StepSlots};
use crate::args::Args;
use crate::cuda::kernel::GpuKernel;
use crate::cuda::plan::{LoadedStep, about};
use crate::cuda::{CudaPlan, Launch, driver};
use crate::view::ABSENT;
use cudarc::driver::sys::{self, CUlaunchAttributeID_enum, CUresult};
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;
use std::sync::Arc;

/// Elements that 32-bit indices reach, with room for the threads past the end and for a grid's stride of rows.
const NARROW: u64 = (1 << 31) - (1 << 20);

impl CudaPlan {
    pub(crate) fn run(&self, launch: &Launch<'_>, args: &Args<'_>) -> Result<(), Diagnostic> {
        let plan = &*self.plan;
        if launch.context.is_some_and(|c| c != self.gpu.context().cu_ctx()) {
            return Err(self.other_context());
        }
        let (mut near, mut far) = ([&ABSENT; PORTS], Vec::new());
        let views = room(&mut near, &mut far, plan.ports.len(), &ABSENT);
        let (mut near, mut far) = ([Bounds::default(); PORTS], Vec::new());
        let bounds = room(&mut near, &mut far, plan.ports.len(), Bounds::default());
        let (mut near, mut far) = ([0; SYMBOLS], Vec::new());
        let extents = room(&mut near, &mut far, plan.program.symbols.len(), 0);
        let mut bound = Bound { device: self.gpu.device(), views, bounds, extents, unchanged: 0 };
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
        for ((step, scheduled), loaded) in plan.steps.iter().zip(&plan.kernels).zip(&self.steps) {
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
            let threads = scheduled.schedule.threads(variant);
            // Blocks that come early where there is no multiprocessor for each of them crowd on a few, and are late there: the
            // H100 then takes up to a fifth longer than without.
            let dependent =
                launch.dependent && scheduled.target.has_dependent_launch() && blocks <= self.gpu.multiprocessors();
            // SAFETY: the parameters are those of this kernel, whose artifact was checked against them; every address behind
            // them was checked to have the elements that the kernel touches, exclusively where it writes.
            let result = unsafe { launch_kernel(kernel, blocks, threads, parameters, launch.stream, dependent) };
            if result != CUresult::CUDA_SUCCESS {
                // SAFETY: as above.
                let again = || unsafe { launch_kernel(kernel, blocks, threads, parameters, launch.stream, dependent) };
                self.failed(result, again, scheduled, variant)?;
            }
        }
        Ok(())
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
    ) -> Result<(Variant, &'k Arc<GpuKernel>, u32), Diagnostic> {
        let (aligned, narrow) = assumptions(bound, step, rows, &self.plan);
        let few = scheduled.schedule.few_rows() >= rows;
        let holds = |v: Variant| (aligned || !v.aligned) && (narrow || !v.narrow);
        let found = match launch.variant {
            None => loaded.variants.iter().find(|(v, _)| holds(*v) && (few || !v.few)),
            Some(wanted) => loaded.variants.iter().find(|(v, _)| *v == wanted && holds(*v)),
        };
        let Some((variant, slot)) = found else { return Err(self.no_such_variant(scheduled, launch, aligned, narrow)) };
        let Some(kernel) = slot.get() else { return Err(self.not_loaded(scheduled, *variant)) };
        let Some(blocks) = scheduled.schedule.blocks(rows, *variant) else { return Err(too_many(scheduled, rows)) };
        // A grid that strides over the rows is best as large as what is resident at once, and no larger.
        let persistent = scheduled.schedule.shape(*variant).is_some_and(|s| s.persistent);
        let blocks = if persistent { blocks.min(u64::from(kernel.resident)) } else { blocks };
        Ok((*variant, kernel, blocks as u32))
    }

    /// What to do about a launch that the driver refused: a thread without a context gets the plan's, and tries again.
    #[cold]
    fn failed(
        &self,
        mut result: CUresult,
        mut again: impl FnMut() -> CUresult,
        scheduled: &Scheduled,
        variant: Variant,
    ) -> Result<(), Diagnostic> {
        let about = about(scheduled, variant);
        if result == CUresult::CUDA_ERROR_INVALID_CONTEXT {
            let bound = self.gpu.context().bind_to_thread();
            bound.map_err(|e| driver::failed("cuCtxSetCurrent", e, &about))?;
            result = again();
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
fn assumptions(bound: &Bound<'_, '_>, step: &StepSlots, rows: u64, plan: &super::Plan) -> (bool, bool) {
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
struct Parameter(*mut c_void);

/// One call of the driver.
///
/// # Safety
/// The parameters are what the kernel takes, each behind its address, and what it touches may be touched.
#[inline]
unsafe fn launch_kernel(
    kernel: &GpuKernel,
    blocks: u32,
    threads: u32,
    parameters: &mut [Parameter],
    stream: sys::CUstream,
    dependent: bool,
) -> CUresult {
    let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
    value.programmaticStreamSerializationAllowed = 1;
    let id = CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    let mut attribute = sys::CUlaunchAttribute { id, pad: [0; 4], value };
    let config = sys::CUlaunchConfig {
        gridDimX: blocks,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: threads,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: 0,
        hStream: stream,
        attrs: &raw mut attribute,
        numAttrs: u32::from(dependent),
    };
    // SAFETY: configuration, attribute and parameters live through the call, which copies them; the rest is handed on.
    unsafe {
        let parameters = parameters.as_mut_ptr().cast::<*mut c_void>();
        sys::cuLaunchKernelEx(&raw const config, kernel.function(), parameters, std::ptr::null_mut())
    }
}
