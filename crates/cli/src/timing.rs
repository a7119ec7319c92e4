//! Host timings: medians of batches long enough for the clock.

use crate::execution::Execution;
use routefuse::Diagnostic;
use std::time::{Duration, Instant};

/// Microseconds of one launch: the median of batches of about a millisecond, after a warm-up.
///
/// # Errors
/// What a launch reports.
pub fn launch_us(execution: &mut Execution) -> Result<f64, Diagnostic> {
    execution.launch(3)?;
    median_us(|n| execution.launch(n))
}

/// The median time of one call of `run(n)` divided by n, in microseconds.
///
/// # Errors
/// What `run` reports.
pub fn median_us<E>(mut run: impl FnMut(u64) -> Result<(), E>) -> Result<f64, E> {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        run(calls)?;
        let took = start.elapsed();
        if took >= Duration::from_millis(1) || calls >= 1 << 20 {
            break;
        }
        calls *= 2;
    }
    let mut samples = Vec::with_capacity(31);
    for _ in 0..31 {
        let start = Instant::now();
        run(calls)?;
        samples.push(start.elapsed().as_secs_f64() * 1e6 / calls as f64);
    }
    samples.sort_unstable_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}

/// Microseconds of a plain copy that reads and writes this many bytes in all.
pub fn copy_us(bytes: u64) -> f64 {
    let from = vec![1u8; (bytes / 2).max(1) as usize];
    let mut to = vec![0u8; from.len()];
    let copied = median_us(|n| {
        for _ in 0..n {
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    match copied {
        Ok(us) => us,
        Err(never) => match never {},
    }
}
