//! NVIDIA's GPUs in the suite, by `cudarc`.

mod dependent;

use super::agreement::{Outcomes, at};
use super::scope::Counts;
use super::sharing::report;
use super::vendor::{Vendor, Wrong};
use routefuse_ir::{Code, Diagnostic, Graph, Verified};
use routefuse_runtime::Device;
use routefuse_runtime::cuda::cudarc::driver::sys::{self, CUstreamCaptureMode_enum};
use routefuse_runtime::cuda::cudarc::driver::{CudaContext, CudaGraph, CudaSlice, CudaStream, DevicePtr};
use routefuse_runtime::cuda::{Cuda, CudaPlan, Gpu, Launch};
use std::sync::Arc;

impl Vendor for Cuda {
    type Own = Arc<CudaStream>;
    type Memory = CudaSlice<u8>;
    type Graph = CudaGraph;

    fn count() -> Result<u32, Diagnostic> {
        Gpu::count()
    }

    fn open(ordinal: u32) -> Result<Gpu, Diagnostic> {
        Gpu::open(ordinal)
    }

    fn about(gpu: &Gpu) -> Result<String, Diagnostic> {
        let info = gpu.info()?;
        Ok(format!("{}, driver for {}, PTX up to {}.{}", info.name, info.driver, info.ptx.0, info.ptx.1))
    }

    fn again(gpu: &Gpu) -> Outcomes<Gpu> {
        at("the GPU", Gpu::of(gpu.context()))
    }

    /// Events may not be recorded into captures.
    fn share_nothing(gpu: &Gpu) {
        // SAFETY: nothing is shared between streams without waiting for them.
        unsafe { gpu.context().disable_event_tracking() };
    }

    fn enter(gpu: &Gpu) -> Outcomes<()> {
        at("the context", gpu.context().bind_to_thread())
    }

    fn leave() -> Outcomes<()> {
        // SAFETY: takes this thread's current context away; nothing of the suite needs it until it enters again.
        at("no context", unsafe { sys::cuCtxSetCurrent(std::ptr::null_mut()) }.result())
    }

    fn numbered(ordinal: u32) -> Device {
        Device::Cuda(ordinal)
    }

    fn stream(gpu: &Gpu) -> Outcomes<Arc<CudaStream>> {
        at("a stream", gpu.context().new_stream())
    }

    /// A stream of another context of the same GPU.
    fn foreign(gpu: &Gpu) -> Outcomes<Option<Arc<CudaStream>>> {
        let other = at("another context", CudaContext::new_non_primary(gpu.context().ordinal(), 0))?;
        at("its stream", other.new_stream()).map(Some)
    }

    fn on(stream: &Arc<CudaStream>) -> Launch<'_> {
        Launch::on(stream)
    }

    fn wait(stream: &Arc<CudaStream>) -> Outcomes<()> {
        at("the stream", stream.synchronize())
    }

    fn store(_: &Gpu, stream: &Arc<CudaStream>, bytes: &[u8]) -> Outcomes<CudaSlice<u8>> {
        at("a copy to the GPU", stream.clone_htod(bytes))
    }

    fn write(stream: &Arc<CudaStream>, memory: &mut CudaSlice<u8>, bytes: &[u8]) -> Outcomes<()> {
        at("a copy to the GPU", stream.memcpy_htod(bytes, memory))
    }

    fn read(stream: &Arc<CudaStream>, memory: &CudaSlice<u8>, bytes: &mut [u8]) -> Outcomes<()> {
        at("a copy from the GPU", stream.memcpy_dtoh(memory, bytes))?;
        Self::wait(stream)
    }

    fn address(stream: &Arc<CudaStream>, memory: &CudaSlice<u8>) -> u64 {
        memory.device_ptr(stream).0
    }

    fn capture(stream: &Arc<CudaStream>, body: impl FnOnce() -> Outcomes<()>) -> Outcomes<Option<CudaGraph>> {
        // Thread-local, because other threads of the suite allocate meanwhile.
        at("the capture", stream.begin_capture(CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))?;
        let launched = body();
        let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0));
        launched?;
        at("the end of the capture", graph)
    }

    fn nodes(graph: &CudaGraph) -> Outcomes<Option<usize>> {
        let mut count = 0;
        // SAFETY: a live graph; without a list the driver says how many there are.
        let result = unsafe { sys::cuGraphGetNodes(graph.cu_graph(), std::ptr::null_mut(), &raw mut count) };
        at("the graph's nodes", result.result())?;
        Ok(Some(count))
    }

    fn replay(graph: &CudaGraph, _: &Arc<CudaStream>) -> Outcomes<()> {
        at("the replay", graph.launch())
    }

    fn wrong_code(_: &[u8]) -> Vec<Wrong> {
        let entry = |name: &str, body: &str| {
            let begin = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry";
            format!("{begin} {name}() {{ {body} }}\n").into_bytes()
        };
        let of = |text: &str| text.as_bytes().to_vec();
        vec![
            (of("nothing"), Code::CannotLoad, &["names no version"]),
            (of(".version 99.0\n.target sm_90\n"), Code::CannotLoad, &["PTX 99.0", "update the driver"]),
            (entry("routefuse_kernel", "nonsense;"), Code::DriverFailed, &["cuLinkAddData", "CUDA_ERROR", "nonsense"]),
            (entry("other", "ret;"), Code::DriverFailed, &["cuModuleGetFunction", "CUDA_ERROR_NOT_FOUND (500)"]),
        ]
    }

    fn behind_a_late_producer(
        (name, g, plan): &(&String, &Verified<Graph>, &CudaPlan),
        stream: &Arc<CudaStream>,
        counts: &mut Counts,
    ) {
        for rows in [1, 700] {
            report(counts, &format!("{name}, dependent, T = {rows}"), dependent::chain(g, plan, stream, rows));
        }
    }

    fn dependents(remap: &Verified<Graph>, plan: &CudaPlan, stream: &Arc<CudaStream>, counts: &mut Counts) {
        match dependent::producer_is_late(stream) {
            Ok(true) => counts.checks += 1,
            Ok(false) => {
                report(counts, "the late producer", Err("a kernel that does not wait saw its result".to_owned()));
            }
            Err(e) => report(counts, "the late producer", Err(e)),
        }
        for depth in [2, 33, 100] {
            report(counts, "dependents in turn", dependent::in_turn(remap, plan, stream, depth));
        }
    }
}
