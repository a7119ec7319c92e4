//! The in-memory cache of loaded kernels, and the tiers behind it.

use super::disk::Found;
use super::tunings::Tunings;
#[cfg(feature = "remote")]
use super::{Content, RemoteCache};
use super::{DiskCache, Key, KeyText, TrustedBundle};
use crate::host::{HostCode, processor_lacks};
use routefuse_ir::artifact::Artifact;
use routefuse_ir::target::TargetKind;
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Compiled code, ready to run if it is the host's.
#[derive(Debug)]
pub struct LoadedKernel {
    artifact: Artifact,
    host: Option<HostCode>,
}

impl LoadedKernel {
    /// Loads host code that runs here; keeps the code of other targets, and of other processors, as it is.
    ///
    /// # Errors
    /// `RF0805` and `RF0806`: the artifact is no shared object for this processor, or the system does not load it.
    ///
    /// # Safety
    /// The code does what the artifact says, under the calling convention of [`routefuse_ir::kernel::abi`].
    pub unsafe fn load(artifact: Artifact) -> Result<LoadedKernel, Diagnostic> {
        let host = match artifact.target.kind() {
            TargetKind::Host if !processor_lacks(artifact.target).is_empty() => None,
            // SAFETY: the caller vouches for the artifact's code.
            TargetKind::Host => Some(unsafe { HostCode::load(&artifact)? }),
            TargetKind::Nvptx | TargetKind::Amdgpu => None,
        };
        Ok(LoadedKernel { artifact, host })
    }

    /// What was loaded.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    #[inline]
    pub(crate) fn host(&self) -> Option<&HostCode> {
        self.host.as_ref()
    }
}

/// How often the cache did what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Kernels compiled.
    pub compiles: u64,
    /// Kernels found.
    pub hits: u64,
    /// Host kernels loaded into the process, and machine code loaded on GPUs.
    pub loads: u64,
    /// Kernels of which a GPU's driver made machine code.
    pub assembled: u64,
    /// Kernels that would have had to be compiled or loaded after [`KernelCache::seal`].
    pub refused: u64,
}

/// How far a kernel is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// On this machine: nothing waits for a network.
    Machine,
    /// Wherever the cache is configured to look.
    Network,
}

/// The result of one key's compilation, once it is there.
type Cell = OnceLock<Result<Arc<LoadedKernel>, Diagnostic>>;

/// Loaded kernels by their [`Key`]. Reading takes no lock; two threads that want one key compile it once.
#[derive(Debug, Default)]
pub struct KernelCache {
    bundles: Vec<TrustedBundle>,
    disk: Option<DiskCache>,
    #[cfg(feature = "remote")]
    remote: Option<RemoteCache>,
    sealed: AtomicBool,
    refused: AtomicU64,
    cells: papaya::HashMap<Key, Arc<Cell>>,
    tunings: Tunings,
    compiles: AtomicU64,
    hits: AtomicU64,
    loads: AtomicU64,
    assembled: AtomicU64,
}

impl KernelCache {
    /// An empty cache, in memory only.
    pub fn new() -> KernelCache {
        KernelCache::default()
    }

    /// An empty cache; what it lacks is looked for in `disk`, and kept there.
    pub fn on_disk(disk: DiskCache) -> KernelCache {
        KernelCache { disk: Some(disk), ..KernelCache::default() }
    }

    /// With bundles: what memory lacks is looked for in them, in this order, before the disk.
    #[must_use]
    pub fn with_bundles(self, bundles: Vec<TrustedBundle>) -> KernelCache {
        KernelCache { bundles, ..self }
    }

    /// With a cache that machines share: what the disk lacks is looked for in it, before anything is compiled.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn with_remote(self, remote: RemoteCache) -> KernelCache {
        KernelCache { remote: Some(remote), ..self }
    }

    /// The cache that machines share.
    #[cfg(feature = "remote")]
    pub fn remote(&self) -> Option<&RemoteCache> {
        self.remote.as_ref()
    }

    /// The bundles.
    pub fn bundles(&self) -> &[TrustedBundle] {
        &self.bundles
    }

    /// From now on nothing is compiled, and nothing is loaded: what would be is an error, and counted.
    pub fn seal(&self) {
        self.sealed.store(true, Ordering::SeqCst);
    }

    /// Whether it is sealed.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::SeqCst)
    }

    /// The cache on disk.
    pub fn disk(&self) -> Option<&DiskCache> {
        self.disk.as_ref()
    }

    /// The kernel of this key: found in memory; or found in a bundle, on disk or in a remote cache, if `check` accepts it,
    /// and loaded; or compiled and loaded.
    /// Who comes while it is being compiled waits. A failure is told to all who waited and then forgotten.
    ///
    /// # Errors
    /// Those of `compile` and of `check` for what it gave, and those of [`LoadedKernel::load`]; `RF0810` if the cache is
    /// sealed and the kernel is not in memory.
    ///
    /// # Safety
    /// `compile` gives code that does what its artifact says, as [`LoadedKernel::load`] needs; and so did whoever made
    /// the bundles, which [`Trust`](super::Trust) was asked about, whoever wrote what is on disk, which nobody but this user and
    /// the system's administrator can have been, and whoever may write to the remote cache or, if signatures are required, has
    /// signed what is there.
    pub unsafe fn get_or_compile(
        &self,
        key_text: &KeyText,
        check: impl Fn(&Artifact) -> Result<(), Diagnostic>,
        compile: impl FnOnce() -> Result<Artifact, Diagnostic>,
    ) -> Result<Arc<LoadedKernel>, Diagnostic> {
        // SAFETY: the caller vouches for `compile`, and for who wrote the bundles, the disk and the remote cache.
        unsafe { self.get_within(Reach::Network, key_text, check, compile) }
    }

    /// As [`KernelCache::get_or_compile`], looking only so far.
    ///
    /// # Safety
    /// That of [`KernelCache::get_or_compile`].
    pub(crate) unsafe fn get_within(
        &self,
        reach: Reach,
        key_text: &KeyText,
        check: impl Fn(&Artifact) -> Result<(), Diagnostic>,
        compile: impl FnOnce() -> Result<Artifact, Diagnostic>,
    ) -> Result<Arc<LoadedKernel>, Diagnostic> {
        let key = key_text.key();
        let cell = Arc::clone(self.cells.pin().get_or_insert_with(key, Arc::default));
        let mut compiled = false;
        let result = cell.get_or_init(|| {
            compiled = true;
            let load = |artifact: Artifact| {
                check(&artifact)?;
                // SAFETY: the artifact is from `compile`, a bundle, the disk or the remote cache, for which the caller vouches.
                let kernel = unsafe { LoadedKernel::load(artifact)? };
                self.loads.fetch_add(u64::from(kernel.host.is_some()), Ordering::Relaxed);
                Ok(Arc::new(kernel))
            };
            let compile = || {
                self.compiles.fetch_add(1, Ordering::Relaxed);
                compile()
            };
            if self.is_sealed() {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(sealed(&format!("kernel {key}")));
            }
            match self.bundled(key_text, load) {
                Some(kernel) => Ok(kernel),
                None => self.kept(reach, key_text, load, compile),
            }
        });
        if result.is_err() {
            // Only this attempt's cell: another may have replaced it.
            let _ = self.cells.pin().remove_if(&key, |_, current| Arc::ptr_eq(current, &cell));
        } else if !compiled {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        result.clone()
    }

    /// Machine code for one GPU, as `load` loads it there: from a bundle, the disk or a remote cache, or else from `make`.
    /// `about` says what it is.
    ///
    /// # Errors
    /// Those of `make`, and those of `load` for what it gave; `RF0810` if the cache is sealed.
    pub(crate) fn machine_code<T>(
        &self,
        key: &KeyText,
        about: &str,
        load: impl Fn(Artifact) -> Result<T, Diagnostic>,
        make: impl FnOnce() -> Result<Artifact, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        self.unsealed(about)?;
        let load = |artifact| {
            load(artifact).inspect(|_| {
                self.loads.fetch_add(1, Ordering::Relaxed);
            })
        };
        let make = || {
            make().inspect(|_| {
                self.assembled.fetch_add(1, Ordering::Relaxed);
            })
        };
        match self.bundled(key, load) {
            Some(loaded) => Ok(loaded),
            None => self.kept(Reach::Network, key, load, make),
        }
    }

    /// What `load` loads on a GPU, counted. `about` says what it is.
    ///
    /// # Errors
    /// Those of `load`; `RF0810` if the cache is sealed.
    pub(crate) fn load_on_gpu<T>(
        &self,
        about: &str,
        load: impl FnOnce() -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        self.unsealed(about)?;
        load().inspect(|_| {
            self.loads.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Whether more may be loaded.
    ///
    /// # Errors
    /// `RF0810`, counted, if the cache is sealed.
    fn unsealed(&self, about: &str) -> Result<(), Diagnostic> {
        if self.is_sealed() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(sealed(about));
        }
        Ok(())
    }

    /// What `load` makes of the artifact of this key in a bundle.
    fn bundled<T>(&self, key: &KeyText, load: impl Fn(Artifact) -> Result<T, Diagnostic>) -> Option<T> {
        for artifact in self.bundles.iter().filter_map(|b| b.find(key)) {
            match load(artifact) {
                Ok(loaded) => {
                    tracing::debug!(key = %key.key(), "found a kernel in a bundle");
                    return Some(loaded);
                }
                Err(trouble) => tracing::warn!(%trouble, "a kernel of a bundle cannot be used"),
            }
        }
        None
    }

    /// What `load` makes of the artifact of this key: from the disk, or else from the remote cache, or else from `make`;
    /// kept for the next process in both, as soon as `load` has accepted it. Of any number of processes of this machine that
    /// want it at once, one looks further than the disk.
    ///
    /// # Errors
    /// Those of `make`, and those of `load` for what it gave.
    pub(crate) fn kept<T, E: fmt::Display>(
        &self,
        reach: Reach,
        key: &KeyText,
        load: impl Fn(Artifact) -> Result<T, E>,
        make: impl FnOnce() -> Result<Artifact, E>,
    ) -> Result<T, E> {
        let make = || {
            if let Some(found) = self.look_afar(reach, key, &load) {
                return Ok(found);
            }
            let began = Instant::now();
            let artifact = make()?;
            tracing::debug!(key = %key.key(), "compiled a kernel in {:.1?}", began.elapsed());
            let loaded = load(artifact.clone())?;
            #[cfg(feature = "remote")]
            if let Some(remote) = &self.remote {
                remote.publish(key, &artifact);
            }
            Ok((Found::Compiled(artifact), loaded))
        };
        match &self.disk {
            None => make().map(|(_, loaded)| loaded),
            Some(disk) => disk.get_or_make(key, |artifact| load(artifact).map_err(|e| e.to_string()), make),
        }
    }

    #[cfg(feature = "remote")]
    fn look_afar<T, E: fmt::Display>(
        &self,
        reach: Reach,
        key: &KeyText,
        load: impl Fn(Artifact) -> Result<T, E>,
    ) -> Option<(Found, T)> {
        let remote = self.remote.as_ref().filter(|_| reach == Reach::Network)?;
        let entry = remote.find(key)?;
        let Content::Kernel(artifact) = &entry.content else {
            remote.unusable(key.key(), "it is the record of a tuning, not a kernel".to_owned());
            return None;
        };
        let loaded = load(artifact.clone()).inspect_err(|e| remote.unusable(key.key(), e.to_string())).ok()?;
        tracing::debug!(key = %key.key(), "found a kernel in the remote cache");
        Some((Found::Brought(entry), loaded))
    }

    #[cfg(not(feature = "remote"))]
    fn look_afar<T, E>(&self, _: Reach, _: &KeyText, _: impl Fn(Artifact) -> Result<T, E>) -> Option<(Found, T)> {
        None
    }

    /// What this process knows of tunings.
    pub(super) fn known_tunings(&self) -> &Tunings {
        &self.tunings
    }

    /// Number of kernels held.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// No kernel is held.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Lets go of every kernel, and of what is known of tunings; plans keep the kernels that they use.
    pub fn clear(&self) {
        self.cells.pin().clear();
        self.tunings.clear();
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counters {
            compiles: get(&self.compiles),
            hits: get(&self.hits),
            loads: get(&self.loads),
            assembled: get(&self.assembled),
            refused: get(&self.refused),
        }
    }
}

/// `what` is "kernel `post_chain` align16/i32", or the like.
pub(crate) fn sealed(what: &str) -> Diagnostic {
    Diagnostic::new(Code::Sealed, format!("the engine is sealed, and {what} is not loaded"))
        .help("prepare every plan before the engine is sealed")
}
