//! The whole of it, on as many threads as there are processors.

use super::agreement::{Bands, Expected, Outcomes, Place, agree, at};
use super::vendor::Vendor;
use super::{aligns, control, streams};
use crate::bins::Align;
use crate::memory::Alignment;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_ir::kernel::schedule::{RowShape, Variant};
use routefuse_ir::program::{Program, Step};
use routefuse_ir::target::Target;
use routefuse_ir::{Diagnostics, Graph, Verified, text};
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::{candidate_shapes, schedule_of};
use routefuse_runtime::gpu::{Gpu, GpuPlan};
use routefuse_runtime::{Compiler, KernelCache, Plan};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Instant;

/// What is launched, and what compiles it.
pub struct Code {
    /// By name.
    pub graphs: Vec<(String, Verified<Graph>)>,
    /// Random graphs.
    pub random: Vec<Random>,
    /// Alignments, which are launched with items of any number and kind.
    pub aligns: Vec<Align>,
    /// The compiler, or a pack.
    pub compiler: Arc<dyn Compiler>,
    /// What the code is for.
    pub target: Target,
}

/// What most of the operations of a random graph do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Nothing crosses columns.
    WithinColumns,
    /// Half of them are on rows.
    OnRows,
    /// A third of them are on bins, across rows.
    OnBins,
}

impl Drawn {
    /// All of them, with the name of the list of seeds in the index of a pack.
    pub const ALL: [(Drawn, &str); 3] =
        [(Drawn::WithinColumns, "seeds"), (Drawn::OnRows, "seeds_of_rows"), (Drawn::OnBins, "seeds_of_bins")];
}

/// A random graph, by what it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    /// Its operations.
    pub drawn: Drawn,
    /// Of the choices.
    pub seed: u64,
}

impl Random {
    /// The graph, if the verifier takes it.
    pub fn graph(self) -> Option<Verified<Graph>> {
        let profile = match self.drawn {
            Drawn::WithinColumns => &Profile::FLAT,
            Drawn::OnRows => &Profile::ROWS,
            Drawn::OnBins => &Profile::BINS,
        };
        graph::of_seed(self.seed, profile).graph.ok()
    }

    /// The shape that it is tried in, of those it may have; none for the schedule's own, which one of three has.
    pub fn shape(self, shapes: &[RowShape]) -> Option<RowShape> {
        let forced = !self.seed.is_multiple_of(3) && !shapes.is_empty();
        forced.then(|| shapes[(self.seed / 3) as usize % shapes.len()])
    }
}

impl Display for Random {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of = match self.drawn {
            Drawn::WithinColumns => "",
            Drawn::OnRows => " of rows",
            Drawn::OnBins => " of bins",
        };
        write!(f, "random graph{of} {}", self.seed)
    }
}

/// Each shape is forced for this many rows at most: several blocks of any.
const MOST_ROWS_OF_A_SHAPE: u64 = 600;

/// How much of it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Rows of every graph.
    pub extents: Vec<u64>,
    /// Only graphs with this in their name, if any, and then nothing else.
    pub only: Option<String>,
    /// Allocations that this thread has made so far, if something counts them.
    pub allocations: Option<fn() -> u64>,
    /// A tool watches every access: nothing but one launch after the other, of every variant and random graph, on allocations
    /// that end with the tensor.
    pub watched: bool,
    /// Of all graphs only those whose number leaves the first when divided by the second.
    pub part: (usize, usize),
    /// Threads that launch one plan at once, and launches of each.
    pub threads: (u64, u64),
    /// Kinds of inputs, the most hostile first; of many rows the first alone.
    pub rules: &'static [Rule],
    /// The most items of an alignment.
    pub items: u64,
    /// Replays of the captured launch of an alignment, each with other contents.
    pub replays: u64,
}

impl Scope {
    /// Everything.
    pub fn full() -> Scope {
        let extents = vec![0, 1, 2, 7, 31, 33, 127, 512, 2049, 4097, 65_536];
        let rules = &[Rule::Hostile, Rule::Mixed, Rule::Ids, Rule::Rows, Rule::Close];
        let (items, replays) = (u64::MAX, 10_000);
        Scope {
            extents,
            only: None,
            allocations: None,
            watched: false,
            part: (0, 1),
            threads: (8, 25),
            rules,
            items,
            replays,
        }
    }

    /// A first look.
    pub fn quick() -> Scope {
        Scope { extents: vec![0, 1, 33, 512], replays: 500, ..Scope::full() }
    }

    /// What an emulator gets through in seconds.
    pub fn emulated() -> Scope {
        let (extents, rules) = (vec![0, 1, 33], &[Rule::Hostile]);
        Scope { extents, threads: (2, 3), rules, items: 200, replays: 3, ..Scope::full() }
    }

    /// What a tool that runs a hundred times slower can watch.
    pub fn watched() -> Scope {
        let (extents, rules) = (vec![1, 33], &[Rule::Hostile]);
        Scope { extents, watched: true, rules, items: 2000, replays: 0, ..Scope::full() }
    }

    pub(super) fn place(&self, alignment: Alignment) -> Place {
        Place { alignment, bands: if self.watched { Bands::Nothing } else { Bands::Guards } }
    }

    /// The part's.
    pub(super) fn mine<'w, W>(&self, work: impl Iterator<Item = &'w W>) -> Vec<&'w W> {
        let (this, parts) = self.part;
        work.skip(this).step_by(parts.max(1)).collect()
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Graphs.
    pub graphs: u64,
    /// Launches whose memory was compared, and refusals that were asked for.
    pub checks: u64,
    /// Of them, wrong.
    pub failures: u64,
}

impl Code {
    /// A graph's plan on the host; nothing is compiled yet.
    ///
    /// # Errors
    /// As the passes report them.
    pub fn plan(&self, g: &Verified<Graph>) -> Result<Arc<Plan>, String> {
        self.plan_in(g, None)
    }

    /// As [`Code::plan`]; row schedules have this shape alone, if one is given.
    ///
    /// # Errors
    /// As the passes report them.
    pub fn plan_in(&self, g: &Verified<Graph>, shape: Option<RowShape>) -> Result<Arc<Plan>, String> {
        // A plan's kernels are joined where they can be.
        let program = at("the passes", self.program(g))?;
        let schedule = |step: &Step| {
            let schedule = schedule_of(&step.kernel, self.target).within(step.rows_taken());
            shape.map_or(schedule.clone(), |shape| schedule.with_shape(shape))
        };
        let schedules = program.steps.iter().map(schedule).collect();
        let cache = Arc::new(KernelCache::new());
        Ok(Arc::new(at("the plan", Plan::new(program, schedules, self.target, Arc::clone(&self.compiler), cache))?))
    }

    fn program(&self, g: &Verified<Graph>) -> Result<Program, Diagnostics> {
        Ok(join(&compile_graph(g.clone(), &Options::default())?.program)?.program)
    }

    /// Every shape that the kernel of a graph that is one kernel may be tried in.
    ///
    /// # Errors
    /// As the passes report them.
    pub fn shapes(&self, g: &Verified<Graph>) -> Result<Vec<RowShape>, String> {
        let program = at("the passes", self.program(g))?;
        Ok(match &*program.steps {
            [step] => candidate_shapes(&step.kernel, self.target),
            _ => vec![],
        })
    }

    pub(super) fn on_gpu<D: Vendor>(&self, g: &Verified<Graph>, gpu: &Gpu<D>) -> Outcomes<GpuPlan<D>> {
        self.on_gpu_in(g, None, gpu)
    }

    fn on_gpu_in<D: Vendor>(&self, g: &Verified<Graph>, shape: Option<RowShape>, gpu: &Gpu<D>) -> Outcomes<GpuPlan<D>> {
        let plan = at("the plan", GpuPlan::new(self.plan_in(g, shape)?, gpu))?;
        at("prepare", plan.prepare())?;
        Ok(plan)
    }
}

/// Runs the suite and prints what it does.
///
/// # Errors
/// If the GPU cannot be used at all. What is wrong in a check is printed and counted.
pub fn run<D: Vendor>(code: &Code, gpu: &Gpu<D>, scope: &Scope) -> Result<Counts, String> {
    D::share_nothing(gpu);
    let mut counts = Counts::default();
    let start = Instant::now();
    let wanted = |name: &str| scope.only.as_ref().is_none_or(|only| name.contains(only));
    let graphs = scope.mine(code.graphs.iter().filter(|(name, _)| wanted(name)));
    counts.graphs += graphs.len() as u64;

    let mut plans = Vec::new();
    let prepared = shared(gpu, &graphs, |(name, g), _, _| code.on_gpu(g, gpu).map(|p| (name, g, p)))?;
    for ((name, _), plan) in graphs.iter().zip(prepared) {
        match plan {
            Ok(plan) => plans.push(plan),
            Err(e) => report(&mut counts, name, Err(e)),
        }
    }
    println!("{} graphs prepared in {:.1} s", plans.len(), start.elapsed().as_secs_f64());

    // The longest first.
    let mut extents = scope.extents.clone();
    extents.sort_unstable_by_key(|t| std::cmp::Reverse(*t));
    let mut work: Vec<_> = extents.iter().flat_map(|t| plans.iter().map(move |p| (*t, p))).collect();
    // And where a launch is another than with a row more.
    let most = extents.first().copied().unwrap_or(0);
    work.extend(plans.iter().flat_map(|p| {
        let rows = aligns::limits(&p.2).into_iter().flat_map(|t| [t.saturating_sub(1), t, t + 1]);
        rows.filter(|t| *t <= most && !extents.contains(t)).map(move |t| (t, p)).collect::<Vec<_>>()
    }));
    let done = shared(gpu, &work, |(t, (_, g, plan)), stream, _| every_variant(g, plan, stream, *t, scope))?;
    for ((t, (name, ..)), result) in work.iter().zip(done) {
        report(&mut counts, &format!("{name}, T = {t}"), result);
    }
    println!("every graph, variant and T: {} checks, {:.1} s", counts.checks, start.elapsed().as_secs_f64());

    let before = counts.checks;
    let mut shaped = Vec::new();
    for (name, g) in &graphs {
        match code.shapes(g) {
            Ok(shapes) => shaped.extend(shapes.into_iter().map(|shape| (name, g, shape))),
            Err(e) => report(&mut counts, name, Err(e)),
        }
    }
    let done = shared(gpu, &shaped, |(_, g, shape), stream, _| {
        let plan = code.on_gpu_in(g, Some(*shape), gpu)?;
        let extents = scope.extents.iter().filter(|t| (1..=MOST_ROWS_OF_A_SHAPE).contains(*t));
        extents.map(|t| every_variant(g, &plan, stream, *t, scope)).sum()
    })?;
    for ((name, _, shape), result) in shaped.iter().zip(done) {
        report(&mut counts, &format!("{name}, {shape}"), result);
    }
    println!(
        "every candidate shape: {} of them, {} checks, {:.1} s",
        shaped.len(),
        counts.checks - before,
        start.elapsed().as_secs_f64()
    );

    let before = counts.checks;
    let replayed: &[Prepared<'_, D>] = if scope.watched { &[] } else { &plans };
    let done = shared(gpu, replayed, |(_, g, plan), stream, _| {
        Ok(streams::replay(g, plan, stream, 33)? + streams::replay(g, plan, stream, 0)?)
    })?;
    for ((name, ..), result) in replayed.iter().zip(done) {
        report(&mut counts, &format!("{name}, replayed"), result);
    }
    println!("graphs of launches: {} replays, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());

    if scope.only.is_none() && !scope.watched && scope.part.1 == 1 {
        let before = counts.checks;
        control::single(code, gpu, scope, &plans, &mut counts)?;
        println!(
            "streams, threads, dependents, refusals: {} checks, {:.1} s",
            counts.checks - before,
            start.elapsed().as_secs_f64()
        );
    }

    let before = counts.checks;
    let drawn = scope.mine(code.random.iter().filter(|_| scope.only.is_none()));
    let done = shared(gpu, &drawn, |one, stream, _| random(code, gpu, **one, stream, scope))?;
    for (one, result) in drawn.iter().zip(done) {
        match result {
            Ok(None) => {}
            Ok(Some(checks)) => {
                counts.graphs += 1;
                counts.checks += checks;
            }
            Err(e) => report(&mut counts, &one.to_string(), Err(e)),
        }
    }
    println!("random graphs: {} launches, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());
    aligns::run(code, gpu, scope, &mut counts)?;
    Ok(counts)
}

/// Counts a result, and prints what is wrong.
pub(super) fn report(counts: &mut Counts, what: &str, result: Outcomes<u64>) {
    match result {
        Ok(checks) => counts.checks += checks,
        Err(e) => {
            counts.failures += 1;
            println!("FAILED {what}: {e}");
        }
    }
}

/// Work shared by threads, each with a stream; results in order.
pub(super) fn shared<D: Vendor, W: Sync, R: Send>(
    gpu: &Gpu<D>,
    work: &[W],
    each: impl Fn(&W, &D::Own, usize) -> R + Sync,
) -> Result<Vec<R>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(work.len().max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let worker = || -> Result<Vec<(usize, R)>, String> {
        D::enter(gpu)?;
        let stream = D::stream(gpu)?;
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(one) = work.get(i) else { return Ok(done) };
            done.push((i, each(one, &stream, i)));
        }
    };
    let results = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let join =
            |h: std::thread::ScopedJoinHandle<'_, _>| h.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()));
        handles.into_iter().map(join).collect::<Result<Vec<_>, String>>()
    })?;
    let mut all: Vec<(usize, R)> = results.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, r)| r).collect())
}

/// Every variant of the plan's kernels, on memory as that variant wants it, and what the launch itself chooses.
fn every_variant<D: Vendor>(
    g: &Verified<Graph>,
    plan: &GpuPlan<D>,
    stream: &D::Own,
    t: u64,
    scope: &Scope,
) -> Outcomes<u64> {
    let extents = g.extents_of_rows(t);
    // Interpreting many rows takes longest.
    let rules = &scope.rules[..if t > 10_000 { 1 } else { scope.rules.len() }];
    let mut variants: Vec<Option<Variant>> = vec![None];
    let (kernels, steps) = (plan.plan().kernels(), &plan.plan().program().steps);
    // Of several kernels, phases in each of their schedules.
    let of_rows = kernels.iter().zip(steps).filter(|(_, step)| step.is_taken_by(t)).map(|(k, _)| k);
    let tried = of_rows.into_iter().find(|k| kernels.len() == 1 || k.kernel.phases.is_some());
    let taken = tried.into_iter().flat_map(|k| k.variants().iter().filter(|v| k.schedule.takes(v.shape, t)));
    variants.extend(taken.copied().map(Some));
    let mut checks = 0;
    for (i, rule) in rules.iter().enumerate() {
        let seed = t * 31 + i as u64;
        let expected = Expected::new(g, plan, &extents, inputs(g, &extents, *rule, seed))?;
        let mut rng = Choices::seeded(seed);
        for variant in &variants {
            let mut launch = D::on(stream);
            if let Some(variant) = variant {
                launch = launch.variant(*variant);
            }
            for alignment in [Alignment::Sixteen, Alignment::Element] {
                if variant.is_some_and(|v| v.aligned != (alignment == Alignment::Sixteen)) {
                    continue;
                }
                let name = variant.map_or_else(|| "chosen".to_owned(), |v| v.to_string());
                let agreed = agree(plan, stream, &expected, scope.place(alignment), launch, &mut rng);
                agreed.map_err(|e| format!("variant {name}, {rule:?}, {alignment:?}: {e}"))?;
                checks += 1;
            }
        }
    }
    Ok(checks)
}

/// A random graph with three choices of extents, phases in each of their schedules; none if the verifier refuses it.
fn random<D: Vendor>(code: &Code, gpu: &Gpu<D>, one: Random, stream: &D::Own, scope: &Scope) -> Outcomes<Option<u64>> {
    let Some(g) = one.graph() else { return Ok(None) };
    let shape = one.shape(&code.shapes(&g)?);
    let plan = code.on_gpu_in(&g, shape, gpu)?;
    let mut rng = Choices::seeded(one.seed);
    let mut checks = 0;
    for launch in 0..3 {
        let extents = graph::extents(&g, &mut rng);
        let expected = Expected::new(&g, &plan, &extents, inputs(&g, &extents, Rule::Mixed, one.seed))?;
        let alignment = if launch == 0 { Alignment::Sixteen } else { Alignment::Element };
        let dependent = D::on(stream).dependent(launch == 2);
        let named = |e: String| format!("shape {shape:?}, extents {extents:?}: {e}\n{}", text::print(&g));
        agree(&plan, stream, &expected, scope.place(alignment), dependent, &mut rng).map_err(named)?;
        checks += 1;
        // Phases in one launch and in two, whatever the rows.
        for variant in aligns::forced(&plan, alignment, extents.iter().copied().max().unwrap_or(0)) {
            agree(&plan, stream, &expected, scope.place(alignment), dependent.variant(variant), &mut rng)
                .map_err(|e| named(format!("variant {variant}: {e}")))?;
            checks += 1;
        }
    }
    Ok(Some(checks))
}

/// A graph of this name among the plans.
pub(super) fn named<'p, D: Vendor>(
    plans: &'p [Prepared<'_, D>],
    name: &str,
) -> Outcomes<(&'p Verified<Graph>, &'p GpuPlan<D>)> {
    let found = plans.iter().find(|(n, ..)| *n == name);
    found.map(|(_, g, plan)| (*g, plan)).ok_or_else(|| format!("there is no graph `{name}`"))
}

/// A graph and its plan, by name.
pub type Prepared<'a, D> = (&'a String, &'a Verified<Graph>, GpuPlan<D>);
