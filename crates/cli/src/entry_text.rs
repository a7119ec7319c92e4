//! What an entry of a cache or of a bundle is, in words and as JSON.

use routefuse::cache::{Content, Entry, Origin};
use routefuse::diag::visible;
use routefuse::ir::shapes_text;
use serde_json::{Value, json};

/// Where an entry is from: `here`, `elsewhere`, or the first digits of who signed it.
fn origin(entry: &Entry) -> String {
    match (entry.origin, entry.signer()) {
        (Origin::Here, _) => "here".to_owned(),
        (_, Some(key)) => key.to_string()[..9].to_owned(),
        _ => "elsewhere".to_owned(),
    }
}

/// The target that an entry is for.
pub fn target(entry: &Entry) -> &str {
    match entry.artifact() {
        Some(artifact) => artifact.target.name(),
        None => entry.ingredient("target").split(' ').next().unwrap_or_default(),
    }
}

/// What an entry is, in one line.
pub fn line(entry: &Entry) -> String {
    let (what, bytes) = match &entry.content {
        Content::Kernel(artifact) => (artifact.variant.to_string(), artifact.code.len()),
        Content::Tuning(tuning) => ("tuning".to_owned(), tuning.to_string().len()),
        _ => (String::new(), 0),
    };
    let (key, target) = (&entry.key.to_string()[..16], visible(target(entry)));
    let (from, compiler) = (origin(entry), visible(entry.ingredient("compiler")));
    format!("{key} {target:<8} {what:<15} {bytes:>8}  {from:<9}  {compiler}")
}

/// The heading over [`line`].
pub const HEADING: &str = "key              target   variant            bytes  from       compiler";

/// As [`line`].
pub fn machine(entry: &Entry) -> Value {
    let mut json = json!({
        "key": entry.key.to_string(), "target": target(entry),
        "origin": if entry.origin == Origin::Here { "here" } else { "elsewhere" },
        "signer": entry.signer().map(|key| key.to_string()), "compiler": entry.ingredient("compiler"), "schedule": entry.ingredient("schedule"),
    });
    match &entry.content {
        Content::Kernel(artifact) => {
            json["kind"] = "kernel".into();
            json["variant"] = artifact.variant.to_string().into();
            json["code_bytes"] = artifact.code.len().into();
        }
        Content::Tuning(tuning) => {
            json["kind"] = "tuning".into();
            json["shapes"] = shapes_text(&tuning.shapes).into();
            json["card"] = tuning.card.as_str().into();
            json["driver"] = tuning.driver.as_str().into();
        }
        _ => {}
    }
    json
}

/// `3 kernels`, `3 kernels and 1 tuning`, of so many entries.
pub fn contents(entries: usize, tunings: usize) -> String {
    let kernels = entries - tunings.min(entries);
    match tunings {
        0 => format!("{kernels} kernels"),
        1 => format!("{kernels} kernels and 1 tuning"),
        n => format!("{kernels} kernels and {n} tunings"),
    }
}
