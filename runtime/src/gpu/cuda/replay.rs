//! Launches that are captured and timed again and again, as a CUDA graph.

use super::version::failed;
use cudarc::driver::sys::{CUevent_flags, CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, CudaStream, DriverError};
use routefuse_ir::Diagnostic;
use std::sync::Arc;

/// Captured launches, on the stream on which they are replayed.
pub struct Replay {
    /// None if nothing was launched.
    graph: Option<CudaGraph>,
    stream: Arc<CudaStream>,
}

impl Replay {
    /// What `body` gives the stream, as a graph; none of it runs here. What other threads load or allocate meanwhile is no part
    /// of it.
    ///
    /// # Errors
    /// Those of `body`; `RF0808` if the driver refuses the capture.
    pub fn capture(
        stream: &Arc<CudaStream>,
        body: impl FnOnce() -> Result<(), Diagnostic>,
    ) -> Result<Replay, Diagnostic> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.begin_capture(mode).map_err(said("cuStreamBeginCapture"))?;
        let given = body();
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).map_err(said("cuStreamEndCapture"));
        given.and(graph).map(|graph| Replay { graph, stream: Arc::clone(stream) })
    }

    /// Microseconds of the GPU's time for one replay, which is waited for.
    ///
    /// # Errors
    /// `RF0808` if the driver refuses it, or something of it failed.
    ///
    /// # Safety
    /// Plans and memory of the captured launches are alive, and nobody else uses the memory meanwhile.
    pub unsafe fn launch_us(&self) -> Result<f64, Diagnostic> {
        let Some(graph) = &self.graph else { return Ok(0.0) };
        let context = self.stream.context();
        let event = || context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).map_err(said("cuEventCreate"));
        let (before, after) = (event()?, event()?);
        before.record(&self.stream).map_err(said("cuEventRecord"))?;
        graph.launch().map_err(said("cuGraphLaunch"))?;
        after.record(&self.stream).map_err(said("cuEventRecord"))?;
        after.synchronize().map_err(said("cuEventSynchronize"))?;
        let ms = before.elapsed_ms(&after).map_err(said("cuEventElapsedTime"))?;
        Ok(f64::from(ms) * 1e3)
    }
}

/// What the driver said of a call.
fn said(call: &'static str) -> impl FnOnce(DriverError) -> Diagnostic {
    move |e| failed(call, e, "a replay of captured launches")
}
