//! Somebody else's compiler, asked before each variant whether it shall go on.

use routefuse_ir::artifact::Artifact;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Diagnostic, Verified};
use routefuse_runtime::Compiler;
use std::sync::Arc;

/// A compiler that gives up between two variants when it is cancelled.
pub(super) struct Cancellable {
    compiler: Arc<dyn Compiler>,
    cancel: Cancel,
}

impl Cancellable {
    pub(super) fn of(compiler: Arc<dyn Compiler>, cancel: &Cancel) -> Arc<dyn Compiler> {
        Arc::new(Cancellable { compiler, cancel: cancel.clone() })
    }
}

// SAFETY: the artifacts are the other compiler's, which vouches for them.
unsafe impl Compiler for Cancellable {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        self.cancel.check()?;
        self.compiler.compile(kernel, variant)
    }

    fn version(&self) -> &str {
        self.compiler.version()
    }

    fn host_cpu(&self) -> &str {
        self.compiler.host_cpu()
    }
}
