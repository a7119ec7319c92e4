//! Times on a GPU: between events around launches on a stream, or around replays of a CUDA graph of them.

use super::driver;
use routefuse::Diagnostic;
use routefuse::cuda::cudarc::driver::sys::{self, CUevent_flags, CUstreamCaptureMode};
use routefuse::cuda::cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, result};
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples of everything; the median counts.
const SAMPLES: usize = 30;

/// Launches of which the host's time is taken together: fewer than a stream holds, so that no launch waits.
const BURST: u64 = 100;

/// Work before the first time is taken.
const WARM_UP: Duration = Duration::from_millis(300);

/// Takes times on one stream.
pub struct Timer<'s> {
    pub stream: &'s Arc<CudaStream>,
    /// Replays of a captured CUDA graph, or else launches on the stream.
    pub replay: bool,
}

impl Timer<'_> {
    /// Microseconds on the GPU of one of the things that `body` does so many of.
    ///
    /// # Errors
    /// Those of `body` and of the driver.
    pub fn gpu_us(&self, count: u64, body: impl Fn(u64) -> Result<(), Diagnostic>) -> Result<f64, Diagnostic> {
        body(1)?;
        self.wait()?;
        let graph = if self.replay {
            let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
            self.stream.begin_capture(mode).map_err(driver("the capture"))?;
            let launched = body(count);
            let graph = self.stream.end_capture(sys::CUgraphInstantiate_flags(0)).map_err(driver("the capture"))?;
            launched?;
            graph
        } else {
            None
        };
        let once = || match &graph {
            Some(graph) => graph.launch().map_err(driver("the replay")),
            None if self.replay => Ok(()),
            None => body(count),
        };
        for _ in 0..3 {
            once()?;
        }
        self.wait()?;
        let event =
            || self.stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).map_err(driver("an event"));
        let mut samples = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let (before, after) = (event()?, event()?);
            before.record(self.stream).map_err(driver("an event"))?;
            once()?;
            after.record(self.stream).map_err(driver("an event"))?;
            after.synchronize().map_err(driver("an event"))?;
            let ms = before.elapsed_ms(&after).map_err(driver("an event"))?;
            samples.push(f64::from(ms) * 1e3 / count as f64);
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
            self.copy_us(5, 1 << 28)?;
        }
        Ok(())
    }

    /// Microseconds on the host of one call of each, in turn.
    ///
    /// # Errors
    /// Those of the bodies and of the driver.
    pub fn host_us<const N: usize>(
        &self,
        bodies: [&dyn Fn(u64) -> Result<(), Diagnostic>; N],
    ) -> Result<[f64; N], Diagnostic> {
        let mut samples = [const { Vec::new() }; N];
        for round in 0..SAMPLES * 4 {
            for (body, samples) in bodies.iter().zip(&mut samples) {
                self.wait()?;
                let start = Instant::now();
                body(BURST)?;
                if round > 3 {
                    samples.push(start.elapsed().as_secs_f64() * 1e6 / BURST as f64);
                }
            }
        }
        self.wait()?;
        Ok(samples.map(median))
    }

    /// Microseconds of a copy on the GPU that reads and writes this many bytes in all.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn copy_us(&self, count: u64, bytes: u64) -> Result<f64, Diagnostic> {
        let size = (bytes / 2).max(1) as usize;
        let memory = || self.stream.alloc_zeros::<u8>(size).map_err(driver("memory for a copy"));
        let (from, to) = (memory()?, memory()?);
        let at = |slice: &CudaSlice<u8>| slice.device_ptr(self.stream).0;
        self.gpu_us(count, |times| {
            for _ in 0..times {
                // SAFETY: both have `size` bytes and live to the end of the function, which waits.
                unsafe { result::memcpy_dtod_async(at(&to), at(&from), size, self.stream.cu_stream()) }
                    .map_err(driver("a copy"))?;
            }
            Ok(())
        })
    }

    fn wait(&self) -> Result<(), Diagnostic> {
        self.stream.synchronize().map_err(driver("the stream"))
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// A kernel that does nothing with its arguments, launched by the driver's call and nothing else: what a launch costs at
/// least, on the GPU and on the host.
pub struct Empty {
    module: sys::CUmodule,
    function: sys::CUfunction,
    arguments: Vec<u64>,
    context: Arc<CudaContext>,
}

impl Empty {
    /// With so many arguments of 8 bytes.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn new(context: &Arc<CudaContext>, arguments: usize) -> Result<Empty, Diagnostic> {
        let parameters: Vec<String> = (0..arguments).map(|i| format!(".param .u64 p{i}")).collect();
        let head = ".version 6.3\n.target sm_70\n.address_size 64\n";
        let text = format!("{head}.visible .entry empty({}) {{ ret; }}\n\0", parameters.join(", "));
        // SAFETY: PTX that ends in a zero.
        let module = unsafe { result::module::load_data(text.as_ptr().cast()) }.map_err(driver("the empty kernel"))?;
        // SAFETY: a live module.
        let function = unsafe { result::module::get_function(module, c"empty".to_owned()) };
        let function = function.map_err(driver("the empty kernel"))?;
        Ok(Empty { module, function, arguments: vec![0; arguments], context: Arc::clone(context) })
    }

    /// So many launches.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn times(&self, stream: &CudaStream, times: u64) -> Result<(), Diagnostic> {
        let mut arguments = self.arguments.clone();
        let mut parameters: Vec<*mut c_void> = arguments.iter_mut().map(|a| (&raw mut *a).cast()).collect();
        let config = sys::CUlaunchConfig {
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 32,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            hStream: stream.cu_stream(),
            attrs: std::ptr::null_mut(),
            numAttrs: 0,
        };
        for _ in 0..times {
            // SAFETY: as many arguments of 8 bytes as the kernel has.
            unsafe {
                let none = std::ptr::null_mut();
                sys::cuLaunchKernelEx(&raw const config, self.function, parameters.as_mut_ptr(), none)
            }
            .result()
            .map_err(driver("the empty kernel"))?;
        }
        Ok(())
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        self.context.record_err(self.context.synchronize());
        // SAFETY: loaded by `new`, and nothing runs any more.
        self.context.record_err(unsafe { result::module::unload(self.module) });
    }
}
