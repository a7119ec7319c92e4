//! Kernel IR to MLIR to LLVM IR to machine code: the only crate that links LLVM and MLIR.
//!
//! MLIR (through melior) and LLVM (through inkwell) are one static LLVM 22 in one process. A kernel is built from `arith`, `scf`,
//! `gpu` and `llvm` operations, lowered by MLIR's passes, optimised and emitted by LLVM, and linked by LLD in process.
//!
//! | module | job |
//! |---|---|
//! | `compile` | the phases in order, timed |
//! | `machine` | all that depends on the target, one implementation a kind of machine |
//! | `mlir` | builds MLIR and runs its passes |
//! | `llvm` | runs LLVM's passes, emits, links |
//! | `export` | machine code in the form in which another system loads it |
//! | `emit` | a scheduled kernel to MLIR: what is shared, four owners, the peepholes |
//!
//! After verification, code generation returns an error or succeeds; it never panics.

mod compile;
mod emit;
mod error;
pub mod export;
mod ffi;
mod llvm;
mod machine;
mod mlir;

pub use compile::{Compiled, Dump, Timings, compile, compile_until, mlir};
pub use error::{CodegenError, Problem};
pub use llvm::llvm_version;
pub use machine::host::HostProcessor;
