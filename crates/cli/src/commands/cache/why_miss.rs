//! `routefuse cache why-miss`.

use crate::args::{CacheOptions, WhyMiss};
use crate::failure::Failure;
use crate::kernel_cache;
use crate::output;
use crate::remote::Lookup;
use crate::source;
use routefuse::cache::{DiskCache, Entry};
use routefuse::diag::visible;
use routefuse::{Options, Target};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};
use std::io::Write;

/// Only so many entries, the last used ones, are compared.
const COMPARED: usize = 1000;

pub fn run(cache: &DiskCache, options: &CacheOptions, a: &WhyMiss) -> Result<(), Failure> {
    let mut remote = Lookup::of(options)?;
    let graph = source::graph(&a.graph)?;
    let target = Target::named(&a.target)?;
    // With the records of tunings that a run would follow.
    let keys = kernel_cache::engine(options)?.keys(&graph, &target, &Options::default())?;
    let listed = cache.list()?;
    let entries = listed.iter().rev().take(COMPARED).filter_map(|l| cache.read(l.key).ok().flatten());
    let entries: Vec<Entry> = entries.filter(|e| e.artifact().is_some()).collect();
    let mut out = output::stdout(a.json);
    let mut list: Vec<Value> = Vec::new();
    for k in &keys {
        let (key, text) = (k.key.key(), k.key.text());
        let there = entries.iter().any(|e| e.text == text) || matches!(cache.read(key), Ok(Some(_)));
        let afar = !there && remote.has(key, text);
        let nearest = entries.iter().max_by(|x, y| likeness(text, &x.text).total_cmp(&likeness(text, &y.text)));
        let nearest = nearest.filter(|_| !there && !afar);
        if a.json {
            let difference = nearest.map(|n| difference(&n.text, text));
            list.push(json!({
                "kernel": k.kernel, "variant": k.variant.to_string(), "key": key.to_string(), "hit": there || afar,
                "tier": if there { Some("disk") } else { afar.then_some("remote") },
                "nearest": nearest.map(|n| n.key.to_string()), "difference": difference,
            }));
            continue;
        }
        let what = format!("kernel `{}` {} for {target}", visible(&k.kernel), k.variant);
        match (there, nearest) {
            (true, _) => writeln!(out, "hit   {what}: {key}")?,
            (false, None) if afar => writeln!(out, "hit   {what}: {key}, in the remote cache")?,
            (false, None) => writeln!(out, "miss  {what}: {key}; the cache is empty")?,
            (false, Some(n)) => {
                writeln!(out, "miss  {what}: {key}\n      nearest is {}; there (-), wanted (+):", n.key)?;
                for line in difference(&n.text, text) {
                    writeln!(out, "      {line}")?;
                }
            }
        }
    }
    if a.json {
        writeln!(out, "{:#}", json!(list))?;
    }
    Ok(())
}

/// The share of equal lines, and of equal ingredients besides the kernel.
fn likeness(wanted: &str, there: &str) -> f32 {
    let ingredients = |text: &str| text.lines().take_while(|l| !l.starts_with("kernel ")).map(str::to_owned).collect();
    let (a, b): (Vec<String>, Vec<String>) = (ingredients(wanted), ingredients(there));
    let equal = a.iter().zip(&b).filter(|(a, b)| a == b).count();
    TextDiff::from_lines(wanted, there).ratio() + equal as f32 / a.len().max(1) as f32
}

/// The lines that differ.
fn difference(there: &str, wanted: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(there, wanted);
    let changed = diff.iter_all_changes().filter(|c| c.tag() != ChangeTag::Equal);
    changed
        .map(|c| format!("{} {}", if c.tag() == ChangeTag::Delete { "-" } else { "+" }, c.value().trim_end()))
        .collect()
}
