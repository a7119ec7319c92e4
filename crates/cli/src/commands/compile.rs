//! `routefuse compile`.

use crate::args::{Compile, ExportForm};
use crate::atomic_file::{self, Over};
use crate::failure::Failure;
use crate::file_name::file_name;
use crate::input_file;
use crate::interrupt;
use crate::output;
use crate::progress::{self, Bar};
use crate::source;
use routefuse::diag::{Code, Diagnostic};
use routefuse::inspect::{self, Module};
use routefuse::{Engine, Graph, Options, Target, Verified};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// One compiled variant of one kernel for one target.
struct Compiled {
    stem: String,
    code: (String, Vec<u8>),
    metadata: (String, Vec<u8>),
    phases: Vec<(&'static str, Duration)>,
}

pub fn run(a: &Compile) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    // Every target is known before anything is compiled, and everything is compiled before anything is written.
    let targets = a.target.iter().map(|t| Target::named(t)).collect::<Result<Vec<_>, _>>()?;
    let options = Options::default().fuse(!a.unfused).shape(a.forced.shape);
    let engine = Engine::builder().cancel(interrupt::cancel()).build()?;
    if let Some(form) = a.export {
        return export(a, form, &graph, (&engine, &options), &targets);
    }
    let all = progress::compiling(|bar| compile(&graph, (&engine, &options), &targets, bar))?;
    atomic_file::make_folder(&a.out)?;
    let files = all.iter().flat_map(|c| [&c.code, &c.metadata]);
    let files: Vec<_> = files.map(|(name, bytes)| (a.out.join(name), bytes.clone())).collect();
    atomic_file::write_all(&files, Over::forced(a.force, Over::Former(&is_former)))?;
    let mut out = output::stdout(a.json);
    if a.json {
        let list: Vec<_> = all.iter().map(|c| machine(a, c)).collect();
        writeln!(out, "{:#}", json!({ "graph": graph.name, "artifacts": list }))?;
        return Ok(());
    }
    for (name, bytes) in all.iter().flat_map(|c| [&c.code, &c.metadata]) {
        writeln!(out, "{} ({} bytes)", a.out.join(name).display(), bytes.len())?;
    }
    if a.timings {
        writeln!(out)?;
        timings(&mut out, &all)?;
    }
    Ok(())
}

/// One file with all kernels, and what launches them.
fn export(
    a: &Compile,
    form: ExportForm,
    graph: &Verified<Graph>,
    (engine, options): (&Engine, &Options),
    targets: &[Target],
) -> Result<(), Failure> {
    let [target] = targets else {
        let message = format!("a file of one system has code for one target, and --target names {}", targets.len());
        return Err(Diagnostic::new(Code::CannotExport, message).help("export once for each").into());
    };
    let Module { function: name, bytes, .. } = progress::compiling(|bar| {
        bar.say(&graph.name);
        let stages = engine.stages(graph, target, options)?;
        match form {
            ExportForm::TvmFfi => inspect::export_tvm_ffi(&stages, None, interrupt::cancel()),
        }
    })?;
    atomic_file::write(&a.out, &bytes, Over::forced(a.force, Over::Nothing))?;
    let (mut out, path) = (output::stdout(a.json), a.out.display());
    if a.json {
        writeln!(out, "{:#}", json!({ "graph": graph.name, "file": a.out, "bytes": bytes.len(), "function": name }))?;
    } else {
        writeln!(out, "{path} ({} bytes), function `{name}`", bytes.len())?;
    }
    Ok(())
}

/// Every variant of every kernel for these targets.
fn compile(
    graph: &Verified<Graph>,
    (engine, options): (&Engine, &Options),
    targets: &[Target],
    bar: &Bar,
) -> Result<Vec<Compiled>, Failure> {
    let stages = targets.iter().map(|target| engine.stages(graph, target, options)).collect::<Result<Vec<_>, _>>()?;
    let total = stages.iter().flat_map(|s| &s.kernels).map(|k| k.variants().len()).sum();
    let mut all = Vec::with_capacity(total);
    for (target, stages) in targets.iter().zip(&stages) {
        for (n, kernel) in stages.kernels.iter().enumerate() {
            for &variant in kernel.variants() {
                bar.show(all.len(), total, &kernel.kernel.name);
                let code = inspect::compile_until(kernel, variant, interrupt::cancel())?;
                let metadata = engine.metadata(kernel, &code.artifact)?;
                let number = if stages.kernels.len() > 1 { format!(".{n}") } else { String::new() };
                let rest = format!("{number}.{target}.{}", variant.to_string().replace('/', "-"));
                let stem = file_name(&graph.name, &rest)?;
                // The passes before code generation run once for all kernels and variants of a target.
                let mut phases = vec![("front", if n == 0 { stages.time } else { Duration::ZERO })];
                phases.extend(code.timings);
                all.push(Compiled {
                    code: (format!("{stem}.{}", code.artifact.format.extension()), code.artifact.code),
                    metadata: (format!("{stem}.json"), format!("{metadata}\n").into_bytes()),
                    stem,
                    phases,
                });
            }
        }
    }
    Ok(all)
}

/// Whether a file is code or metadata that was compiled before: then the metadata beside it says so.
fn is_former(path: &Path) -> bool {
    const MOST: u64 = 1 << 20;
    let metadata = input_file::read(&path.with_extension("json"), MOST).ok();
    let metadata: Option<Value> = metadata.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    metadata.is_some_and(|m| {
        ["format", "key", "kernel", "entry", "params", "slots"].iter().all(|field| m.get(*field).is_some())
    })
}

fn machine(a: &Compile, c: &Compiled) -> Value {
    let mut ms: Map<String, Value> = c.phases.iter().map(|(p, t)| ((*p).to_owned(), milliseconds(*t).into())).collect();
    ms.insert("total".to_owned(), c.phases.iter().map(|p| milliseconds(p.1)).sum::<f64>().into());
    json!({
        "name": c.stem, "code": a.out.join(&c.code.0), "code_bytes": c.code.1.len(),
        "metadata": a.out.join(&c.metadata.0), "ms": ms,
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn timings(out: &mut impl Write, all: &[Compiled]) -> std::io::Result<()> {
    let width = all.iter().map(|c| c.stem.len()).max().unwrap_or(0);
    for (i, c) in all.iter().enumerate() {
        if i == 0 {
            let names: String = c.phases.iter().map(|(p, _)| format!(" {p:>9}")).collect();
            writeln!(out, "{:<width$}{names} {:>9}", "milliseconds", "total")?;
        }
        let times: String = c.phases.iter().map(|(_, t)| format!(" {:>9.2}", milliseconds(*t))).collect();
        let total: f64 = c.phases.iter().map(|(_, t)| milliseconds(*t)).sum();
        writeln!(out, "{:<width$}{times} {total:>9.2}", c.stem)?;
    }
    Ok(())
}
