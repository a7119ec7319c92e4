//! Kernel IR to MLIR to LLVM IR to machine code: the only crate that links LLVM and MLIR.
//!
//! MLIR (through melior) and LLVM (through inkwell) are one static LLVM 22 in one process. A kernel is built with
//! [`mlir_builder::Builder`] from `arith`, `scf`, `gpu` and `llvm` operations, lowered by [`mlir_session::MlirSession`],
//! optimised and emitted by [`machine_code::CodeGenerator`], and linked by LLD in process ([`linker`]).

mod emit;
mod error;
mod ffi;
pub mod linker;
pub mod machine_code;
pub mod mlir_builder;
pub mod mlir_session;
pub mod pipeline;
mod timings;

pub use error::CodegenError;
pub use machine_code::llvm_version;
pub use pipeline::{Compiled, Dump, MachineCode, compile, compile_for_processor};
pub use timings::Timings;
