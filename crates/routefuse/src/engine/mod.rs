//! The engine: graphs become plans.
//!
//! [`Engine`] has one `impl` block, here; what its methods do stands in a file each. A graph is lowered in one place,
//! `Lowered`, whatever is asked of it.

mod builder;
mod bundle;
mod cancellable;
mod fingerprint;
#[cfg(feature = "graphs")]
mod layers;
#[cfg(feature = "graphs")]
mod lowered;
#[cfg(feature = "graphs")]
mod records;
mod seal;
#[cfg(feature = "graphs")]
mod tune;

pub use builder::EngineBuilder;
#[cfg(feature = "graphs")]
pub use records::TunedKernel;
pub use routefuse_ir::cancel::Cancel;
pub use routefuse_runtime::{Compiler, Progress};
pub use seal::Sealed;
#[cfg(feature = "graphs")]
pub use tune::{KernelTuning, TuneOptions, TuneReport};

#[cfg(feature = "graphs")]
pub(crate) use lowered::Lowered;

use crate::error::Error;
use crate::inspect::KernelKey;
#[cfg(feature = "graphs")]
use crate::inspect::{self, Lowering, Picture, Report, Stages};
use fingerprint::Fingerprint;
#[cfg(feature = "graphs")]
use rayon::ThreadPool;
#[cfg(feature = "graphs")]
use routefuse_ir::artifact::Artifact;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic};
#[cfg(feature = "graphs")]
use routefuse_ir::{Graph, Verified};
#[cfg(feature = "graphs")]
use routefuse_passes::pipeline::Options;
use routefuse_runtime::{Counters, HostPlan, KernelCache, Plan, Trust};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Compiles graphs, and finds again what it has compiled. No globals, no threads: as many engines as one likes, each
/// shared by as many threads as one likes.
pub struct Engine {
    compiler: Option<Arc<dyn Compiler>>,
    /// The compiler makes code: it is more than the name of a bundle's.
    #[cfg_attr(not(feature = "graphs"), allow(dead_code))]
    compiles: bool,
    kernels: Arc<KernelCache>,
    plans: papaya::HashMap<Fingerprint, Arc<Plan>>,
    /// What ends compiling.
    #[cfg_attr(not(feature = "graphs"), allow(dead_code))]
    cancel: Cancel,
}

impl Engine {
    /// An engine to be configured.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// An engine of a bundle alone: it compiles nothing, and needs no LLVM. [`Engine::plan`] gives the plan of one of its
    /// graphs by name; [`Engine::compile`] takes any graph whose kernels are in it.
    ///
    /// A bundle is machine code of whoever made it, and preparing a plan of it runs that code as this process's user: `trust`
    /// says whose may be run. Hashes do not: anyone can make a bundle whose hashes are right.
    ///
    /// # Errors
    /// `RF0701` if the file cannot be read; `RF0811` if it is not a bundle as it was written, or may be written by others;
    /// `RF0814` if it is not from one of those who are trusted.
    pub fn from_bundle(path: impl AsRef<Path>, trust: &Trust) -> Result<Engine, Error> {
        bundle::builder(path.as_ref(), trust)?.build()
    }

    /// The plan of a graph: canonicalised, fused, scheduled. Its kernels are compiled by [`Plan::prepare`], or else by its
    /// first launch. An equal graph (but for spans and the names of inner values) gives the plan that is already there.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler; `RF0815` if one operation is larger than a kernel may be; `RF0816` if it was
    /// [cancelled](EngineBuilder::cancel). All others are defects of routefuse.
    #[cfg(feature = "graphs")]
    pub fn compile(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Arc<Plan>, Error> {
        let fingerprint = Fingerprint::of(graph, *target, options).after(self.kernels.tunings_changed());
        self.plan_of(fingerprint, || {
            let (program, kernels) = self.lowered(graph, *target, options)?.into_parts()?;
            let schedules = kernels.into_iter().map(|k| k.into_inner().schedule).collect();
            let (compiler, cache) = (Arc::clone(self.compiler()?), Arc::clone(&self.kernels));
            Ok(Plan::new(program, schedules, *target, compiler, cache)?)
        })
    }

    /// [`Engine::compile`] without fusion: one kernel for every operation.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    #[cfg(feature = "graphs")]
    pub fn compile_unfused(&self, graph: &Verified<Graph>, target: &Target) -> Result<Arc<Plan>, Error> {
        self.compile(graph, target, &Options::unfused())
    }

    /// Measures, on a GPU that is there, the shapes that the row schedules of a graph's kernels may have there, chooses the best
    /// ones and from how many rows on, and keeps the answer as a record: in memory, in the engine's directory and in a remote
    /// cache that it writes to. [`Engine::compile`] follows it from then on, here and in other processes and on machines that
    /// share the caches, and bundles carry it. Any shape gives the same bits; a schedule without a record is the built-in one.
    ///
    /// Every candidate is compiled, by the threads of a pool if there is one, and kept nowhere. Nothing else should use the GPU
    /// meanwhile. A graph without row schedules has nothing to choose: then the report has no kernels.
    ///
    /// ```no_run
    /// # #[cfg(feature = "compiler")]
    /// # fn main() -> Result<(), routefuse::Error> {
    /// use routefuse::cache::{DiskCache, DiskOptions};
    /// use routefuse::engine::TuneOptions;
    /// use routefuse::exec::Device;
    /// use routefuse::{Engine, models};
    ///
    /// let graph = models::named("longcat-flash")?.graph(&Default::default())?;
    /// let disk = DiskCache::open("kernels", DiskOptions::default());
    /// let engine = Engine::builder().disk_cache(disk).build()?;
    /// let report = engine.tune(&graph, Device::Cuda(0), &TuneOptions::default(), None, &|_| ())?;
    /// for kernel in &report.tuned {
    ///     println!("{}: {:?} ns before and after", kernel.kernel, kernel.before_and_after());
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "compiler"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// `RF0809` for the host, if there is no such GPU, or if this build does not run plans there; `RF0810` if the cache is sealed;
    /// those of [`Engine::compile`], of preparing a plan and of its launches; `RF0816` if it was cancelled.
    #[cfg(feature = "graphs")]
    pub fn tune(
        &self,
        graph: &Verified<Graph>,
        device: routefuse_runtime::Device,
        options: &TuneOptions,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<TuneReport, Error> {
        tune::tune(self, graph, device, options, pool, progress)
    }

    /// The kernels of a graph that a tuning is possible for on a target, each with the record that is followed there, if there
    /// is one.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    #[cfg(feature = "graphs")]
    pub fn tuned_kernels(
        &self,
        graph: &Verified<Graph>,
        target: &Target,
        options: &Options,
    ) -> Result<Vec<TunedKernel>, Error> {
        records::tuned_kernels(self, graph, *target, options)
    }

    /// The plans of many graphs, such as a model's layers, prepared. Equal graphs are one plan, and equal kernels of
    /// different graphs are compiled once: 58 equal layers cost what one does. With a pool, its threads share the work.
    /// `progress` is called, from any of them, for each variant of a kernel that became ready.
    ///
    /// ```
    /// # #[cfg(feature = "compiler")]
    /// # fn main() -> Result<(), routefuse::Error> {
    /// use routefuse::{Engine, Options, Target, chains};
    ///
    /// let layers = vec![chains::Pack::default().graph()?; 58];
    /// let engine = Engine::builder().build()?;
    /// let plans = engine.compile_all(&layers, &Target::host(), &Options::default(), None, &|_| ())?;
    /// assert_eq!((plans.len(), engine.counters().compiles), (58, 1));
    /// let sealed = engine.sealed(); // from here on nothing is compiled or loaded
    /// sealed.check()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "compiler"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Those of [`Engine::compile`] and [`Plan::prepare`]: the first, in the order of graphs.
    #[cfg(feature = "graphs")]
    pub fn compile_all<G: std::borrow::Borrow<Verified<Graph>> + Sync>(
        &self,
        graphs: &[G],
        target: &Target,
        options: &Options,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Vec<Arc<Plan>>, Error> {
        layers::compile_all(self, graphs, target, options, pool, progress)
    }

    /// The plan of a graph of the engine's bundles on the host, by the name that the graph has there. Neither a compiler
    /// nor the graph itself is needed: the bundle has the finished plan. It is not prepared.
    ///
    /// # Errors
    /// `RF0812` if no bundle has a graph of this name for the host, with the names that there are; `RF0803` if its host code
    /// is for other processors alone, with what this one lacks; `RF0811` if this build does not read its plan.
    pub fn plan(&self, name: &str) -> Result<HostPlan, Error> {
        Ok(HostPlan::new(self.plan_for(name, &Target::host())?)?)
    }

    /// As [`Engine::plan`], for any target, such as a GPU's. For `host` it is the plan that serves this machine best: that of
    /// `host` itself if the bundle was built on such a processor, else that of the most able named host ([`Target`]) that
    /// this processor runs.
    ///
    /// # Errors
    /// Those of [`Engine::plan`].
    pub fn plan_for(&self, name: &str, target: &Target) -> Result<Arc<Plan>, Error> {
        bundle::plan(self, name, *target)
    }

    /// As [`Engine::plan_for`], of this target and no other, whether or not its code runs here: to look at.
    ///
    /// # Errors
    /// Those of [`Engine::plan`], but for `RF0803`.
    pub fn bundled_plan(&self, name: &str, target: &Target) -> Result<Arc<Plan>, Error> {
        bundle::exact_plan(self, name, *target)
    }

    /// The plans of every graph of the engine's bundles that was compiled for this target, with their names, in order. For
    /// `host` they are those of [`Engine::plan_for`], without graphs of which no code runs here. None is prepared.
    ///
    /// # Errors
    /// `RF0811` if this build does not read one of the plans.
    pub fn bundled_plans(&self, target: &Target) -> Result<Vec<(String, Arc<Plan>)>, Error> {
        bundle::plans(self, *target)
    }

    /// A bundle of these graphs, each with a name, compiled for all of these targets. Equal kernels are in it once. `pool`
    /// and `progress` are as for [`Engine::compile_all`]; each target counts by itself.
    ///
    /// # Errors
    /// Those of [`Engine::compile_all`].
    #[cfg(feature = "graphs")]
    pub fn bundle(
        &self,
        graphs: &[(String, Verified<Graph>)],
        targets: &[Target],
        options: &Options,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<crate::cache::BundleWriter, Error> {
        bundle::make(self, graphs, targets, options, pool, progress)
    }

    /// The machine code of a graph for any target, host or not: for each kernel, one artifact for each variant.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], and the compiler's (`RF0802` to `RF0804`).
    #[cfg(feature = "graphs")]
    pub fn artifacts(
        &self,
        graph: &Verified<Graph>,
        target: &Target,
        options: &Options,
    ) -> Result<Vec<Artifact>, Error> {
        let plan = self.compile(graph, target, options)?;
        Ok(plan.artifacts()?.into_iter().cloned().collect())
    }

    /// The stages before machine code, as text; no compiler is needed. The texts are the same in every run. The program and the
    /// kernels are what the target runs: on a GPU, kernels that cross rows are joined.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], but for the lack of a compiler.
    #[cfg(feature = "graphs")]
    pub fn stages(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Stages, Error> {
        let lowered = self.lowered(graph, *target, options)?;
        Ok(Stages::of(graph, &lowered, lowered.parts()?))
    }

    /// The graph lowered once, to ask several things of it: stages, the report, the picture. No compiler is needed.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], but for the lack of a compiler.
    #[cfg(feature = "graphs")]
    pub fn lowering(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Lowering, Error> {
        Ok(Lowering::new(graph, self.lowered(graph, *target, options)?))
    }

    /// The keys under which the code of a graph's kernels is kept: for each kernel, one a variant.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    #[cfg(feature = "graphs")]
    pub fn keys(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Vec<KernelKey>, Error> {
        let compiler = self.compiler()?;
        Ok(KernelKey::all(&self.lowered(graph, *target, options)?.into_parts()?.1, &**compiler))
    }

    /// What became of a graph and why: kernels, cuts, proofs, bytes.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], but for the lack of a compiler.
    #[cfg(feature = "graphs")]
    pub fn explain(&self, graph: &Verified<Graph>, options: &Options) -> Result<Report, Error> {
        // The report tells of the schedules of every target, whichever the lowering is for.
        Ok(self.lowered(graph, Target::host(), options)?.report()?)
    }

    /// The graph as it was written beside the kernels that it becomes. No compiler is needed; the picture is the same in every
    /// run.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], but for the lack of a compiler.
    #[cfg(feature = "graphs")]
    pub fn picture(&self, graph: &Verified<Graph>, options: &Options) -> Result<Picture, Error> {
        Picture::of(graph, &self.lowered(graph, Target::host(), options)?)
    }

    /// What a program has to know that launches a graph's code without this library, as JSON text: the arguments, and for each
    /// target the workspace, the kernels in order, the slots of each, and its variants in the order of choice, each with what it
    /// requires, its file, and its launch. The page "What compile writes" of the book (`docs/reference/abi.md`) goes through it, and
    /// `docs/reference/schemas/manifest.json` describes every field.
    ///
    /// The files of the code are the caller's to write: each is named here, and its bytes are those of
    /// [`Artifact::code`](crate::ir::Artifact).
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler; `RF0901` for no target, or if the files are not those of the kernels and variants.
    #[cfg(feature = "graphs")]
    pub fn manifest(&self, targets: &[inspect::TargetFiles<'_>]) -> Result<String, Error> {
        inspect::manifest::manifest(targets, &**self.compiler()?)
    }

    /// The keys under which the code of a plan's kernels is kept: for each kernel, one a variant.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler.
    pub fn keys_of(&self, plan: &Plan) -> Result<Vec<KernelKey>, Error> {
        Ok(KernelKey::all(plan.kernels(), &**self.compiler()?))
    }

    /// The version of the engine's compiler and the processor that it makes host code for, as keys have them.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler.
    pub fn compiler_identity(&self) -> Result<(String, String), Error> {
        let compiler = self.compiler()?;
        Ok((compiler.version().to_owned(), compiler.host_cpu().to_owned()))
    }

    /// What the cache of kernels did so far.
    pub fn counters(&self) -> Counters {
        self.kernels.counters()
    }

    /// The cache of kernels.
    pub fn cache(&self) -> &Arc<KernelCache> {
        &self.kernels
    }

    /// Lets go of every plan and kernel; those that are held elsewhere stay whole.
    pub fn clear(&self) {
        self.plans.pin().clear();
        self.kernels.clear();
    }

    /// Ends compiling and loading, for good, for every plan of this engine and of those that share its cache of kernels:
    /// what would compile or load from now on, wherever it is asked for, is the error `RF0810`, and is counted. Plans that
    /// are prepared go on as before; so do new plans of kernels that are loaded.
    pub fn sealed(&self) -> Sealed {
        Sealed::seal(&self.kernels)
    }

    /// The graph on its way to the target, with the shapes of the records that there are.
    #[cfg(feature = "graphs")]
    fn lowered(
        &self,
        graph: &Verified<Graph>,
        target: Target,
        options: &Options,
    ) -> Result<Lowered, routefuse_ir::Diagnostics> {
        Lowered::of(graph, target, options, &self.cancel, &|built_in| records::followed(self, built_in))
    }

    pub(crate) fn compiler(&self) -> Result<&Arc<dyn Compiler>, Diagnostic> {
        self.compiler.as_ref().ok_or_else(|| {
            Diagnostic::new(Code::CompileFailed, "this build of routefuse has no compiler")
                .help("enable the feature `compiler`, or load finished kernels by `Engine::from_bundle`")
        })
    }

    /// The plan with this fingerprint: the one that is there, or else a new one.
    fn plan_of(
        &self,
        fingerprint: Fingerprint,
        make: impl FnOnce() -> Result<Plan, Error>,
    ) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.plans.pin().get(&fingerprint) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(make()?);
        // Two threads may come here with one graph; both get the plan of the first.
        Ok(Arc::clone(self.plans.pin().get_or_insert(fingerprint, plan)))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine {{ plans: {}, kernels: {} }}", self.plans.len(), self.kernels.len())
    }
}
