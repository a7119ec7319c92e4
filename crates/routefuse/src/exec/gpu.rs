//! A plan on a GPU with the memory of its launches there.

use super::Outcome;
use super::arguments::{Argument, Arguments, Input, Rows};
use crate::error::Error;
use routefuse_ir::{DType, Diagnostic, Tensor};
use routefuse_runtime::gpu::{Driver, Gpu, GpuPlan, Launch};
use routefuse_runtime::{Args, TensorMut, TensorRef};
use std::fmt;
use std::sync::Arc;

/// What an execution needs of a vendor beside its [`Driver`]: streams, and memory that copies go to and from on a stream.
///
/// # Safety
/// [`Self::region`] says where the memory is, all of which stays allocated until it is dropped; dropping waits for what uses it.
pub unsafe trait Room: Driver {
    /// A stream of one's own.
    type Own: Send + Sync;
    /// Memory of the GPU, freed when dropped.
    type Memory: Send + Sync;
    /// Captured launches, to be replayed.
    type Replay;

    /// A stream on this GPU.
    ///
    /// # Errors
    /// `RF0808`.
    fn stream(gpu: &Gpu<Self>) -> Result<Arc<Self::Own>, Diagnostic>;

    /// A copy of these bytes, of which there is one at least; `what` is for errors.
    ///
    /// # Errors
    /// `RF0808` if memory is short.
    fn store(gpu: &Gpu<Self>, stream: &Arc<Self::Own>, bytes: &[u8], what: &str) -> Result<Self::Memory, Diagnostic>;

    /// The bytes, after everything that the stream was given.
    ///
    /// # Errors
    /// `RF0808` if something of that failed.
    fn read(stream: &Arc<Self::Own>, memory: &Self::Memory, what: &str) -> Result<Vec<u8>, Diagnostic>;

    /// Its address, and how many bytes it has.
    fn region(stream: &Arc<Self::Own>, memory: &Self::Memory) -> (u64, u64);

    /// A launch on the stream.
    fn launch_on(stream: &Arc<Self::Own>) -> Launch<'_, Self>;

    /// What `body` gives the stream, as a graph; none of it runs here.
    ///
    /// # Errors
    /// Those of `body`; `RF0808` if the driver refuses the capture.
    fn capture(stream: &Arc<Self::Own>, body: &dyn Fn() -> Result<(), Diagnostic>) -> Result<Self::Replay, Diagnostic>;

    /// Microseconds of the GPU's time for one replay, which is waited for.
    ///
    /// # Errors
    /// `RF0808` if the driver refuses it, or something of it failed.
    ///
    /// # Safety
    /// Plans and memory of the captured launches are alive, and nobody else uses the memory meanwhile.
    unsafe fn replay_us(stream: &Arc<Self::Own>, replay: &Self::Replay) -> Result<f64, Diagnostic>;

    /// The card, as its driver calls it, and the driver, as it calls itself.
    ///
    /// # Errors
    /// `RF0808` if the driver does not say.
    fn names(gpu: &Gpu<Self>) -> Result<(String, String), Diagnostic>;
}

/// A plan on a GPU and the arguments of its launches, on one stream.
pub struct GpuExecution<D: Room> {
    plan: Arc<GpuPlan<D>>,
    stream: Arc<D::Own>,
    memory: Arc<ArgumentsOnGpu<D>>,
}

/// All memory of a launch.
struct ArgumentsOnGpu<D: Room> {
    inputs: Vec<OnGpu<D>>,
    outputs: Vec<OnGpu<D>>,
    error_word: Option<OnGpu<D>>,
    workspace: D::Memory,
    bytes: (u64, u64),
}

/// An argument in the GPU's memory.
struct OnGpu<D: Room> {
    name: String,
    data: D::Memory,
    dtype: DType,
    shape: Vec<u64>,
    rows: Rows,
}

impl<D: Room> OnGpu<D> {
    fn new(argument: &Argument<'_>, gpu: &Gpu<D>, stream: &Arc<D::Own>) -> Result<OnGpu<D>, Diagnostic> {
        let (name, t) = (argument.name, &*argument.initial);
        let rows = argument.rows();
        let mut bytes = rows.spread(t);
        // The driver allocates no empty memory.
        bytes.resize(bytes.len().max(1), 0);
        let data = D::store(gpu, stream, &bytes, &format!("the memory of `{name}`"))?;
        Ok(OnGpu { name: name.to_owned(), data, dtype: t.dtype(), shape: t.shape().to_vec(), rows })
    }

    fn read(&self, stream: &Arc<D::Own>) -> Result<Tensor, Diagnostic> {
        let mut tensor = Tensor::zeros(self.dtype, &self.shape);
        let bytes = D::read(stream, &self.data, &format!("reading `{}`", self.name))?;
        self.rows.gather(&bytes, &mut tensor);
        Ok(tensor)
    }
}

impl<D: Room> GpuExecution<D> {
    /// Allocates every argument on the plan's GPU and copies the inputs, which are in the program's order. An output in an
    /// input's memory begins as that input, any other one as zeros. `given` names extents of dims that no input has. All of
    /// the memory is used on this stream alone.
    ///
    /// # Errors
    /// Inputs that do not fit (`RF0601` to `RF0606`, `RF0614`); `RF0808` if memory is short.
    pub fn new(
        plan: Arc<GpuPlan<D>>,
        stream: &Arc<D::Own>,
        inputs: &[Tensor],
        given: &[(&str, u64)],
    ) -> Result<GpuExecution<D>, Error> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(Input::from).collect();
        GpuExecution::with(plan, stream, &inputs, given)
    }

    /// As [`GpuExecution::new`], with inputs whose rows may lie in wider buffers.
    ///
    /// # Errors
    /// As [`GpuExecution::new`]; rows that would overlap.
    pub fn with(
        plan: Arc<GpuPlan<D>>,
        stream: &Arc<D::Own>,
        inputs: &[Input<'_>],
        given: &[(&str, u64)],
    ) -> Result<GpuExecution<D>, Error> {
        let arguments = Arguments::of(plan.plan().program(), inputs, given)?;
        let gpu = plan.gpu();
        let on_gpu = |a: &Argument<'_>| OnGpu::new(a, gpu, stream);
        let workspace = vec![0u8; plan.plan().workspace_size(&arguments.extents)?.max(1) as usize];
        let inputs = arguments.inputs.iter().map(on_gpu).collect::<Result<_, _>>()?;
        let outputs = arguments.outputs.iter().map(on_gpu).collect::<Result<_, _>>()?;
        let error_word = arguments.error_word.as_ref().map(on_gpu).transpose()?;
        let workspace = D::store(gpu, stream, &workspace, "the workspace")?;
        let bytes = arguments.bytes;
        drop(arguments);
        let memory = Arc::new(ArgumentsOnGpu { inputs, outputs, error_word, workspace, bytes });
        Ok(GpuExecution { stream: Arc::clone(stream), memory, plan })
    }

    /// Another plan of the same program on the same GPU, with the very same memory: the launches of both are one after the other
    /// on one stream.
    #[cfg(feature = "graphs")]
    pub(crate) fn with_plan(&self, plan: Arc<GpuPlan<D>>) -> GpuExecution<D> {
        GpuExecution { plan, stream: Arc::clone(&self.stream), memory: Arc::clone(&self.memory) }
    }

    /// So many launches with the same arguments; they are not waited for.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn launch(&self, times: u64) -> Result<(), Diagnostic> {
        self.launches(times, false)
    }

    /// As [`GpuExecution::launch`]; on GPUs that can, a launch is set up while the one before it still runs.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn launch_dependent(&self, times: u64) -> Result<(), Diagnostic> {
        self.launches(times, true)
    }

    fn launches(&self, times: u64, dependent: bool) -> Result<(), Diagnostic> {
        let device = self.plan.gpu().device();
        let mut args = Args::new();
        for t in &self.memory.inputs {
            let (address, bytes) = D::region(&self.stream, &t.data);
            let ptr = std::ptr::with_exposed_provenance(address as usize);
            // SAFETY: the memory lives as long as this execution, and is used on its stream alone.
            let view = unsafe { TensorRef::from_raw(ptr, bytes, t.dtype, &t.shape, &t.rows.strides) };
            args.named_input(&t.name, view.on(device));
        }
        for t in self.memory.outputs.iter().chain(&self.memory.error_word) {
            let (address, bytes) = D::region(&self.stream, &t.data);
            let ptr = std::ptr::with_exposed_provenance_mut(address as usize);
            // SAFETY: the memory lives as long as this execution, and is used on its stream alone.
            let view = unsafe { TensorMut::from_raw(ptr, bytes, t.dtype, &t.shape, &t.rows.strides) };
            args.named_output(&t.name, view.on(device));
        }
        let (workspace, bytes) = D::region(&self.stream, &self.memory.workspace);
        // SAFETY: the workspace lives as long as this execution; its stream runs one launch after the other.
        let launch = unsafe { D::launch_on(&self.stream).workspace(workspace, bytes) }.dependent(dependent);
        (0..times).try_for_each(|_| self.plan.launch(launch, &args))
    }

    /// Waits for the launches, and reads what they gave.
    ///
    /// # Errors
    /// `RF0808` if a kernel failed.
    pub fn outcome(&self) -> Result<Outcome, Diagnostic> {
        let outputs = self.memory.outputs.iter().map(|t| Ok((t.name.clone(), t.read(&self.stream)?)));
        let outputs = outputs.collect::<Result<Vec<_>, Diagnostic>>()?;
        let word = self.memory.error_word.as_ref().map(|t| t.read(&self.stream)).transpose()?;
        Ok(Outcome { outputs, trapped: word.is_some_and(|t| t.bits(0) != 0) })
    }

    /// So many launches with the same arguments, captured to be timed again and again.
    ///
    /// # Errors
    /// What a launch reports; `RF0808` if the driver refuses the capture.
    pub fn captured(&self, times: u64) -> Result<Captured<'_, D>, Diagnostic> {
        // Nothing runs now, but what a launch refuses is refused.
        let replay = D::capture(&self.stream, &|| self.launch(times))?;
        Ok(Captured { replay, times, execution: self })
    }

    /// The bytes of all inputs, and of all outputs, as [`HostExecution::bytes`](super::HostExecution::bytes).
    pub fn bytes(&self) -> (u64, u64) {
        self.memory.bytes
    }
}

/// Launches of an execution, captured.
pub struct Captured<'e, D: Room> {
    replay: D::Replay,
    times: u64,
    execution: &'e GpuExecution<D>,
}

impl<D: Room> Captured<'_, D> {
    /// Microseconds of the GPU's time for one of the launches, in one replay of all; it is waited for.
    ///
    /// # Errors
    /// `RF0808` if the driver refuses it, or a kernel failed.
    pub fn launch_us(&mut self) -> Result<f64, Diagnostic> {
        // SAFETY: the execution, with its plan and its memory, is borrowed, and its launches are one after the other on its stream.
        let us = unsafe { D::replay_us(&self.execution.stream, &self.replay)? };
        Ok(us / self.times.max(1) as f64)
    }
}

impl<D: Room> fmt::Debug for Captured<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Captured({} launches of {:?})", self.times, self.execution)
    }
}

impl<D: Room> fmt::Debug for GpuExecution<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuExecution({:?})", self.plan)
    }
}
