//! The GPU's suite: everything that is launched gives the interpreter's bits.
//!
//! It needs no LLVM. What compiles is handed in: the compiler itself, or a [`pack`] of code that was compiled elsewhere, so
//! that a machine with a GPU needs neither Rust nor LLVM.

mod agreement;
mod control;
mod dependent;
pub mod pack;
mod rules;
mod streams;
mod suite;

pub use suite::{Code, Counts, Random, Scope, run};
