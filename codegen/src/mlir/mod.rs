//! MLIR: what builds a module, and what turns it into LLVM IR.

pub mod builder;
pub mod session;
