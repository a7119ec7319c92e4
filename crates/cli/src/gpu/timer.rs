//! Times on a GPU: between events around launches on a stream, or around replays of a CUDA graph of them.

use super::driver;
use crate::gpu_bench::{BURST, SAMPLES, WARM_UP};
use crate::timing::median;
use routefuse::cuda::cudarc::driver::sys::{self, CUevent_flags, CUstreamCaptureMode};
use routefuse::cuda::cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, result};
use routefuse::diag::{Code, Diagnostic};
use routefuse::ir::{Artifact, Slot};
use std::ffi::{CString, c_void};
use std::sync::Arc;
use std::time::Instant;

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

    /// Microseconds on the host of one call of the first, of one of the second, and what the first takes more: the median
    /// of what two bursts, one after the other, differ by.
    ///
    /// # Errors
    /// Those of the bodies and of the driver.
    pub fn host_us(&self, bodies: [&dyn Fn(u64) -> Result<(), Diagnostic>; 2]) -> Result<[f64; 3], Diagnostic> {
        let mut samples = [const { Vec::new() }; 3];
        for round in 0..SAMPLES * 4 {
            let mut us = [0.0; 2];
            for (body, us) in bodies.iter().zip(&mut us) {
                self.wait()?;
                let start = Instant::now();
                body(BURST)?;
                *us = start.elapsed().as_secs_f64() * 1e6 / BURST as f64;
            }
            if round > 3 {
                samples[0].push(us[0]);
                samples[1].push(us[1]);
                samples[2].push(us[0] - us[1]);
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

/// A kernel launched by the driver's call and nothing else: what a launch costs at least, on the GPU and on the host.
pub struct Bare {
    module: sys::CUmodule,
    function: sys::CUfunction,
    arguments: Vec<u64>,
    threads: u32,
    /// What arguments that are addresses point to.
    _memory: Option<CudaSlice<u8>>,
    context: Arc<CudaContext>,
}

/// Bytes that a kernel may read where it has no rows: its device scalars.
const ROOM: usize = 4096;

impl Bare {
    /// One that does nothing.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn empty(context: &Arc<CudaContext>) -> Result<Bare, Diagnostic> {
        let text = ".version 6.3\n.target sm_70\n.address_size 64\n.visible .entry empty() { ret; }\n\0";
        Bare::new(context, text.as_bytes(), "empty", Vec::new(), 32, None)
    }

    /// The machine code of a plan, for no rows: the same arguments to the driver, and nothing to do.
    ///
    /// # Errors
    /// `RF0808`.
    pub fn of(context: &Arc<CudaContext>, stream: &Arc<CudaStream>, artifact: &Artifact) -> Result<Bare, Diagnostic> {
        let memory = stream.alloc_zeros::<u8>(ROOM).map_err(driver("memory"))?;
        let address = memory.device_ptr(stream).0;
        let value = |slot: &Slot| if matches!(slot, Slot::Pointer(_)) { address } else { 0 };
        let arguments = artifact.slots.iter().map(value).collect();
        let threads = artifact.schedule.threads(artifact.variant);
        let mut code = artifact.code.clone();
        code.push(0);
        Bare::new(context, &code, &artifact.entry, arguments, threads, Some(memory))
    }

    fn new(
        context: &Arc<CudaContext>,
        code: &[u8],
        entry: &str,
        arguments: Vec<u64>,
        threads: u32,
        memory: Option<CudaSlice<u8>>,
    ) -> Result<Bare, Diagnostic> {
        let what = "the bare kernel";
        let entry = CString::new(entry).map_err(|_| Diagnostic::new(Code::CannotLoad, "an entry point is no name"))?;
        // SAFETY: machine code, or PTX that ends in a zero.
        let module = unsafe { result::module::load_data(code.as_ptr().cast()) }.map_err(driver(what))?;
        // SAFETY: a live module.
        let function = unsafe { result::module::get_function(module, entry) }.map_err(driver(what))?;
        Ok(Bare { module, function, arguments, threads, _memory: memory, context: Arc::clone(context) })
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
            blockDimX: self.threads,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            hStream: stream.cu_stream(),
            attrs: std::ptr::null_mut(),
            numAttrs: 0,
        };
        for _ in 0..times {
            // SAFETY: as many arguments of 8 bytes as the kernel has; it has no rows to touch.
            unsafe {
                let none = std::ptr::null_mut();
                sys::cuLaunchKernelEx(&raw const config, self.function, parameters.as_mut_ptr(), none)
            }
            .result()
            .map_err(driver("the bare kernel"))?;
        }
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.context.record_err(self.context.synchronize());
        // SAFETY: loaded by `new`, and nothing runs any more.
        self.context.record_err(unsafe { result::module::unload(self.module) });
    }
}
