//! Host timings: medians of batches long enough for the clock.

use routefuse::Graph;
use routefuse::diag::Diagnostic;
use routefuse::exec::HostExecution;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// Samples of each thing that is timed.
const SAMPLES: usize = 31;

/// Microseconds of one launch of each of two executions: medians of batches of about a millisecond, taken in turn so that
/// what else the machine does meets both alike.
///
/// # Errors
/// What a launch reports.
pub fn launches_us(one: &mut HostExecution, other: &mut HostExecution) -> Result<(f64, f64), Diagnostic> {
    let batches = [batch(|n| one.launch(n))?, batch(|n| other.launch(n))?];
    let mut samples = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    for _ in 0..SAMPLES {
        samples[0].push(sample(batches[0], |n| one.launch(n))?);
        samples[1].push(sample(batches[1], |n| other.launch(n))?);
    }
    let [one, other] = samples.map(median);
    Ok((one, other))
}

/// How many calls take about a millisecond; they warm up the caches as well.
fn batch<E>(mut run: impl FnMut(u64) -> Result<(), E>) -> Result<u64, E> {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        run(calls)?;
        if start.elapsed() >= Duration::from_millis(1) || calls >= 1 << 20 {
            return Ok(calls);
        }
        calls *= 2;
    }
}

/// Microseconds of one of so many calls.
fn sample<E>(calls: u64, mut run: impl FnMut(u64) -> Result<(), E>) -> Result<f64, E> {
    let start = Instant::now();
    run(calls)?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / calls as f64)
}

/// What the values that are timed are called.
pub fn dim(graph: &Graph) -> &str {
    graph.symbols.first().map_or("rows", String::as_str)
}

/// The sample in the middle.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Microseconds of a plain copy that reads and writes this many bytes in all.
pub fn copy_us(bytes: u64) -> f64 {
    let from = vec![1u8; (bytes / 2).max(1) as usize];
    let mut to = vec![0u8; from.len()];
    let mut copy = |n| {
        for _ in 0..n {
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
        }
        Ok::<(), Infallible>(())
    };
    let Ok(calls) = batch(&mut copy);
    let samples = (0..SAMPLES).map(|_| {
        let Ok(us) = sample(calls, &mut copy);
        us
    });
    median(samples.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_one_call() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        let sleep = |n: u64| {
            std::thread::sleep(Duration::from_micros(200 * n));
            Ok::<(), Infallible>(())
        };
        let Ok(calls) = batch(sleep);
        assert!((1..=8).contains(&calls), "{calls}");
        let Ok(us) = sample(calls, sleep);
        assert!(us >= 200.0, "{us}");
        assert!(copy_us(1 << 20) > 0.0);
    }
}
