//! Many plans at once: a model's layers, most of which have the same kernels.

use super::{Job, Plan};
use crate::cache::{Key, KeyText, Reach};
use crate::longest_first::{longest_first, size};
use rayon::ThreadPool;
use routefuse_ir::Diagnostic;
use routefuse_ir::kernel::schedule::Variant;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How far a preparation of many plans is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Variants of kernels that are ready.
    pub done: usize,
    /// All of them; equal ones count once.
    pub total: usize,
    /// The name of the kernel that became ready.
    pub kernel: &'a str,
    /// Its variant.
    pub variant: Variant,
}

impl<'a> Progress<'a> {
    /// So many of so many variants, this one the last.
    pub fn of(done: usize, total: usize, kernel: &'a str, variant: Variant) -> Progress<'a> {
        Progress { done, total, kernel, variant }
    }
}

impl Plan {
    /// [`Plan::prepare`] for many plans: what several of them need is compiled and loaded once. With a pool, by its
    /// threads. `progress` is called, from any of them, for each variant of a kernel that became ready.
    ///
    /// # Errors
    /// Those of [`Plan::prepare`]: the first, in the order of plans.
    pub fn prepare_all(
        plans: &[Arc<Plan>],
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<(), Diagnostic> {
        let mut seen: HashSet<Key> = HashSet::new();
        let mut same: HashSet<*const Plan> = HashSet::new();
        let mut jobs: Vec<(&Plan, Job<'_>)> = Vec::new();
        for plan in plans.iter().map(|p| &**p).filter(|p| p.loaded.get().is_none()) {
            let Some((compiler, _)) = plan.source.as_ref().filter(|_| same.insert(plan)) else { continue };
            for kernel in &plan.kernels {
                let new = |v: &Variant| seen.insert(KeyText::of(kernel, *v, &**compiler).key());
                let variants: Vec<Variant> = kernel.variants().iter().copied().filter(new).collect();
                jobs.extend(variants.into_iter().map(|v| (plan, (kernel, v))));
            }
        }
        let (total, done) = (jobs.len(), AtomicUsize::new(0));
        let make = |(plan, (kernel, variant)): &(&Plan, Job<'_>)| {
            plan.kernel(Reach::Network, kernel, *variant)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { done, total, kernel: &kernel.kernel.name, variant: *variant });
            Ok(())
        };
        let results: Vec<Result<(), Diagnostic>> = match pool {
            Some(pool) => {
                longest_first(pool, &jobs, |(_, (kernel, variant))| size(kernel, *variant), || (), |job, _| make(job))
            }
            None => jobs.iter().map(make).collect(),
        };
        results.into_iter().collect::<Result<(), Diagnostic>>()?;
        plans.iter().try_for_each(|p| p.prepare())
    }
}
