//! The schedule of phases on a GPU.

use super::flat;
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::analysis::{counts_alone, is_sparse};
use routefuse_ir::kernel::phases::{MOST_CHUNKS, MOST_FEW, Phases, Reach};
use routefuse_ir::kernel::schedule::room::{CHUNKS_OF_A_ROW, MOST_SHARED_WORDS, packs, pair_words, words_of_phases};
use routefuse_ir::kernel::schedule::{Domain, Launches, Piece, Schedule};
use routefuse_ir::target::Target;

/// Threads of a block, but for [two launches of many bins](threads_of_two).
const THREADS: u32 = 512;

/// Threads of a block in two launches, at most.
const MOST_THREADS: u32 = THREADS + THREADS / 8;

/// Items that a launch goes through in every block at most: from there on, two launches are faster. On an H100, by hand, the
/// two are as fast at 16,384 items of 256 bins.
const MOST_ITEMS: u64 = 16 << 10;

/// Items for which one launch takes a block more: there is as much to fill as there are bins, whatever the items.
const ITEMS_OF_A_BLOCK: u64 = 4;

/// Items of a chunk, where a launch has fewer chunks than it may.
const ITEMS_OF_A_CHUNK: u64 = 512;

/// The most rows that one block counts where no row asks for counts: a thread each. On an H200, in µs, 512 rows of DeepEP's layout took
/// 2.12 in one launch and 2.85 in two, and 1,024 rows 2.99 and 2.63.
const MOST_ROWS_OF_COUNTS: u64 = 512;

/// Rows of a chunk of such counts, where a launch has fewer chunks than it may: two warps have one each. Of 32, 64 and 128 rows, 1,024
/// rows took 2.63, 2.61 and 2.85, and 4,096 rows 3.05, 2.71 and 2.64.
const ROWS_OF_A_CHUNK: u64 = 64;

pub(super) fn schedule(phases: &Phases, target: Target) -> Schedule {
    let items = phases.items().max(1);
    let (most_rows, rows_of_a_block) = if counts_alone(phases) {
        // One block, in which nobody waits for counts.
        (MOST_ROWS_OF_COUNTS, [MOST_ROWS_OF_COUNTS, ROWS_OF_A_CHUNK])
    } else {
        // Counts that are asked for by nobody are the work of one block.
        let one = if phases.list.iter().any(|p| p.reach.is_divided()) { ITEMS_OF_A_BLOCK } else { MOST_ITEMS };
        (most_rows(items), [one.div_ceil(items), (ITEMS_OF_A_CHUNK / items).max(1)])
    };
    // A row of counts that nobody asks for took 1.31 in the block that is for more rows, and 1.70 in that of few.
    let has_few = items <= MOST_FEW && is_sparse(phases) && !counts_alone(phases);
    let few_rows = has_few.then_some(MOST_FEW / items);
    Schedule::Phased {
        few_rows,
        threads: [THREADS, threads_of_two(phases, target)],
        most_rows,
        launches: Launches::Any,
        rows_of_a_block,
        warps: warps(phases, target),
        domains: domains_of(phases, target),
    }
}

/// The most rows of so many items that one launch takes.
pub(crate) fn most_rows(items: u64) -> u64 {
    MOST_ITEMS / items.max(1)
}

/// Threads of a block, in two launches: a few more than [`THREADS`] where each then asks once for counts of chunks. Whoever asks a second
/// time has waited for what it asked for first, which takes 0.2 µs on an H200. Of 768 and of 1,024 threads the second launch finds no
/// room beside the first one, which takes 0.3 to 1.1 µs more.
pub(super) fn threads_of_two(phases: &Phases, target: Target) -> u32 {
    let (bins, warp) = (phases.bins(), u64::from(target.info().warp));
    let asked = (pair_words(bins) / 4 * (MOST_CHUNKS / CHUNKS_OF_A_ROW)).next_multiple_of(warp);
    match u32::try_from(asked) {
        Ok(threads) if packs(bins) && (THREADS..=MOST_THREADS).contains(&threads) => threads,
        _ => THREADS,
    }
}

/// Warps that rank in the second of two launches.
pub(super) fn warps(phases: &Phases, target: Target) -> u32 {
    let warp = target.info().warp;
    let mut warps = THREADS / warp;
    while warps > 1 && words_of_phases(phases, warps.into(), warp.into()) > MOST_SHARED_WORDS {
        warps /= 2;
    }
    warps
}

/// Of each phase.
pub(super) fn domains_of(phases: &Phases, target: Target) -> Vec<Vec<Domain>> {
    phases.list.iter().map(|p| domains(&p.kernel, p.reach, target)).collect()
}

/// Blocks divide pieces as a flat schedule would; what goes through items or columns has one at a time.
fn domains(kernel: &Kernel, reach: Reach, target: Target) -> Vec<Domain> {
    match reach {
        Reach::Divided | Reach::Padding { .. } => match flat::schedule(kernel, target) {
            Schedule::Flat { domains, .. } => domains,
            _ => vec![],
        },
        // As a row schedule has them.
        Reach::Rows => vec![],
        Reach::Counted => super::domains(kernel, |d| Piece::InRow { width: 1 << d.cols.trailing_zeros().min(2) }),
        Reach::EveryBlock | Reach::Ranked => super::domains(kernel, |_| Piece::InRow { width: 1 }),
    }
}
