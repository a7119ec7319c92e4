//! `routefuse report`.

use super::run::bind;
use crate::args::{CacheOptions, GraphSource, Inputs, Report};
use crate::atomic_file::{self, Over};
use crate::failure::Failure;
use crate::shell_word::{file_word, shell_word};
use crate::source::{self, Written};
use crate::{input_file, interrupt, kernel_cache, output, progress};
use routefuse::diag::{Code, Diagnostic};
use routefuse::ir::interp;
use routefuse::{Engine, Graph, Options, Target, Verified};
use routefuse_report::{Bandwidth, Document, LeftOut, MOST_BYTES, Request, html, json};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// The extent of every dim of the check for which nothing is given.
const ROWS: u64 = 64;

/// The most bytes of a file of times that are read.
const MOST: u64 = 16 << 20;

pub fn run(a: &Report, cache: &CacheOptions) -> Result<(), Failure> {
    let target = Target::named(&a.target)?;
    let over = Over::forced(a.force, Over::Former(&is_page));
    match &a.out {
        Some(path) => atomic_file::may_write(path, over)?,
        None if std::io::stdout().is_terminal() => {
            let message = "a page is not printed on a terminal";
            return Err(Diagnostic::new(Code::CannotWrite, message).help("name its file by `-o report.html`").into());
        }
        None => {}
    }
    let (graph, Written { name, text, form }) = source::written(&a.graph)?;
    // Every argument is checked before anything is compiled.
    let inputs = inputs(&graph, a)?;
    let request = Request {
        target,
        options: Options::default(),
        dims: at_first(&graph, a, &inputs)?,
        name,
        text,
        form,
        command: command(),
        graph: graph_words(&a.graph),
        cancel: interrupt::cancel().clone(),
        ..Request::default()
    };
    // With the records of tunings that a run would follow.
    let engine = match kernel_cache::to_look_at(cache) {
        Some(disk) => kernel_cache::looking_at(disk, cache)?,
        None => Engine::builder().cancel(interrupt::cancel()).build()?,
    };
    let mut document = Document::of(&engine, &graph, &request)?;
    document.add_tunings(&engine, &graph, &request)?;
    document.bandwidth =
        a.bandwidth.map(|g| Bandwidth { bytes_per_second: g * 1e9, of: "as given by --bandwidth".to_owned() });
    for path in &a.measured {
        measured(&mut document, &graph, path)?;
    }
    progress::compiling(|bar| {
        document.add_code(&engine, &graph, &request, &|done, total, name| bar.show(done, total, name))?;
        let dims: Vec<(&str, u64)> = inputs.dims.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        document.add_check(&engine, &graph, &inputs.tensors, &dims, &inputs.described, &request.cancel).or_else(|e| {
            // The code of another target can be looked at on a machine whose processor runs none of the host's.
            let unsupported =
                target != Target::host() && e.diagnostics().iter().any(|d| d.code == Code::HostUnsupported);
            if !unsupported {
                return Err(e);
            }
            let what = "the check against the interpreter: this processor does not run the host's code".to_owned();
            document.left_out.push(LeftOut { what, command: None });
            Ok(())
        })
    })?;
    let page = if a.json { format!("{}\n", json(&document.fitted(MOST_BYTES))) } else { html(&document)? };
    match &a.out {
        Some(path) => {
            atomic_file::write(path, page.as_bytes(), over)?;
            let mut out = output::stdout(false);
            writeln!(out, "{} ({} bytes)", path.display(), page.len())?;
        }
        None => std::io::stdout().lock().write_all(page.as_bytes())?,
    }
    let differing = document.numbers.check.iter().flat_map(|c| &c.outputs).find(|o| o.differing > 0);
    match differing {
        Some(o) => {
            let (n, of, name) = (o.differing, o.compared, &o.name);
            Err(Failure::Mismatch(format!(
                "{n} of {of} elements of `{name}` are not the interpreter's: the page shows them"
            )))
        }
        None => Ok(()),
    }
}

/// The inputs of the check.
struct Checked {
    tensors: Vec<routefuse::Tensor>,
    dims: Vec<(String, u64)>,
    described: String,
}

fn inputs(graph: &Verified<Graph>, a: &Report) -> Result<Checked, Failure> {
    let mut dims = a.dims.clone();
    // Files may say extents, too; what they leave open is asked for.
    if a.inputs.is_empty() {
        let bounded = |s: usize| graph.bounds.iter().any(|b| b.symbol().0 as usize == s);
        // What has a bound is as large as that allows at least.
        let open = graph.symbols.iter().enumerate().filter(|(s, _)| !bounded(*s)).map(|(_, symbol)| symbol);
        for symbol in open.filter(|s| !a.dims.iter().any(|(name, _)| name == *s)) {
            dims.push((symbol.clone(), ROWS));
        }
    }
    let given = Inputs { inputs: a.inputs.clone(), dims: dims.clone(), seed: Some(a.seed), save_inputs: None };
    let (tensors, _) = bind(graph, &given, true, Over::Nothing)?;
    let files = a.inputs.len();
    let described = match (files, graph.inputs.len() - files.min(graph.inputs.len())) {
        (0, _) => format!("random values from seed {}", a.seed),
        (_, 0) => "the files that were given".to_owned(),
        (n, left) => format!("files for {n} of the inputs, and random values from seed {} for {left}", a.seed),
    };
    Ok(Checked { tensors, dims, described })
}

/// The extents that are shown at first: those of the check, first those that are asked for.
fn at_first(graph: &Verified<Graph>, a: &Report, inputs: &Checked) -> Result<Vec<(String, u64)>, Failure> {
    let dims: Vec<(&str, u64)> = inputs.dims.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    let extents = interp::extents(graph, &inputs.tensors, &dims)?;
    Ok(a.dims.iter().cloned().chain(graph.symbols.iter().cloned().zip(extents)).collect())
}

/// How other commands are told of the graph.
fn graph_words(given: &GraphSource) -> String {
    match (&given.model, &given.file) {
        (Some(model), _) => {
            let options = given
                .options
                .iter()
                .map(|(name, value)| format!(" --option {}", shell_word(&format!("{name}={value}"))));
            format!("--model {}{}", shell_word(model), options.collect::<String>())
        }
        (None, Some(path)) => file_word(&path.display().to_string()),
        (None, None) => String::new(),
    }
}

fn measured(document: &mut Document, graph: &Graph, path: &Path) -> Result<(), Failure> {
    let name = path.display().to_string();
    let bytes = input_file::read(path, MOST).map_err(|e| {
        Diagnostic::new(Code::CannotRead, format!("cannot read `{name}`: {e}"))
            .help("--measured takes what `bench --json` or `tune --json` printed")
    })?;
    Ok(document.add_measured(graph, &name, &String::from_utf8_lossy(&bytes))?)
}

/// Whether a file is a page, or what one shows, that was written before.
fn is_page(path: &Path) -> bool {
    let most = 2 * MOST_BYTES as u64;
    let text = input_file::read(path, most).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    text.is_ok_and(|text| {
        let begins = text.starts_with("<!doctype html>") || text.starts_with('{');
        begins && text.contains("{\"schema\":1,\"version\":\"")
    })
}

/// The command that was given, as one writes it in a shell.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell_word(&word.to_string_lossy()));
    std::iter::once("routefuse".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
