//! AMD's GPUs in the suite, by the runtime's own streams and memory.

use super::agreement::{Outcomes, at};
use super::vendor::{Vendor, Wrong};
use routefuse_ir::{Code, Diagnostic};
use routefuse_runtime::Device;
use routefuse_runtime::hip::{Gpu, Graph, Hip, Launch, Memory, Stream};

impl Vendor for Hip {
    type Own = Stream;
    type Memory = Memory;
    type Graph = Graph;

    fn count() -> Result<u32, Diagnostic> {
        Gpu::count()
    }

    fn open(ordinal: u32) -> Result<Gpu, Diagnostic> {
        Gpu::open(ordinal)
    }

    fn about(gpu: &Gpu) -> Result<String, Diagnostic> {
        let info = gpu.info()?;
        Ok(format!("{}, {}, {} compute units, {}", info.name, info.architecture, info.compute_units, info.driver))
    }

    fn again(gpu: &Gpu) -> Outcomes<Gpu> {
        let Device::Hip(ordinal) = gpu.device() else { return Err(format!("{} is not AMD's", gpu.device())) };
        at("the GPU", Gpu::open(ordinal))
    }

    /// Every call says which device it is for.
    fn enter(_: &Gpu) -> Outcomes<()> {
        Ok(())
    }

    fn numbered(ordinal: u32) -> Device {
        Device::Hip(ordinal)
    }

    fn stream(gpu: &Gpu) -> Outcomes<Stream> {
        at("a stream", Stream::new(gpu))
    }

    /// A stream of another device.
    fn foreign(gpu: &Gpu) -> Outcomes<Option<Stream>> {
        let count = at("the runtime", Gpu::count())?;
        let Some(other) = (0..count).find(|n| Device::Hip(*n) != gpu.device()) else { return Ok(None) };
        Self::stream(&at("another GPU", Gpu::open(other))?).map(Some)
    }

    fn on(stream: &Stream) -> Launch<'_> {
        Launch::on(stream)
    }

    fn wait(stream: &Stream) -> Outcomes<()> {
        at("the stream", stream.synchronize())
    }

    fn store(gpu: &Gpu, stream: &Stream, bytes: &[u8]) -> Outcomes<Memory> {
        at("a copy to the GPU", Memory::of(gpu, stream, bytes))
    }

    fn write(stream: &Stream, memory: &mut Memory, bytes: &[u8]) -> Outcomes<()> {
        at("a copy to the GPU", memory.write(stream, bytes))
    }

    fn read(stream: &Stream, memory: &Memory, bytes: &mut [u8]) -> Outcomes<()> {
        bytes.copy_from_slice(&at("a copy from the GPU", memory.read(stream))?);
        Ok(())
    }

    fn address(_: &Stream, memory: &Memory) -> u64 {
        memory.address()
    }

    fn capture(stream: &Stream, body: impl FnOnce() -> Outcomes<()>) -> Outcomes<Option<Graph>> {
        let mut launched = Ok(());
        let graph = stream.capture(|| {
            launched = body();
            Ok(())
        });
        launched?;
        at("the capture", graph).map(Some)
    }

    /// An executable graph of HIP's does not say.
    fn nodes(_: &Graph) -> Outcomes<Option<usize>> {
        Ok(None)
    }

    fn replay(graph: &Graph, stream: &Stream) -> Outcomes<()> {
        // SAFETY: plan and memory outlive the replay, which whoever asks for it waits for.
        at("the replay", unsafe { graph.launch(stream) })
    }

    fn wrong_code(right: &[u8]) -> Vec<Wrong> {
        let with = |at: usize, byte: u8| {
            let mut code = right.to_vec();
            code[at] = byte;
            code
        };
        // The processor is the lowest byte of `e_flags`: gfx1100, or where that is right, gfx942.
        let other = if right[48] == 0x41 { 0x4c } else { 0x41 };
        vec![
            (b"nothing".to_vec(), Code::CannotLoad, &["cannot be loaded"]),
            // `e_machine` of x86-64.
            ([with(18, 62), vec![]].concat(), Code::CannotLoad, &["no code object of AMD's"]),
            (right[..right.len() / 2].to_vec(), Code::CannotLoad, &["cut short"]),
            (with(48, other), Code::TargetNotHere, &["hipModuleLoadData", "hipErrorNoBinaryForGpu (209)"]),
        ]
    }
}
