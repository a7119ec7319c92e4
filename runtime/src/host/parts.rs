//! Rows that are done in order, shared by a pool's threads: the ids of each part of the rows are counted, then it is known how many
//! are before each part, and then all parts are done side by side.

use super::{HostCode, Scratch};
use crate::plan::bind::slots::StepSlots;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// The most parts of a launch.
const MOST_PARTS: u64 = 64;

/// Launches of one plan at the same time that have memory for counts. Any other is done by one thread.
const AT_ONCE: usize = 2;

/// Numbers of a table of counts: one for each bin and one for ids of none, up to a cache line.
fn numbers(bins: u64) -> u64 {
    (bins + 1).next_multiple_of(16)
}

/// Parts of a launch on so many threads: two each even out what one is late by.
fn parts(threads: u64) -> u64 {
    (2 * threads).min(MOST_PARTS)
}

/// Memory for the counts of launches of kernels of up to so many bins.
pub(crate) fn counts(bins: Option<u64>) -> Scratch {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    Scratch::of(bins.map_or(0, |bins| 4 * numbers(bins) * parts(processors)), AT_ONCE)
}

/// Addresses that tasks side by side are given.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: who shares it says which task has what behind it.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(self) -> *mut T {
        self.0
    }
}

/// Runs all rows of a kernel whose rows are done in order, in parts of at least `least` rows, and waits for all of them. `false` where
/// nothing was run: one thread is to have all rows.
///
/// # Safety
/// `slots` are the arguments of this code, in order, and the memory behind them is what the kernel reads and writes in so many rows.
pub(super) unsafe fn run_parts(
    pool: &ThreadPool,
    (code, scratch, counts): (&HostCode, &Scratch, &Scratch),
    slots: &[u64],
    step: &StepSlots,
    (rows, least): (u64, u64),
) -> bool {
    let Some(bins) = step.counted.filter(|_| code.has_parts()) else { return false };
    let (threads, numbers) = (pool.current_num_threads() as u64, numbers(bins));
    // As many as there is memory for, which is made for the processors that there are.
    let most = parts(threads).min(counts.bytes() / (4 * numbers)).max(1);
    let part = rows.div_ceil(most).max(least).next_multiple_of(64);
    let parts = rows.div_ceil(part);
    if threads < 2 || parts < 2 {
        return false;
    }
    let of_part = |i: u64| [i * part, rows.min((i + 1) * part)];
    let run = |tables: *mut u8| {
        let tables = Shared(tables.cast::<i32>());
        // SAFETY: there is memory for as many tables as there are parts, `numbers` apart.
        let table = move |i: u64| unsafe { tables.get().add((i * numbers) as usize) };
        pool.install(|| {
            // Behind part i - 1 begins part i, of which this is the table.
            (1..parts).into_par_iter().for_each(|i| {
                // SAFETY: the caller vouches for the slots; this task alone has the table.
                unsafe { code.count(slots.as_ptr(), of_part(i - 1), table(i)) }
            });
            // SAFETY: no task runs, and the tables have `numbers` numbers each, of which these were written.
            unsafe {
                table(0).write_bytes(0, numbers as usize);
                for i in 2..parts {
                    for bin in 0..bins as usize {
                        *table(i).add(bin) = (*table(i).add(bin)).wrapping_add(*table(i - 1).add(bin));
                    }
                }
            }
            (0..parts).into_par_iter().for_each(|i| {
                // SAFETY: the parts are disjoint, so calls side by side write different rows, and put items at different places,
                // since each goes on from the counts of all rows before. Scratch memory is of one task at a time.
                scratch.lend(step.scratch, |scratch| unsafe {
                    code.part(slots.as_ptr(), of_part(i), table(i), scratch);
                });
            });
        });
    };
    counts.try_lend(4 * numbers * parts, run).is_ok()
}
