//! What turns kernels into machine code, seen from here.

use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Diagnostic, Verified};

/// Compiles kernels. The facade implements it with `routefuse-codegen`, so that this crate needs no LLVM.
///
/// # Safety
/// The code of an artifact for the host, called under the convention of [`routefuse_ir::kernel::abi`], does what the
/// kernel says and nothing else: it reads and writes only elements of its parameters. It is loaded and run.
pub unsafe trait Compiler: Send + Sync {
    /// Compiles one variant.
    ///
    /// # Errors
    /// `RF0802` to `RF0804`.
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic>;

    /// Which compiler this is, with LLVM's version: equal versions make equal code of equal kernels. Part of every key.
    fn version(&self) -> &str;

    /// The host's processor and features, as host code is compiled for. Part of every host kernel's key.
    fn host_cpu(&self) -> &str;
}
