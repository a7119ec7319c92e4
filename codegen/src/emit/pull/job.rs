//! What is emitted, where, and for what.

use crate::machine::Machine;
use crate::mlir::builder::Builder;
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::Variant;

/// One kernel to be emitted.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Job<'a, 'm> {
    /// Where to.
    pub b: &'a Builder<'m>,
    /// What.
    pub kernel: &'a Kernel,
    /// For what.
    pub machine: &'a dyn Machine,
    /// What is assumed of addresses and sizes.
    pub variant: Variant,
}
