//! Where compiled kernels are kept, and under which keys.
//!
//! A bundle is machine code of whoever made it: [`Trust`] says whose is run (`docs/explanation/security.md`).
//!
//! A [`KernelCache`] holds loaded kernels. Behind it are [bundles](Bundle), a [directory](DiskCache) that processes share and,
//! with the feature `remote`, an object store that machines share (`RemoteCache`). `docs/guides/cache.md` has all of it in order;
//! [`EngineBuilder`](crate::engine::EngineBuilder) is where an engine is given them.

pub use routefuse_ir::kernel::schedule::tuning::{Trial, Tuning};
#[cfg(feature = "signatures")]
pub use routefuse_runtime::{BadKey, PublicKey, SigningKey};
pub use routefuse_runtime::{
    Bundle, BundleWriter, BundledGraph, Collected, Content, Counters, DiskCache, DiskCounters, DiskOptions, Entry,
    KeptTuning, KernelCache, Key, KeyText, Listed, Malformed, Origin, Trouble, Trust, TrustedBundle, Untrusted,
};
#[cfg(feature = "remote")]
pub use routefuse_runtime::{RemoteCache, RemoteCounters, RemoteOptions};
