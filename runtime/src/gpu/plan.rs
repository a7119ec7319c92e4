//! A plan on a GPU.

use super::residency::GpuKernel;
use super::{Driver, Gpu, Suits};
use crate::args::Location;
use crate::cache::{KeyText, Reach};
use crate::longest_first::{longest_first, size};
use crate::plan::bind::quick::Quick;
use crate::plan::bind::several::Several;
use crate::plan::{Plan, Progress};
use rayon::ThreadPool;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Schedule, Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic, Verified};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A plan with its kernels on one GPU: `Send + Sync`, launched from any number of threads, on any streams of its context.
///
/// A launch says on which stream. One that does not is a launch of a [`HostPlan`](crate::HostPlan), which is another type:
/// ```
/// use routefuse_runtime::{Args, HostPlan};
/// fn launch(plan: &HostPlan, args: &Args<'_>) {
///     plan.launch(args).unwrap();
/// }
/// ```
/// ```compile_fail
/// use routefuse_runtime::{Args, gpu::{Driver, GpuPlan}};
/// fn launch<D: Driver>(plan: &GpuPlan<D>, args: &Args<'_>) {
///     plan.launch(args).unwrap();
/// }
/// ```
pub struct GpuPlan<D: Driver> {
    pub(super) plan: Arc<Plan>,
    pub(super) gpu: Gpu<D>,
    pub(super) steps: Box<[LoadedStep<D>]>,
    /// Those of the GPU; none where the target has no programmatic dependent launch.
    pub(super) multiprocessors: u32,
    /// The usual launch of one kernel, if the plan has one.
    pub(super) quick: Option<Quick>,
    /// The usual launch of several, if it has none of one.
    pub(super) several: Option<Several>,
    /// The context that it is loaded in.
    pub(super) context: D::Context,
    /// Where its arguments must be.
    pub(super) location: Location,
}

/// A variant of a kernel, and the code once it is loaded.
type LoadedVariant<D> = (Variant, OnceLock<Arc<GpuKernel<D>>>);

/// A kernel's variants: the most special first, as [`Scheduled::variants`] has them.
pub(super) struct LoadedStep<D: Driver> {
    /// By variant, the most blocks that are launched as programmatic dependents.
    pub(super) most_dependent: Box<[u32]>,
    pub(super) variants: Box<[LoadedVariant<D>]>,
}

impl<D: Driver> GpuPlan<D> {
    /// The plan on this GPU. Nothing is loaded before [`GpuPlan::prepare`].
    ///
    /// # Errors
    /// `RF0806` if the plan's target is not one that the GPU runs.
    pub fn new(plan: impl Into<Arc<Plan>>, gpu: &Gpu<D>) -> Result<GpuPlan<D>, Diagnostic> {
        let plan = plan.into();
        let driver = gpu.driver();
        if driver.suits(plan.target()) == Suits::Not {
            return Err(gpu.runs_not(&format!("the plan of `{}` is", plan.program().name), plan.target()));
        }
        let multiprocessors = if plan.target().abilities().dependent_launch { driver.multiprocessors() } else { 0 };
        let step = |k: &Verified<Scheduled>| LoadedStep {
            most_dependent: k.variants().iter().map(|v| most_dependent(&k.schedule, *v, multiprocessors)).collect(),
            variants: k.variants().iter().map(|v| (*v, OnceLock::new())).collect(),
        };
        let steps = plan.kernels().iter().map(step).collect();
        let (context, location) = (driver.context(), Location::of(driver.device()));
        let quick = Quick::new(&plan);
        let several = if quick.is_some() { None } else { Several::new(&plan) };
        Ok(GpuPlan { plan, gpu: gpu.clone(), steps, multiprocessors, quick, several, context, location })
    }

    /// Loads every variant of every kernel: machine code that a bundle or a cache has for this processor and driver, or else
    /// what the driver makes of compiled code, which is compiled if it is nowhere. From then on no launch compiles, loads, allocates or
    /// asks the driver anything. A launch never does any of this by itself.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`]; `RF0810` if the cache of kernels is sealed and something is not loaded; `RF0805` if the driver is too old for the code; `RF0808` if it fails.
    pub fn prepare(&self) -> Result<(), Diagnostic> {
        self.prepare_where(|_, _| true)
    }

    /// [`GpuPlan::prepare`] for some of the variants. A launch that needs another one is an error that names it.
    ///
    /// # Errors
    /// Those of [`GpuPlan::prepare`].
    pub fn prepare_where(&self, mut wanted: impl FnMut(&Scheduled, Variant) -> bool) -> Result<(), Diagnostic> {
        self.missing(&mut wanted).into_iter().try_for_each(|one| self.load(one, &|| {}))
    }

    /// [`GpuPlan::prepare`] with the variants shared by a pool's threads.
    ///
    /// # Errors
    /// Those of [`GpuPlan::prepare`].
    pub fn prepare_on(&self, pool: &ThreadPool) -> Result<(), Diagnostic> {
        self.prepare_telling(pool, &|_| ())
    }

    /// [`GpuPlan::prepare_on`], with `progress` called, from any of the pool's threads, for each variant that was loaded.
    ///
    /// # Errors
    /// Those of [`GpuPlan::prepare`].
    pub fn prepare_telling(
        &self,
        pool: &ThreadPool,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<(), Diagnostic> {
        let missing = self.missing(&mut |_, _| true);
        let (total, done) = (missing.len(), AtomicUsize::new(0));
        // While the compiler works, a thread that has nothing to do has the driver warm up.
        let spare = pool.current_num_threads() > missing.len();
        let of = |one: &(usize, usize)| (&self.plan.kernels()[one.0], self.steps[one.0].variants[one.1].0);
        let size_of = |one: &(usize, usize)| {
            let (scheduled, variant) = of(one);
            size(scheduled, variant)
        };
        let warm_up = || self.gpu.driver().warm_up();
        let load = |one: &(usize, usize), warm_up: &dyn Fn()| {
            let compiles = || {
                if spare {
                    warm_up();
                }
            };
            self.load(*one, &compiles)?;
            let ((scheduled, variant), done) = (of(one), done.fetch_add(1, Ordering::Relaxed) + 1);
            progress(Progress { done, total, kernel: &scheduled.kernel.name, variant });
            Ok(())
        };
        longest_first(pool, &missing, size_of, warm_up, load).into_iter().collect()
    }

    /// Step and variant of what is not loaded yet.
    fn missing(&self, wanted: &mut dyn FnMut(&Scheduled, Variant) -> bool) -> Vec<(usize, usize)> {
        let mut missing = Vec::new();
        for (s, (step, kernel)) in self.steps.iter().zip(self.plan.kernels()).enumerate() {
            for (v, (variant, cell)) in step.variants.iter().enumerate() {
                if cell.get().is_none() && wanted(kernel, *variant) {
                    missing.push((s, v));
                }
            }
        }
        missing
    }

    /// Loads a variant: what the GPU has, or machine code that was kept, or what the driver makes of compiled code. `compiles`
    /// is called before anything is compiled.
    fn load(&self, (step, variant): (usize, usize), compiles: &dyn Fn()) -> Result<(), Diagnostic> {
        let scheduled = &self.plan.kernels()[step];
        let (position, (variant, cell)) = (variant, &self.steps[step].variants[variant]);
        let about = &about(scheduled, *variant);
        let compiled = || {
            compiles();
            self.plan.kernel(Reach::Network, scheduled, *variant)
        };
        let kernel = match self.plan.source() {
            Some((_, cache)) if self.keeps_machine_code() => {
                let key = self.key(scheduled, *variant)?;
                let load = |artifact: Artifact| {
                    self.plan.check_artifact(&artifact, scheduled, *variant)?;
                    GpuKernel::load(&self.gpu, artifact, about)
                };
                let make = || self.gpu.assemble(compiled()?.artifact(), about);
                self.gpu.loaded(*key.key().as_bytes(), || cache.machine_code(&key, about, load, make))?
            }
            Some((_, cache)) => {
                self.load_as_it_is(compiled()?.artifact(), about, |load| cache.load_on_gpu(about, load))?
            }
            None => {
                let before = self.steps[..step].iter().map(|s| s.variants.len()).sum::<usize>();
                self.load_as_it_is(self.plan.artifacts()?[before + position], about, |load| load())?
            }
        };
        // Two threads may both come here; the GPU gave them the same kernel.
        let _ = cell.set(kernel);
        Ok(())
    }

    /// Code whose machine code is not kept: known by the hash of it and of how it is launched, because two variants of a kernel
    /// may have the same code. `counted` calls what loads it.
    fn load_as_it_is(
        &self,
        artifact: &Artifact,
        about: &str,
        counted: impl FnOnce(&dyn Fn() -> Result<GpuKernel<D>, Diagnostic>) -> Result<GpuKernel<D>, Diagnostic>,
    ) -> Result<Arc<GpuKernel<D>>, Diagnostic> {
        let Artifact { target, variant, schedule, slots, entry, format, code } = artifact;
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(format!("{target} {variant} {schedule:?} {slots:?} {format:?} {entry}\0").as_bytes())
            .update(code);
        let load = || GpuKernel::load(&self.gpu, self.gpu.assemble(artifact, about)?, about);
        self.gpu.loaded(*hasher.finalize().as_bytes(), || counted(&load))
    }

    /// Machine code is made here, of source, and can be kept for other GPUs of this very kind. Where the compiler makes
    /// machine code itself, its own is kept already.
    fn keeps_machine_code(&self) -> bool {
        D::SOURCE.is_some() && self.is_own_target()
    }

    /// The plan is for this very kind of processor: its machine code can be kept for others of the kind.
    fn is_own_target(&self) -> bool {
        self.gpu.driver().suits(self.plan.target()) == Suits::Own
    }

    /// The key of a variant's machine code on this GPU.
    fn key(&self, scheduled: &Scheduled, variant: Variant) -> Result<KeyText, Diagnostic> {
        let none = || Diagnostic::new(Code::Internal, "a plan of artifacts has no keys");
        let (compiler, _) = self.plan.source().ok_or_else(none)?;
        Ok(KeyText::on(self.gpu.driver().identity(), scheduled, variant, &**compiler))
    }

    /// The machine code of every variant that is loaded, by its key: for a bundle, which then spares GPUs of this kind with
    /// this driver the assembler. Nothing for a plan of artifacts, of another target than the GPU's own, or whose artifacts are
    /// machine code already.
    pub fn machine_code(&self) -> Vec<(KeyText, &Artifact)> {
        let steps = self.steps.iter().zip(self.plan.kernels());
        let loaded = steps.flat_map(|(step, k)| step.variants.iter().map(move |(v, cell)| (k, *v, cell.get())));
        let kept = loaded.filter(|_| self.keeps_machine_code());
        kept.filter_map(|(k, v, kernel)| Some((self.key(k, v).ok()?, &kernel?.artifact))).collect()
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu<D> {
        &self.gpu
    }

    /// The plan's artifacts, with machine code instead of source where it is loaded and of the plan's own target: a
    /// plan of these loads without the driver's assembler.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn artifacts(&self) -> Result<Vec<Artifact>, Diagnostic> {
        let kernels: Vec<Option<&Arc<GpuKernel<D>>>> =
            self.steps.iter().flat_map(|s| &s.variants).map(|(_, cell)| cell.get()).collect();
        if !self.is_own_target() {
            return Ok(self.plan.artifacts()?.into_iter().cloned().collect());
        }
        if let Some(loaded) = kernels.iter().copied().collect::<Option<Vec<_>>>() {
            return Ok(loaded.into_iter().map(|kernel| kernel.artifact.clone()).collect());
        }
        let artifact = |(artifact, kernel): (&Artifact, Option<&Arc<GpuKernel<D>>>)| {
            kernel.map_or_else(|| artifact.clone(), |kernel| kernel.artifact.clone())
        };
        Ok(self.plan.artifacts()?.into_iter().zip(kernels).map(artifact).collect())
    }
}

/// The most blocks that are launched as programmatic dependents, where a grid has as many.
fn most_dependent(schedule: &Schedule, variant: Variant, multiprocessors: u32) -> u32 {
    let most = schedule.most_dependent(variant, u64::from(multiprocessors));
    most.and_then(|most| u32::try_from(most).ok()).unwrap_or(u32::MAX)
}

/// "kernel `post_chain` align16/i32", for errors.
#[cold]
pub(super) fn about(kernel: &Scheduled, variant: Variant) -> String {
    format!("kernel `{}` {variant}", kernel.kernel.name)
}

impl<D: Driver> fmt::Debug for GpuPlan<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = self.steps.iter().flat_map(|s| &s.variants).filter(|(_, cell)| cell.get().is_some()).count();
        let quick = self.quick.is_some() || self.several.is_some();
        write!(f, "GpuPlan {{ plan: {:?}, gpu: {:?}, loaded: {loaded}, quick: {quick} }}", self.plan, self.gpu)
    }
}
