//! Reads the sources and manifests of the workspace, so that `tests/invariants.rs` can say what must hold of them.
//!
//! Nothing here compiles or depends on the crates that it reads: [`Workspace`] is their files as text, [`Source`] is one file
//! with its comments and literals told from its code, and [`modules`] is the graph of who names whom.

#![forbid(unsafe_code)]

pub mod manifest;
pub mod modules;
mod source;
mod workspace;

pub use source::Source;
pub use workspace::{Member, Workspace};
