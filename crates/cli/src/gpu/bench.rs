//! `routefuse bench --device cuda:0`.

use super::memory::Memory;
use super::timer::{Bare, Timer};
use super::{driver, open, pool};
use crate::args::{Bench, CacheOptions, Versus};
use crate::failure::Failure;
use crate::{kernel_cache, random};
use routefuse::cuda::{CudaPlan, Gpu};
use routefuse::{Diagnostic, Engine, Graph, Options, Plan, Tensor, Verified};
use serde_json::json;
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
    let gpu = open(ordinal)?;
    let info = gpu.info()?;
    // Without a directory of its own, a bench compiles.
    let engine = if cache.cache_dir.is_some() { kernel_cache::engine(cache)? } else { Engine::builder().build()? };
    let pool = pool()?;
    let plan = |fuse: bool| -> Result<CudaPlan, Failure> {
        let plan = CudaPlan::new(engine.compile(graph, &gpu.target()?, &Options { fuse })?, &gpu)?;
        plan.prepare_on(&pool)?;
        Ok(plan)
    };
    let start = Instant::now();
    let fused = plan(true)?;
    let cold_ms = start.elapsed().as_secs_f64() * 1e3;
    let counters = engine.counters();
    let prepare_ms = prepare_ms(&fused)?;
    let unfused = if a.vs == Versus::Unfused { Some(plan(false)?) } else { None };
    let kernels = |plan: &CudaPlan| plan.plan().program().steps.len();
    let stream = gpu.context().new_stream().map_err(driver("a stream"))?;
    let timer = Timer { stream: &stream, replay: a.graph_replay };
    let empty = Bare::empty(gpu.context())?;
    let bare = fused.artifacts()?.first().map(|artifact| Bare::of(gpu.context(), &stream, artifact)).transpose()?;
    let dim = graph.symbols.first().map_or("rows", String::as_str);
    timer.warm_up()?;
    let empty_us = timer.gpu_us(50, |n| empty.times(&stream, n))?;

    let mut out = std::io::stdout().lock();
    let mut rows = Vec::new();
    if !a.json {
        let how = if a.graph_replay { "replays of a CUDA graph" } else { "launches on a stream" };
        writeln!(out, "@{} on cuda:{ordinal}, {}, driver for {}: {how}", graph.name, info.name, info.driver)?;
        let others = unfused.as_ref().map_or_else(String::new, |u| format!(", unfused {}", kernels(u)));
        writeln!(
            out,
            "kernels {}{others}; {} compiled, {} assembled, loaded in {cold_ms:.1} ms",
            kernels(&fused),
            counters.compiles,
            counters.assembled
        )?;
        writeln!(out, "loaded again from machine code in {prepare_ms:.2} ms; µs of one launch")?;
        writeln!(out, "an empty kernel {empty_us:.2}; a copy reads and writes as many bytes in all\n")?;
        writeln!(
            out,
            "{dim:>9} {:>11} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>9} {:>7}",
            "bytes", "fused", "dependent", "unfused", "copy", "of copy", "host", "driver", "above"
        )?;
    }
    for &value in values {
        let given: Vec<(&str, u64)> = graph.symbols.iter().map(|s| (s.as_str(), value)).collect();
        let inputs = inputs(graph, value, a.seed);
        let memory = Memory::new(graph, &fused, &stream, &inputs, &given)?;
        let many = |n: u64| if n > 100_000 { 5 } else { 50 };
        let us = timer.gpu_us(many(value), |n| memory.times(&fused, false, n))?;
        let dependent = timer.gpu_us(many(value), |n| memory.times(&fused, true, n))?;
        let copy = timer.copy_us(many(value), memory.bytes)?;
        let unfused_us = match &unfused {
            Some(plan) => {
                let memory = Memory::new(graph, plan, &stream, &inputs, &given)?;
                Some(timer.gpu_us(many(value), |n| memory.times(plan, false, n))?)
            }
            None => None,
        };
        // With many rows a stream fills up, and a launch waits for room.
        let host = if value <= 4096 {
            let launch = |n: u64| -> Result<(), Diagnostic> { memory.times(&fused, false, n) };
            let bare = |n: u64| -> Result<(), Diagnostic> { bare.as_ref().unwrap_or(&empty).times(&stream, n) };
            Some(timer.host_us([&launch, &bare])?)
        } else {
            None
        };
        let bytes = memory.bytes;
        if a.json {
            rows.push(json!({
                "extent": value, "bytes": bytes, "fused_us": us, "dependent_us": dependent, "unfused_us": unfused_us,
                "copy_us": copy, "copy_over_fused": copy / us, "host_us": host.map(|h| h[0]), "driver_us": host.map(|h| h[1]),
                "above_driver_us": host.map(|h| h[2]),
            }));
        } else {
            let shown = |us: Option<f64>| us.map_or_else(|| "–".to_owned(), |us| format!("{us:.2}"));
            let (u, [h, d, above]) = (shown(unfused_us), [0, 1, 2].map(|i| shown(host.map(|h| h[i]))));
            let of_copy = copy / us * 100.0;
            writeln!(
                out,
                "{value:>9} {bytes:>11} {us:>9.2} {dependent:>9.2} {u:>9} {copy:>9.2} {of_copy:>7.0}% {h:>8} {d:>9} {above:>7}"
            )?;
        }
    }
    if a.json {
        let json = json!({
            "graph": graph.name, "device": format!("cuda:{ordinal}"), "card": info.name, "cuda": info.driver.to_string(),
            "target": fused.plan().target().name(), "graph_replay": a.graph_replay, "dim": dim, "kernels": kernels(&fused),
            "unfused_kernels": unfused.as_ref().map(kernels), "cold_ms": cold_ms, "compiled": counters.compiles,
            "assembled": counters.assembled, "prepare_ms": prepare_ms, "empty_us": empty_us, "results": rows,
        });
        writeln!(out, "{json:#}")?;
    }
    Ok(())
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

/// Random inputs. A device scalar is a number of rows: all but an eighth.
fn inputs(graph: &Verified<Graph>, rows: u64, seed: u64) -> Vec<Tensor> {
    let mut inputs = random::inputs(graph, &vec![rows; graph.symbols.len()], seed);
    for input in inputs.iter_mut().filter(|t| t.shape().is_empty() && t.dtype().is_int() && t.dtype().size() >= 4) {
        input.set_bits(0, rows - rows / 8);
    }
    inputs
}
