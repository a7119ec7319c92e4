//! The end of compiling and loading.

use crate::engine::Engine;
use crate::error::Error;
use routefuse_ir::{Code, Diagnostic};
use routefuse_runtime::{Counters, KernelCache};
use std::sync::Arc;

/// An engine that compiles and loads nothing any more, as it was when it was sealed.
#[derive(Clone, Debug)]
pub struct Sealed {
    kernels: Arc<KernelCache>,
    before: Counters,
}

impl Engine {
    /// Ends compiling and loading, for good, for every plan of this engine and of those that share its cache of kernels:
    /// what would compile or load from now on, at whatever place, is the error `RF0810`, and is counted. Plans that are
    /// prepared go on as before; so do new plans of kernels that are loaded.
    pub fn sealed(&self) -> Sealed {
        self.cache().seal();
        Sealed { kernels: Arc::clone(self.cache()), before: self.counters() }
    }
}

impl Sealed {
    /// Kernels that would have had to be compiled or loaded since.
    pub fn refused(&self) -> u64 {
        self.kernels.counters().refused - self.before.refused
    }

    /// Nothing was compiled or loaded since, and nothing would have had to be.
    ///
    /// # Errors
    /// `RF0810`, with the counts.
    pub fn check(&self) -> Result<(), Error> {
        let now = self.kernels.counters();
        let (compiles, loads) = (now.compiles - self.before.compiles, now.loads - self.before.loads);
        let refused = self.refused();
        if (compiles, loads, refused) == (0, 0, 0) {
            return Ok(());
        }
        let message = format!("since the engine was sealed: {compiles} compiled, {loads} loaded, {refused} refused");
        Err(Diagnostic::new(Code::Sealed, message).help("prepare every plan before the engine is sealed").into())
    }
}
