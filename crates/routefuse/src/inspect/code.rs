//! One variant of one kernel, compiled by itself: timed, and with the text of every stage.

use crate::error::Error;
use crate::llvm;
use routefuse_codegen::Dump;
use routefuse_ir::Verified;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::cancel::Cancel;
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

/// The later stages of one variant of a kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CodeStages {
    /// MLIR as built, before its passes.
    pub mlir: String,
    /// LLVM IR after optimisation.
    pub llvm: String,
    /// PTX, AMDGPU or host assembly.
    pub asm: String,
    /// The code itself.
    pub artifact: Artifact,
    /// Time of each phase; writing the texts is in none.
    pub timings: Vec<(&'static str, Duration)>,
}

/// Compiles one variant of a kernel of [`Stages`](super::Stages): the work that preparing a plan does for it, from a new MLIR
/// context and target machine on. Nothing is cached.
///
/// # Errors
/// The compiler's (`RF0802` to `RF0804`).
pub fn compile(kernel: &Verified<Scheduled>, variant: Variant) -> Result<Compilation, Error> {
    compile_until(kernel, variant, &Cancel::default())
}

/// As [`compile`], until it is cancelled.
///
/// # Errors
/// Those of [`compile`]; `RF0816` if it was cancelled.
pub fn compile_until(kernel: &Verified<Scheduled>, variant: Variant, cancel: &Cancel) -> Result<Compilation, Error> {
    let c = routefuse_codegen::compile_until(kernel, variant, Dump::default(), cancel);
    let c = c.map_err(|e| llvm::diagnostic(&e))?;
    Ok(Compilation { artifact: c.artifact, timings: c.timings.phases().to_vec() })
}

/// As [`compile`], and keeps the text of every stage.
///
/// # Errors
/// Those of [`compile`].
pub fn code(kernel: &Verified<Scheduled>, variant: Variant) -> Result<CodeStages, Error> {
    let c = routefuse_codegen::compile(kernel, variant, Dump::ALL).map_err(|e| llvm::diagnostic(&e))?;
    Ok(CodeStages {
        mlir: c.mlir.unwrap_or_default(),
        llvm: c.llvm.unwrap_or_default(),
        asm: c.assembly.unwrap_or_default(),
        artifact: c.artifact,
        timings: c.timings.phases().to_vec(),
    })
}
