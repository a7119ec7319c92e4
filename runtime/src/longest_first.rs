//! Work shared by a pool's threads, what takes longest first.

use rayon::ThreadPool;
use routefuse_ir::kernel::schedule::code_size::CodeSize;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use std::cmp::Reverse;
use std::sync::OnceLock;

/// About how much code a variant of a kernel is, which is also about how long it takes to compile and to assemble.
pub(crate) fn size(kernel: &Scheduled, variant: Variant) -> u64 {
    CodeSize::up_to(u64::MAX, kernel, variant).instructions()
}

/// Does the work of each job, the largest first: where there are fewer threads than jobs, none begins a long one when the others are
/// done. What the work gives is in the order of the jobs. Each call of the function that it is given has `aside` done too, behind all jobs.
pub(crate) fn longest_first<'j, J: Sync, R: Send + Sync>(
    pool: &ThreadPool,
    jobs: &'j [J],
    size: impl Fn(&J) -> u64,
    aside: impl Fn() + Sync,
    work: impl Fn(&'j J, &dyn Fn()) -> R + Sync,
) -> Vec<R> {
    let done: Vec<OnceLock<R>> = jobs.iter().map(|_| OnceLock::new()).collect();
    let mut order: Vec<(&J, &OnceLock<R>)> = jobs.iter().zip(&done).collect();
    order.sort_by_cached_key(|(job, _)| Reverse(size(job)));
    let (work, aside) = (&work, &aside);
    pool.scope_fifo(|scope| {
        for (job, done) in order {
            scope.spawn_fifo(move |scope| {
                let _ = done.set(work(job, &|| scope.spawn_fifo(move |_| aside())));
            });
        }
    });
    done.into_iter().filter_map(OnceLock::into_inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_largest_begins_first_and_results_stay_in_order() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        let (begun, asides) = (Mutex::new(vec![]), AtomicUsize::new(0));
        let jobs = [3, 50, 1, 7, 50];
        let aside = || {
            assert_eq!(begun.lock().expect("no panic").len(), jobs.len(), "behind all jobs");
            asides.fetch_add(1, Ordering::Relaxed);
        };
        let work = |job: &u64, aside: &dyn Fn()| {
            begun.lock().expect("no panic").push(*job);
            if *job == 50 {
                aside();
            }
            2 * job
        };
        let results = longest_first(&pool, &jobs, |job| *job, aside, work);
        assert_eq!(*begun.lock().expect("no panic"), [50, 50, 7, 3, 1]);
        assert_eq!((results, asides.into_inner()), (vec![6, 100, 2, 14, 100], 2));
    }
}
