//! `routefuse new`.

mod comments;

use crate::args::New;
use crate::atomic_file::{self, Over};
use crate::failure::Failure;
use crate::shell_word::file_word;
use crate::{output, source};
use routefuse::diag::{Code, Diagnostic};
use routefuse::models::{self, Preset};
use routefuse::{Graph, Verified, chains, text};
use std::io::Write;
use std::path::PathBuf;

pub fn run(a: &New) -> Result<(), Failure> {
    let (graph, preset) = like(a)?;
    let to_stdout = a.out.as_ref().is_some_and(|out| out.as_os_str() == "-");
    let path = a.out.clone().filter(|_| !to_stdout).unwrap_or_else(|| PathBuf::from(format!("{}.route", a.name)));
    let file = file_word(&path.display().to_string());
    let begin = format!("graph @{} {{\n", graph.name);
    let body = text::print(&graph).replacen(&begin, &format!("graph @{} {{\n", a.name), 1);
    let written = text::format(&comments::with(&body, &heading(a, &graph, preset, &file)))?;
    if to_stdout {
        return Ok(std::io::stdout().write_all(written.as_bytes())?);
    }
    atomic_file::write(&path, written.as_bytes(), Over::forced(a.force, Over::Nothing))?;
    let mut out = output::stdout(false);
    writeln!(out, "{file}: @{}, like {}", a.name, a.like)?;
    Ok(writeln!(out, "next: routefuse explain {file}")?)
}

/// The graph to begin with, and the preset that it is of.
fn like(a: &New) -> Result<(Verified<Graph>, Option<&'static Preset>), Failure> {
    if let Some((name, graph)) = chains::examples().into_iter().find(|chain| chain.0 == a.like) {
        if !a.options.is_empty() {
            let message = format!("the chain `{name}` has no options");
            return Err(Diagnostic::new(Code::UnknownOption, message).help("change the file that is written").into());
        }
        return Ok((graph?, None));
    }
    Ok((source::model(&a.like, &a.options)?, Some(models::named(&a.like)?)))
}

/// What stands above the graph: what it is, and what to do with it.
fn heading(a: &New, graph: &Graph, preset: Option<&Preset>, file: &str) -> Vec<String> {
    let options: String = a.options.iter().map(|(name, value)| format!(" --option {name}={value}")).collect();
    let mut lines = vec![format!("@{}, begun as `--like {}{options}`.", a.name, a.like)];
    if let Some(preset) = preset {
        lines.push(format!("{}: {}", preset.models, preset.formula));
    }
    let dims: String = graph.symbols.iter().map(|dim| format!(" --dim {dim}=4")).collect();
    lines.extend([
        String::new(),
        "Every line is one operation: a value, its operands, its attributes, its type.".to_owned(),
        "Change what you like, and look again:".to_owned(),
        format!("  routefuse check {file}"),
        format!("  routefuse explain {file}"),
        format!("  routefuse run {file}{dims} --seed 1 --print --check"),
    ]);
    lines
}
