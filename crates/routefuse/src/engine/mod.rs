//! The engine: graphs become plans.

use crate::bundle::Bundled;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Graph, Verified};
use routefuse_passes::explain::Report;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_of;
#[cfg(feature = "remote")]
use routefuse_runtime::RemoteCache;
use routefuse_runtime::{Bundle, Compiler, Counters, DiskCache, KernelCache, Plan, PublicKey, Untrusted};
use std::fmt;
use std::sync::Arc;

/// Compiles graphs, and finds again what it has compiled. No globals, no threads: as many engines as one likes, each
/// shared by as many threads as one likes.
pub struct Engine {
    compiler: Option<Arc<dyn Compiler>>,
    kernels: Arc<KernelCache>,
    plans: papaya::HashMap<Fingerprint, Arc<Plan>>,
}

/// Makes an [`Engine`].
#[derive(Default)]
pub struct EngineBuilder {
    compiler: Option<Arc<dyn Compiler>>,
    kernels: Option<Arc<KernelCache>>,
    bundles: Vec<Arc<Bundle>>,
    disk: Option<DiskCache>,
    #[cfg(feature = "remote")]
    remote: Option<RemoteCache>,
    signers: Option<Vec<PublicKey>>,
}

impl EngineBuilder {
    /// Another compiler than the one built in.
    #[must_use]
    pub fn compiler(mut self, compiler: Arc<dyn Compiler>) -> EngineBuilder {
        self.compiler = Some(compiler);
        self
    }

    /// A cache of kernels that engines share, with its own disk, bundles and remote cache ([`KernelCache::on_disk`],
    /// [`KernelCache::with_bundles`], `KernelCache::with_remote`).
    #[must_use]
    pub fn cache(mut self, kernels: Arc<KernelCache>) -> EngineBuilder {
        self.kernels = Some(kernels);
        self
    }

    /// A directory where compiled kernels are kept for the next process; [`DiskCache::default_dir`] is a user's own. What is
    /// wrong with it is no error: see [`DiskCache`].
    #[must_use]
    pub fn disk_cache(mut self, disk: DiskCache) -> EngineBuilder {
        self.disk = Some(disk);
        self
    }

    /// A cache that machines share, asked for what the disk lacks. What is wrong with it is no error: see [`RemoteCache`].
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn remote_cache(mut self, remote: RemoteCache) -> EngineBuilder {
        self.remote = Some(remote);
        self
    }

    /// Finished kernels, looked for before the disk. Those of another compiler than the engine's are not used; a build
    /// without a compiler takes the first bundle's for its own.
    #[must_use]
    pub fn bundle(mut self, bundle: impl Into<Arc<Bundle>>) -> EngineBuilder {
        self.bundles.push(bundle.into());
        self
    }

    /// Uses only bundles, and only kernels of a remote cache, that one of these keys has signed. What is on the disk was
    /// compiled by this user, or was checked when it came there.
    #[must_use]
    pub fn require_signed(mut self, keys: impl IntoIterator<Item = PublicKey>) -> EngineBuilder {
        self.signers = Some(keys.into_iter().collect());
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// `RF0813` if there is both a shared cache and a disk, a bundle or a remote cache of the engine's own; `RF0814` if a
    /// bundle is not signed as required (of a remote cache's kernel that is a warning, and it is compiled).
    pub fn build(self) -> Result<Engine, Error> {
        let own = self.has_tiers();
        if let Some(signers) = &self.signers {
            let shared = self.kernels.iter().flat_map(|k| k.bundles());
            for bundle in self.bundles.iter().chain(shared) {
                bundle.require_signed(signers).map_err(|u| untrusted(&u))?;
            }
        }
        let EngineBuilder { compiler, kernels, bundles, disk, .. } = self;
        let compiler = compiler.or_else(built_in);
        let compiler = compiler.or_else(|| bundles.first().map(|b| Bundled::of(b)));
        let kernels = match kernels {
            Some(_) if own => {
                let message =
                    "an engine with a shared cache of kernels cannot have a disk, a bundle or a remote of its own";
                let help = "give them to the shared cache: `KernelCache::on_disk`, `with_bundles`, `with_remote`";
                return Err(Diagnostic::new(Code::CacheTrouble, message).help(help).into());
            }
            #[cfg(feature = "remote")]
            Some(shared) if self.signers.is_some() && !shared.remote().is_none_or(requires_signed) => {
                let message = "signatures are required, and the remote of the shared cache of kernels requires none";
                let help = "give it the keys when it is opened: `RemoteOptions::require_signed`";
                return Err(Diagnostic::new(Code::CacheTrouble, message).help(help).into());
            }
            Some(shared) => shared,
            None => {
                let cache = disk.map_or_else(KernelCache::new, KernelCache::on_disk).with_bundles(bundles);
                #[cfg(feature = "remote")]
                let cache = match (self.remote, self.signers) {
                    (Some(remote), Some(signers)) => cache.with_remote(remote.require_signed(signers)),
                    (Some(remote), None) => cache.with_remote(remote),
                    (None, _) => cache,
                };
                Arc::new(cache)
            }
        };
        Ok(Engine { compiler, kernels, plans: papaya::HashMap::new() })
    }

    /// Whether there is a disk, a bundle or a remote cache.
    fn has_tiers(&self) -> bool {
        #[cfg(feature = "remote")]
        let remote = self.remote.is_some();
        #[cfg(not(feature = "remote"))]
        let remote = false;
        self.disk.is_some() || !self.bundles.is_empty() || remote
    }
}

/// `RF0814` for a bundle.
pub(crate) fn untrusted(why: &Untrusted) -> Diagnostic {
    Diagnostic::new(Code::Untrusted, format!("the bundle cannot be used: {why}"))
        .help("sign it with `routefuse bundle build --sign`, or trust its signer's public key")
}

#[cfg(feature = "remote")]
fn requires_signed(remote: &RemoteCache) -> bool {
    remote.options().require_signed.is_some()
}

#[cfg(feature = "compiler")]
fn built_in() -> Option<Arc<dyn Compiler>> {
    Some(Arc::new(crate::llvm::Llvm::new()))
}

#[cfg(not(feature = "compiler"))]
fn built_in() -> Option<Arc<dyn Compiler>> {
    None
}

impl Engine {
    /// An engine to be configured.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The plan of a graph: canonicalised, fused, scheduled. Its kernels are compiled by [`Plan::prepare`], or else by its
    /// first launch. An equal graph (but for spans and the names of inner values) gives the plan that is already there.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler; all others are defects of routefuse.
    pub fn compile(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Arc<Plan>, Error> {
        let fingerprint = Fingerprint::of(graph, *target, options);
        if let Some(plan) = self.plans.pin().get(&fingerprint) {
            return Ok(Arc::clone(plan));
        }
        let lowered = compile_graph(graph.clone(), options)?;
        let schedules = schedules(&lowered.program, *target);
        let (compiler, kernels) = (Arc::clone(self.compiler()?), Arc::clone(&self.kernels));
        let plan = Arc::new(Plan::new(lowered.program, schedules, *target, compiler, kernels)?);
        // Two threads may come here with one graph; both get the plan of the first.
        Ok(Arc::clone(self.plans.pin().get_or_insert(fingerprint, plan)))
    }

    /// [`Engine::compile`] without fusion: one kernel for every operation.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    pub fn compile_unfused(&self, graph: &Verified<Graph>, target: &Target) -> Result<Arc<Plan>, Error> {
        self.compile(graph, target, &Options { fuse: false })
    }

    /// The machine code of a graph for any target, host or not: for each kernel, one artifact for each variant.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], and the compiler's (`RF0802` to `RF0804`).
    pub fn artifacts(
        &self,
        graph: &Verified<Graph>,
        target: &Target,
        options: &Options,
    ) -> Result<Vec<Artifact>, Error> {
        let plan = self.compile(graph, target, options)?;
        Ok(plan.artifacts()?.into_iter().cloned().collect())
    }

    /// What became of a graph and why: kernels, cuts, proofs, bytes.
    ///
    /// # Errors
    /// Those of [`Engine::compile`], but for the lack of a compiler.
    pub fn explain(&self, graph: &Verified<Graph>, options: &Options) -> Result<Report, Error> {
        Ok(compile_graph(graph.clone(), options)?.report()?)
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

    pub(crate) fn compiler(&self) -> Result<&Arc<dyn Compiler>, Diagnostic> {
        self.compiler.as_ref().ok_or_else(|| {
            Diagnostic::new(Code::CompileFailed, "this build of routefuse has no compiler")
                .help("enable the feature `compiler`, or load finished kernels by `Engine::from_bundle`")
        })
    }
}

/// A schedule for each kernel.
pub(crate) fn schedules(program: &Program, target: Target) -> Vec<Schedule> {
    program.steps.iter().map(|step| schedule_of(&step.kernel, target)).collect()
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine {{ plans: {}, kernels: {} }}", self.plans.len(), self.kernels.len())
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("EngineBuilder");
        s.field("compiler", &self.compiler.is_some()).field("cache", &self.kernels.is_some());
        s.field("bundles", &self.bundles.len()).field("disk", &self.disk);
        #[cfg(feature = "remote")]
        s.field("remote", &self.remote);
        s.field("signers", &self.signers).finish()
    }
}
