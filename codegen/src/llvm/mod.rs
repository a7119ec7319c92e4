//! LLVM: from IR to machine code, and LLD.

mod code_generator;
pub(crate) mod link;

pub use code_generator::llvm_version;
pub(crate) use code_generator::{CodeGenerator, initialise};
