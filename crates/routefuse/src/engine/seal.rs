//! The end of compiling and loading.

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

impl Sealed {
    /// Seals a cache of kernels.
    pub(super) fn seal(kernels: &Arc<KernelCache>) -> Sealed {
        kernels.seal();
        Sealed { kernels: Arc::clone(kernels), before: kernels.counters() }
    }

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
