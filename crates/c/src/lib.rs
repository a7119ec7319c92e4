//! The C interface: `libroutefuse` and `routefuse.h`.
//!
//! It has no meaning, no check of arguments and no cache of its own: graphs and engines are the facade's, and what a launch checks
//! the runtime checks. What is here is the boundary: `boundary` lets no panic across and turns errors into codes, `handle` makes
//! handles of numbers that are looked up and never followed, and a file for each kind of thing has its functions.
//!
//! # Safety
//! Handles may be anything: what is no live handle of the right kind is an error. Other pointers are followed, and whoever calls
//! keeps what `docs/reference/c.md` says of them: a text ends in a zero byte, an array has as many elements as its count says, what
//! a result is written to is writable, and all of them live during the call. The comments at unsafe blocks call this the caller's
//! promise.
#![allow(clippy::missing_safety_doc)] // Said once, above: the header repeats the documentation of every function.
#![allow(non_camel_case_types)] // Types have the names that C has.

mod boundary;
mod bundle;
mod counters;
mod device;
mod dlpack;
mod engine;
mod error;
mod graph;
mod handle;
mod launch;
mod memory;
mod plan;
mod pool;
mod port;
mod tensor;
mod text;
mod trust;
mod version;

pub use bundle::*;
pub use counters::*;
pub use device::*;
pub use dlpack::*;
pub use engine::*;
pub use error::*;
pub use graph::*;
pub use launch::*;
pub use plan::*;
pub use pool::*;
pub use port::*;
pub use tensor::*;
pub use text::*;
pub use trust::*;
pub use version::*;

#[cfg(feature = "compiler")]
routefuse_arc4random::define!();
