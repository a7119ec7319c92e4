//! What streams do with launches: capture and replay in CUDA graphs, many threads and streams at once.

use super::agreement::{Expected, OnGpu, Outcomes, agree, at};
use crate::memory::Alignment;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{Graph, Verified};
use routefuse_runtime::cuda::cudarc::driver::sys::{self, CUstreamCaptureMode_enum};
use routefuse_runtime::cuda::cudarc::driver::{CudaGraph, CudaStream};
use routefuse_runtime::cuda::{CudaPlan, Gpu, Launch};
use std::sync::Arc;

/// What is launched by `body`, as a CUDA graph: nothing runs. Any call of the driver that is unsafe then breaks it.
pub(super) fn capture(stream: &Arc<CudaStream>, body: impl FnOnce() -> Outcomes<()>) -> Outcomes<Option<CudaGraph>> {
    // Thread-local, because other threads of the suite allocate meanwhile.
    at("the capture", stream.begin_capture(CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))?;
    let launched = body();
    let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0));
    launched?;
    at("the end of the capture", graph)
}

/// The number of nodes of a CUDA graph.
pub(super) fn nodes(graph: &CudaGraph) -> Outcomes<usize> {
    let mut count = 0;
    // SAFETY: a live graph; without a list the driver says how many there are.
    let result = unsafe { sys::cuGraphGetNodes(graph.cu_graph(), std::ptr::null_mut(), &raw mut count) };
    at("the graph's nodes", result.result())?;
    Ok(count)
}

/// A captured launch, replayed with other contents of every input, device scalars among them.
pub(super) fn replay(g: &Verified<Graph>, plan: &CudaPlan, stream: &Arc<CudaStream>, rows: u64) -> Outcomes<u64> {
    let extents = vec![rows; g.symbols.len()];
    let mut rng = SmallRng::seed_from_u64(rows);
    let first = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut on = OnGpu::new(plan, stream, &first, Alignment::Element, &mut rng)?;
    at("the stream", stream.synchronize())?;
    let graph = capture(stream, || on.launch(Launch::on(stream)))?;
    let launched = graph.as_ref().map_or(Ok(0), nodes)?;
    let steps = plan.plan().program().steps.len();
    if rows > 0 && launched > steps || rows == 0 && !g.symbols.is_empty() && launched > 0 && every_step_has_rows(plan) {
        return Err(format!("{launched} nodes are captured of {steps} kernels over {rows} rows"));
    }
    let mut replays = 0;
    for seed in 1..=6 {
        // The fused program may trap on other inputs; the error word is one of the outputs.
        let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, seed))?;
        on.refill(&expected.inputs)?;
        if let Some(graph) = &graph {
            at("the replay", graph.launch())?;
        }
        on.check(&expected).map_err(|e| format!("replay {seed}: {e}"))?;
        replays += 1;
    }
    Ok(replays)
}

/// No kernel is of one row whatever the extents.
fn every_step_has_rows(plan: &CudaPlan) -> bool {
    plan.plan().kernels().iter().all(|k| k.kernel.rows.is_some())
}

/// Threads that launch one plan at once, each on a stream of its own.
pub(super) fn threads(g: &Verified<Graph>, plan: &CudaPlan, count: u64, launches: u64) -> Outcomes<u64> {
    let worker = |thread: u64| -> Outcomes<u64> {
        let context = plan.gpu().context();
        at("the context", context.bind_to_thread())?;
        let stream = at("a stream", context.new_stream())?;
        let mut rng = SmallRng::seed_from_u64(thread);
        for launch in 0..launches {
            let extents = vec![thread * 7 + launch; g.symbols.len()];
            let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Mixed, thread * 100 + launch))?;
            agree(plan, &stream, &expected, Alignment::Element, Launch::on(&stream), &mut rng)
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

/// Every other GPU of the machine of this kind, beside this one: one plan on each, threads and streams on each, all at once.
/// None if there is no other.
pub(super) fn devices(g: &Verified<Graph>, plan: &CudaPlan) -> Outcomes<Option<u64>> {
    let own = at("the target", plan.gpu().target())?;
    let mut plans = Vec::new();
    for ordinal in 0..at("the driver", Gpu::count())? {
        let gpu = at("a GPU", Gpu::open(ordinal))?;
        if at("its target", gpu.target())? == own {
            // SAFETY: each thread below has a stream and memory of its own.
            unsafe { gpu.context().disable_event_tracking() };
            let other = at("its plan", CudaPlan::new(Arc::clone(plan.plan()), &gpu))?;
            at("prepare", other.prepare())?;
            plans.push(other);
        }
    }
    if plans.len() < 2 {
        return Ok(None);
    }
    // Memory of one GPU is refused on another, before it gets there.
    let (first, second) = (&plans[0], &plans[1]);
    at("the context", first.gpu().context().bind_to_thread())?;
    let stream = at("a stream", first.gpu().context().new_stream())?;
    let extents = vec![33; g.symbols.len()];
    let expected = Expected::new(g, first, &extents, inputs(g, &extents, Rule::Mixed, 3))?;
    let on = OnGpu::new(first, &stream, &expected, Alignment::Element, &mut SmallRng::seed_from_u64(3))?;
    if second.launch(&stream, &on.args()).is_ok() {
        return Err("a launch on another GPU's stream and memory is not refused".to_owned());
    }
    let counts = std::thread::scope(|scope| {
        let handles: Vec<_> = plans.iter().map(|plan| scope.spawn(move || threads(g, plan, 4, 25))).collect();
        let counts = handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())));
        counts.sum::<Outcomes<u64>>()
    });
    at("the context", plan.gpu().context().bind_to_thread())?;
    Ok(Some(counts? + 1))
}

/// A thread that has no context of its own launches all the same.
pub(super) fn bare_thread(g: &Verified<Graph>, plan: &CudaPlan, stream: &Arc<CudaStream>) -> Outcomes<u64> {
    let extents = vec![33; g.symbols.len()];
    let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Mixed, 3))?;
    let mut on = OnGpu::new(plan, stream, &expected, Alignment::Element, &mut SmallRng::seed_from_u64(3))?;
    at("the stream", stream.synchronize())?;
    let launched = std::thread::scope(|scope| {
        let bare = || {
            // SAFETY: takes this thread's current context away; nothing here needs it.
            at("no context", unsafe { sys::cuCtxSetCurrent(std::ptr::null_mut()) }.result())?;
            let args = on.args();
            at("the launch", plan.launch(stream, &args))
        };
        scope.spawn(bare).join().unwrap_or_else(|_| Err("the thread panicked".to_owned()))
    });
    launched?;
    on.check(&expected)?;
    Ok(1)
}
