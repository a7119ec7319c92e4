//! Streams and memory of NVIDIA's GPUs.

use super::gpu::Room;
use routefuse_ir::{Code, Diagnostic};
use routefuse_runtime::cuda::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DriverError};
use routefuse_runtime::cuda::{Cuda, Gpu, Launch, Replay};
use std::sync::Arc;

/// A plan on a GPU of NVIDIA's with the memory of its launches.
pub type CudaExecution = super::gpu::GpuExecution<Cuda>;

/// A call of the driver that failed, in words.
fn driver(what: &str) -> impl FnOnce(DriverError) -> Diagnostic {
    move |e| Diagnostic::new(Code::DriverFailed, format!("{what}: {e}"))
}

// SAFETY: the allocation's own address and size, freed behind what uses it.
unsafe impl Room for Cuda {
    type Own = CudaStream;
    type Memory = CudaSlice<u8>;
    type Replay = Replay;

    fn stream(gpu: &Gpu) -> Result<Arc<CudaStream>, Diagnostic> {
        // One stream has nothing to wait for, and events that are recorded outside would break a capture.
        // SAFETY: an executor uses its context's memory on the one stream that it makes.
        unsafe { gpu.context().disable_event_tracking() };
        gpu.context().new_stream().map_err(driver("a stream"))
    }

    fn store(_: &Gpu, stream: &Arc<CudaStream>, bytes: &[u8], what: &str) -> Result<CudaSlice<u8>, Diagnostic> {
        stream.clone_htod(bytes).map_err(driver(what))
    }

    fn read(stream: &Arc<CudaStream>, memory: &CudaSlice<u8>, what: &str) -> Result<Vec<u8>, Diagnostic> {
        stream.clone_dtoh(memory).map_err(driver(what))
    }

    fn region(stream: &Arc<CudaStream>, memory: &CudaSlice<u8>) -> (u64, u64) {
        (memory.device_ptr(stream).0, memory.len() as u64)
    }

    fn launch_on(stream: &Arc<CudaStream>) -> Launch<'_> {
        Launch::on(stream)
    }

    fn capture(stream: &Arc<CudaStream>, body: &dyn Fn() -> Result<(), Diagnostic>) -> Result<Replay, Diagnostic> {
        Replay::capture(stream, body)
    }

    unsafe fn replay_us(_: &Arc<CudaStream>, replay: &Replay) -> Result<f64, Diagnostic> {
        // SAFETY: the caller vouches for what was captured.
        unsafe { replay.launch_us() }
    }

    fn names(gpu: &Gpu) -> Result<(String, String), Diagnostic> {
        let info = gpu.info()?;
        Ok((info.name, info.driver.to_string()))
    }
}
