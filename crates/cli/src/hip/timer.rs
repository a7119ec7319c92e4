//! Times on an AMD GPU: between events around launches on a stream, or around replays of a HIP graph of them.

use crate::gpu_bench::{BURST, SAMPLES, WARM_UP};
use crate::timing::median;
use routefuse::diag::Diagnostic;
use routefuse::hip::{Event, Gpu, Memory, Stream};
use std::sync::Arc;
use std::time::Instant;

/// Takes times on one stream.
pub struct Timer<'s> {
    pub gpu: &'s Gpu,
    pub stream: &'s Arc<Stream>,
    /// Replays of a captured HIP graph, or else launches on the stream.
    pub replay: bool,
}

impl Timer<'_> {
    /// Microseconds on the GPU of one of the things that `body` does so many of.
    ///
    /// # Errors
    /// Those of `body` and of the runtime.
    pub fn gpu_us(&self, count: u64, body: impl Fn(u64) -> Result<(), Diagnostic>) -> Result<f64, Diagnostic> {
        body(1)?;
        self.stream.synchronize()?;
        let graph = if self.replay { Some(self.stream.capture(|| body(count))?) } else { None };
        let once = || match &graph {
            // SAFETY: what `body` launches lives longer than the graph, and the stream is waited for.
            Some(graph) => unsafe { graph.launch(self.stream) },
            None => body(count),
        };
        for _ in 0..3 {
            once()?;
        }
        self.stream.synchronize()?;
        let mut samples = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let before = Event::on(self.stream)?;
            once()?;
            let after = Event::on(self.stream)?;
            samples.push(f64::from(before.milliseconds_to(&after)?) * 1e3 / count as f64);
        }
        Ok(median(samples))
    }

    /// Keeps the GPU busy until its clocks are where they stay under load.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn warm_up(&self) -> Result<(), Diagnostic> {
        let start = Instant::now();
        while start.elapsed() < WARM_UP {
            self.copy_us(5, 1 << 24)?;
        }
        Ok(())
    }

    /// Microseconds on the host of one call of the body.
    ///
    /// # Errors
    /// Those of the body and of the runtime.
    pub fn host_us(&self, body: impl Fn(u64) -> Result<(), Diagnostic>) -> Result<f64, Diagnostic> {
        let mut samples = Vec::with_capacity(SAMPLES);
        for round in 0..SAMPLES + 3 {
            self.stream.synchronize()?;
            let start = Instant::now();
            body(BURST)?;
            if round >= 3 {
                samples.push(start.elapsed().as_secs_f64() * 1e6 / BURST as f64);
            }
        }
        self.stream.synchronize()?;
        Ok(median(samples))
    }

    /// Microseconds of a copy on the GPU that reads and writes this many bytes in all.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn copy_us(&self, count: u64, bytes: u64) -> Result<f64, Diagnostic> {
        let size = (bytes / 2).max(1) as usize;
        let from = Memory::new(self.gpu, size)?;
        let to = std::cell::RefCell::new(Memory::new(self.gpu, size)?);
        self.gpu_us(count, |times| {
            for _ in 0..times {
                // SAFETY: both live to the end of the function, which waits.
                unsafe { from.copy_to(&mut to.borrow_mut(), self.stream) }?;
            }
            Ok(())
        })
    }
}
