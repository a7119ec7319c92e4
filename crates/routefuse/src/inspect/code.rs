//! One compile by itself, timed.

use crate::error::Error;
use crate::stages::Stages;
use routefuse_codegen::Dump;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use std::time::Duration;

/// Machine code and where the time went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compilation {
    /// The code.
    pub artifact: Artifact,
    /// Time of each phase, in order.
    pub timings: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// As [`Stages::code`], but without the texts: the work that [`Plan::prepare`](crate::Plan::prepare) does for one
    /// variant, from a new MLIR context and target machine on. Nothing is cached.
    ///
    /// # Errors
    /// A schedule that does not fit ([`Scheduled::verify`]); the compiler's (`RF0802` to `RF0804`).
    pub fn compile(kernel: &Scheduled, variant: Variant) -> Result<Compilation, Error> {
        let kernel = kernel.clone().verify()?;
        let c =
            routefuse_codegen::compile(&kernel, variant, Dump::default()).map_err(|e| crate::llvm::diagnostic(&e))?;
        Ok(Compilation { artifact: c.artifact, timings: c.timings.phases().to_vec() })
    }
}
