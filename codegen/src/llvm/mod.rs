//! LLVM: IR to machine code, and LLD.

pub mod code_generator;
pub mod link;
