//! The rows around which other kernels of a program are taken.

use routefuse_ir::program::Program;

/// These rows, and those around each extent at which other kernels are taken, in order. Every dim is to have as many more than rows as is
/// its number, so that it matters which one decides.
pub fn with_limits(program: &Program, rows: &[u64]) -> Vec<u64> {
    let taken = program.steps.iter().filter_map(|step| step.taken);
    let ends = taken.flat_map(|taken| {
        let of = move |extent: u64| extent.saturating_sub(taken.symbol.0.into());
        taken.ranges().flat_map(move |(least, most)| [Some(of(least)), most.map(of)]).flatten()
    });
    let mut all: Vec<u64> =
        ends.flat_map(|at| [at.saturating_sub(1), at, at + 1]).chain(rows.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}
