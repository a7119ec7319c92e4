//! A plan on the host with the memory of its launches.

use super::Outcome;
use super::arguments::{Argument, Arguments, Input, Rows};
use crate::error::Error;
use routefuse_ir::{DType, Diagnostic, Tensor};
use routefuse_runtime::{Args, HostPlan, TensorMut, TensorRef, Workspace};

/// Arguments lie at multiples of this many bytes: a cache line, and the widest vector.
const ALIGN: usize = 64;

/// A plan on the host and the arguments of its launches. All of them lie in one allocation, as in the arena of a serving
/// engine, each at a multiple of 64 bytes, and all of it has been written to.
#[derive(Debug)]
pub struct HostExecution {
    plan: HostPlan,
    arena: Workspace,
    inputs: Vec<Region>,
    outputs: Vec<Region>,
    error_word: Option<Region>,
    workspace: Workspace,
    bytes: (u64, u64),
}

/// An argument in the arena.
#[derive(Debug)]
struct Region {
    name: String,
    dtype: DType,
    shape: Vec<u64>,
    rows: Rows,
    offset: usize,
}

impl Region {
    /// Behind what is there; `end` moves on.
    fn new(argument: &Argument<'_>, end: &mut usize) -> Region {
        let (tensor, rows) = (&*argument.initial, argument.rows());
        let offset = *end;
        *end += rows.bytes.next_multiple_of(ALIGN);
        let (name, dtype, shape) = (argument.name.to_owned(), tensor.dtype(), tensor.shape().to_vec());
        Region { name, dtype, shape, rows, offset }
    }

    fn read(&self, arena: &[u8]) -> Tensor {
        let mut tensor = Tensor::zeros(self.dtype, &self.shape);
        self.rows.gather(&arena[self.offset..], &mut tensor);
        tensor
    }
}

impl HostExecution {
    /// Allocates every argument and copies the inputs, which are in the program's order. An output in an input's memory
    /// begins as that input, any other one as zeros. `given` names extents of dims that no input has.
    ///
    /// # Errors
    /// Inputs that do not fit (`RF0601` to `RF0606`, `RF0614`).
    pub fn new(plan: HostPlan, inputs: &[Tensor], given: &[(&str, u64)]) -> Result<HostExecution, Error> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(Input::from).collect();
        HostExecution::with(plan, &inputs, given)
    }

    /// As [`HostExecution::new`], with inputs whose rows may lie in wider buffers.
    ///
    /// # Errors
    /// As [`HostExecution::new`]; rows that would overlap.
    pub fn with(plan: HostPlan, inputs: &[Input<'_>], given: &[(&str, u64)]) -> Result<HostExecution, Error> {
        let program = plan.plan().program();
        let arguments = Arguments::of(program, inputs, given)?;
        let workspace = Workspace::new(plan.plan().workspace_size(&arguments.extents)? as usize);
        let mut end = 0;
        let inputs: Vec<Region> = arguments.inputs.iter().map(|a| Region::new(a, &mut end)).collect();
        let outputs: Vec<Region> = arguments.outputs.iter().map(|a| Region::new(a, &mut end)).collect();
        let error_word = arguments.error_word.as_ref().map(|a| Region::new(a, &mut end));
        let mut arena = Workspace::new(end);
        let regions = inputs.iter().chain(&outputs).chain(&error_word);
        let initial = arguments.inputs.iter().chain(&arguments.outputs).chain(&arguments.error_word);
        for (region, argument) in regions.zip(initial) {
            let spread = region.rows.spread(&argument.initial);
            arena[region.offset..region.offset + spread.len()].copy_from_slice(&spread);
        }
        let bytes = arguments.bytes;
        Ok(HostExecution { arena, inputs, outputs, error_word, workspace, bytes, plan })
    }

    /// The plan.
    pub fn plan(&self) -> &HostPlan {
        &self.plan
    }

    /// The arguments, by position, and the workspace: for launches of one's own.
    pub fn args(&mut self) -> (Args<'_>, &mut [u8]) {
        let base = self.arena.as_mut_ptr();
        let mut args = Args::new();
        for r in &self.inputs {
            let ptr = base.wrapping_add(r.offset);
            // SAFETY: the region lies in the arena, which is borrowed mutably for as long as the arguments live. Regions do
            // not overlap. The bytes are those of a tensor of this dtype, so that a bool is 0 or 1.
            args.input(unsafe { TensorRef::from_raw(ptr, r.rows.bytes as u64, r.dtype, &r.shape, &r.rows.strides) });
        }
        for r in self.outputs.iter().chain(&self.error_word) {
            let ptr = base.wrapping_add(r.offset);
            // SAFETY: the region lies in the arena, which is borrowed mutably for as long as the arguments live. Regions do
            // not overlap. The bytes are those of a tensor of this dtype, so that a bool is 0 or 1.
            args.output(unsafe { TensorMut::from_raw(ptr, r.rows.bytes as u64, r.dtype, &r.shape, &r.rows.strides) });
        }
        (args, &mut self.workspace)
    }

    /// So many launches on the calling thread, with the same arguments.
    ///
    /// # Errors
    /// What a launch reports; at the first launch of a plan that was not prepared, what preparing it reports.
    pub fn launch(&mut self, times: u64) -> Result<(), Diagnostic> {
        let plan = self.plan.clone();
        let (args, workspace) = self.args();
        (0..times).try_for_each(|_| plan.launch_with(&args, workspace))
    }

    /// What the launches gave so far.
    pub fn outcome(&self) -> Outcome {
        let trapped = self.error_word.as_ref().is_some_and(|r| r.read(&self.arena).bits(0) != 0);
        let outputs = self.outputs.iter().map(|r| (r.name.clone(), r.read(&self.arena))).collect();
        Outcome { outputs, trapped }
    }

    /// The bytes of all inputs, and of all outputs: what a launch reads and writes at least. An output in an input's memory
    /// counts in both.
    pub fn bytes(&self) -> (u64, u64) {
        self.bytes
    }
}
