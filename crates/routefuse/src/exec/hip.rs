//! Streams and memory of AMD's GPUs.

use super::gpu::Room;
use routefuse_ir::Diagnostic;
use routefuse_runtime::hip::{Event, Gpu, Graph, Hip, Launch, Memory, Stream};
use std::sync::Arc;

/// A plan on a GPU of AMD's with the memory of its launches.
pub type HipExecution = super::gpu::GpuExecution<Hip>;

/// The message begins with what was done.
fn with(what: &str) -> impl FnOnce(Diagnostic) -> Diagnostic {
    move |mut e| {
        e.message = format!("{what}: {}", e.message);
        e
    }
}

// SAFETY: the allocation's own address and size, freed behind what uses it.
unsafe impl Room for Hip {
    type Own = Stream;
    type Memory = Memory;
    type Replay = Graph;

    fn stream(gpu: &Gpu) -> Result<Arc<Stream>, Diagnostic> {
        Stream::new(gpu).map(Arc::new)
    }

    fn store(gpu: &Gpu, stream: &Arc<Stream>, bytes: &[u8], what: &str) -> Result<Memory, Diagnostic> {
        Memory::of(gpu, stream, bytes).map_err(with(what))
    }

    fn read(stream: &Arc<Stream>, memory: &Memory, what: &str) -> Result<Vec<u8>, Diagnostic> {
        memory.read(stream).map_err(with(what))
    }

    fn region(_: &Arc<Stream>, memory: &Memory) -> (u64, u64) {
        (memory.address(), memory.bytes() as u64)
    }

    fn launch_on(stream: &Arc<Stream>) -> Launch<'_> {
        Launch::on(stream)
    }

    fn capture(stream: &Arc<Stream>, body: &dyn Fn() -> Result<(), Diagnostic>) -> Result<Graph, Diagnostic> {
        stream.capture(body)
    }

    unsafe fn replay_us(stream: &Arc<Stream>, replay: &Graph) -> Result<f64, Diagnostic> {
        let before = Event::on(stream)?;
        // SAFETY: the caller vouches for what was captured.
        unsafe { replay.launch(stream)? };
        let after = Event::on(stream)?;
        Ok(f64::from(before.milliseconds_to(&after)?) * 1e3)
    }

    fn names(gpu: &Gpu) -> Result<(String, String), Diagnostic> {
        let info = gpu.info()?;
        Ok((info.name, info.driver.to_string()))
    }
}
