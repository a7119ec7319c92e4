//! What an entry of a cache or of a bundle is, in words and as JSON.

use crate::table::{Side, Table, terminal_width};
use routefuse::cache::{Content, Entry, Origin};
use routefuse::diag::visible;
use routefuse::ir::shapes_text;
use serde_json::{Value, json};
use std::io::Write;

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

/// What entries are, a line each, and below them by which compilers they were made.
///
/// # Errors
/// Those of the stream.
pub fn list<'a>(entries: impl Iterator<Item = &'a Entry>, out: &mut impl Write) -> std::io::Result<()> {
    let columns = [
        ("key", Side::Left),
        ("target", Side::Left),
        ("variant", Side::Left),
        ("bytes", Side::Right),
        ("from", Side::Left),
        ("compiler", Side::Left),
    ];
    let (mut table, mut compilers) = (Table::new(&columns), Vec::new());
    for entry in entries {
        let (what, bytes) = match &entry.content {
            Content::Kernel(artifact) => (artifact.variant.to_string(), artifact.code.len()),
            Content::Tuning(tuning) => ("tuning".to_owned(), tuning.to_string().len()),
            _ => (String::new(), 0),
        };
        let compiler = entry.ingredient("compiler");
        let number = compilers.iter().position(|c| *c == compiler).unwrap_or_else(|| {
            compilers.push(compiler);
            compilers.len() - 1
        });
        let (key, target) = (entry.key.to_string()[..16].to_owned(), target(entry).to_owned());
        table.row([key, target, what, bytes.to_string(), origin(entry), format!("[{}]", number + 1)]);
    }
    if compilers.is_empty() {
        return Ok(());
    }
    table.write(out, terminal_width())?;
    for (i, compiler) in compilers.iter().enumerate() {
        writeln!(out, "[{}] {}", i + 1, visible(compiler))?;
    }
    Ok(())
}

/// What an entry is.
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
