//! What `routefuse bench` on GPUs of every vendor has in common.

use crate::args::CacheOptions;
use crate::failure::Failure;
use crate::{interrupt, kernel_cache, random};
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Engine, Graph, Tensor, Verified};
use std::time::Duration;

/// With more rows than this a stream fills up and a launch waits for room: the host's time says nothing.
pub const MOST_ROWS_FOR_HOST: u64 = 4096;

/// Samples of everything; the median counts.
pub const SAMPLES: usize = 30;

/// Launches of which the host's time is taken together: fewer than a stream holds, so that no launch waits.
pub const BURST: u64 = 100;

/// Work before the first time is taken.
pub const WARM_UP: Duration = Duration::from_millis(300);

/// Launches of so many rows of which the GPU's time is taken together.
pub fn launches(rows: u64) -> u64 {
    if rows > 100_000 { 5 } else { 50 }
}

/// An engine that compiles: it has no cache but in a directory that was named.
///
/// # Errors
/// Those of [`kernel_cache::engine`].
pub fn engine(cache: &CacheOptions) -> Result<Engine, Failure> {
    if cache.cache_dir.is_some() {
        return kernel_cache::engine(cache);
    }
    Ok(Engine::builder().cancel(interrupt::cancel()).build()?)
}

/// Threads that share the variants of a plan when it is prepared.
///
/// # Errors
/// `RF0901` if the system starts none.
pub fn pool() -> Result<rayon::ThreadPool, Diagnostic> {
    let wrong = |e| Diagnostic::new(Code::Internal, format!("no threads can be started: {e}"));
    rayon::ThreadPoolBuilder::new().build().map_err(wrong)
}

/// Ordinary inputs for so many rows. A device scalar is a number of rows: all but an eighth.
pub fn inputs(graph: &Verified<Graph>, rows: u64, seed: u64) -> Vec<Tensor> {
    let mut inputs = random::ordinary_inputs(graph, &vec![rows; graph.symbols.len()], seed);
    for input in inputs.iter_mut().filter(|t| t.shape().is_empty() && t.dtype().is_int() && t.dtype().size() >= 4) {
        input.set_bits(0, rows - rows / 8);
    }
    inputs
}
