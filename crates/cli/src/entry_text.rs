//! What an entry of a cache or of a bundle is, in words and as JSON.

use routefuse::cache::{Entry, Origin};
use routefuse::diag::visible;
use serde_json::{Value, json};

/// Where an entry is from: `here`, `elsewhere`, or the first digits of who signed it.
fn origin(entry: &Entry) -> String {
    match (entry.origin, entry.signer()) {
        (Origin::Here, _) => "here".to_owned(),
        (_, Some(key)) => key.to_string()[..9].to_owned(),
        _ => "elsewhere".to_owned(),
    }
}

/// What an entry is, in one line.
pub fn line(entry: &Entry) -> String {
    let target = entry.artifact.target;
    let (key, bytes) = (&entry.key.to_string()[..16], entry.artifact.code.len());
    let (variant, from, compiler) =
        (entry.artifact.variant.to_string(), origin(entry), visible(entry.ingredient("compiler")));
    format!("{key} {target:<8} {variant:<15} {bytes:>8}  {from:<9}  {compiler}")
}

/// The heading over [`line`].
pub const HEADING: &str = "key              target   variant            bytes  from       compiler";

/// As [`line`].
pub fn machine(entry: &Entry) -> Value {
    json!({
        "key": entry.key.to_string(), "target": entry.artifact.target.name(),
        "variant": entry.artifact.variant.to_string(), "code_bytes": entry.artifact.code.len(),
        "origin": if entry.origin == Origin::Here { "here" } else { "elsewhere" },
        "signer": entry.signer().map(|key| key.to_string()), "compiler": entry.ingredient("compiler"), "schedule": entry.ingredient("schedule"),
    })
}
