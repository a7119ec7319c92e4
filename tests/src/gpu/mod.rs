//! The GPUs' suite: everything that is launched gives the interpreter's bits. It is one for every vendor: [`Vendor`] says what
//! differs.
//!
//! It needs no LLVM. What compiles is handed in: the compiler itself, or a [`pack`] of code that was compiled elsewhere, so
//! that a machine with a GPU needs neither Rust nor LLVM.

mod agreement;
mod aligns;
mod control;
mod cuda;
mod hip;
pub mod pack;
mod rules;
mod scope;
mod sharing;
mod streams;
mod suite;
mod vendor;
mod ways;

pub use scope::{Counts, Scope};
pub use suite::{Code, Drawn, Random, run};
pub use vendor::Vendor;
pub use ways::{Seen, seen};
