//! One variant of one kernel, compiled by itself: timed, and with the text of every stage.

use super::Stages;
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
    texts(kernel, variant, Dump::ALL, &Cancel::default())
}

/// As [`code`], until it is cancelled.
///
/// # Errors
/// Those of [`code`]; `RF0816` if it was cancelled.
pub fn code_until(kernel: &Verified<Scheduled>, variant: Variant, cancel: &Cancel) -> Result<CodeStages, Error> {
    texts(kernel, variant, Dump::ALL, cancel)
}

/// As [`code_until`], with texts that say of every operation which value of the kernel it was made for: line n of the file
/// `kernel` is its value n − 1, and line 0 is none. MLIR says it by locations, LLVM IR by `!dbg`, assembly by `.loc`. Without
/// that, the texts are those of [`code`], but where LLVM chooses otherwise for code that it has such places of.
///
/// # Errors
/// Those of [`code_until`].
pub fn located_code_until(
    kernel: &Verified<Scheduled>,
    variant: Variant,
    cancel: &Cancel,
) -> Result<CodeStages, Error> {
    texts(kernel, variant, Dump::LOCATED, cancel)
}

fn texts(kernel: &Verified<Scheduled>, variant: Variant, dump: Dump, cancel: &Cancel) -> Result<CodeStages, Error> {
    let c = routefuse_codegen::compile_until(kernel, variant, dump, cancel).map_err(|e| llvm::diagnostic(&e))?;
    Ok(CodeStages {
        mlir: c.mlir.unwrap_or_default(),
        llvm: c.llvm.unwrap_or_default(),
        asm: c.assembly.unwrap_or_default(),
        artifact: c.artifact,
        timings: c.timings.phases().to_vec(),
    })
}

/// A module of another system, in one file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Module {
    /// The name of its function.
    pub function: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A shared object for this host that TVM-FFI loads (`tvm_ffi.load_module`, 0.1.11 or later), with the program's kernels in it, as its
/// function `name`: if none is given, the graph's, with `_` for what is no letter, digit or `_`. The kernels are those of the stages:
/// for the host, or for an NVIDIA GPU; then a second function, `name_prepare`, loads them on the GPU whose number it is given.
///
/// The function takes tensors, the program's inputs and then its outputs, but for those that lie in an input; what does not fit it
/// raises as an error of the caller's language. It runs on processors that have what this one has.
///
/// # Errors
/// Kernels for another target, a name that is no identifier, and what the calling convention has no words for
/// (`RF0817`); those of [`compile`].
pub fn export_tvm_ffi(stages: &Stages, name: Option<&str>, cancel: &Cancel) -> Result<Module, Error> {
    let function = name.map_or_else(|| identifier(&stages.program.name), str::to_owned);
    let exported = routefuse_codegen::export::tvm_ffi::export(&function, &stages.program, &stages.kernels, cancel);
    Ok(Module { function, bytes: exported.map_err(|e| llvm::diagnostic(&e))? })
}

fn identifier(name: &str) -> String {
    let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_digit()) { format!("_{word}") } else { word }
}
