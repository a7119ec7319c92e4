//! What only AMD GPUs have: times taken there, and what they are.

mod timer;

use crate::args::{Bench, CacheOptions, Versus};
use crate::failure::Failure;
use crate::gpu_bench::{self, MOST_ROWS_FOR_HOST, Timed};
use crate::progress::{self, Bar};
use crate::timing::dim;
use crate::{output, timed_rows};
use routefuse::diag::{Diagnostic, visible};
use routefuse::exec::HipExecution;
use routefuse::hip::{Gpu, GpuInfo, HipPlan, Stream};
use routefuse::{Graph, Options, Verified};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;
use timer::Timer;

/// Every GPU in words and as JSON.
///
/// # Errors
/// `RF0809` without a HIP runtime, or with one that is too old.
pub fn describe() -> Result<Vec<(String, Value)>, Diagnostic> {
    let mut all = Vec::new();
    for ordinal in 0..Gpu::count()? {
        let i = Gpu::open(ordinal)?.info()?;
        let target = i.target.map_or("none", routefuse::Target::name);
        let text = format!(
            "hip:{ordinal}  {}, {}, {} compute units, {} MiB; target {target}; runtime {}",
            i.name,
            i.architecture,
            i.compute_units,
            i.memory >> 20,
            i.driver
        );
        let json = json!({
            "device": format!("hip:{ordinal}"), "name": i.name, "architecture": i.architecture,
            "compute_units": i.compute_units, "memory_bytes": i.memory, "target": target, "hip": i.driver.to_string(),
        });
        all.push((text, json));
    }
    Ok(all)
}

/// Times every extent.
///
/// # Errors
/// `RF0809` if there is no such GPU; what compiling, loading and launching report.
pub fn bench(
    a: &Bench,
    cache: &CacheOptions,
    graph: &Verified<Graph>,
    values: &[u64],
    ordinal: u32,
) -> Result<(), Failure> {
    let plans = progress::compiling(|bar| Plans::new(a, cache, graph, ordinal, bar))?;
    let stream = Arc::new(Stream::new(&plans.gpu)?);
    let timer = Timer { gpu: &plans.gpu, stream: &stream, replay: a.graph_replay };
    timer.warm_up()?;
    let mut out = output::stdout(a.json);
    if !a.json {
        plans.head(a, graph, &mut out)?;
    }
    let rows = gpu_bench::each(a, graph, values, &mut out, |value| plans.measure(a, graph, &timer, value))?;
    if a.json {
        writeln!(out, "{:#}", plans.machine(a, graph, rows))?;
    }
    Ok(())
}

/// The plans that are timed, loaded on the GPU.
struct Plans {
    gpu: Gpu,
    info: GpuInfo,
    fused: Arc<HipPlan>,
    unfused: Option<Arc<HipPlan>>,
    /// Milliseconds from the graph to the loaded fused plan.
    cold_ms: f64,
    compiled: u64,
    /// Kernels whose shapes are those of a record.
    tuned: usize,
}

impl Plans {
    fn new(
        a: &Bench,
        cache: &CacheOptions,
        graph: &Verified<Graph>,
        ordinal: u32,
        bar: &Bar,
    ) -> Result<Plans, Failure> {
        let gpu = Gpu::open(ordinal)?;
        let info = gpu.info()?;
        let engine = gpu_bench::engine(cache)?;
        let pool = gpu_bench::pool()?;
        let plan = |fuse: bool| -> Result<Arc<HipPlan>, Failure> {
            let options = Options::default().fuse(fuse).shape(a.forced.shape);
            let plan = HipPlan::new(engine.compile(graph, &gpu.target()?, &options)?, &gpu)?;
            plan.prepare_telling(&pool, &bar.report())?;
            Ok(Arc::new(plan))
        };
        let start = Instant::now();
        let fused = plan(true)?;
        let cold_ms = start.elapsed().as_secs_f64() * 1e3;
        let compiled = engine.counters().compiles;
        let tuned = gpu_bench::tuned(&engine, graph, fused.plan().target(), a)?;
        let unfused = if a.vs == Versus::Unfused { Some(plan(false)?) } else { None };
        Ok(Plans { gpu, info, fused, unfused, cold_ms, compiled, tuned })
    }

    fn measure(&self, a: &Bench, graph: &Verified<Graph>, timer: &Timer<'_>, value: u64) -> Result<Row, Failure> {
        let count = gpu_bench::launches(value);
        let given = graph.dims_of_rows(value);
        let inputs = timed_rows::inputs(graph, value, a);
        let execution = |plan: &Arc<HipPlan>| HipExecution::new(Arc::clone(plan), timer.stream, &inputs, &given);
        let fused = execution(&self.fused)?;
        let (read, written) = fused.bytes();
        let bytes = read + written;
        let fused_us = timer.gpu_us(count, |n| fused.launch(n))?;
        let copy_us = timer.copy_us(count, bytes)?;
        let unfused_us = match &self.unfused {
            Some(plan) => {
                let unfused = execution(plan)?;
                Some(timer.gpu_us(count, |n| unfused.launch(n))?)
            }
            None => None,
        };
        let host_us = if value <= MOST_ROWS_FOR_HOST { Some(timer.host_us(|n| fused.launch(n))?) } else { None };
        Ok(Row { value, bytes, fused_us, unfused_us, copy_us, host_us })
    }

    fn head(&self, a: &Bench, graph: &Graph, out: &mut impl Write) -> std::io::Result<()> {
        let Plans { info, fused, unfused, cold_ms, compiled, tuned, gpu } = self;
        let how = if a.graph_replay { "replays of a HIP graph" } else { "launches on a stream" };
        let (name, device) = (visible(&graph.name), gpu.device());
        writeln!(out, "@{name} on {device}, {}, {}, runtime {}:", info.name, info.architecture, info.driver)?;
        writeln!(out, "{how}")?;
        let others = unfused.as_ref().map_or_else(String::new, |u| format!(", unfused {}", kernels(u)));
        let tuned = gpu_bench::tuned_text(*tuned);
        writeln!(out, "kernels {}{tuned}{others}; {compiled} compiled, loaded in {cold_ms:.1} ms", kernels(fused))?;
        writeln!(out, "µs of one launch; a copy reads and writes as many bytes in all\n")?;
        let dim = visible(dim(graph));
        writeln!(
            out,
            "{dim:>9} {:>11} {:>9} {:>9} {:>9} {:>8} {:>9}",
            "bytes", "fused", "unfused", "copy", "of copy", "host"
        )
    }

    fn machine(&self, a: &Bench, graph: &Graph, rows: Vec<Value>) -> Value {
        let Plans { info, fused, unfused, cold_ms, compiled, tuned, gpu } = self;
        json!({
            "graph": graph.name, "device": gpu.device().to_string(), "card": info.name,
            "architecture": info.architecture, "hip": info.driver.to_string(),
            "target": fused.plan().target().name(), "graph_replay": a.graph_replay, "dim": dim(graph),
            "kernels": kernels(fused), "tuned_kernels": tuned, "unfused_kernels": unfused.as_ref().map(kernels), "cold_ms": cold_ms,
            "compiled": compiled, "results": rows,
        })
    }
}

fn kernels(plan: &Arc<HipPlan>) -> usize {
    plan.plan().program().kernels_of_many_rows()
}

/// The times of one extent, in microseconds of one launch.
struct Row {
    value: u64,
    bytes: u64,
    fused_us: f64,
    unfused_us: Option<f64>,
    copy_us: f64,
    host_us: Option<f64>,
}

impl Timed for Row {
    fn line(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Row { value, bytes, fused_us, unfused_us, copy_us, host_us } = self;
        let shown = |us: &Option<f64>| us.map_or_else(|| "–".to_owned(), |us| format!("{us:.2}"));
        let (unfused, host, of_copy) = (shown(unfused_us), shown(host_us), copy_us / fused_us * 100.0);
        writeln!(out, "{value:>9} {bytes:>11} {fused_us:>9.2} {unfused:>9} {copy_us:>9.2} {of_copy:>7.0}% {host:>9}")
    }

    fn machine(&self) -> Value {
        json!({
            "extent": self.value, "bytes": self.bytes, "fused_us": self.fused_us, "unfused_us": self.unfused_us,
            "copy_us": self.copy_us, "copy_over_fused": self.copy_us / self.fused_us, "host_us": self.host_us,
        })
    }
}
