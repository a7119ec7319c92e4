//! `routefuse bench`.

use crate::args::{Bench, CacheOptions, DeviceChoice, Extents};
use crate::failure::Failure;
use crate::{gpu, hip, interrupt, output, progress, source, timed_rows, timing};
use routefuse::diag::{Code, Diagnostic, visible};
use routefuse::exec::{HostExecution, check_size};
use routefuse::inspect::compiler_info;
use routefuse::{Engine, Graph, HostPlan, Options, Plan, Target};
use serde_json::json;
use std::io::Write;

/// The extents that are timed unless others are given.
const EXTENTS: [u64; 4] = [1, 64, 4096, 65_536];

pub fn run(a: &Bench, cache: &CacheOptions) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    let values = extents(&graph, a.dim.as_ref())?.unwrap_or_else(|| default_extents(&graph));
    for &value in &values {
        check_size(&graph, &graph.extents_of_rows(value))?;
    }
    if let DeviceChoice::Cuda(ordinal) = a.on.device {
        return gpu::bench(a, cache, &graph, &values, ordinal);
    }
    if let DeviceChoice::Hip(ordinal) = a.on.device {
        return hip::bench(a, cache, &graph, &values, ordinal);
    }
    if a.graph_replay {
        let message = "`--graph-replay` times CUDA and HIP graphs, which the host has not";
        return Err(Diagnostic::new(Code::NoDevice, message).help("add `--device cuda:0` or `--device hip:0`").into());
    }
    let engine = Engine::builder().cancel(interrupt::cancel()).build()?;
    let plans = progress::compiling(|bar| {
        let plan = |options: &Options| engine.compile(&graph, &Target::host(), options);
        let plans = [plan(&Options::default())?, plan(&Options::unfused())?];
        Plan::prepare_all(&plans, None, &bar.report())?;
        Ok::<_, Failure>(plans)
    })?;
    let [fused, unfused] = plans.map(HostPlan::new);
    let (fused, unfused) = (fused?, unfused?);
    let (kernels, unfused_kernels) = (fused.plan().kernels().len(), unfused.plan().kernels().len());
    let dim = timing::dim(&graph);
    let heading = visible(dim);
    let mut out = output::stdout(a.json);
    let mut rows = Vec::new();
    if !a.json {
        let s = if kernels == 1 { "" } else { "s" };
        writeln!(
            out,
            "@{} on the host, one thread: {kernels} kernel{s}, unfused {unfused_kernels}",
            visible(&graph.name)
        )?;
        writeln!(out, "µs of one launch, with every check; a copy reads and writes as many bytes in all\n")?;
        writeln!(
            out,
            "{heading:>9} {:>11} {:>11} {:>11} {:>7} {:>11} {:>7}",
            "bytes", "fused", "unfused", "ratio", "copy", "of copy"
        )?;
    }
    progress::showing(|bar| {
        for (i, &value) in values.iter().enumerate() {
            bar.show(i, values.len(), &format!("{dim} = {value}"));
            let given = graph.dims_of_rows(value);
            let inputs = timed_rows::inputs(&graph, value, a);
            let mut one = HostExecution::new(fused.clone(), &inputs, &given)?;
            let mut many = HostExecution::new(unfused.clone(), &inputs, &given)?;
            let (f, u) = timing::launches_us(&mut one, &mut many)?;
            let (read, written) = one.bytes();
            let bytes = read + written;
            let copy = timing::copy_us(bytes);
            if a.json {
                rows.push(json!({
                    "extent": value, "bytes": bytes, "fused_us": f, "unfused_us": u, "unfused_over_fused": u / f,
                    "copy_us": copy, "copy_over_fused": copy / f,
                }));
            } else {
                let (ratio, of_copy) = (u / f, copy / f * 100.0);
                let line =
                    format!("{value:>9} {bytes:>11} {f:>11.3} {u:>11.3} {ratio:>6.1}x {copy:>11.3} {of_copy:>6.0}%");
                bar.aside(|| writeln!(out, "{line}"))?;
            }
        }
        Ok::<_, Failure>(())
    })?;
    if a.json {
        let json = json!({
            "graph": graph.name, "target": "host", "processor": compiler_info().cpu, "threads": 1, "dim": dim, "kernels": kernels,
            "unfused_kernels": unfused_kernels, "results": rows,
        });
        writeln!(out, "{json:#}")?;
    }
    Ok(())
}

/// The extents that are timed unless others are given.
fn default_extents(graph: &Graph) -> Vec<u64> {
    if graph.symbols.is_empty() { vec![1] } else { EXTENTS.to_vec() }
}

/// The values that are given, which every dim of the graph takes in turn.
///
/// # Errors
/// `RF0203` if the graph has no dim of this name.
pub fn extents(graph: &Graph, given: Option<&(String, Extents)>) -> Result<Option<Vec<u64>>, Diagnostic> {
    match (given, graph.symbols.first()) {
        (Some((name, _)), first) if !graph.symbols.contains(name) => {
            let help = match first {
                Some(dim) => format!("write `--dim {dim}=1,64,4096`"),
                None => "it has none; leave out `--dim`".to_owned(),
            };
            Err(Diagnostic::new(Code::UndefinedDim, format!("`@{}` has no dim `{name}`", graph.name)).help(help))
        }
        (given, _) => Ok(given.map(|(_, values)| values.0.clone())),
    }
}
