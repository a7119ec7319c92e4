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
use routefuse::inspect::{self, Module, Stages, TargetFiles};
use routefuse::ir::Artifact;
use routefuse::{Engine, Graph, Options, Target, Verified};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The file that says how the code is launched.
const MANIFEST: &str = "manifest.json";

/// One compiled variant of one kernel for one target.
struct Compiled {
    stem: String,
    file: String,
    artifact: Artifact,
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
    let stages = targets.iter().map(|t| engine.stages(&graph, t, &options)).collect::<Result<Vec<_>, _>>()?;
    let all = progress::compiling(|bar| compile(&graph, &targets, &stages, bar))?;
    let manifest = manifest(&engine, &stages, &all)?;
    atomic_file::make_folder(&a.out)?;
    let mut files: Vec<_> = all.iter().map(|c| (a.out.join(&c.file), c.artifact.code.clone())).collect();
    // Last, so that what it names is there.
    files.push((a.out.join(MANIFEST), format!("{manifest}\n").into_bytes()));
    let former = former(&a.out.join(MANIFEST), &graph.name);
    let is_former =
        |path: &Path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| former.iter().any(|f| f == n));
    atomic_file::write_all(&files, Over::forced(a.force, Over::Former(&is_former)))?;
    let mut out = output::stdout(a.json);
    if a.json {
        let list: Vec<_> = all.iter().map(|c| machine(a, c)).collect();
        writeln!(out, "{:#}", json!({ "graph": graph.name, "manifest": a.out.join(MANIFEST), "artifacts": list }))?;
        return Ok(());
    }
    for (path, bytes) in &files {
        writeln!(out, "{} ({} bytes)", path.display(), bytes.len())?;
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
    targets: &[Target],
    stages: &[Stages],
    bar: &Bar,
) -> Result<Vec<Compiled>, Failure> {
    let total = stages.iter().flat_map(|s| &s.kernels).map(|k| k.variants().len()).sum();
    let mut all = Vec::with_capacity(total);
    for (target, stages) in targets.iter().zip(stages) {
        for (n, kernel) in stages.kernels.iter().enumerate() {
            for &variant in kernel.variants() {
                bar.show(all.len(), total, &kernel.kernel.name);
                let code = inspect::compile_until(kernel, variant, interrupt::cancel())?;
                let number = if stages.kernels.len() > 1 { format!(".{n}") } else { String::new() };
                let rest = format!("{number}.{target}.{}", variant.to_string().replace('/', "-"));
                let stem = file_name(&graph.name, &rest)?;
                // The passes before code generation run once for all kernels and variants of a target.
                let mut phases = vec![("front", if n == 0 { stages.time } else { Duration::ZERO })];
                phases.extend(code.timings);
                let file = format!("{stem}.{}", code.artifact.format.extension());
                all.push(Compiled { stem, file, artifact: code.artifact, phases });
            }
        }
    }
    Ok(all)
}

/// How all of it is launched.
fn manifest(engine: &Engine, stages: &[Stages], all: &[Compiled]) -> Result<String, Failure> {
    let mut files = all.iter().map(|c| (c.file.clone(), &c.artifact));
    let targets = stages.iter().map(|stages| {
        let count = stages.kernels.iter().map(|k| k.variants().len()).sum();
        TargetFiles { stages, files: files.by_ref().take(count).collect() }
    });
    Ok(engine.manifest(&targets.collect::<Vec<_>>())?)
}

/// The files that were compiled before of a graph of this name, the manifest among them: as that says. None if it is of another
/// graph, or of nothing that was compiled.
fn former(manifest: &Path, graph: &str) -> Vec<String> {
    const MOST: u64 = 16 << 20;
    let Ok(bytes) = input_file::read(manifest, MOST) else { return vec![] };
    let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else { return vec![] };
    if manifest["manifest"].is_null() || manifest["graph"] != graph {
        return vec![];
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let kernels = list(&manifest["targets"]).into_iter().flat_map(|target| list(&target["kernels"]));
    let variants = kernels.flat_map(|kernel| list(&kernel["variants"]));
    let files = variants.filter_map(|variant| variant["file"].as_str().map(str::to_owned));
    files.chain([MANIFEST.to_owned()]).collect()
}

fn machine(a: &Compile, c: &Compiled) -> Value {
    let mut ms: Map<String, Value> = c.phases.iter().map(|(p, t)| ((*p).to_owned(), milliseconds(*t).into())).collect();
    ms.insert("total".to_owned(), c.phases.iter().map(|p| milliseconds(p.1)).sum::<f64>().into());
    json!({ "name": c.stem, "code": a.out.join(&c.file), "code_bytes": c.artifact.code.len(), "ms": ms })
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
