//! `routefuse bench --device cuda:0`.

use super::timer::{Bare, Timer};
use super::{driver, open};
use crate::args::{Bench, CacheOptions, Versus};
use crate::failure::Failure;
use crate::gpu_bench::{self, MOST_ROWS_FOR_HOST, Timed};
use crate::progress::{self, Bar};
use crate::timing::dim;
use crate::{output, timed_rows};
use routefuse::cuda::{CudaPlan, Gpu, GpuInfo, cudarc::driver::CudaStream};
use routefuse::diag::Diagnostic;
use routefuse::exec::CudaExecution;
use routefuse::{Graph, Options, Plan, Verified};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

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
    let bench = Launches::new(a, graph, &plans)?;
    let mut out = output::stdout(a.json);
    if !a.json {
        bench.head(&mut out)?;
    }
    let rows = gpu_bench::each(a, graph, values, &mut out, |value| bench.measure(value))?;
    if a.json {
        writeln!(out, "{:#}", bench.machine(rows))?;
    }
    Ok(())
}

/// The plans that are timed, loaded on the GPU, and what it took to load them.
struct Plans {
    ordinal: u32,
    gpu: Gpu,
    info: GpuInfo,
    fused: Arc<CudaPlan>,
    unfused: Option<Arc<CudaPlan>>,
    /// Milliseconds from the graph to the loaded fused plan.
    cold_ms: f64,
    /// Milliseconds of loading its machine code once more.
    prepare_ms: f64,
    compiled: u64,
    /// Kernels whose shapes are those of a record.
    tuned: usize,
    assembled: u64,
}

impl Plans {
    fn new(
        a: &Bench,
        cache: &CacheOptions,
        graph: &Verified<Graph>,
        ordinal: u32,
        bar: &Bar,
    ) -> Result<Plans, Failure> {
        let gpu = open(ordinal)?;
        let info = gpu.info()?;
        let engine = gpu_bench::engine(cache)?;
        let pool = gpu_bench::pool()?;
        let plan = |fuse: bool| -> Result<Arc<CudaPlan>, Failure> {
            let options = Options::default().fuse(fuse).shape(a.forced.shape);
            let plan = CudaPlan::new(engine.compile(graph, &gpu.target()?, &options)?, &gpu)?;
            plan.prepare_telling(&pool, &bar.report())?;
            Ok(Arc::new(plan))
        };
        let start = Instant::now();
        let fused = plan(true)?;
        let cold_ms = start.elapsed().as_secs_f64() * 1e3;
        let counters = engine.counters();
        let tuned = gpu_bench::tuned(&engine, graph, fused.plan().target(), a)?;
        let prepare_ms = prepare_ms(&fused)?;
        let unfused = if a.vs == Versus::Unfused { Some(plan(false)?) } else { None };
        let (compiled, assembled) = (counters.compiles, counters.assembled);
        Ok(Plans { ordinal, info, fused, unfused, cold_ms, prepare_ms, compiled, assembled, tuned, gpu })
    }
}

/// Milliseconds of loading a plan's machine code once more, on a handle of the GPU that has nothing loaded.
fn prepare_ms(plan: &CudaPlan) -> Result<f64, Diagnostic> {
    let gpu = Gpu::of(plan.gpu().context())?;
    let program = plan.plan().program().clone();
    // SAFETY: what the driver made of the compiler's code for this very program.
    let again = unsafe { Plan::from_artifacts(program, plan.plan().target(), plan.artifacts()?)? };
    let again = CudaPlan::new(Arc::new(again), &gpu)?;
    let start = Instant::now();
    again.prepare()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Everything that launches take.
struct Launches<'a> {
    options: &'a Bench,
    graph: &'a Verified<Graph>,
    plans: &'a Plans,
    stream: Arc<CudaStream>,
    /// A kernel that does nothing, and what it takes on the GPU.
    empty: Bare,
    empty_us: f64,
    /// The fused plan's first kernel, launched by the driver's call alone.
    bare: Option<Bare>,
}

impl<'a> Launches<'a> {
    fn new(options: &'a Bench, graph: &'a Verified<Graph>, plans: &'a Plans) -> Result<Launches<'a>, Failure> {
        let context = plans.gpu.context();
        let stream = context.new_stream().map_err(driver("a stream"))?;
        let empty = Bare::empty(context)?;
        let artifacts = plans.fused.artifacts()?;
        let bare = artifacts.first().map(|artifact| Bare::of(context, &stream, artifact)).transpose()?;
        let timer = Timer { stream: &stream, replay: options.graph_replay };
        timer.warm_up()?;
        let empty_us = timer.gpu_us(50, |n| empty.times(&stream, n))?;
        Ok(Launches { options, graph, plans, empty, empty_us, bare, stream })
    }

    fn measure(&self, value: u64) -> Result<Row, Failure> {
        let timer = Timer { stream: &self.stream, replay: self.options.graph_replay };
        let count = gpu_bench::launches(value);
        let given = self.graph.dims_of_rows(value);
        let inputs = timed_rows::inputs(self.graph, value, self.options);
        let execution = |plan: &Arc<CudaPlan>| CudaExecution::new(Arc::clone(plan), &self.stream, &inputs, &given);
        let fused = execution(&self.plans.fused)?;
        let (read, written) = fused.bytes();
        let bytes = read + written;
        let fused_us = timer.gpu_us(count, |n| fused.launch(n))?;
        let dependent_us = timer.gpu_us(count, |n| fused.launch_dependent(n))?;
        let copy_us = timer.copy_us(count, bytes)?;
        let unfused_us = match &self.plans.unfused {
            Some(plan) => {
                let unfused = execution(plan)?;
                Some(timer.gpu_us(count, |n| unfused.launch(n))?)
            }
            None => None,
        };
        let host_us = if value <= MOST_ROWS_FOR_HOST {
            // The driver is called once for each kernel.
            let each = self.plans.fused.plan().launches(&self.graph.extents_of_rows(value))? as u64;
            let launch = |n: u64| fused.launch(n);
            let bare = |n: u64| self.bare.as_ref().unwrap_or(&self.empty).times(&self.stream, n * each);
            Some(timer.host_us([&launch, &bare])?)
        } else {
            None
        };
        Ok(Row { value, bytes, fused_us, dependent_us, unfused_us, copy_us, host_us })
    }

    fn head(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Plans { ordinal, info, fused, unfused, cold_ms, prepare_ms, compiled, assembled, tuned, gpu: _ } =
            self.plans;
        let how = if self.options.graph_replay { "replays of a CUDA graph" } else { "launches on a stream" };
        writeln!(out, "@{} on cuda:{ordinal}, {}, driver for {}:", self.graph.name, info.name, info.driver)?;
        writeln!(out, "{how}")?;
        let others = unfused.as_ref().map_or_else(String::new, |u| format!(", unfused {}", kernels(u)));
        let tuned = gpu_bench::tuned_text(*tuned);
        writeln!(
            out,
            "kernels {}{tuned}{others}; {compiled} compiled, {assembled} assembled, loaded in {cold_ms:.1} ms",
            kernels(fused)
        )?;
        writeln!(out, "loaded again from machine code in {prepare_ms:.2} ms; µs of one launch")?;
        writeln!(out, "an empty kernel {:.2}; a copy reads and writes as many bytes in all\n", self.empty_us)?;
        writeln!(
            out,
            "{:>7} {:>10} {:>7} {:>7} {:>7} {:>7} {:>7} {:>6} {:>6} {:>6}",
            dim(self.graph),
            "bytes",
            "fused",
            "depend.",
            "unfused",
            "copy",
            "of copy",
            "host",
            "driver",
            "above"
        )
    }

    fn machine(&self, rows: Vec<Value>) -> Value {
        let Plans { ordinal, info, fused, unfused, cold_ms, prepare_ms, compiled, assembled, tuned, gpu: _ } =
            self.plans;
        json!({
            "graph": self.graph.name, "device": format!("cuda:{ordinal}"), "card": info.name,
            "cuda": info.driver.to_string(), "target": fused.plan().target().name(),
            "graph_replay": self.options.graph_replay, "dim": dim(self.graph), "kernels": kernels(fused),
            "tuned_kernels": tuned, "unfused_kernels": unfused.as_ref().map(kernels), "cold_ms": cold_ms, "compiled": compiled,
            "assembled": assembled, "prepare_ms": prepare_ms, "empty_us": self.empty_us, "results": rows,
        })
    }
}

fn kernels(plan: &Arc<CudaPlan>) -> usize {
    plan.plan().program().kernels_of_many_rows()
}

/// The times of one extent, in microseconds of one launch.
struct Row {
    value: u64,
    bytes: u64,
    fused_us: f64,
    dependent_us: f64,
    unfused_us: Option<f64>,
    copy_us: f64,
    /// On the host: of a launch, of the driver's calls alone, as many as that launch makes, and what the first takes more.
    host_us: Option<[f64; 3]>,
}

impl Timed for Row {
    fn line(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Row { value, bytes, fused_us, dependent_us, unfused_us, copy_us, host_us } = self;
        let shown = |us: Option<f64>| us.map_or_else(|| "–".to_owned(), |us| format!("{us:.2}"));
        let (u, [h, d, above]) = (shown(*unfused_us), [0, 1, 2].map(|i| shown(host_us.map(|h| h[i]))));
        let of_copy = copy_us / fused_us * 100.0;
        writeln!(
            out,
            "{value:>7} {bytes:>10} {fused_us:>7.2} {dependent_us:>7.2} {u:>7} {copy_us:>7.2} {of_copy:>6.0}% {h:>6} {d:>6} {above:>6}"
        )
    }

    fn machine(&self) -> Value {
        json!({
            "extent": self.value, "bytes": self.bytes, "fused_us": self.fused_us, "dependent_us": self.dependent_us,
            "unfused_us": self.unfused_us, "copy_us": self.copy_us, "copy_over_fused": self.copy_us / self.fused_us,
            "host_us": self.host_us.map(|h| h[0]), "driver_us": self.host_us.map(|h| h[1]),
            "above_driver_us": self.host_us.map(|h| h[2]),
        })
    }
}
