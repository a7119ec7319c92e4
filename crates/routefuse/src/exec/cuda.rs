//! A plan on an NVIDIA GPU with the memory of its launches there.

use super::Outcome;
use super::arguments::{Argument, Arguments, Input, Rows};
use crate::error::Error;
use routefuse_ir::{Code, DType, Diagnostic, Tensor};
use routefuse_runtime::cuda::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DriverError};
use routefuse_runtime::cuda::{CudaPlan, Launch};
use routefuse_runtime::{Args, TensorMut, TensorRef};
use std::fmt;
use std::sync::Arc;

/// A plan on a GPU and the arguments of its launches, on one stream.
pub struct CudaExecution {
    plan: Arc<CudaPlan>,
    stream: Arc<CudaStream>,
    inputs: Vec<OnGpu>,
    outputs: Vec<OnGpu>,
    error_word: Option<OnGpu>,
    workspace: CudaSlice<u8>,
    bytes: (u64, u64),
}

/// An argument in the GPU's memory.
struct OnGpu {
    name: String,
    data: CudaSlice<u8>,
    dtype: DType,
    shape: Vec<u64>,
    rows: Rows,
}

impl OnGpu {
    fn new(argument: &Argument<'_>, stream: &Arc<CudaStream>) -> Result<OnGpu, Diagnostic> {
        let (name, t) = (argument.name, &*argument.initial);
        let rows = argument.rows();
        let mut bytes = rows.spread(t);
        // The driver allocates no empty memory.
        bytes.resize(bytes.len().max(1), 0);
        let data = stream.clone_htod(&bytes).map_err(driver(format!("the memory of `{name}`")))?;
        Ok(OnGpu { name: name.to_owned(), data, dtype: t.dtype(), shape: t.shape().to_vec(), rows })
    }

    fn address(&self, stream: &CudaStream) -> usize {
        self.data.device_ptr(stream).0 as usize
    }

    fn read(&self, stream: &Arc<CudaStream>) -> Result<Tensor, Diagnostic> {
        let mut tensor = Tensor::zeros(self.dtype, &self.shape);
        let bytes = stream.clone_dtoh(&self.data).map_err(driver(format!("reading `{}`", self.name)))?;
        self.rows.gather(&bytes, &mut tensor);
        Ok(tensor)
    }
}

/// A call of the driver that failed, in words.
fn driver(what: impl fmt::Display) -> impl FnOnce(DriverError) -> Diagnostic {
    move |e| Diagnostic::new(Code::DriverFailed, format!("{what}: {e}"))
}

impl CudaExecution {
    /// Allocates every argument on the plan's GPU and copies the inputs, which are in the program's order. An output in an
    /// input's memory begins as that input, any other one as zeros. `given` names extents of dims that no input has. All of
    /// the memory is used on this stream alone.
    ///
    /// # Errors
    /// Inputs that do not fit (`RF0601` to `RF0606`, `RF0614`); `RF0808` if memory is short.
    pub fn new(
        plan: Arc<CudaPlan>,
        stream: &Arc<CudaStream>,
        inputs: &[Tensor],
        given: &[(&str, u64)],
    ) -> Result<CudaExecution, Error> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(Input::from).collect();
        CudaExecution::with(plan, stream, &inputs, given)
    }

    /// As [`CudaExecution::new`], with inputs whose rows may lie in wider buffers.
    ///
    /// # Errors
    /// As [`CudaExecution::new`]; rows that would overlap.
    pub fn with(
        plan: Arc<CudaPlan>,
        stream: &Arc<CudaStream>,
        inputs: &[Input<'_>],
        given: &[(&str, u64)],
    ) -> Result<CudaExecution, Error> {
        let arguments = Arguments::of(plan.plan().program(), inputs, given)?;
        let on_gpu = |a: &Argument<'_>| OnGpu::new(a, stream);
        let workspace = vec![0u8; plan.plan().workspace_size(&arguments.extents)?.max(1) as usize];
        let inputs = arguments.inputs.iter().map(on_gpu).collect::<Result<_, _>>()?;
        let outputs = arguments.outputs.iter().map(on_gpu).collect::<Result<_, _>>()?;
        let error_word = arguments.error_word.as_ref().map(on_gpu).transpose()?;
        let workspace = stream.clone_htod(&workspace).map_err(driver("the workspace"))?;
        let bytes = arguments.bytes;
        drop(arguments);
        Ok(CudaExecution { stream: Arc::clone(stream), inputs, outputs, error_word, workspace, bytes, plan })
    }

    /// So many launches with the same arguments; they are not waited for.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn launch(&self, times: u64) -> Result<(), Diagnostic> {
        self.launches(times, false)
    }

    /// As [`CudaExecution::launch`]; on GPUs that can, a launch is set up while the one before it still runs.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn launch_dependent(&self, times: u64) -> Result<(), Diagnostic> {
        self.launches(times, true)
    }

    fn launches(&self, times: u64, dependent: bool) -> Result<(), Diagnostic> {
        let device = self.plan.gpu().device();
        let mut args = Args::new();
        for t in &self.inputs {
            let ptr = std::ptr::with_exposed_provenance(t.address(&self.stream));
            // SAFETY: the memory lives as long as this execution, and is used on its stream alone.
            let view =
                unsafe { TensorRef::from_raw(ptr, t.data.num_bytes() as u64, t.dtype, &t.shape, &t.rows.strides) };
            args.named_input(&t.name, view.on(device));
        }
        for t in self.outputs.iter().chain(&self.error_word) {
            let ptr = std::ptr::with_exposed_provenance_mut(t.address(&self.stream));
            // SAFETY: the memory lives as long as this execution, and is used on its stream alone.
            let view =
                unsafe { TensorMut::from_raw(ptr, t.data.num_bytes() as u64, t.dtype, &t.shape, &t.rows.strides) };
            args.named_output(&t.name, view.on(device));
        }
        let (workspace, bytes) = (self.workspace.device_ptr(&self.stream).0, self.workspace.len() as u64);
        // SAFETY: the workspace lives as long as this execution; its stream runs one launch after the other.
        let launch = unsafe { Launch::on(&self.stream).workspace(workspace, bytes) }.dependent(dependent);
        (0..times).try_for_each(|_| self.plan.launch(launch, &args))
    }

    /// Waits for the launches, and reads what they gave.
    ///
    /// # Errors
    /// `RF0808` if a kernel failed.
    pub fn outcome(&self) -> Result<Outcome, Diagnostic> {
        let outputs = self.outputs.iter().map(|t| Ok((t.name.clone(), t.read(&self.stream)?)));
        let outputs = outputs.collect::<Result<Vec<_>, Diagnostic>>()?;
        let word = self.error_word.as_ref().map(|t| t.read(&self.stream)).transpose()?;
        Ok(Outcome { outputs, trapped: word.is_some_and(|t| t.bits(0) != 0) })
    }

    /// The bytes of all inputs, and of all outputs, as [`HostExecution::bytes`](super::HostExecution::bytes).
    pub fn bytes(&self) -> (u64, u64) {
        self.bytes
    }
}

impl fmt::Debug for CudaExecution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CudaExecution({:?})", self.plan)
    }
}
