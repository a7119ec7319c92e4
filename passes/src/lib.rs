//! From a graph to kernels: canonicalisation, fusion, lowering, schedules. No LLVM, no GPU.
//!
//! [`canonicalise::canonicalise`] simplifies a graph, [`range::Ranges`] proves its gathers in range, [`fuse::fuse`] makes a
//! [`Program`](routefuse_ir::program::Program) of verified kernels of it, and [`schedule::schedule`] says how each kernel
//! meets a target's threads. Every stage keeps the meaning bit for bit, which the interpreters of `routefuse-ir` check in
//! the tests.
#![forbid(unsafe_code)]

mod alias;
pub mod canonicalise;
pub mod fuse;
mod lower;
pub mod range;
pub mod schedule;
