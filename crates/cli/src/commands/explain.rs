//! `routefuse explain`.

use crate::args::Explain;
use crate::failure::Failure;
use crate::source;
use routefuse::{Engine, Options};
use std::io::Write;

pub fn run(a: &Explain) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    let report = Engine::builder().build()?.explain(&graph, &Options::default())?;
    let mut out = std::io::stdout().lock();
    if a.json {
        writeln!(out, "{:#}", serde_json::json!(report))?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}
