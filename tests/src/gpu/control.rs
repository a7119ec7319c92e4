//! What is checked once, with the GPU to itself: threads, dependents, refusals.

use super::agreement::{Outcomes, at};
use super::suite::{Code, Counts, Prepared, Scope, named, report};
use super::{dependent, rules, streams};
use routefuse_runtime::cuda::Gpu;

/// All of it.
///
/// # Errors
/// If the GPU gives no stream.
pub(super) fn single(
    code: &Code,
    gpu: &Gpu,
    scope: &Scope,
    plans: &[Prepared<'_>],
    counts: &mut Counts,
) -> Outcomes<()> {
    at("the context", gpu.context().bind_to_thread())?;
    let stream = &at("a stream", gpu.context().new_stream())?;
    let (remap, on_remap) = named(plans, "a_remap_static")?;
    let (post, on_post) = named(plans, "e_post_chain")?;
    let (_, on_copy) = named(plans, "d_copy_back")?;

    report(counts, "threads and streams", streams::threads(post, on_post, 8, 25));
    match streams::devices(post, on_post) {
        Ok(None) => println!("skipped: several GPUs, of which there is one"),
        Ok(Some(checks)) => {
            println!("  several GPUs: {checks} checks");
            counts.checks += checks;
        }
        Err(e) => report(counts, "several GPUs", Err(e)),
    }
    report(counts, "a thread without a context", streams::bare_thread(post, on_post, stream));
    report(counts, "sealed plans", rules::sealed(remap, on_remap.plan(), on_remap, stream));
    report(counts, "machine code kept", rules::cubins(post, on_post, stream));
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
    match dependent::producer_is_late(stream) {
        Ok(true) => counts.checks += 1,
        Ok(false) => report(counts, "the late producer", Err("a kernel that does not wait saw its result".to_owned())),
        Err(e) => report(counts, "the late producer", Err(e)),
    }
    for (name, g, plan) in plans {
        for rows in [1, 700] {
            report(counts, &format!("{name}, dependent, T = {rows}"), dependent::chain(g, plan, stream, rows));
        }
    }
    for depth in [2, 33, 100] {
        report(counts, "dependents in turn", dependent::in_turn(remap, on_remap, stream, depth));
    }
    Ok(())
}
