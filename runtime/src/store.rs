//! Compiled kernels outside of the process: files that are written once and read by many.
//!
//! Nothing that is read here becomes code before its length, its hash and its key text were compared; and nothing that is
//! wrong with a file, a directory or a disk is an error of a compile.

mod bounds;
mod bundle;
mod directory;
mod disk;
mod entry;
mod flight;
mod form;
mod reader;
#[cfg(feature = "remote")]
mod remote;
mod signature;
mod signing_key;
mod trouble;
mod uses;

pub use bounds::{Collected, Listed};
pub use bundle::{Bundle, BundleWriter, BundledGraph};
pub use disk::{DiskCache, DiskCounters, DiskOptions};
pub use entry::Entry;
pub use reader::Malformed;
#[cfg(feature = "remote")]
pub use remote::{RemoteCache, RemoteCounters, RemoteOptions};
pub use signature::Untrusted;
pub use signing_key::{BadKey, PublicKey, SigningKey};
pub use trouble::Trouble;
