//! The whole of it, on as many threads as there are processors.

use super::agreement::{Expected, Outcomes, agree, at};
use super::scope::{Counts, Scope};
use super::sharing::{report, shared, work_of};
use super::vendor::Vendor;
use super::{aligns, control, streams, ways};
use crate::bins::Align;
use crate::memory::Alignment;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_ir::kernel::schedule::RowShape;
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
            let schedule = schedule_of(&step.kernel, self.target).within(&step.rows_taken());
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

    /// The graph of this name and its plan on the GPU.
    pub(super) fn named<D: Vendor>(&self, name: &str, gpu: &Gpu<D>) -> Outcomes<Prepared<'_, D>> {
        let found = self.graphs.iter().find(|(n, _)| n == name).ok_or_else(|| format!("there is no graph `{name}`"))?;
        Ok((&found.0, &found.1, self.on_gpu(&found.1, gpu)?))
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
    let graphs = scope.mine(code.graphs.iter().filter(|(name, _)| scope.wants(name)));
    counts.graphs += graphs.len() as u64;

    let mut plans = Vec::new();
    let named = |(name, _): &&(String, Verified<Graph>)| name.clone();
    let prepared = shared(gpu, scope, &mut counts, &graphs, named, |(_, g), _, _| code.on_gpu(g, gpu))?;
    for ((name, g), plan) in graphs.iter().zip(prepared) {
        plans.extend(plan.map(|plan| (name, g, plan)));
    }
    println!("{} graphs prepared in {:.1} s", plans.len(), start.elapsed().as_secs_f64());

    let rows = |p: &Prepared<'_, D>| ways::rows(p.2.plan(), scope);
    let mut work: Vec<_> = plans.iter().flat_map(|p| rows(p).into_iter().map(move |t| (t, p))).collect();
    // The longest first, so that none is begun when all others have ended.
    work.sort_by_cached_key(|(t, (_, g, _))| std::cmp::Reverse(work_of(g, *t)));
    let each =
        |(t, (_, g, plan)): &(u64, &Prepared<'_, D>), stream: &D::Own, _| every_variant(g, plan, stream, *t, scope);
    let named = |(t, (name, ..)): &(u64, &Prepared<'_, D>)| format!("{name}, T = {t}");
    let done = shared(gpu, scope, &mut counts, &work, named, each)?;
    counts.checks += done.into_iter().flatten().sum::<u64>();
    println!("every graph, variant and T: {} checks, {:.1} s", counts.checks, start.elapsed().as_secs_f64());

    let before = counts.checks;
    let mut shaped = Vec::new();
    for (name, g) in &graphs {
        match code.shapes(g) {
            Ok(shapes) => shaped.extend(shapes.into_iter().map(|shape| (name, g, shape))),
            Err(e) => report(&mut counts, name, Err(e)),
        }
    }
    shaped.sort_by_cached_key(|(_, g, _)| std::cmp::Reverse(work_of(g, 1)));
    let named = |(name, _, shape): &(&String, &Verified<Graph>, RowShape)| format!("{name}, {shape}");
    let done = shared(gpu, scope, &mut counts, &shaped, named, |(_, g, shape), stream, _| {
        let plan = code.on_gpu_in(g, Some(*shape), gpu)?;
        let rows = ways::rows_of_a_shape(scope).into_iter();
        rows.map(|t| every_variant(g, &plan, stream, t, scope)).sum::<Outcomes<u64>>()
    })?;
    counts.checks += done.into_iter().flatten().sum::<u64>();
    println!(
        "every candidate shape: {} of them, {} checks, {:.1} s",
        shaped.len(),
        counts.checks - before,
        start.elapsed().as_secs_f64()
    );

    let before = counts.checks;
    let mut replayed: Vec<&Prepared<'_, D>> = if scope.watched { vec![] } else { plans.iter().collect() };
    replayed.sort_by_cached_key(|(_, g, _)| std::cmp::Reverse(work_of(g, 1)));
    let named = |(name, ..): &&Prepared<'_, D>| format!("{name}, replayed");
    let done = shared(gpu, scope, &mut counts, &replayed, named, |(_, g, plan), stream, _| {
        Ok(streams::replay(g, plan, stream, 33)? + streams::replay(g, plan, stream, 0)?)
    })?;
    counts.checks += done.into_iter().flatten().sum::<u64>();
    println!("graphs of launches: {} replays, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());

    if scope.has_the_rest() {
        let before = counts.checks;
        control::of_each(code, gpu, scope, &plans, &mut counts)?;
        if scope.part.0 == 0 {
            control::once(code, gpu, scope, &mut counts)?;
        }
        println!(
            "streams, threads, dependents, refusals: {} checks, {:.1} s",
            counts.checks - before,
            start.elapsed().as_secs_f64()
        );
    }

    let before = counts.checks;
    let drawn = scope.mine(code.random.iter().filter(|_| scope.only.is_none()).step_by(scope.one_of.0));
    let named = |one: &&Random| one.to_string();
    let each = |one: &&Random, stream: &D::Own, _| random(code, gpu, **one, stream, scope);
    // None of those that the verifier refuses.
    for checks in shared(gpu, scope, &mut counts, &drawn, named, each)?.into_iter().flatten().flatten() {
        counts.graphs += 1;
        counts.checks += checks;
    }
    println!("random graphs: {} launches, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());
    aligns::run(code, gpu, scope, &mut counts)?;
    Ok(counts)
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
    let forced = ways::variants(plan.plan(), t).into_iter().map(Some);
    let variants: Vec<Option<_>> = std::iter::once(None).chain(forced).collect();
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

/// A graph and its plan, by name.
pub type Prepared<'a, D> = (&'a String, &'a Verified<Graph>, GpuPlan<D>);
