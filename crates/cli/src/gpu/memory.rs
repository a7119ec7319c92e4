//! The tensors of a launch in the GPU's memory.

use super::driver;
use routefuse::cuda::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use routefuse::cuda::{CudaPlan, Launch};
use routefuse::{
    Alias, Args, DType, Device, Diagnostic, Diagnostics, Graph, Tensor, TensorMut, TensorRef, Verified, interp,
};
use std::sync::Arc;

/// A tensor of the GPU's memory.
struct OnGpu {
    name: String,
    data: CudaSlice<u8>,
    dtype: DType,
    shape: Vec<u64>,
}

impl OnGpu {
    /// Never empty: the driver allocates no empty memory.
    fn new(name: &str, t: &Tensor, stream: &Arc<CudaStream>) -> Result<OnGpu, Diagnostic> {
        let mut bytes = t.bytes().to_vec();
        bytes.resize(bytes.len().max(1), 0);
        let data = stream.clone_htod(&bytes).map_err(driver(format!("the memory of `{name}`")))?;
        Ok(OnGpu { name: name.to_owned(), data, dtype: t.dtype(), shape: t.shape().to_vec() })
    }

    fn address(&self, stream: &CudaStream) -> usize {
        self.data.device_ptr(stream).0 as usize
    }
}

/// What a plan is launched with, on one stream.
pub struct Memory {
    stream: Arc<CudaStream>,
    device: Device,
    /// Inputs that no output takes the place of.
    inputs: Vec<OnGpu>,
    outputs: Vec<OnGpu>,
    error_word: Option<OnGpu>,
    workspace: CudaSlice<u8>,
    /// Of all inputs and outputs.
    pub bytes: u64,
}

impl Memory {
    /// Copies the inputs. An output in an input's memory starts as that input.
    ///
    /// # Errors
    /// Inputs that do not fit the graph; `RF0808` if memory is short.
    pub fn new(
        graph: &Verified<Graph>,
        plan: &CudaPlan,
        stream: &Arc<CudaStream>,
        inputs: &[Tensor],
        given: &[(&str, u64)],
    ) -> Result<Memory, Diagnostics> {
        let extents = interp::extents(graph, inputs, given)?;
        let mut bytes: u64 = inputs.iter().map(|t| t.bytes().len() as u64).sum();
        let (mut outputs, mut replaced) = (Vec::new(), vec![false; inputs.len()]);
        for (o, output) in graph.outputs.iter().enumerate() {
            let ty = graph.output_type(o);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&extents)).collect();
            let start = match output.alias {
                Alias::InPlace(i) | Alias::Donates(i) => {
                    replaced[i] = true;
                    inputs[i].clone()
                }
                Alias::None | Alias::Guarded(_) => Tensor::zeros(ty.dtype, &shape),
            };
            bytes += start.bytes().len() as u64;
            outputs.push(OnGpu::new(&output.name, &start, stream)?);
        }
        let kept = graph.inputs.iter().zip(inputs).zip(&replaced).filter(|(_, replaced)| !**replaced);
        let kept = kept.map(|((input, tensor), _)| OnGpu::new(&input.name, tensor, stream));
        let word = graph.has_trap().then(|| OnGpu::new("error_word", &Tensor::zeros(DType::U32, &[]), stream));
        let workspace = vec![0u8; plan.plan().workspace_size(&extents)?.max(1) as usize];
        Ok(Memory {
            stream: Arc::clone(stream),
            device: plan.gpu().device(),
            inputs: kept.collect::<Result<_, _>>()?,
            outputs,
            error_word: word.transpose()?,
            workspace: stream.clone_htod(&workspace).map_err(driver("the workspace"))?,
            bytes,
        })
    }

    /// One launch; with `dependent` it may be set up while the one before it still runs.
    ///
    /// # Errors
    /// What the launch reports.
    pub fn launch(&self, plan: &CudaPlan, dependent: bool) -> Result<(), Diagnostic> {
        self.times(plan, dependent, 1)
    }

    /// So many launches with the same arguments.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn times(&self, plan: &CudaPlan, dependent: bool, times: u64) -> Result<(), Diagnostic> {
        let mut args = Args::new();
        for t in &self.inputs {
            let ptr = std::ptr::with_exposed_provenance(t.address(&self.stream));
            // SAFETY: the memory lives as long as this and is used on this stream alone.
            let view = unsafe { TensorRef::contiguous(ptr, t.data.num_bytes() as u64, t.dtype, &t.shape) };
            args.named_input(&t.name, view.on(self.device));
        }
        for t in self.outputs.iter().chain(&self.error_word) {
            let ptr = std::ptr::with_exposed_provenance_mut(t.address(&self.stream));
            // SAFETY: as above.
            let view = unsafe { TensorMut::contiguous(ptr, t.data.num_bytes() as u64, t.dtype, &t.shape) };
            args.named_output(&t.name, view.on(self.device));
        }
        let (workspace, bytes) = (self.workspace.device_ptr(&self.stream).0, self.workspace.len() as u64);
        // SAFETY: as above; one launch after the other uses it.
        let launch = unsafe { Launch::on(&self.stream).workspace(workspace, bytes) }.dependent(dependent);
        for _ in 0..times {
            plan.launch(launch, &args)?;
        }
        Ok(())
    }

    /// Waits, and gives the outputs by name and whether a gather trapped.
    ///
    /// # Errors
    /// `RF0808` if a kernel failed.
    pub fn outputs(&mut self) -> Result<(Vec<(String, Tensor)>, bool), Diagnostic> {
        let read = |t: &OnGpu| {
            let mut tensor = Tensor::zeros(t.dtype, &t.shape);
            let bytes = self.stream.clone_dtoh(&t.data).map_err(driver(format!("reading `{}`", t.name)))?;
            let size = tensor.bytes().len();
            tensor.bytes_mut().copy_from_slice(&bytes[..size]);
            Ok::<_, Diagnostic>((t.name.clone(), tensor))
        };
        let outputs = self.outputs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let word = self.error_word.as_ref().map(read).transpose()?;
        Ok((outputs, word.is_some_and(|(_, t)| t.bits(0) != 0)))
    }
}
