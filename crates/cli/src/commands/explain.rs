//! `routefuse explain`.

use crate::args::{CacheOptions, Explain, Format};
use crate::failure::Failure;
use crate::{entry_text, kernel_cache, output, source};
use routefuse::cache::Tuning;
use routefuse::diag::visible;
use routefuse::ir::shapes_text;
use routefuse::{Engine, Graph, Options, Target, Verified};
use std::io::Write;
use std::sync::Arc;

pub fn run(a: &Explain, cache: &CacheOptions) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    if a.key {
        return keys(a, &graph, cache);
    }
    let target = a.target.as_deref().map(Target::named).transpose()?;
    let mut report = Engine::builder().build()?.explain(&graph, &Options::default())?;
    let mut tuned = tuned(&graph, cache)?;
    if let Some(target) = target {
        report.retain_target(target.name());
        tuned.retain(|t| t.target == target);
    }
    let format = if a.json { Format::Json } else { a.format };
    let mut out = output::stdout(format == Format::Json);
    match format {
        Format::Text => {
            write!(out, "{}", report.to_text(textwrap::termwidth()))?;
            text_of_tunings(&mut out, &tuned)?;
        }
        Format::Json => {
            let mut json = serde_json::json!(report);
            json["tuned"] = tuned.iter().map(Tuned::machine).collect();
            writeln!(out, "{json:#}")?;
        }
        Format::Markdown => {
            write!(out, "{}", report.to_markdown())?;
            markdown_of_tunings(&mut out, &tuned)?;
        }
    }
    Ok(())
}

fn text_of_tunings(out: &mut impl Write, tuned: &[Tuned]) -> std::io::Result<()> {
    if !tuned.is_empty() {
        writeln!(out, "\ntuned, by records of the cache")?;
    }
    for Tuned { target, kernel, tuning } in tuned {
        let (kernel, shapes) = (visible(kernel), shapes_text(&tuning.shapes));
        writeln!(out, "  {target}  kernel {kernel}: {shapes}")?;
        let (card, driver) = (visible(&tuning.card), visible(&tuning.driver));
        writeln!(out, "  {:width$}  measured on {card}, {driver}", "", width = target.name().len())?;
    }
    Ok(())
}

fn markdown_of_tunings(out: &mut impl Write, tuned: &[Tuned]) -> std::io::Result<()> {
    if !tuned.is_empty() {
        writeln!(out, "\n| tuned target | kernel | shapes | card | driver |\n|---|---|---|---|---|")?;
    }
    for Tuned { target, kernel, tuning } in tuned {
        let code = |text: &str| visible(text).replace('`', "'").replace('|', "¦");
        let (kernel, card, driver) = (code(kernel), code(&tuning.card), code(&tuning.driver));
        writeln!(out, "| {target} | `@{kernel}` | `{}` | `{card}` | `{driver}` |", shapes_text(&tuning.shapes))?;
    }
    Ok(())
}

/// A kernel whose shapes on a target are those of a record.
struct Tuned {
    target: Target,
    kernel: String,
    tuning: Arc<Tuning>,
}

impl Tuned {
    fn machine(&self) -> serde_json::Value {
        let Tuned { target, kernel, tuning } = self;
        serde_json::json!({
            "target": target.name(), "kernel": kernel, "shapes": shapes_text(&tuning.shapes), "card": tuning.card,
            "driver": tuning.driver,
        })
    }
}

/// The records of the cache that are followed for the graph, on every target that there are any for.
fn tuned(graph: &Verified<Graph>, cache: &CacheOptions) -> Result<Vec<Tuned>, Failure> {
    let Some(disk) = kernel_cache::to_look_at(cache) else { return Ok(vec![]) };
    // A directory that cannot be read has no records that would be followed.
    let records = disk.tunings().unwrap_or_default();
    let engine = kernel_cache::looking_at(disk, cache)?;
    let mut tuned = Vec::new();
    for target in Target::all().filter(|t| records.iter().any(|e| entry_text::target(e) == t.name())) {
        for kernel in engine.tuned_kernels(graph, &target, &Options::default())? {
            tuned.extend(kernel.tuning.map(|tuning| Tuned { target, kernel: kernel.kernel, tuning }));
        }
    }
    Ok(tuned)
}

/// The key of each kernel and variant, with its text.
fn keys(a: &Explain, graph: &Verified<Graph>, cache: &CacheOptions) -> Result<(), Failure> {
    let target = Target::named(a.target.as_deref().unwrap_or("host"))?;
    // With the records of tunings that a run would follow.
    let engine = match kernel_cache::to_look_at(cache) {
        Some(disk) => kernel_cache::looking_at(disk, cache)?,
        None => Engine::builder().build()?,
    };
    let keys = engine.keys(graph, &target, &Options::default())?;
    let mut out = output::stdout(a.json);
    if a.json {
        let list: Vec<_> = keys
            .iter()
            .map(|k| {
                serde_json::json!({
                    "kernel": k.kernel, "variant": k.variant.to_string(), "key": k.key.key().to_string(),
                    "text": k.key.text(),
                })
            })
            .collect();
        writeln!(out, "{:#}", serde_json::json!(list))?;
        return Ok(());
    }
    for (i, k) in keys.iter().enumerate() {
        let gap = if i > 0 { "\n" } else { "" };
        write!(out, "{gap}{} is the hash of\n{}", k.key.key(), k.key.text())?;
    }
    Ok(())
}
