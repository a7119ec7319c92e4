//! MLIR: what builds a module, and what turns it into LLVM IR.

pub(crate) mod builder;
pub(crate) mod session;
