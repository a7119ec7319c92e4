//! What an engine is made of.

use super::Engine;
use super::bundle::Bundled;
#[cfg(feature = "signatures")]
use super::bundle::untrusted;
use super::cancellable::Cancellable;
use crate::error::Error;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::{Code, Diagnostic};
#[cfg(feature = "remote")]
use routefuse_runtime::RemoteCache;
use routefuse_runtime::{Compiler, DiskCache, KernelCache, TrustedBundle};
#[cfg(feature = "signatures")]
use routefuse_runtime::{PublicKey, Trust};
use std::fmt;
use std::sync::Arc;

/// Makes an [`Engine`].
#[derive(Default)]
pub struct EngineBuilder {
    compiler: Option<Arc<dyn Compiler>>,
    /// The compiler has a bundle's name and makes nothing.
    bundled: bool,
    cancel: Cancel,
    kernels: Option<Arc<KernelCache>>,
    bundles: Vec<TrustedBundle>,
    disk: Option<DiskCache>,
    #[cfg(feature = "remote")]
    remote: Option<RemoteCache>,
    #[cfg(feature = "signatures")]
    signers: Option<Vec<PublicKey>>,
}

impl EngineBuilder {
    /// Another compiler than the one built in.
    #[must_use]
    pub fn compiler(mut self, compiler: Arc<dyn Compiler>) -> EngineBuilder {
        self.compiler = Some(compiler);
        self
    }

    /// A bundle's name in the place of a compiler.
    pub(super) fn bundled(self, bundle: &TrustedBundle) -> EngineBuilder {
        EngineBuilder { bundled: true, ..self.compiler(Bundled::of(bundle)) }
    }

    /// A handle that ends what the engine compiles, its plans' [`Plan::prepare`](crate::Plan::prepare) included, with the error
    /// `RF0816`: between two passes, kernels, variants or phases of a variant, so within seconds. Another compiler than the one
    /// built in is asked between two variants. Nothing of a kernel that was not finished is kept.
    #[must_use]
    pub fn cancel(mut self, cancel: &Cancel) -> EngineBuilder {
        self.cancel = cancel.clone();
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

    /// Finished kernels of someone whose code may be run, looked for before the disk. Those of another compiler than the engine's are not used; a build
    /// without a compiler takes the first bundle's for its own.
    #[must_use]
    pub fn bundle(mut self, bundle: TrustedBundle) -> EngineBuilder {
        self.bundles.push(bundle);
        self
    }

    /// Runs code that was compiled here, and of what came from elsewhere only what one of these keys has signed: bundles, kernels
    /// of a remote cache, and kernels on the disk that came from a bundle or a remote cache, whenever they came.
    #[cfg(feature = "signatures")]
    #[must_use]
    pub fn require_signed(mut self, keys: impl IntoIterator<Item = PublicKey>) -> EngineBuilder {
        self.signers = Some(keys.into_iter().collect());
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// `RF0813` if there is both a shared cache and a disk, a bundle or a remote cache of the engine's own; `RF0814` if a
    /// bundle is not signed as required (of a kernel on the disk or in a remote cache that is a warning, and it is compiled).
    pub fn build(self) -> Result<Engine, Error> {
        let own = self.has_tiers();
        #[cfg(feature = "signatures")]
        if let Some(signers) = &self.signers {
            let shared = self.kernels.iter().flat_map(|k| k.bundles());
            let trust = Trust::signed_by(signers.iter().copied());
            for bundle in self.bundles.iter().chain(shared) {
                trust.permits(bundle).map_err(|u| untrusted(&u))?;
            }
        }
        let EngineBuilder { compiler, bundled, cancel, kernels, bundles, disk, .. } = self;
        let compiler = compiler.map(|c| Cancellable::of(c, &cancel)).or_else(|| built_in(&cancel));
        let compiles = compiler.is_some() && !bundled;
        let compiler = compiler.or_else(|| bundles.first().map(|b| Bundled::of(b)));
        let kernels = match kernels {
            Some(_) if own => {
                let message =
                    "an engine with a shared cache of kernels cannot have a disk, a bundle or a remote of its own";
                let help = "give them to the shared cache: `KernelCache::on_disk`, `with_bundles`, `with_remote`";
                return Err(Diagnostic::new(Code::CacheTrouble, message).help(help).into());
            }
            #[cfg(feature = "signatures")]
            Some(shared) if self.signers.as_deref().is_some_and(|keys| !requires_signed(&shared, keys)) => {
                let message =
                    "signatures are required, and the shared cache of kernels takes others than those, or none";
                let help = "give its tiers the keys: `DiskCache::require_signed`, `RemoteCache::require_signed`";
                return Err(Diagnostic::new(Code::CacheTrouble, message).help(help).into());
            }
            Some(shared) => shared,
            None => {
                #[cfg(feature = "signatures")]
                let disk = match (disk, &self.signers) {
                    (Some(disk), Some(signers)) => Some(disk.require_signed(signers.clone())),
                    (disk, _) => disk,
                };
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
        Ok(Engine { compiler, compiles, kernels, plans: papaya::HashMap::new(), cancel })
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

/// Whether every tier of a shared cache takes from elsewhere only what some of these keys have signed.
#[cfg(feature = "signatures")]
fn requires_signed(shared: &KernelCache, keys: &[PublicKey]) -> bool {
    let within = |required: &Option<Vec<PublicKey>>| {
        required.as_ref().is_some_and(|required| required.iter().all(|key| keys.contains(key)))
    };
    let disk = shared.disk().is_none_or(|disk| within(&disk.options().require_signed));
    #[cfg(feature = "remote")]
    let remote = shared.remote().is_none_or(|remote| within(&remote.options().require_signed));
    #[cfg(not(feature = "remote"))]
    let remote = true;
    disk && remote
}

#[cfg(feature = "compiler")]
fn built_in(cancel: &Cancel) -> Option<Arc<dyn Compiler>> {
    Some(Arc::new(crate::llvm::Llvm::new(cancel.clone())))
}

#[cfg(not(feature = "compiler"))]
fn built_in(_: &Cancel) -> Option<Arc<dyn Compiler>> {
    None
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("EngineBuilder");
        s.field("compiler", &self.compiler.is_some()).field("cache", &self.kernels.is_some());
        s.field("bundles", &self.bundles.len()).field("disk", &self.disk);
        #[cfg(feature = "remote")]
        s.field("remote", &self.remote);
        #[cfg(feature = "signatures")]
        s.field("signers", &self.signers);
        s.finish()
    }
}
