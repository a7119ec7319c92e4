//! The cache of compiled kernels that the options name.

use crate::args::CacheOptions;
use crate::failure::Failure;
use crate::remote;
use routefuse::Engine;
use routefuse::cache::{DiskCache, DiskOptions, Trouble};
use routefuse::diag::{Code, Diagnostic};

/// The cache, unless there is to be none.
pub fn open(options: &CacheOptions) -> Option<DiskCache> {
    if options.no_cache {
        return None;
    }
    let directory = options.cache_dir.clone().or_else(DiskCache::default_dir)?;
    let cache = DiskCache::open(directory, DiskOptions::default());
    if let Some(trouble) = cache.last_trouble() {
        // No reason to fail: what it cannot give is compiled.
        eprintln!("warning: no cache of compiled kernels: {trouble}");
    }
    Some(cache)
}

/// The cache, for commands about it.
///
/// # Errors
/// `RF0813` if there is none.
pub fn required(options: &CacheOptions) -> Result<DiskCache, Failure> {
    let none = || {
        Diagnostic::new(Code::CacheTrouble, "there is no cache of compiled kernels")
            .help("name its directory by --cache-dir or $ROUTEFUSE_CACHE_DIR")
    };
    Ok(open(options).ok_or_else(none)?)
}

/// An engine with the cache, and the remote one.
///
/// # Errors
/// `RF0813` if a remote cache is asked for in a build that has none.
pub fn engine(options: &CacheOptions) -> Result<Engine, Failure> {
    let mut builder = Engine::builder();
    if let Some(cache) = open(options) {
        builder = builder.disk_cache(cache);
    }
    Ok(remote::with(builder, options)?.build()?)
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Diagnostic::new(Code::CacheTrouble, trouble.to_string()).into()
    }
}
