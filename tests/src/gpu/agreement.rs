//! One launch of a plan on guarded GPU memory, against what the interpreter gives.

use super::vendor::Vendor;
use crate::memory::{Alignment, Arrangement, Buffer, GUARD, POISON};
use rand::Rng;
use routefuse_ir::interp::{self, Outcome};
use routefuse_ir::{Graph, Tensor};
use routefuse_runtime::gpu::{GpuPlan, Launch};
use routefuse_runtime::{Args, TensorMut, TensorRef};
use std::ops::Range;

/// What every function here fails with: a text that names the place.
pub type Outcomes<T> = Result<T, String>;

/// Any error, with what was being done.
pub(super) fn at<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Outcomes<T> {
    result.map_err(|e| format!("{what}: {e}"))
}

/// A graph's inputs and what they give.
pub(super) struct Expected {
    pub extents: Vec<u64>,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    /// Of the fused program, which traps less than the graph where it computes less.
    pub trapped: bool,
}

impl Expected {
    pub fn new<D: Vendor>(g: &Graph, plan: &GpuPlan<D>, extents: &[u64], inputs: Vec<Tensor>) -> Outcomes<Expected> {
        let given: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
        let verified = at("the graph", g.clone().verify())?;
        let Outcome { outputs, .. } = at("the interpreter", interp::run(&verified, &inputs, &given))?;
        let program = plan.plan().program();
        let trapped = program.has_trap
            && at("the interpreter of the program", interp::program::run(program, &inputs, &given))?.trapped;
        Ok(Expected { extents: extents.to_vec(), inputs, outputs, trapped })
    }
}

/// The memory of a launch, on the host and on the GPU.
pub(super) struct OnGpu<'p, D: Vendor> {
    plan: &'p GpuPlan<D>,
    stream: &'p D::Own,
    pub memory: Arrangement,
    device: Vec<D::Memory>,
    workspace: Workspace<D>,
    bands: Bands,
}

/// What steps leave for one another: any bytes, between bands.
struct Workspace<D: Vendor> {
    memory: D::Memory,
    /// Without the bands.
    bytes: usize,
    /// Bytes of each band.
    band: usize,
}

impl<D: Vendor> Workspace<D> {
    /// All of it with its bands, and a byte where that is none, since there is no allocation of no bytes.
    fn len(&self) -> usize {
        (self.band + self.bytes + self.band).max(1)
    }
}

/// What lies around a tensor on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bands {
    /// Poison on both sides, which is compared.
    Guards,
    /// Nothing: the allocation ends with the last element, for a tool that watches every access.
    Nothing,
}

/// Where tensors lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub alignment: Alignment,
    pub bands: Bands,
}

impl From<Alignment> for Place {
    fn from(alignment: Alignment) -> Place {
        Place { alignment, bands: Bands::Guards }
    }
}

impl Bands {
    /// The bytes of a buffer that are on the GPU.
    fn of(self, buffer: &Buffer) -> Range<usize> {
        match self {
            Bands::Guards => 0..buffer.bytes().len(),
            Bands::Nothing => buffer.span(),
        }
    }

    /// Bytes before and behind a workspace.
    fn around_workspace(self) -> usize {
        match self {
            Bands::Guards => GUARD,
            Bands::Nothing => 0,
        }
    }
}

impl<'p, D: Vendor> OnGpu<'p, D> {
    /// Filled with the inputs, poisoned elsewhere, and on its way to the GPU.
    pub fn new(
        plan: &'p GpuPlan<D>,
        stream: &'p D::Own,
        expected: &Expected,
        place: impl Into<Place>,
        rng: &mut impl Rng,
    ) -> Outcomes<OnGpu<'p, D>> {
        let Place { alignment, bands } = place.into();
        let program = plan.plan().program();
        let memory = Arrangement::new(program, &expected.extents, &expected.inputs, alignment, rng);
        let size = at("the workspace", plan.plan().workspace_size(&expected.extents))? as usize;
        let band = bands.around_workspace();
        let poison = vec![POISON; (band + size + band).max(1)];
        let stored = at("the workspace", D::store(plan.gpu(), stream, &poison))?;
        let workspace = Workspace { memory: stored, bytes: size, band };
        let copy = |b: &Buffer| -> Outcomes<D::Memory> {
            let bytes = &b.bytes()[bands.of(b)];
            // There is no allocation of no bytes.
            D::store(plan.gpu(), stream, if bytes.is_empty() { &[POISON][..] } else { bytes })
        };
        let device = memory.buffers.iter().map(copy).collect::<Result<Vec<_>, _>>()?;
        Ok(OnGpu { plan, stream, memory, device, workspace, bands })
    }

    /// New contents of the inputs, in the memory that is there, and poison elsewhere.
    pub fn refill(&mut self, inputs: &[Tensor]) -> Outcomes<()> {
        for buffer in &mut self.memory.buffers {
            buffer.bytes_mut().fill(POISON);
        }
        for (i, tensor) in self.memory.inputs.clone().into_iter().zip(inputs) {
            self.memory.buffers[i].fill(tensor);
        }
        if let Some(word) = self.memory.error_word {
            self.memory.buffers[word].fill(&Tensor::zeros(routefuse_ir::DType::U32, &[]));
        }
        for (buffer, device) in self.memory.buffers.iter().zip(&mut self.device) {
            let bytes = &buffer.bytes()[self.bands.of(buffer)];
            if !bytes.is_empty() {
                D::write(self.stream, device, bytes)?;
            }
        }
        Ok(())
    }

    /// Launches with these arguments, as `launch` says.
    pub fn launch(&self, launch: Launch<'_, D>) -> Outcomes<()> {
        at("the launch", self.plan.launch(self.workspace(launch), &self.args()))
    }

    /// The launch with this memory's workspace.
    pub fn workspace<'l>(&'l self, launch: Launch<'l, D>) -> Launch<'l, D> {
        let Workspace { memory, bytes, band } = &self.workspace;
        let address = D::address(self.stream, memory) + *band as u64;
        // SAFETY: the workspace is this memory's own, and its launches are of one stream.
        unsafe { launch.workspace(address, *bytes as u64) }
    }

    /// The arguments, by position.
    pub fn args(&self) -> Args<'_> {
        let mut args = Args::new();
        let on = self.plan.gpu().device();
        let place = |i: usize| {
            let b = &self.memory.buffers[i];
            let on_gpu = self.bands.of(b);
            let base = D::address(self.stream, &self.device[i]) as usize + b.base() - on_gpu.start;
            (base, (on_gpu.end - b.base()) as u64, b)
        };
        for i in &self.memory.inputs {
            let (base, bytes, b) = place(*i);
            let ptr = std::ptr::with_exposed_provenance(base);
            // SAFETY: the buffers live as long as this and nobody else has them; what may overlap is the launch's to say.
            args.input(unsafe { TensorRef::from_raw(ptr, bytes, b.dtype, &b.shape, &b.strides) }.on(on));
        }
        for o in self.memory.outputs.iter().chain(&self.memory.error_word) {
            let (base, bytes, b) = place(*o);
            let ptr = std::ptr::with_exposed_provenance_mut(base);
            // SAFETY: as above.
            args.output(unsafe { TensorMut::from_raw(ptr, bytes, b.dtype, &b.shape, &b.strides) }.on(on));
        }
        args
    }

    /// Where a tensor's first element is on the GPU.
    pub fn base(&self, buffer: usize) -> u64 {
        let b = &self.memory.buffers[buffer];
        D::address(self.stream, &self.device[buffer]) + (b.base() - self.bands.of(b).start) as u64
    }

    /// Waits, and compares all of the memory: outputs bit for bit, everything else with what it was.
    pub fn check(&mut self, expected: &Expected) -> Outcomes<()> {
        let want = self.memory.expected(&expected.outputs, expected.trapped);
        for (buffer, device) in self.memory.buffers.iter_mut().zip(&self.device) {
            let on_gpu = self.bands.of(buffer);
            if !on_gpu.is_empty() {
                D::read(self.stream, device, &mut buffer.bytes_mut()[on_gpu])?;
            }
        }
        // What a launch leaves in the workspace itself is its own affair.
        let Workspace { memory, bytes, band } = &self.workspace;
        let mut workspace = vec![0; self.workspace.len()];
        D::read(self.stream, memory, &mut workspace)?;
        D::wait(self.stream)?;
        workspace.drain(*band..band + bytes);
        if *band > 0 && workspace.iter().any(|b| *b != POISON) {
            return Err("the workspace's guard bands are written to".to_owned());
        }
        self.memory.check(self.plan.plan().program(), &want)
    }
}

/// One launch on new memory.
pub(super) fn agree<D: Vendor>(
    plan: &GpuPlan<D>,
    stream: &D::Own,
    expected: &Expected,
    place: impl Into<Place>,
    launch: Launch<'_, D>,
    rng: &mut impl Rng,
) -> Outcomes<()> {
    let mut on = OnGpu::new(plan, stream, expected, place, rng)?;
    on.launch(launch)?;
    on.check(expected)
}
