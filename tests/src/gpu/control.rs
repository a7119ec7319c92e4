//! What is checked with the GPU to itself, after all else of its kind: threads, dependents, refusals, allocations.

use super::agreement::Outcomes;
use super::scope::{Counts, Scope};
use super::sharing::report;
use super::suite::{Code, Prepared};
use super::vendor::Vendor;
use super::{rules, streams};
use routefuse_runtime::gpu::Gpu;

/// What is checked of every plan: no allocation at launch, and dependents of a late producer.
///
/// # Errors
/// If the GPU gives no stream.
pub(super) fn of_each<D: Vendor>(
    code: &Code,
    gpu: &Gpu<D>,
    scope: &Scope,
    plans: &[Prepared<'_, D>],
    counts: &mut Counts,
) -> Outcomes<()> {
    D::enter(gpu)?;
    let stream = &D::stream(gpu)?;
    for (name, g, plan) in plans {
        if scope.is_over() {
            counts.left += 1;
            continue;
        }
        if let Some(allocations) = scope.allocations {
            report(counts, name, rules::allocations(g, plan, stream, allocations));
        }
        if code.target.abilities().dependent_launch {
            D::behind_a_late_producer(&(name, g, plan), stream, counts);
        }
    }
    Ok(())
}

/// What is checked once.
///
/// # Errors
/// If the GPU gives no stream, or a graph is not among those of the suite.
pub(super) fn once<D: Vendor>(code: &Code, gpu: &Gpu<D>, scope: &Scope, counts: &mut Counts) -> Outcomes<()> {
    if scope.is_over() {
        counts.left += 1;
        return Ok(());
    }
    D::enter(gpu)?;
    let stream = &D::stream(gpu)?;
    let (_, remap, on_remap) = &code.named("a_remap_static", gpu)?;
    let (_, post, on_post) = &code.named("e_post_chain", gpu)?;
    let (_, _, on_copy) = &code.named("d_copy_back", gpu)?;
    let (threads, launches) = scope.threads;

    report(counts, "threads and streams", streams::threads(post, on_post, threads, launches));
    match streams::devices(post, on_post, scope.threads) {
        Ok(None) => println!("skipped: several GPUs, of which there is one"),
        Ok(Some(checks)) => {
            println!("  several GPUs: {checks} checks");
            counts.checks += checks;
        }
        Err(e) => report(counts, "several GPUs", Err(e)),
    }
    report(counts, "a thread without a context", streams::bare_thread(post, on_post, stream));
    report(counts, "sealed plans", rules::sealed(remap, on_remap.plan(), on_remap, stream));
    report(counts, "machine code kept", rules::kept_code(post, on_post, stream));
    report(counts, "broken code", rules::broken_code(on_remap));
    report(counts, "memory elsewhere", rules::memory(on_remap, stream));
    report(counts, "guarded copy", rules::guarded(on_copy, stream));
    if !code.target.abilities().dependent_launch {
        println!("skipped: programmatic dependent launch, which {} has not", code.target);
        return Ok(());
    }
    D::dependents(remap, on_remap, stream, counts);
    Ok(())
}
