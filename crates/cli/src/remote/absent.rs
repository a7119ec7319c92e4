//! In the place of remote caches, in a build without them.

use crate::args::CacheOptions;
use crate::failure::Failure;
use routefuse::Engine;
use routefuse::cache::{DiskCache, Key};
use routefuse::diag::{Code, Diagnostic};
use routefuse::engine::EngineBuilder;
use serde_json::Value;

/// `RF0813` if a remote cache is named on the command line.
fn none(options: &CacheOptions) -> Result<(), Failure> {
    if options.remote.remote_cache.is_none() && !options.writing.remote_write {
        return Ok(());
    }
    let message = "this build of routefuse has no remote caches";
    Err(Diagnostic::new(Code::CacheTrouble, message).help("build it with the feature `remote`").into())
}

pub fn with(builder: EngineBuilder, options: &CacheOptions) -> Result<EngineBuilder, Failure> {
    none(options).map(|()| builder)
}

pub fn writes(_: &Engine) -> bool {
    false
}

pub fn settle(_: &Engine) {}

pub fn stat(options: &CacheOptions) -> Result<Option<(String, Value)>, Failure> {
    none(options).map(|()| None)
}

pub struct Lookup;

impl Lookup {
    pub fn of(options: &CacheOptions) -> Result<Lookup, Failure> {
        none(options).map(|()| Lookup)
    }

    pub fn has(&mut self, _: Key, _: &str) -> bool {
        false
    }
}

pub fn push(_: &DiskCache, options: &CacheOptions, _: bool) -> Result<(), Failure> {
    none(options)?;
    Err(Diagnostic::new(Code::CacheTrouble, "this build of routefuse has no remote caches").into())
}
