//! What is checked once, with the GPU to itself: threads, dependents, refusals.

use super::agreement::Outcomes;
use super::suite::{Code, Counts, Prepared, Scope, named, report};
use super::vendor::Vendor;
use super::{rules, streams};
use routefuse_runtime::gpu::Gpu;

/// All of it.
///
/// # Errors
/// If the GPU gives no stream.
pub(super) fn single<D: Vendor>(
    code: &Code,
    gpu: &Gpu<D>,
    scope: &Scope,
    plans: &[Prepared<'_, D>],
    counts: &mut Counts,
) -> Outcomes<()> {
    D::enter(gpu)?;
    let stream = &D::stream(gpu)?;
    let (remap, on_remap) = named(plans, "a_remap_static")?;
    let (post, on_post) = named(plans, "e_post_chain")?;
    let (_, on_copy) = named(plans, "d_copy_back")?;
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
    if let Some(allocations) = scope.allocations {
        for (name, g, plan) in plans {
            report(counts, name, rules::allocations(g, plan, stream, allocations));
        }
    }
    if !code.target.abilities().dependent_launch {
        println!("skipped: programmatic dependent launch, which {} has not", code.target);
        return Ok(());
    }
    D::dependents(plans, stream, counts)
}
