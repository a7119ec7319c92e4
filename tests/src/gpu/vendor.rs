//! What the suite needs of a vendor beside its driver: streams, memory, captured launches, and code that is wrong.

use super::agreement::Outcomes;
use super::scope::Counts;
use routefuse_ir::{Code, Diagnostic, Graph, Verified};
use routefuse_runtime::Device;
use routefuse_runtime::gpu::{Driver, Gpu, GpuPlan, Launch};

/// Code that a driver refuses: the code, the error's code, and words of its text.
pub(super) type Wrong = (Vec<u8>, Code, &'static [&'static str]);

/// A vendor on whose GPUs the suite runs. Calls want the calling thread to have [entered](Vendor::enter) the GPU.
pub trait Vendor: Driver {
    /// A stream of the suite's own.
    type Own: Send + Sync;
    /// Memory of the GPU, freed when dropped.
    type Memory: Send + Sync;
    /// Captured launches.
    type Graph;

    /// How many GPUs there are.
    ///
    /// # Errors
    /// As the runtime reports them.
    fn count() -> Result<u32, Diagnostic>;

    /// The GPU of this number.
    ///
    /// # Errors
    /// As the runtime reports them.
    fn open(ordinal: u32) -> Result<Gpu<Self>, Diagnostic>;

    /// What it is, for people.
    ///
    /// # Errors
    /// As the runtime reports them.
    fn about(gpu: &Gpu<Self>) -> Result<String, Diagnostic>;

    /// Another handle of a GPU, where nothing is loaded.
    ///
    /// # Errors
    /// As the runtime reports them, as text.
    fn again(gpu: &Gpu<Self>) -> Outcomes<Gpu<Self>>;

    /// Every stream of the suite has memory of its own: nothing is to be tracked.
    fn share_nothing(_gpu: &Gpu<Self>) {}

    /// The calling thread uses this GPU from here on.
    ///
    /// # Errors
    /// As the driver says.
    fn enter(gpu: &Gpu<Self>) -> Outcomes<()>;

    /// The calling thread uses no GPU from here on, where a driver knows that.
    ///
    /// # Errors
    /// As the driver says.
    fn leave() -> Outcomes<()> {
        Ok(())
    }

    /// The device of this number, whether it is there or not.
    fn numbered(ordinal: u32) -> Device;

    /// A new stream.
    ///
    /// # Errors
    /// As the driver says.
    fn stream(gpu: &Gpu<Self>) -> Outcomes<Self::Own>;

    /// A stream of which a launch on this GPU has no use, if there is one, and words of the error.
    ///
    /// # Errors
    /// As the driver says.
    fn foreign(gpu: &Gpu<Self>) -> Outcomes<Option<Self::Own>>;

    /// A launch on a stream.
    fn on(stream: &Self::Own) -> Launch<'_, Self>;

    /// Waits for all that a stream was given.
    ///
    /// # Errors
    /// If some of it failed.
    fn wait(stream: &Self::Own) -> Outcomes<()>;

    /// A copy of these bytes, of which there is one at least.
    ///
    /// # Errors
    /// As the driver says.
    fn store(gpu: &Gpu<Self>, stream: &Self::Own, bytes: &[u8]) -> Outcomes<Self::Memory>;

    /// Writes as many bytes as the memory has, behind all that the stream was given.
    ///
    /// # Errors
    /// As the driver says.
    fn write(stream: &Self::Own, memory: &mut Self::Memory, bytes: &[u8]) -> Outcomes<()>;

    /// Reads as many bytes as the memory has, behind all that the stream was given, and waits.
    ///
    /// # Errors
    /// As the driver says, also of what was before.
    fn read(stream: &Self::Own, memory: &Self::Memory, bytes: &mut [u8]) -> Outcomes<()>;

    /// The address of memory.
    fn address(stream: &Self::Own, memory: &Self::Memory) -> u64;

    /// What `body` launches on the stream, as a graph; none of it runs here. No graph where it launches nothing and the driver
    /// has none of nothing. Any call of the driver that may not be captured breaks it.
    ///
    /// # Errors
    /// Those of `body`; as the driver says.
    fn capture(stream: &Self::Own, body: impl FnOnce() -> Outcomes<()>) -> Outcomes<Option<Self::Graph>>;

    /// How many launches were captured, where the driver says.
    ///
    /// # Errors
    /// As the driver says.
    fn nodes(graph: &Self::Graph) -> Outcomes<Option<usize>>;

    /// Runs what was captured.
    ///
    /// # Errors
    /// As the driver says.
    fn replay(graph: &Self::Graph, stream: &Self::Own) -> Outcomes<()>;

    /// Code that its driver, or what stands in front of it, refuses. `right` is such as it takes.
    fn wrong_code(right: &[u8]) -> Vec<Wrong>;

    /// A plan behind a producer that lets it begin before it has written: only for targets that
    /// [have such launches](routefuse_ir::target::Abilities::dependent_launch). What is wrong is counted.
    fn behind_a_late_producer(
        _of: &(&String, &Verified<Graph>, &GpuPlan<Self>),
        _stream: &Self::Own,
        _counts: &mut Counts,
    ) {
    }

    /// That a producer is late enough to show anything, and launches of a remap that depend each on the last: only for such targets.
    /// What is wrong is counted.
    fn dependents(_remap: &Verified<Graph>, _plan: &GpuPlan<Self>, _stream: &Self::Own, _counts: &mut Counts) {}
}
