//! Compiled kernels outside of the process: files that are written once and read by many.
//!
//! Nothing that is read here becomes code before its length, its hash and its key text were compared; and nothing that is
//! wrong with a file, a directory or a disk is an error of a compile.

mod bundle;
mod compiler;
mod directory;
mod disk;
mod entry;
mod form;
mod key;
mod memory;
mod private_group;
mod program_form;
mod reader;
#[cfg(feature = "remote")]
mod remote;
mod signature;
mod trouble;
mod trust;
mod tunings;

pub use bundle::{Bundle, BundleWriter, BundledGraph};
pub use compiler::Compiler;
pub use disk::{Collected, DiskCache, DiskCounters, DiskOptions, Listed};
pub use entry::{Content, Entry, Origin};
pub use key::{Key, KeyText};
pub use memory::{Counters, KernelCache, LoadedKernel};
pub(crate) use memory::{Reach, sealed};
pub use reader::Malformed;
#[cfg(feature = "remote")]
pub use remote::{RemoteCache, RemoteCounters, RemoteOptions};
#[cfg(feature = "signatures")]
pub use signature::{BadKey, PublicKey, SigningKey};
pub use trouble::Trouble;
pub use trust::{Trust, TrustedBundle, Untrusted};
pub use tunings::KeptTuning;
