//! Times of shapes on a GPU: medians of replays of captured launches, taken in turn.

use super::super::{Engine, Lowered, records};
use super::{KernelTuning, TuneOptions, TuneReport};
use crate::error::Error;
use crate::exec::{GpuExecution, Room, ordinary_inputs};
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, Schedule, Variant};
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Diagnostics, Graph, Verified};
use routefuse_passes::schedule::search;
use routefuse_runtime::gpu::{Gpu, GpuPlan};
use routefuse_runtime::{KernelCache, KeyText, Plan, Progress};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// With more rows than this a replay has fewer launches.
const MANY_ROWS: u64 = 16_384;

/// Tunes a graph on a GPU.
pub(super) fn tune<D: Room>(
    engine: &Engine,
    graph: &Verified<Graph>,
    gpu: &Gpu<D>,
    options: &TuneOptions,
    pool: Option<&ThreadPool>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<TuneReport, Error> {
    let target = gpu.target()?;
    let (card, driver) = D::names(gpu)?;
    let lowered = engine.lowered(graph, target, &options.graph)?;
    let kernels = lowered.kernels().len();
    let measure = Measure {
        engine,
        graph,
        gpu,
        stream: D::stream(gpu)?,
        target,
        options,
        pool,
        progress,
        program: lowered.program().clone(),
    };
    // The kernels beside the one that is tuned follow the records that there are.
    let mut schedules: Vec<Schedule> = lowered.kernels().iter().map(|k| k.schedule.clone()).collect();
    let built_in = Lowered::of(graph, target, &options.graph, &engine.cancel, &|_| None)?;
    let records = built_in.kernels().iter().map(|k| records::record(engine, k).map(|(key, _)| key));
    let keys: Vec<Option<KeyText>> = records.collect();
    let mut tuned: Vec<KernelTuning> = Vec::new();
    for (first, scheduled) in built_in.kernels().iter().enumerate() {
        let Some(key) = keys[first].clone() else { continue };
        // Equal kernels have one record.
        if keys[..first].contains(&keys[first]) {
            continue;
        }
        let steps: Vec<usize> = (first..keys.len()).filter(|s| keys[*s] == keys[first]).collect();
        let began = Instant::now();
        let mut rounds = 0;
        let found = search(&scheduled.kernel, target, &options.rows, options.margin, |shapes| {
            rounds += 1;
            if rounds > 1 && began.elapsed() > options.limit {
                return Ok(vec![]);
            }
            measure.times(&steps, &schedules, shapes)
        });
        let Some(found) = found? else { continue };
        let (rows, trials, shapes) = (options.rows.clone(), found.trials, found.shapes);
        let tuning = Tuning { card: card.clone(), driver: driver.clone(), shapes, rows, trials };
        for step in steps {
            schedules[step] = schedules[step].clone().with_shapes(tuning.shapes.clone());
        }
        let kept = options.keep.then(|| engine.kernels.keep_tuning(&key, tuning.clone()));
        let disk = engine.kernels.disk().filter(|_| kept.as_ref().is_some_and(|kept| kept.on_disk));
        let file = disk.map(|disk| disk.path(key.key()));
        let kernel = scheduled.kernel.name.clone();
        tuned.push(KernelTuning { kernel, key, built_in: found.built_in, tuning, kept, file });
    }
    let dim = graph.symbols.first().map_or("rows", String::as_str).to_owned();
    Ok(TuneReport { graph: graph.name.clone(), dim, device: gpu.device(), card, driver, target, kernels, tuned })
}

/// What all measurements of a graph share.
struct Measure<'a, D: Room> {
    engine: &'a Engine,
    graph: &'a Verified<Graph>,
    gpu: &'a Gpu<D>,
    stream: Arc<D::Own>,
    target: Target,
    options: &'a TuneOptions,
    pool: Option<&'a ThreadPool>,
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
    program: Program,
}

impl<D: Room> Measure<'_, D> {
    /// For each shape of these steps' schedule, the nanoseconds of a launch of the program over each number of rows.
    fn times(&self, steps: &[usize], schedules: &[Schedule], shapes: &[RowShape]) -> Result<Vec<Vec<u64>>, Error> {
        // Candidates are kept nowhere but here.
        let cache = Arc::new(KernelCache::new());
        let plan = |shape: &RowShape| -> Result<Arc<Plan>, Error> {
            let mut schedules = schedules.to_vec();
            for step in steps {
                schedules[*step] = schedules[*step].clone().with_shape(*shape);
            }
            let (compiler, cache) = (Arc::clone(self.engine.compiler()?), Arc::clone(&cache));
            Ok(Arc::new(Plan::new(self.program.clone(), schedules, self.target, compiler, cache)?))
        };
        let done = AtomicUsize::new(0);
        let load = |shape: &RowShape| -> Result<Arc<GpuPlan<D>>, Error> {
            let plan = GpuPlan::new(plan(shape)?, self.gpu)?;
            plan.prepare_where(|_, variant| likely(variant))?;
            let kernel = &plan.plan().kernels()[steps[0]].kernel.name;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(Progress::of(done, shapes.len(), kernel, Variant::GPU[0]));
            Ok(Arc::new(plan))
        };
        let plans: Vec<Result<Arc<GpuPlan<D>>, Error>> = match self.pool {
            Some(pool) => pool.install(|| shapes.par_iter().map(load).collect()),
            None => shapes.iter().map(load).collect(),
        };
        let plans = plans.into_iter().collect::<Result<Vec<_>, Error>>()?;
        let mut times = vec![Vec::with_capacity(self.options.rows.len()); shapes.len()];
        for rows in &self.options.rows {
            self.engine.cancel.check()?;
            let medians = self.medians(&plans, *rows)?;
            for (all, ns) in times.iter_mut().zip(medians) {
                all.push(ns);
            }
        }
        Ok(times)
    }

    /// Nanoseconds of a launch of each plan over this many rows. The plans take turns, so that what else the machine does, and
    /// what becomes of the card's clocks, meets all alike; and they have the same memory.
    fn medians(&self, plans: &[Arc<GpuPlan<D>>], rows: u64) -> Result<Vec<u64>, Error> {
        let Some(one) = plans.first() else { return Ok(vec![]) };
        let given = self.graph.dims_of_rows(rows);
        let inputs = ordinary_inputs(self.graph, rows, self.options.seed);
        let first = GpuExecution::new(Arc::clone(one), &self.stream, &inputs, &given).map_err(|e| smaller(e, rows))?;
        drop(inputs);
        let executions = plans.iter().map(|plan| {
            let execution = first.with_plan(Arc::clone(plan));
            match execution.launch(1) {
                // Rows whose stride is no multiple of 16 bytes have the variant that assumes nothing.
                Err(e) if e.code == Code::NotPrepared => {
                    plan.prepare()?;
                    execution.launch(1)?;
                }
                launched => launched?,
            }
            Ok(execution)
        });
        let executions = executions.collect::<Result<Vec<_>, Error>>()?;
        let launches = u64::from(self.options.launches);
        let launches = if rows > MANY_ROWS { launches.div_ceil(5) } else { launches };
        let mut captured = executions.iter().map(|e| e.captured(launches)).collect::<Result<Vec<_>, _>>()?;
        let began = Instant::now();
        while began.elapsed() < self.options.warm_up {
            captured[0].launch_us()?;
        }
        let mut samples = vec![Vec::new(); captured.len()];
        for round in 0..=self.options.samples {
            for (captured, samples) in captured.iter_mut().zip(&mut samples) {
                let us = captured.launch_us()?;
                // The first replay of a graph is slower.
                if round > 0 {
                    samples.push((us * 1e3).round() as u64);
                }
            }
        }
        let median = |mut samples: Vec<u64>| {
            samples.sort_unstable();
            samples[samples.len() / 2]
        };
        Ok(samples.into_iter().map(median).collect())
    }
}

/// What a card has no memory for may be left out.
fn smaller(e: Error, rows: u64) -> Error {
    let told = e.into_diagnostics().into_iter().map(|d| match d.code {
        Code::DriverFailed => Diagnostic::new(d.code, format!("{} (for {rows} rows)", d.message))
            .help("measure fewer rows: `--dim`, or `TuneOptions::rows`"),
        _ => d,
    });
    told.collect::<Diagnostics>().into()
}

/// The variant of nearly every launch.
fn likely(variant: Variant) -> bool {
    variant.aligned && variant.narrow
}
