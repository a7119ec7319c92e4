//! `routefuse explain`.

use crate::args::Explain;
use crate::failure::Failure;
use crate::output;
use crate::source;
use routefuse::{Engine, Graph, Options, Target, Verified};
use std::io::Write;

pub fn run(a: &Explain) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    if a.key {
        return keys(a, &graph);
    }
    let report = Engine::builder().build()?.explain(&graph, &Options::default())?;
    let mut out = output::stdout(a.json);
    if a.json {
        writeln!(out, "{:#}", serde_json::json!(report))?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}

/// The key of each kernel and variant, with its text.
fn keys(a: &Explain, graph: &Verified<Graph>) -> Result<(), Failure> {
    let target = Target::named(&a.target)?;
    let keys = Engine::builder().build()?.keys(graph, &target, &Options::default())?;
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
