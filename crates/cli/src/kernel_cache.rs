//! The cache of compiled kernels that the options name.

use crate::args::CacheOptions;
use crate::failure::Failure;
use crate::{interrupt, remote, signing};
use routefuse::Engine;
use routefuse::cache::{DiskCache, DiskOptions, PublicKey, Trouble};
use routefuse::diag::{Code, Diagnostic};

/// The cache, unless there is to be none.
pub fn open(options: &CacheOptions) -> Option<DiskCache> {
    if options.local.no_cache {
        return None;
    }
    let directory = options.local.directory.cache_dir.clone().or_else(DiskCache::default_dir)?;
    Some(DiskCache::open(directory, DiskOptions::default()))
}

/// The cache, if there is one already: to look at, and nothing is written.
pub fn to_look_at(options: &CacheOptions) -> Option<DiskCache> {
    if options.local.no_cache {
        return None;
    }
    let directory =
        options.local.directory.cache_dir.clone().or_else(DiskCache::default_dir).filter(|d| DiskCache::is_at(d))?;
    Some(DiskCache::open(directory, DiskOptions::default().with(|o| o.read_only = true)))
}

/// An engine with this cache alone, which trusts whom the options trust.
///
/// # Errors
/// `RF0814` if a file of keys cannot be used.
pub fn looking_at(cache: DiskCache, options: &CacheOptions) -> Result<Engine, Failure> {
    let builder = Engine::builder().cancel(interrupt::cancel()).disk_cache(cache);
    Ok(match signing::required(options)? {
        Some(keys) => builder.require_signed(keys),
        None => builder,
    }
    .build()?)
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
/// `RF0813` if a remote cache is asked for in a build that has none; `RF0814` if a file of keys cannot be used.
pub fn engine(options: &CacheOptions) -> Result<Engine, Failure> {
    trusting(options, signing::required(options)?)
}

/// As [`engine`], for what is to be signed, if it is: what came from elsewhere is taken if our own key or one of those that are
/// required has signed it, and else compiled, so that nobody's code gets our signature by way of a cache.
///
/// # Errors
/// Those of [`engine`]; `RF0814` if a file of keys cannot be used.
pub fn engine_to_sign(options: &CacheOptions) -> Result<Engine, Failure> {
    let own = signing::key(options)?.map(|key| key.public());
    let required = signing::required(options)?;
    match own {
        Some(own) => trusting(options, Some(required.into_iter().flatten().chain([own]).collect())),
        None => trusting(options, required),
    }
}

fn trusting(options: &CacheOptions, keys: Option<Vec<PublicKey>>) -> Result<Engine, Failure> {
    let mut builder = Engine::builder().cancel(interrupt::cancel());
    if let Some(cache) = open(options) {
        builder = builder.disk_cache(cache);
    }
    builder = remote::with(builder, options)?;
    if let Some(keys) = keys {
        builder = builder.require_signed(keys);
    }
    Ok(builder.build()?)
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Diagnostic::new(Code::CacheTrouble, trouble.to_string()).into()
    }
}
