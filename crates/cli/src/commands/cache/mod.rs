//! `routefuse cache`.

mod why_miss;

use crate::args::{BundleFile, Cache, CacheExport, CacheOptions, GarbageCollect};
use crate::atomic_file::{self, Over};
use crate::bundle_file;
use crate::entry_text::{contents, list, machine};
use crate::failure::Failure;
use crate::kernel_cache::required;
use crate::output;
use crate::progress;
use crate::remote;
use crate::signing::{self, Vouched};
use routefuse::Engine;
use routefuse::cache::{BundleWriter, DiskCache, Entry, Listed, Trouble};
use routefuse::diag::{Code, Diagnostic, Diagnostics};
use serde_json::{Value, json};
use std::io::Write;

pub fn run(a: &Cache, options: &CacheOptions) -> Result<(), Failure> {
    // Kernels that came from elsewhere are judged as a run with the same options would.
    let cache = match signing::required(options)? {
        Some(keys) => required(options)?.require_signed(keys),
        None => required(options)?,
    };
    match a {
        Cache::Ls(a) => ls(&cache, a.json),
        Cache::Stat(a) => stat(&cache, options, a.json),
        Cache::Verify(a) => verify(&cache, a.json),
        Cache::Gc(a) => gc(&cache, a),
        Cache::Clear(a) => clear(&cache, a.json),
        Cache::Export(a) => export(&cache, options, a),
        Cache::Import(a) => import(&cache, options, &a.bundle),
        Cache::Push(a) => remote::push(&cache, options, a.json),
        Cache::WhyMiss(a) => why_miss::run(&cache, options, a),
    }
}

/// Every entry that is there, or what is wrong with it.
fn entries(cache: &DiskCache) -> Result<Vec<Result<Entry, Trouble>>, Failure> {
    let listed = cache.list()?;
    Ok(progress::showing(|bar| {
        let read = |(i, l): (usize, &Listed)| {
            bar.show(i, listed.len(), "reading");
            cache.read(l.key).transpose()
        };
        listed.iter().enumerate().filter_map(read).collect()
    }))
}

fn ls(cache: &DiskCache, as_json: bool) -> Result<(), Failure> {
    let entries = entries(cache)?;
    let mut out = output::stdout(as_json);
    if as_json {
        let all: Vec<Value> = entries.iter().flatten().map(machine).collect();
        return Ok(writeln!(out, "{:#}", json!(all))?);
    }
    list(entries.iter().flatten(), &mut out)?;
    for trouble in entries.iter().filter_map(|e| e.as_ref().err()) {
        writeln!(out, "{trouble}")?;
    }
    Ok(())
}

fn stat(cache: &DiskCache, options: &CacheOptions, as_json: bool) -> Result<(), Failure> {
    let remote = progress::showing(|bar| {
        bar.say("asking the remote cache");
        remote::stat(options)
    })?;
    let listed = cache.list()?;
    let (entries, bytes) = (listed.len(), listed.iter().map(|l| l.bytes).sum::<u64>());
    let tunings = cache.tunings()?.len();
    let (options, quarantined) = (cache.options(), cache.quarantined().len());
    let mut out = output::stdout(as_json);
    if as_json {
        let json = json!({
            "directory": cache.root(), "entries": entries, "tunings": tunings, "bytes": bytes, "max_entries": options.max_entries,
            "max_bytes": options.max_bytes, "quarantined": quarantined, "trouble": cache.last_trouble(),
            "remote": remote.map(|r| r.1),
        });
        return Ok(writeln!(out, "{json:#}")?);
    }
    writeln!(out, "directory    {}", cache.root().display())?;
    writeln!(out, "kernels      {} of at most {}", entries - tunings.min(entries), options.max_entries)?;
    writeln!(out, "tunings      {tunings}, within the same bound")?;
    writeln!(out, "bytes        {bytes} of at most {}", options.max_bytes)?;
    writeln!(out, "quarantined  {quarantined}")?;
    writeln!(out, "trouble      {}", cache.last_trouble().as_deref().unwrap_or("none"))?;
    writeln!(out, "remote       {}", remote.as_ref().map_or("none", |r| r.0.as_str()))?;
    Ok(())
}

fn verify(cache: &DiskCache, as_json: bool) -> Result<(), Failure> {
    let entries = entries(cache)?;
    let spoilt: Vec<String> = entries
        .iter()
        .filter_map(|e| match e {
            Ok(entry) => cache.trusted(entry).err().map(|why| why.to_string()),
            Err(trouble) => Some(trouble.to_string()),
        })
        .collect();
    let good = entries.len() - spoilt.len();
    let mut out = output::stdout(as_json);
    if as_json {
        writeln!(out, "{:#}", json!({ "good": good, "spoilt": spoilt }))?;
    } else if spoilt.is_empty() {
        let tunings = entries.iter().flatten().filter(|e| e.tuning().is_some()).count();
        writeln!(out, "{}, every byte as it was written", contents(good, tunings))?;
    }
    let help = "they are passed over when they are met; `routefuse cache clear` takes all away";
    let wrong = spoilt.iter().map(|s| Diagnostic::new(Code::CacheTrouble, s.clone()).help(help));
    Ok(wrong.collect::<Diagnostics>().into_result(())?)
}

fn clear(cache: &DiskCache, as_json: bool) -> Result<(), Failure> {
    let taken = cache.clear()?;
    let mut out = output::stdout(as_json);
    if as_json {
        return Ok(writeln!(out, "{:#}", json!({ "taken_away": taken }))?);
    }
    Ok(writeln!(out, "{taken} entries taken away")?)
}

fn gc(cache: &DiskCache, a: &GarbageCollect) -> Result<(), Failure> {
    let mut out = output::stdout(a.json);
    match cache.collect_to(a.max_entries, a.max_bytes)? {
        left if a.json => {
            let json = json!({
                "taken_away": left.as_ref().map(|l| l.evicted), "entries": left.as_ref().map(|l| l.entries),
                "bytes": left.as_ref().map(|l| l.bytes),
            });
            writeln!(out, "{json:#}")?;
        }
        Some(left) => {
            writeln!(out, "{} entries taken away, {} left of {} bytes", left.evicted, left.entries, left.bytes)?;
        }
        None => writeln!(out, "another process is doing it")?,
    }
    Ok(())
}

fn export(cache: &DiskCache, options: &CacheOptions, a: &CacheExport) -> Result<(), Failure> {
    atomic_file::may_write(&a.out, Over::forced(a.force, bundle_file::FORMER))?;
    let info = Engine::builder().build()?;
    let (compiler, processor) = info.compiler_identity()?;
    let mut bundle = BundleWriter::new(&compiler, &processor);
    let vouched = Vouched::of(options)?;
    for entry in entries(cache)? {
        match entry {
            Ok(entry) if !vouched.may_sign(&entry) => tracing::warn!("left out: {}", Vouched::why(&entry)),
            Ok(entry) => {
                bundle.entry(&entry);
            }
            Err(trouble) => tracing::warn!(%trouble, "left out"),
        }
    }
    let bytes = signing::finish(&bundle, options)?;
    atomic_file::write(&a.out, &bytes, Over::forced(a.force, bundle_file::FORMER))?;
    let mut out = output::stdout(a.json);
    if a.json {
        let (kernels, tunings) = (bundle.len() - bundle.tunings(), bundle.tunings());
        let json = json!({ "bundle": a.out, "kernels": kernels, "tunings": tunings, "bytes": bytes.len() });
        return Ok(writeln!(out, "{json:#}")?);
    }
    Ok(writeln!(out, "{} ({}, {} bytes)", a.out.display(), contents(bundle.len(), bundle.tunings()), bytes.len())?)
}

fn import(cache: &DiskCache, options: &CacheOptions, a: &BundleFile) -> Result<(), Failure> {
    let bundle = bundle_file::read(&a.file, options)?;
    let (mut kept, mut wrong) = (0, Vec::new());
    progress::showing(|bar| {
        for (i, (key, entry)) in bundle.entries().enumerate() {
            bar.show(i, bundle.len(), "writing");
            match entry {
                Ok(entry) if cache.publish_entry(&entry) => kept += 1,
                Ok(_) => {
                    let why = cache.last_trouble().unwrap_or_default();
                    wrong.push(Diagnostic::new(Code::CacheTrouble, format!("entry {key} was not kept: {why}")));
                }
                Err(e) => wrong.push(Diagnostic::new(Code::BadBundle, format!("entry {key}: {e}"))),
            }
        }
    });
    let mut out = output::stdout(a.json);
    if a.json {
        writeln!(out, "{:#}", json!({ "imported": kept, "failed": wrong.len() }))?;
    } else if wrong.is_empty() {
        writeln!(out, "{}", bundle_file::whose(&bundle))?;
        writeln!(out, "{} imported", contents(kept, bundle.tunings()))?;
    }
    Ok(Diagnostics::from(wrong).into_result(())?)
}
