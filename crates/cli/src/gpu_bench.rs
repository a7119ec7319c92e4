//! What `routefuse bench` on GPUs of every vendor has in common.

use crate::args::{Bench, CacheOptions};
use crate::failure::Failure;
use crate::timing::dim;
use crate::{interrupt, kernel_cache, progress};
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Engine, Graph, Options, Target, Verified};
use serde_json::Value;
use std::io::Write;
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
    if cache.local.directory.cache_dir.is_some() {
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

/// How many kernels of the plan that is timed have the shapes of a record.
///
/// # Errors
/// Those of [`Engine::tuned_kernels`].
pub fn tuned(engine: &Engine, graph: &Verified<Graph>, target: Target, a: &Bench) -> Result<usize, Failure> {
    let options = Options::default().shape(a.forced.shape);
    let kernels = engine.tuned_kernels(graph, &target, &options)?;
    Ok(kernels.iter().filter(|kernel| kernel.tuning.is_some()).count())
}

/// What one extent took.
pub trait Timed {
    /// A line of the table.
    ///
    /// # Errors
    /// Those of the stream.
    fn line(&self, out: &mut impl Write) -> std::io::Result<()>;
    /// The same as JSON.
    fn machine(&self) -> Value;
}

/// Times every extent, with a bar: as lines of the table, or as what is returned for JSON.
///
/// # Errors
/// Those of a measurement, and of the stream.
pub fn each<R: Timed>(
    a: &Bench,
    graph: &Graph,
    values: &[u64],
    out: &mut impl Write,
    mut measure: impl FnMut(u64) -> Result<R, Failure>,
) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    progress::showing(|bar| {
        for (i, &value) in values.iter().enumerate() {
            bar.show(i, values.len(), &format!("{} = {value}", dim(graph)));
            let row = measure(value)?;
            if a.json {
                rows.push(row.machine());
            } else {
                bar.aside(|| row.line(out))?;
            }
        }
        Ok::<_, Failure>(())
    })?;
    Ok(rows)
}

/// ` (1 tuned)` behind the number of kernels.
pub fn tuned_text(tuned: usize) -> String {
    if tuned == 0 { String::new() } else { format!(" ({tuned} tuned)") }
}
