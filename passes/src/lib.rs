//! From a graph to kernels: canonicalisation, fusion, lowering, schedules. No LLVM, no GPU.
//!
//! [`pipeline::compile_graph`] does all of it but the schedules: [`canonicalise::canonicalise`] simplifies a graph,
//! [`range::Ranges`] proves its gathers in range, [`fuse::fuse`] makes a [`Program`](routefuse_ir::program::Program) of
//! verified kernels of it. For GPUs [`join::join`] makes one launch of kernels that cross rows. [`schedule::schedule`] says how a kernel meets a target's threads, [`explain::Report`] what was
//! decided and why. Every stage keeps the meaning bit for bit, which the interpreters of `routefuse-ir` check in the tests.
#![forbid(unsafe_code)]

mod alias;
pub mod canonicalise;
pub mod explain;
pub mod fuse;
pub mod join;
mod lower;
pub mod pipeline;
pub mod range;
pub mod schedule;
