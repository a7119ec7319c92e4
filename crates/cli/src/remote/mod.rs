//! The remote cache that the options name.

use crate::args::CacheOptions;
use crate::failure::Failure;
use crate::output;
use crate::progress;
use crate::signing::{self, Vouched};
use routefuse::Engine;
use routefuse::cache::{DiskCache, Key, RemoteCache, RemoteOptions};
use routefuse::diag::{Code, Diagnostic};
use routefuse::engine::EngineBuilder;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// The remote cache, if one is named; `write` to write to it whatever the options say.
///
/// # Errors
/// `RF0814` if a file of keys cannot be used.
fn open(options: &CacheOptions, write: bool) -> Result<Option<RemoteCache>, Failure> {
    let address = options.remote.remote_cache.clone().or_else(RemoteCache::default_address);
    let Some(address) = address.filter(|_| !options.local.no_cache) else { return Ok(None) };
    let from_env = RemoteOptions::from_env();
    let allow_http = options.remote.allow_http || from_env.allow_http;
    let write = write || options.writing.remote_write || from_env.write;
    let sign = if write { signing::key(options)? } else { None };
    let require_signed = signing::required(options)?;
    Ok(Some(RemoteCache::open(
        &address,
        from_env.with(|o| {
            o.write = write;
            o.sign = sign;
            o.require_signed = require_signed;
            o.allow_http = allow_http;
        }),
    )))
}

/// An engine with the remote cache.
///
/// # Errors
/// `RF0814` if a file of keys cannot be used.
pub fn with(builder: EngineBuilder, options: &CacheOptions) -> Result<EngineBuilder, Failure> {
    Ok(match open(options, false)? {
        Some(remote) => builder.remote_cache(remote),
        None => builder,
    })
}

/// Whether an engine writes to a remote cache.
pub fn writes(engine: &Engine) -> bool {
    engine.cache().remote().is_some_and(|remote| remote.options().write)
}

/// Waits for what is being written.
pub fn settle(engine: &Engine) {
    if let Some(remote) = engine.cache().remote() {
        remote.flush(remote.options().timeout);
    }
}

/// The remote cache and whether it answers: a line, and for machines.
///
/// # Errors
/// `RF0814` if a file of keys cannot be used.
pub fn stat(options: &CacheOptions) -> Result<Option<(String, Value)>, Failure> {
    let Some(remote) = open(options, false)? else { return Ok(None) };
    let begin = Instant::now();
    // Nothing has this key.
    let answer = Key::from_text(&"0".repeat(64)).map(|none| remote.read(none));
    let time = begin.elapsed().as_secs_f64() * 1e3;
    let (address, written) = (remote.address(), remote.options().write);
    Ok(Some(match answer {
        Some(Err(trouble)) => (
            format!("{trouble}"),
            json!({ "address": address, "write": written, "answers": false, "trouble": trouble.to_string() }),
        ),
        _ => (
            format!("{address}, answers in {time:.0} ms{}", if written { ", written to" } else { "" }),
            json!({ "address": address, "write": written, "answers": true, "milliseconds": time, "trouble": null }),
        ),
    }))
}

/// Looks for kernels, until something is wrong.
pub struct Lookup(Option<RemoteCache>);

impl Lookup {
    /// In the remote cache of these options.
    ///
    /// # Errors
    /// `RF0814` if a file of keys cannot be used.
    pub fn of(options: &CacheOptions) -> Result<Lookup, Failure> {
        Ok(Lookup(open(options, false)?))
    }

    /// Whether a good entry with this key and text is there.
    pub fn has(&mut self, key: Key, text: &str) -> bool {
        let Some(remote) = &self.0 else { return false };
        match remote.read(key) {
            Ok(found) => found.is_some_and(|e| e.text == text),
            Err(trouble) => {
                tracing::warn!(%trouble, "the remote cache is not looked in any more");
                self.0 = None;
                false
            }
        }
    }
}

/// `cache push`.
///
/// # Errors
/// `RF0813` if no remote cache is named, or not everything was written; `RF0814` if a file of keys cannot be used.
pub fn push(cache: &DiskCache, options: &CacheOptions, as_json: bool) -> Result<(), Failure> {
    let remote = open(options, true)?.ok_or_else(|| {
        Diagnostic::new(Code::CacheTrouble, "there is no remote cache")
            .help("name it by --remote-cache or $ROUTEFUSE_REMOTE_CACHE")
    })?;
    let vouched = Vouched::of(options)?;
    let listed = cache.list()?;
    let mut entries = 0;
    progress::showing(|bar| {
        for (i, l) in listed.iter().enumerate() {
            bar.show(i, listed.len(), "writing");
            match cache.read(l.key) {
                Ok(Some(entry)) if !vouched.may_sign(&entry) => {
                    bar.aside(|| tracing::warn!("left out: {}", Vouched::why(&entry)));
                }
                Ok(Some(entry)) => {
                    remote.publish_entry(&entry);
                    entries += 1;
                    // No faster than it is written, so that nothing is left out.
                    if entries % 64 == 0 {
                        remote.flush(Duration::MAX);
                    }
                }
                Ok(None) => {}
                Err(trouble) => bar.aside(|| tracing::warn!(%trouble, "left out")),
            }
        }
        remote.flush(Duration::MAX);
    });
    let written = remote.counters().written;
    let mut out = output::stdout(as_json);
    if as_json {
        writeln!(out, "{:#}", json!({ "remote": remote.address(), "entries": entries, "written": written }))?;
    }
    if written < entries {
        let (missing, why) = (entries - written, remote.last_trouble().unwrap_or_default());
        let message = format!("{missing} of {entries} entries were not written to the remote cache: {why}");
        return Err(Diagnostic::new(Code::CacheTrouble, message).into());
    }
    if !as_json {
        writeln!(out, "{written} entries written to {}", remote.address())?;
    }
    Ok(())
}
