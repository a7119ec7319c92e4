//! A plan on a GPU.

use super::cuda::Gpu;
use super::residency::{self as kernel, GpuKernel};
use crate::args::Args;
use crate::args::Device;
use crate::cache::KeyText;
use crate::cache::Reach;
use crate::plan::Plan;
use crate::plan::bind::quick::Quick;
use cudarc::driver::{CudaStream, sys};
use rayon::ThreadPool;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// A plan with its kernels on one GPU: `Send + Sync`, launched from any number of threads, on any streams of its context.
///
/// A launch says on which stream; one that does not is of a [`HostPlan`](crate::HostPlan), which is another type:
/// ```
/// use routefuse_runtime::{Args, HostPlan};
/// fn launch(plan: &HostPlan, args: &Args<'_>) {
///     plan.launch(args).unwrap();
/// }
/// ```
/// ```compile_fail
/// use routefuse_runtime::{Args, cuda::CudaPlan};
/// fn launch(plan: &CudaPlan, args: &Args<'_>) {
///     plan.launch(args).unwrap();
/// }
/// ```
pub struct CudaPlan {
    pub(crate) plan: Arc<Plan>,
    pub(crate) gpu: Gpu,
    pub(crate) steps: Box<[LoadedStep]>,
    /// The usual launch, if the plan has one.
    pub(crate) quick: Option<Quick>,
    /// The address of the driver's context.
    pub(crate) context: usize,
    pub(crate) device: Device,
    /// The most blocks that are launched as programmatic dependents.
    pub(crate) most_dependent: u32,
}

/// A kernel's variants: the most special first, as [`Scheduled::variants`] has them.
pub(crate) struct LoadedStep {
    pub(crate) variants: Box<[(Variant, OnceLock<Arc<GpuKernel>>)]>,
}

/// Where and how a launch runs.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    pub(crate) stream: sys::CUstream,
    /// The stream's, if it is known.
    pub(crate) context: Option<sys::CUcontext>,
    pub(crate) workspace: (u64, u64),
    pub(crate) dependent: bool,
    pub(crate) variant: Option<Variant>,
    life: PhantomData<&'a CudaStream>,
}

impl<'a> Launch<'a> {
    /// On this stream.
    #[inline]
    pub fn on(stream: &'a CudaStream) -> Launch<'a> {
        Launch {
            stream: stream.cu_stream(),
            context: Some(stream.context().cu_ctx()),
            workspace: (0, 0),
            dependent: false,
            variant: None,
            life: PhantomData,
        }
    }

    /// On a stream of the driver's or of CUDA's runtime.
    ///
    /// # Safety
    /// It is a live stream of the plan's context for `'a`.
    #[inline]
    pub unsafe fn on_raw(stream: sys::CUstream) -> Launch<'a> {
        Launch { stream, context: None, workspace: (0, 0), dependent: false, variant: None, life: PhantomData }
    }

    /// With memory between the kernels of a plan that has several: at least
    /// [`Plan::workspace_size`](crate::Plan::workspace_size) bytes of the GPU's memory, at an address that is a multiple
    /// of [`WORKSPACE_ALIGN`](crate::WORKSPACE_ALIGN).
    ///
    /// # Safety
    /// The memory is the GPU's, stays allocated, and nobody else uses it until the stream has run the launch.
    #[inline]
    #[must_use]
    pub unsafe fn workspace(mut self, address: sys::CUdeviceptr, bytes: u64) -> Launch<'a> {
        self.workspace = (address, bytes);
        self
    }

    /// With programmatic dependent launch, from sm_90 on: the kernel may be set up while the kernel in front of it in the
    /// stream still runs, and waits for its end before it reads or writes anything. For other targets this says nothing, nor
    /// for launches of more blocks than the GPU has multiprocessors, which would lose by it.
    ///
    /// A kernel in front that lets its dependents go early must do so for all that it writes before; those of routefuse do.
    #[inline]
    #[must_use]
    pub fn dependent(mut self, yes: bool) -> Launch<'a> {
        self.dependent = yes;
        self
    }

    /// With this variant instead of the best one: to measure or to test. What it assumes must hold.
    #[inline]
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Launch<'a> {
        self.variant = Some(variant);
        self
    }
}

impl<'a> From<&'a CudaStream> for Launch<'a> {
    fn from(stream: &'a CudaStream) -> Launch<'a> {
        Launch::on(stream)
    }
}

impl<'a> From<&'a Arc<CudaStream>> for Launch<'a> {
    fn from(stream: &'a Arc<CudaStream>) -> Launch<'a> {
        Launch::on(stream)
    }
}

impl CudaPlan {
    /// The plan on this GPU. Nothing is loaded before [`CudaPlan::prepare`].
    ///
    /// # Errors
    /// `RF0806` if the plan's target is not one that the GPU runs.
    pub fn new(plan: impl Into<Arc<Plan>>, gpu: &Gpu) -> Result<CudaPlan, Diagnostic> {
        let plan = plan.into();
        if plan.target().sm().is_none_or(|sm| sm > gpu.sm()) {
            let (name, target) = (&plan.program().name, plan.target());
            let message = format!("the plan of `{name}` is for `{target}`, and {} is an sm_{}", gpu.device(), gpu.sm());
            let help = gpu.target().map_or_else(|d| d.to_string(), |best| format!("compile the graph for `{best}`"));
            return Err(Diagnostic::new(Code::TargetNotHere, message).help(help));
        }
        let step =
            |k: &Scheduled| LoadedStep { variants: k.variants().iter().map(|v| (*v, OnceLock::new())).collect() };
        let steps = plan.kernels().iter().map(step).collect();
        let most_dependent = if plan.target().has_dependent_launch() { gpu.multiprocessors() } else { 0 };
        let (quick, context) = (Quick::new(&plan), gpu.context().cu_ctx().addr());
        Ok(CudaPlan { plan, gpu: gpu.clone(), steps, quick, context, device: gpu.device(), most_dependent })
    }

    /// Loads every variant of every kernel: machine code that a bundle or a cache has for this processor and driver, or else
    /// what the driver makes of PTX, which is compiled if it is nowhere. From then on no launch compiles, loads, allocates or
    /// asks the driver anything. A launch never does any of this by itself.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`]; `RF0810` if the cache of kernels is sealed and something is not loaded; `RF0805` if the driver is too old for the code; `RF0808` if it fails.
    pub fn prepare(&self) -> Result<(), Diagnostic> {
        self.prepare_where(|_, _| true)
    }

    /// [`CudaPlan::prepare`] for some of the variants. A launch that needs another one is an error that names it.
    ///
    /// # Errors
    /// Those of [`CudaPlan::prepare`].
    pub fn prepare_where(&self, mut wanted: impl FnMut(&Scheduled, Variant) -> bool) -> Result<(), Diagnostic> {
        self.missing(&mut wanted).into_iter().try_for_each(|one| self.load(one, &|| {}))
    }

    /// [`CudaPlan::prepare`] with the variants shared by a pool's threads.
    ///
    /// # Errors
    /// Those of [`CudaPlan::prepare`].
    pub fn prepare_on(&self, pool: &ThreadPool) -> Result<(), Diagnostic> {
        let missing = self.missing(&mut |_, _| true);
        let failures: Vec<OnceLock<Diagnostic>> = missing.iter().map(|_| OnceLock::new()).collect();
        // While the compiler works, a thread that has nothing to do has the driver load its linker.
        let spare = pool.current_num_threads() > missing.len();
        pool.scope(|scope| {
            for (one, failure) in missing.iter().zip(&failures) {
                scope.spawn(move |scope| {
                    let warm = || {
                        if spare {
                            scope.spawn(|_| self.gpu.warm_linker());
                        }
                    };
                    if let Err(e) = self.load(*one, &warm) {
                        let _ = failure.set(e);
                    }
                });
            }
        });
        failures.into_iter().find_map(OnceLock::into_inner).map_or(Ok(()), Err)
    }

    /// Step and variant of what is not loaded yet.
    fn missing(&self, wanted: &mut dyn FnMut(&Scheduled, Variant) -> bool) -> Vec<(usize, usize)> {
        let mut missing = Vec::new();
        for (s, (step, kernel)) in self.steps.iter().zip(self.plan.kernels()).enumerate() {
            for (v, (variant, slot)) in step.variants.iter().enumerate() {
                if slot.get().is_none() && wanted(kernel, *variant) {
                    missing.push((s, v));
                }
            }
        }
        missing
    }

    /// Loads a variant: what the GPU has, or machine code that was kept, or what the driver makes of PTX. `compiles` is called
    /// before anything is compiled.
    fn load(&self, (step, variant): (usize, usize), compiles: &dyn Fn()) -> Result<(), Diagnostic> {
        let scheduled = &self.plan.kernels()[step];
        let (variant, slot) = (&self.steps[step].variants[variant].0, &self.steps[step].variants[variant].1);
        let about = &about(scheduled, *variant);
        let kernel = match self.plan.source().filter(|_| self.is_own_target()) {
            Some((_, cache)) => {
                let key = self.key(scheduled, *variant)?;
                let load = |artifact: Artifact| {
                    self.plan.check_artifact(&artifact, scheduled, *variant)?;
                    GpuKernel::load(&self.gpu, artifact, about)
                };
                let make = || {
                    compiles();
                    let compiled = self.plan.kernel(Reach::Network, scheduled, *variant)?;
                    kernel::assemble(&self.gpu, compiled.artifact(), about)
                };
                self.gpu.loaded(*key.key().as_bytes(), || cache.machine_code(&key, about, load, make))?
            }
            None => {
                let mut place = self.steps[..step].iter().map(|s| s.variants.len()).sum::<usize>();
                place += self.steps[step].variants.iter().take_while(|(v, _)| v != variant).count();
                let artifact = self.plan.artifacts()?[place];
                let mut hasher = blake3::Hasher::new();
                hasher.update(artifact.entry.as_bytes()).update(&[0]).update(&artifact.code);
                let load = || {
                    self.plan.source().map_or(Ok(()), |(_, cache)| cache.unsealed(about))?;
                    GpuKernel::load(&self.gpu, kernel::assemble(&self.gpu, artifact, about)?, about)
                };
                self.gpu.loaded(*hasher.finalize().as_bytes(), load)?
            }
        };
        // Two threads may both come here; the GPU's cache gave them the same kernel.
        let _ = slot.set(kernel);
        Ok(())
    }

    /// The plan is for this very kind of processor: its machine code can be kept for others of the kind.
    fn is_own_target(&self) -> bool {
        self.plan.target().sm() == Some(self.gpu.sm())
    }

    /// The key of a variant's machine code on this GPU.
    fn key(&self, scheduled: &Scheduled, variant: Variant) -> Result<KeyText, Diagnostic> {
        let none = || Diagnostic::new(Code::Internal, "a plan of artifacts has no keys");
        let (compiler, _) = self.plan.source().ok_or_else(none)?;
        Ok(KeyText::on(self.gpu.processor(), scheduled, variant, &**compiler))
    }

    /// The machine code of every variant that is loaded, by its key: for a bundle, which then spares GPUs of this kind with
    /// this driver the assembler. Nothing for a plan of artifacts, or of another target than the GPU's own.
    pub fn machine_code(&self) -> Vec<(KeyText, &Artifact)> {
        let steps = self.steps.iter().zip(self.plan.kernels());
        let loaded = steps.flat_map(|(step, k)| step.variants.iter().map(move |(v, slot)| (k, *v, slot.get())));
        let kept = loaded.filter(|_| self.is_own_target());
        kept.filter_map(|(k, v, slot)| Some((self.key(k, v).ok()?, &slot?.artifact))).collect()
    }

    /// Checks every argument, then launches the kernels: `stream` is a `&CudaStream`, or a [`Launch`] with more to say.
    /// Nothing is launched for no rows, and nothing for a guarded output that is its input's view.
    ///
    /// The thread's current context is the plan's, as it is where the stream was made; a thread that has none gets it.
    ///
    /// # Errors
    /// `RF0601` to `RF0614`, before anything is launched; `RF0807` if the variant that it takes is not loaded; `RF0808` if the
    /// driver refuses the launch.
    #[inline]
    pub fn launch<'a>(&self, launch: impl Into<Launch<'a>>, args: &Args<'_>) -> Result<(), Diagnostic> {
        self.run(&launch.into(), args)
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The plan's artifacts, with machine code in place of PTX where it is loaded and of the plan's own target: a plan of
    /// these loads without the driver's linker.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn artifacts(&self) -> Result<Vec<Artifact>, Diagnostic> {
        let slots: Vec<Option<&Arc<GpuKernel>>> =
            self.steps.iter().flat_map(|s| &s.variants).map(|(_, slot)| slot.get()).collect();
        if !self.is_own_target() {
            return Ok(self.plan.artifacts()?.into_iter().cloned().collect());
        }
        if let Some(loaded) = slots.iter().copied().collect::<Option<Vec<_>>>() {
            return Ok(loaded.into_iter().map(|kernel| kernel.artifact.clone()).collect());
        }
        let artifact = |(artifact, kernel): (&Artifact, Option<&Arc<GpuKernel>>)| {
            kernel.map_or_else(|| artifact.clone(), |kernel| kernel.artifact.clone())
        };
        Ok(self.plan.artifacts()?.into_iter().zip(slots).map(artifact).collect())
    }
}

/// "kernel `post_chain` align16/i32", for errors.
#[cold]
pub(crate) fn about(kernel: &Scheduled, variant: Variant) -> String {
    format!("kernel `{}` {variant}", kernel.kernel.name)
}

impl fmt::Debug for CudaPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = self.steps.iter().flat_map(|s| &s.variants).filter(|(_, slot)| slot.get().is_some()).count();
        let quick = self.quick.is_some();
        write!(f, "CudaPlan {{ plan: {:?}, gpu: {:?}, loaded: {loaded}, quick: {quick} }}", self.plan, self.gpu)
    }
}
