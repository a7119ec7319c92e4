//! Work that threads share, each with a stream of its own on the one GPU.

use super::agreement::Outcomes;
use super::scope::{Counts, Scope};
use super::vendor::Vendor;
use routefuse_ir::Graph;
use routefuse_runtime::gpu::Gpu;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The work done in its order by threads that each take the next piece; results in order. What is wrong with a piece, which may be a
/// panic, is counted, and printed at once under its name: whoever ends the suite has it. Such a piece has no result. Neither has
/// what was not begun in time, which is counted.
pub(super) fn shared<D: Vendor, W: Sync, R: Send>(
    gpu: &Gpu<D>,
    scope: &Scope,
    counts: &mut Counts,
    work: &[W],
    name: impl Fn(&W) -> String + Sync,
    each: impl Fn(&W, &D::Own, usize) -> Outcomes<R> + Sync,
) -> Outcomes<Vec<Option<R>>> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = scope.jobs.unwrap_or_else(processors).clamp(1, work.len().max(1));
    let next = AtomicUsize::new(0);
    let worker = || -> Outcomes<Vec<(usize, Option<R>)>> {
        D::enter(gpu)?;
        let stream = D::stream(gpu)?;
        let mut done = Vec::new();
        while !scope.is_over() {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = work.get(i) else { break };
            if scope.watched {
                // What a tool says of a launch stands behind this in its log.
                println!("watched: {}", name(one));
            }
            let result = catch_unwind(AssertUnwindSafe(|| each(one, &stream, i)));
            let result = result.unwrap_or_else(|said| Err(format!("it panicked: {}", message(&*said))));
            if let Err(e) = &result {
                println!("FAILED {}: {e}", name(one));
            }
            done.push((i, result.ok()));
        }
        Ok(done)
    };
    let results = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let join =
            |h: std::thread::ScopedJoinHandle<'_, _>| h.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()));
        handles.into_iter().map(join).collect::<Result<Vec<_>, String>>()
    })?;
    let mut all: Vec<Option<R>> = work.iter().map(|_| None).collect();
    let mut begun = 0;
    for (i, result) in results.into_iter().flatten() {
        begun += 1;
        counts.failures += u64::from(result.is_none());
        all[i] = result;
    }
    counts.left += all.len() as u64 - begun;
    Ok(all)
}

/// What a panic said.
fn message(said: &(dyn Any + Send)) -> &str {
    let text = said.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| said.downcast_ref::<&str>().copied()).unwrap_or("nobody knows why")
}

/// About how long the interpreter takes for a graph of so many rows: elements of all its values.
pub(super) fn work_of(g: &Graph, rows: u64) -> u64 {
    let extents = g.extents_of_rows(rows);
    let elements = g.nodes().map(|n| n.ty.shape.iter().fold(1u64, |all, d| all.saturating_mul(d.resolve(&extents))));
    elements.fold(0, u64::saturating_add)
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
