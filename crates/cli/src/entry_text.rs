//! What an entry of a cache or of a bundle is, in words and as JSON.

use routefuse::cache::Entry;
use serde_json::{Value, json};

/// What an entry is, in one line.
pub fn line(entry: &Entry) -> String {
    let target = entry.artifact.target;
    let (key, bytes) = (&entry.key.to_string()[..16], entry.artifact.code.len());
    format!("{key} {target:<8} {:<15} {bytes:>8}  {}", entry.artifact.variant.to_string(), entry.ingredient("compiler"))
}

/// The heading over [`line`].
pub const HEADING: &str = "key              target   variant            bytes  compiler";

/// As [`line`].
pub fn machine(entry: &Entry) -> Value {
    json!({
        "key": entry.key.to_string(), "target": entry.artifact.target.name(),
        "variant": entry.artifact.variant.to_string(), "code_bytes": entry.artifact.code.len(),
        "compiler": entry.ingredient("compiler"), "schedule": entry.ingredient("schedule"),
    })
}
