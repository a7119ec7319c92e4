//! What streams do with launches: capture and replay in graphs, many threads and streams at once.

use super::agreement::{Expected, OnGpu, Outcomes, agree, at};
use super::vendor::Vendor;
use crate::memory::Alignment;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{Graph, Verified};
use routefuse_runtime::gpu::GpuPlan;
use std::sync::Arc;

/// A captured launch, replayed with other contents of every input, device scalars among them.
pub(super) fn replay<D: Vendor>(g: &Verified<Graph>, plan: &GpuPlan<D>, stream: &D::Own, rows: u64) -> Outcomes<u64> {
    let extents = g.extents_of_rows(rows);
    let mut rng = SmallRng::seed_from_u64(rows);
    let first = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut on = OnGpu::new(plan, stream, &first, Alignment::Element, &mut rng)?;
    D::wait(stream)?;
    let graph = D::capture(stream, || on.launch(D::on(stream)))?;
    let launched = graph.as_ref().map_or(Ok(Some(0)), D::nodes)?.unwrap_or(0);
    let most = at("the launches", plan.plan().launches(&extents))?;
    if launched > most {
        return Err(format!("{launched} nodes are captured of {most} launches over {rows} rows"));
    }
    let mut replays = 0;
    for seed in 1..=6 {
        // The fused program may trap on other inputs; the error word is one of the outputs.
        let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, seed))?;
        on.refill(&expected.inputs)?;
        if let Some(graph) = &graph {
            D::replay(graph, stream)?;
        }
        on.check(&expected).map_err(|e| format!("replay {seed}: {e}"))?;
        replays += 1;
    }
    Ok(replays)
}

/// Threads that launch one plan at once, each on a stream of its own.
pub(super) fn threads<D: Vendor>(g: &Verified<Graph>, plan: &GpuPlan<D>, count: u64, launches: u64) -> Outcomes<u64> {
    let worker = |thread: u64| -> Outcomes<u64> {
        D::enter(plan.gpu())?;
        let stream = D::stream(plan.gpu())?;
        let mut rng = SmallRng::seed_from_u64(thread);
        for launch in 0..launches {
            let extents = g.extents_of_rows(thread * 7 + launch);
            let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Mixed, thread * 100 + launch))?;
            agree(plan, &stream, &expected, Alignment::Element, D::on(&stream), &mut rng)
                .map_err(|e| format!("thread {thread}, launch {launch}: {e}"))?;
        }
        Ok(launches)
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..count).map(|thread| scope.spawn(move || worker(thread))).collect();
        let counts = handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())));
        counts.sum()
    })
}

/// Every other GPU of the machine of this kind, beside this one: one plan on each, half of `count` threads and streams with
/// so many launches on each, all at once.
/// None if there is no other.
pub(super) fn devices<D: Vendor>(
    g: &Verified<Graph>,
    plan: &GpuPlan<D>,
    (count, launches): (u64, u64),
) -> Outcomes<Option<u64>> {
    let own = at("the target", plan.gpu().target())?;
    let mut plans = Vec::new();
    for ordinal in 0..at("the driver", D::count())? {
        let gpu = at("a GPU", D::open(ordinal))?;
        if at("its target", gpu.target())? == own {
            // Each thread below has a stream and memory of its own.
            D::share_nothing(&gpu);
            let other = at("its plan", GpuPlan::new(Arc::clone(plan.plan()), &gpu))?;
            at("prepare", other.prepare())?;
            plans.push(other);
        }
    }
    if plans.len() < 2 {
        return Ok(None);
    }
    // Memory of one GPU is refused on another, before it gets there.
    let (first, second) = (&plans[0], &plans[1]);
    D::enter(first.gpu())?;
    let stream = D::stream(first.gpu())?;
    let extents = g.extents_of_rows(33);
    let expected = Expected::new(g, first, &extents, inputs(g, &extents, Rule::Mixed, 3))?;
    let on = OnGpu::new(first, &stream, &expected, Alignment::Element, &mut SmallRng::seed_from_u64(3))?;
    if second.launch(D::on(&stream), &on.args()).is_ok() {
        return Err("a launch on another GPU's stream and memory is not refused".to_owned());
    }
    let counts = std::thread::scope(|scope| {
        let handles: Vec<_> =
            plans.iter().map(|plan| scope.spawn(move || threads(g, plan, count.div_ceil(2), launches))).collect();
        let counts = handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())));
        counts.sum::<Outcomes<u64>>()
    });
    D::enter(plan.gpu())?;
    Ok(Some(counts? + 1))
}

/// A thread that has no context of its own launches all the same.
pub(super) fn bare_thread<D: Vendor>(g: &Verified<Graph>, plan: &GpuPlan<D>, stream: &D::Own) -> Outcomes<u64> {
    let extents = g.extents_of_rows(33);
    let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Mixed, 3))?;
    let mut on = OnGpu::new(plan, stream, &expected, Alignment::Element, &mut SmallRng::seed_from_u64(3))?;
    D::wait(stream)?;
    let launched = std::thread::scope(|scope| {
        let bare = || {
            D::leave()?;
            let args = on.args();
            at("the launch", plan.launch(D::on(stream), &args))
        };
        scope.spawn(bare).join().unwrap_or_else(|_| Err("the thread panicked".to_owned()))
    });
    launched?;
    on.check(&expected)?;
    Ok(1)
}
