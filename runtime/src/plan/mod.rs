//! A program, ready to run.

pub(crate) mod bind;
mod prepare;

use crate::cache::{Compiler, KernelCache, KeyText, LoadedKernel, Reach, sealed};
use crate::host::{Scratch, parts};
use crate::longest_first::{longest_first, size};
use bind::ports::{self, Port};
use bind::slots::{self, StepSlots};
pub use prepare::Progress;
use rayon::ThreadPool;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Schedule, Scheduled, Variant};
use routefuse_ir::program::{Program, Step};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, Code, Diagnostic, DimBound, Verified};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// One variant of one kernel.
type Job<'p> = (&'p Verified<Scheduled>, Variant);

/// Whether the schedules are one but for what the code keeps of a row, whose numbers are of the kernel it was compiled from:
/// an equal kernel may have its values in another order.
fn launches_alike(a: &Schedule, b: &Schedule) -> bool {
    let launched = |s: &Schedule| s.clone().with_held(vec![]);
    launched(a) == launched(b)
}

/// Kernels in order, or the first failure.
type Loaded = Result<Vec<Arc<LoadedKernel>>, Diagnostic>;

/// A program, its kernels with their schedules, and what compiles them: `Send + Sync`, made once, for one target.
///
/// A plan is launched where its target runs: on the host as a [`HostPlan`](crate::HostPlan), on a GPU as a
/// [`GpuPlan`](crate::gpu::GpuPlan). By itself it cannot be launched:
/// ```compile_fail
/// fn launch(plan: &routefuse_runtime::Plan, args: &routefuse_runtime::Args<'_>) {
///     plan.launch(args).unwrap();
/// }
/// ```
pub struct Plan {
    program: Program,
    target: Target,
    kernels: Vec<Verified<Scheduled>>,
    ports: Vec<Port>,
    steps: Vec<StepSlots>,
    /// For each input, the output whose view it is if it is left out.
    shared: Vec<Option<u32>>,
    /// How many inputs these are.
    shared_count: usize,
    /// The program's symbols of rows that are done in order, each with how many there may be: ranks are `i32`.
    most_rows: Vec<(u32, u64)>,
    /// The least extents of the dims that arguments have.
    bounds: Vec<DimBound>,
    source: Option<(Arc<dyn Compiler>, Arc<KernelCache>)>,
    /// For each step, one for each variant.
    loaded: OnceLock<Box<[Arc<LoadedKernel>]>>,
    /// What its kernels keep of a row where that is too much for a stack: made when they are loaded.
    scratch: OnceLock<Scratch>,
    /// What is counted before rows that are done in order are shared by a pool's threads.
    counts: OnceLock<Scratch>,
}

/// How many rows each symbol of rows whose items are counted or ranked may have: no number of them is more than an `i32` holds.
fn most_rows(program: &Program) -> Vec<(u32, u64)> {
    let of_step = |(at, step): (usize, &Step)| Some((step.rows()?.0, program.most_rows(at)?));
    program.steps.iter().enumerate().filter_map(of_step).collect()
}

impl Plan {
    /// A plan whose kernels `compiler` makes when it is [prepared](Plan::prepare); equal kernels come out of `cache`.
    /// `schedules` has one schedule a step.
    ///
    /// # Errors
    /// `RF0802` or `RF0815` if a schedule does not fit its kernel and the target: see [`Scheduled::verify`]. `RF0901` if the program and
    /// the schedules do not fit together: a defect in who made them.
    pub fn new(
        program: Program,
        schedules: Vec<Schedule>,
        target: Target,
        compiler: Arc<dyn Compiler>,
        cache: Arc<KernelCache>,
    ) -> Result<Plan, Diagnostic> {
        Plan::of(program, schedules, target, Some((compiler, cache)))
    }

    /// A plan of finished artifacts, loaded here and now: for each step, one for each of its schedule's
    /// variants.
    ///
    /// # Errors
    /// `RF0805` if there is not one artifact for each step and variant, an artifact's arguments are not its kernel's, or it
    /// cannot be loaded; `RF0806` if it is for another target.
    ///
    /// # Safety
    /// The artifacts are what a [`Compiler`] gave for this program's kernels.
    pub unsafe fn from_artifacts(
        program: Program,
        target: Target,
        artifacts: Vec<Artifact>,
    ) -> Result<Plan, Diagnostic> {
        let wrong = |what: &str| {
            let (n, steps) = (artifacts.len(), program.steps.len());
            let message = format!("{n} artifacts for the {steps} kernels of `{}`: {what}", program.name);
            Diagnostic::new(Code::CannotLoad, message)
        };
        // The first artifact of a step says how many there are.
        let mut schedules = Vec::with_capacity(program.steps.len());
        let mut wanted: Vec<(usize, Variant)> = Vec::with_capacity(artifacts.len());
        for step in 0..program.steps.len() {
            let first = artifacts.get(wanted.len()).ok_or_else(|| wrong("there is not one for each variant"))?;
            schedules.push(first.schedule.clone());
            wanted.extend(first.schedule.variants(target.kind()).iter().map(|v| (step, *v)));
        }
        if wanted.len() != artifacts.len() {
            return Err(wrong("there is not one for each variant"));
        }
        let plan = Plan::of(program, schedules, target, None)?;
        let mut loaded = Vec::with_capacity(artifacts.len());
        for ((step, variant), artifact) in wanted.into_iter().zip(artifacts) {
            plan.check_artifact(&artifact, &plan.kernels[step], variant)?;
            // SAFETY: the caller vouches that a compiler gave the artifact for this kernel.
            loaded.push(Arc::new(unsafe { LoadedKernel::load(artifact)? }));
        }
        plan.scratch();
        plan.counts();
        Ok(Plan { loaded: OnceLock::from(loaded.into_boxed_slice()), ..plan })
    }

    fn of(
        program: Program,
        schedules: Vec<Schedule>,
        target: Target,
        source: Option<(Arc<dyn Compiler>, Arc<KernelCache>)>,
    ) -> Result<Plan, Diagnostic> {
        let defect = |what: &str| {
            Diagnostic::new(Code::Internal, format!("the program `{}` {what}", program.name))
                .help("this is a defect in routefuse; please report the graph")
        };
        if schedules.len() != program.steps.len() {
            return Err(defect("has not one schedule a kernel"));
        }
        let ports = ports::ports(&program);
        let steps = program.steps.iter().map(|s| StepSlots::new(s, &program, target)).collect::<Option<Vec<_>>>();
        let mut steps = steps.ok_or_else(|| defect("names a buffer that it does not have"))?;
        let known = |s: u32| ports.iter().any(|p| p.symbol == Some(s));
        if steps.iter().any(|s| !s.symbols().all(known)) {
            return Err(defect("uses a dim that no argument has"));
        }
        let mut shared = vec![None; program.inputs.len()];
        for (o, output) in program.outputs.iter().enumerate() {
            if let Alias::InPlace(i) | Alias::Donates(i) = output.alias {
                shared[i] = Some((program.inputs.len() + o) as u32);
            }
        }
        let kernels = program
            .steps
            .iter()
            .zip(schedules)
            .map(|(step, schedule)| Scheduled { kernel: step.kernel.clone(), schedule, target }.verify())
            .collect::<Result<Vec<Verified<Scheduled>>, Diagnostic>>()?;
        let shared_count = shared.iter().flatten().count();
        for (step, kernel) in steps.iter_mut().zip(&kernels) {
            step.scratch = kernel.scratch_bytes();
        }
        let most_rows = most_rows(&program);
        // A dim that no argument has takes no memory of the caller's.
        let given = |b: &&DimBound| known(b.symbol().0);
        let bounds: Vec<DimBound> = program.bounds.iter().filter(given).cloned().collect();
        if bounds.iter().any(|b| b.of().is_some_and(|s| !known(s.0))) {
            return Err(defect("bounds a dim by one that no argument has"));
        }
        let (loaded, scratch, counts) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Plan {
            kernels,
            ports,
            steps,
            shared,
            shared_count,
            most_rows,
            bounds,
            source,
            loaded,
            scratch,
            counts,
            target,
            program,
        })
    }

    pub(crate) fn check_artifact(
        &self,
        artifact: &Artifact,
        kernel: &Scheduled,
        variant: Variant,
    ) -> Result<(), Diagnostic> {
        if artifact.target != self.target {
            let message = format!("an artifact is for `{}`, and the plan is for `{}`", artifact.target, self.target);
            return Err(Diagnostic::new(Code::TargetNotHere, message).help("compile the graph for the plan's target"));
        }
        let fits = artifact.variant == variant
            && launches_alike(&artifact.schedule, &kernel.schedule)
            && artifact.slots == abi::slots(&kernel.kernel, kernel.target);
        if !fits {
            let name = &kernel.kernel.name;
            let message = format!("an artifact's variant or arguments are not those of kernel `{name}` {variant}");
            return Err(Diagnostic::new(Code::CannotLoad, message).help("load artifacts with the graph they are of"));
        }
        Ok(())
    }

    /// Compiles and loads every variant of every kernel, but those that the cache has. Afterwards no launch compiles or
    /// loads. Without it, the first launch does this.
    ///
    /// # Errors
    /// What the compiler reports; `RF0805` if the system does not load the code.
    pub fn prepare(&self) -> Result<(), Diagnostic> {
        self.load_on_this_thread(Reach::Network).map(|_| ())
    }

    /// [`Plan::prepare`] with the variants shared by a pool's threads.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn prepare_on(&self, pool: &ThreadPool) -> Result<(), Diagnostic> {
        if self.loaded.get().is_some() {
            return Ok(());
        }
        self.load_with(|jobs| {
            let compile = |(kernel, variant): &Job<'_>, _: &dyn Fn()| self.kernel(Reach::Network, kernel, *variant);
            longest_first(pool, jobs, |(kernel, variant)| size(kernel, *variant), || (), compile).into_iter().collect()
        })
        .map(|_| ())
    }

    /// The kernels, compiled and loaded.
    #[inline]
    pub(crate) fn loaded(&self) -> Result<&[Arc<LoadedKernel>], Diagnostic> {
        match self.loaded.get() {
            Some(kernels) => Ok(kernels),
            // A launch of an unprepared plan compiles rather than wait for a network.
            None => self.load_on_this_thread(Reach::Machine),
        }
    }

    /// The scratch memory of its kernels.
    #[inline]
    pub(crate) fn scratch(&self) -> &Scratch {
        self.scratch.get_or_init(|| Scratch::new(self.steps.iter().map(|s| s.scratch).max().unwrap_or(0)))
    }

    /// Memory for the counts of the parts of its launches on a pool.
    pub(crate) fn counts(&self) -> &Scratch {
        self.counts.get_or_init(|| parts::counts(self.steps.iter().filter_map(|s| s.counted).max()))
    }

    #[cold]
    fn load_on_this_thread(&self, reach: Reach) -> Result<&[Arc<LoadedKernel>], Diagnostic> {
        if let Some(kernels) = self.loaded.get() {
            return Ok(kernels);
        }
        self.load_with(|jobs| jobs.iter().map(|(k, v)| self.kernel(reach, k, *v)).collect())
    }

    /// Every variant of every kernel, as `get` gets them, in order.
    fn load_with(&self, get: impl FnOnce(&[Job<'_>]) -> Loaded) -> Result<&[Arc<LoadedKernel>], Diagnostic> {
        let jobs: Vec<Job<'_>> = self.kernels.iter().flat_map(|k| k.variants().iter().map(move |v| (k, *v))).collect();
        let loaded = get(&jobs)?;
        self.scratch();
        self.counts();
        // Two threads may both come here; the cache gave them the same kernels.
        Ok(self.loaded.get_or_init(|| loaded.into_boxed_slice()))
    }

    /// One variant, compiled and loaded, or from the cache.
    pub(crate) fn kernel(
        &self,
        reach: Reach,
        scheduled: &Verified<Scheduled>,
        variant: Variant,
    ) -> Result<Arc<LoadedKernel>, Diagnostic> {
        let Some((compiler, cache)) = &self.source else {
            return Err(Diagnostic::new(Code::Internal, "a plan of artifacts that holds none"));
        };
        let key = KeyText::of(scheduled, variant, &**compiler);
        let check = |artifact: &Artifact| self.check_artifact(artifact, scheduled, variant);
        let compile = || {
            let artifact = compiler.compile(scheduled, variant)?;
            let (kernel, key) = (&scheduled.kernel.name, key.key());
            tracing::debug!(%kernel, %variant, %key, bytes = artifact.code.len(), "compiled");
            Ok(artifact)
        };
        // SAFETY: a `Compiler` vouches for its artifacts.
        let loaded = unsafe { cache.get_within(reach, &key, check, compile) };
        loaded.map_err(|e| match e.code {
            Code::Sealed => sealed(&format!("kernel `{}` {variant}", scheduled.kernel.name)),
            _ => e,
        })
    }

    /// What compiles its kernels, and where they are kept; none for a plan of artifacts.
    pub(crate) fn source(&self) -> Option<&(Arc<dyn Compiler>, Arc<KernelCache>)> {
        self.source.as_ref()
    }

    /// The program.
    #[inline]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The target.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Where each step's slots come from.
    #[inline]
    pub(crate) fn steps(&self) -> &[StepSlots] {
        &self.steps
    }

    /// The kernels with their schedules, in the order in which they run.
    #[inline]
    pub fn kernels(&self) -> &[Verified<Scheduled>] {
        &self.kernels
    }

    /// The compiled code: for each kernel, one artifact a variant. Prepares the plan.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`].
    pub fn artifacts(&self) -> Result<Vec<&Artifact>, Diagnostic> {
        Ok(self.load_on_this_thread(Reach::Network)?.iter().map(|k| k.artifact()).collect())
    }

    /// Bytes of workspace that a launch with these extents needs, one extent a symbol in the order of
    /// [`Program::symbols`]. 0 for a plan with nothing between its kernels.
    ///
    /// # Errors
    /// `RF0614` if the bytes do not fit 63 bits; `RF0606` if there is not one extent a symbol.
    pub fn workspace_size(&self, extents: &[u64]) -> Result<u64, Diagnostic> {
        self.one_a_symbol(extents)?;
        let mut offsets = slots::Offsets::new();
        slots::workspace(&self.program, extents, &mut offsets).ok_or_else(|| bind::workspace_overflow(&self.program))
    }

    /// How many kernels a launch with these extents runs on a GPU, one extent a symbol in the order of [`Program::symbols`]: those that are
    /// taken for them, of which some are two launches. A guarded output that is its input's view may save one.
    ///
    /// # Errors
    /// `RF0606` if there is not one extent a symbol.
    pub fn launches(&self, extents: &[u64]) -> Result<usize, Diagnostic> {
        self.one_a_symbol(extents)?;
        let taken = self.program.steps.iter().zip(&self.kernels).filter(|(step, _)| step.is_taken(extents));
        let launches = taken.map(|(step, scheduled)| {
            let (rows, schedule) = (step.rows().map_or(1, |s| extents[s.0 as usize]), &scheduled.schedule);
            if rows == 0 && schedule.least_blocks() == 0 { 0 } else { schedule.shapes_for(rows).count() }
        });
        Ok(launches.sum())
    }

    fn one_a_symbol(&self, extents: &[u64]) -> Result<(), Diagnostic> {
        if extents.len() == self.program.symbols.len() {
            return Ok(());
        }
        let (n, names) = (extents.len(), self.program.symbols.join(", "));
        let message = format!("{n} extents for the dims {names}");
        Err(Diagnostic::new(Code::SymbolConflict, message).help("give one extent a dim, in that order"))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels: Vec<&str> = self.kernels.iter().map(|k| k.kernel.name.as_str()).collect();
        write!(f, "Plan {{ graph: {:?}, target: {}, kernels: {kernels:?} }}", self.program.name, self.target)
    }
}
