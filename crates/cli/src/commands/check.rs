//! `routefuse check`.

use crate::args::Check;
use crate::failure::Failure;
use crate::output;
use crate::render;
use crate::source::{self, Source};
use routefuse::diag::{Diagnostic, visible};
use std::io::Write;

pub fn run(a: &Check) -> Result<(), Failure> {
    let (source, result) = match (&a.graph.file, &a.graph.model) {
        (Some(path), _) => {
            let source = Source::read(path)?;
            let result = source.graph();
            (source, result)
        }
        (None, model) => (Source::without_text(model.clone().unwrap_or_default()), source::graph(&a.graph)),
    };
    if a.json {
        let diagnostics: &[Diagnostic] = match &result {
            Err(Failure::InSource { diagnostics, .. } | Failure::Plain(diagnostics)) => diagnostics,
            _ => &[],
        };
        let list: Vec<_> = diagnostics.iter().map(|d| render::json(d, &source.text)).collect();
        let ok = result.is_ok();
        writeln!(
            output::stdout(true),
            "{:#}",
            serde_json::json!({ "file": source.name, "ok": ok, "diagnostics": list })
        )?;
        return result.map(|_| ());
    }
    let g = result?;
    let count = |n: usize, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
    let (inputs, ops) = (count(g.inputs.len(), "input"), count(g.op_count(), "op"));
    let outputs = count(g.outputs.len(), "output");
    writeln!(output::stdout(false), "{}: ok (@{}: {inputs}, {ops}, {outputs})", source.name, visible(&g.name))?;
    Ok(())
}
