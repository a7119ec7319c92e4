//! Kernel IR to MLIR to LLVM IR to machine code: the only crate that links LLVM and MLIR.
//!
//! MLIR (through melior) and LLVM (through inkwell) are one static LLVM 22 in one process. A kernel is built with
//! [`mlir::builder::Builder`] from `arith`, `scf`, `gpu` and `llvm` operations, lowered by [`mlir::session::MlirSession`],
//! optimised and emitted by [`llvm::code_generator::CodeGenerator`], and linked by LLD in process ([`llvm::link`]).

pub mod compile;
mod emit;
mod error;
mod ffi;
pub mod llvm;
pub mod mlir;

pub use compile::timings::Timings;
pub use compile::{Compiled, Dump, MachineCode, compile, compile_for_processor};
pub use error::CodegenError;
pub use llvm::code_generator::{HostProcessor, llvm_version};
