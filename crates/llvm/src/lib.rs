//! Where the LLVM 22 is that routefuse links.
//!
//! Three crates that routefuse depends on (`mlir-sys`, `llvm-sys`, and `tblgen` behind `melior`) each look for LLVM under a
//! variable of their own, and what they say when they find none names none of them. This crate's build script looks first,
//! with their rules, and ends the build with the lines to set. It depends on nothing, so that it runs before theirs.

mod find;

pub use find::{INSTALL, Machine, VARIABLES, find, llvm_config};

/// The prefix of LLVM 22: what was found when this crate was built.
pub const PREFIX: &str = env!("ROUTEFUSE_LLVM_PREFIX");
