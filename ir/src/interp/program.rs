//! The interpreter of programs: kernels in order, over buffers.

use super::bind::{Declared, bind, interpretable};
use super::kernel::POISON;
use super::{Outcome, kernel};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::kernel::{Param, Role};
use crate::layout::Alias;
use crate::program::{Buffer, Program, Step};
use crate::tensor::Tensor;
use crate::tensor_type::TensorType;
use std::borrow::{Borrow, Cow};

/// Runs a program on inputs in the order of their declaration. `given` names extents of dims that no input has.
///
/// Outputs and intermediates hold [`POISON`] before they are written. An output that is in place, or donated an input's
/// memory, overwrites that input when its kernel is done, so that a later kernel that still reads the input gives other
/// bits than the graph.
///
/// # Errors
/// As [`extents`]; arguments and intermediates of more than [`MAX_ELEMENTS`](super::MAX_ELEMENTS) elements (`RF0614`); and what
/// only a defective program does (`RF0501`): a kernel's own defects, buffers that
/// do not fit, a buffer read before it is written, an output element that is not written exactly once.
pub fn run(program: &Program, inputs: &[Tensor], given: &[(&str, u64)]) -> Result<Outcome, Diagnostics> {
    let declared = declared(program);
    let extents = bind(&declared, inputs, given)?;
    interpretable(&declared, &extents)?;
    let buffer = |ty: &TensorType| {
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&extents)).collect();
        let mut tensor = Tensor::zeros(ty.dtype, &shape);
        tensor.bytes_mut().fill(POISON);
        Owned { tensor, written: false }
    };
    let mut memory = Memory {
        inputs: inputs.iter().map(Cow::Borrowed).collect(),
        outputs: program.outputs.iter().map(|p| buffer(&p.ty)).collect(),
        intermediates: program.intermediates.iter().map(|i| buffer(&i.ty)).collect(),
    };
    let mut trapped = false;
    for step in program.steps.iter().filter(|step| step.is_taken(&extents)) {
        trapped |= memory.step(program, step, &extents)?;
    }
    for (port, output) in program.outputs.iter().zip(&memory.outputs) {
        if !output.written && !output.tensor.is_empty() {
            return Err(defect(program, &format!("output `{}` is never written", port.name)));
        }
    }
    Ok(Outcome { outputs: memory.outputs.into_iter().map(|o| o.tensor).collect(), trapped })
}

/// The extent of every symbol of a program: from the inputs, and from `given` (by name) for those that no input has.
///
/// # Errors
/// Every argument that is missing (`RF0601`), too many (`RF0602`), or of another dtype (`RF0603`), rank (`RF0604`) or
/// constant extent (`RF0605`); symbols with two extents (`RF0606`), with none (`RF0601`), or unknown (`RF0203`); arguments and
/// intermediates that no machine could hold (`RF0614`).
pub fn extents<T: Borrow<Tensor>>(
    program: &Program,
    inputs: &[T],
    given: &[(&str, u64)],
) -> Result<Vec<u64>, Diagnostics> {
    bind(&declared(program), inputs, given)
}

fn declared(program: &Program) -> Declared<'_> {
    Declared {
        name: &program.name,
        symbols: &program.symbols,
        bounds: &program.bounds,
        inputs: program.inputs.iter().map(|p| (p.name.as_str(), &p.ty)).collect(),
        arguments: program.inputs.iter().chain(&program.outputs).map(|p| (p.name.as_str(), &p.ty)).collect(),
        values: values(program),
    }
}

fn values(program: &Program) -> Vec<(&str, &TensorType)> {
    let ports = program.inputs.iter().chain(&program.outputs).map(|p| (p.name.as_str(), &p.ty));
    ports.chain(program.intermediates.iter().map(|i| (i.name.as_str(), &i.ty))).collect()
}

fn defect(program: &Program, problem: &str) -> Diagnostics {
    Diagnostic::new(Code::InvalidKernel, format!("program `{}`: {problem}", program.name))
        .help("this is a defect in the compiler; please report the graph")
        .into()
}

/// A buffer that kernels write.
struct Owned {
    tensor: Tensor,
    written: bool,
}

struct Memory<'a> {
    inputs: Vec<Cow<'a, Tensor>>,
    outputs: Vec<Owned>,
    intermediates: Vec<Owned>,
}

impl Memory<'_> {
    /// Runs one kernel; true if it trapped.
    fn step(&mut self, program: &Program, step: &Step, extents: &[u64]) -> Result<bool, Diagnostics> {
        let k = &step.kernel;
        if step.buffers.len() != k.params.len() || step.symbols.len() != k.symbols.len() {
            return Err(defect(program, &format!("kernel `{}` is bound in part", k.name)));
        }
        let symbols: Option<Vec<u64>> = step.symbols.iter().map(|s| extents.get(s.0 as usize).copied()).collect();
        let symbols = symbols.ok_or_else(|| defect(program, &format!("kernel `{}` has unknown dims", k.name)))?;
        let mut inputs = Vec::new();
        for (param, buffer) in k.params.iter().zip(&step.buffers) {
            if param.role == Role::Input {
                inputs.push(self.read(*buffer).map_err(|p| defect(program, &format!("kernel `{}` {p}", k.name)))?);
            }
        }
        let outcome = kernel::run(k, &symbols, &inputs)?;
        // What lies in a buffer that it was itself is written on.
        let goes_on = |p: &Param, b: &Buffer| p.aliases.is_some_and(|a| step.buffers[a.0 as usize] == *b);
        let written = k.params.iter().zip(&step.buffers).filter(|(p, _)| p.role == Role::Output);
        for ((param, buffer), tensor) in written.zip(outcome.outputs) {
            self.write(program, *buffer, tensor, goes_on(param, buffer))
                .map_err(|p| defect(program, &format!("kernel `{}` {p}", k.name)))?;
        }
        Ok(outcome.trapped)
    }

    fn read(&self, buffer: Buffer) -> Result<&Tensor, String> {
        let owned = match buffer {
            Buffer::Input(i) => return self.inputs.get(i).map(|t| &**t).ok_or(format!("reads unknown input {i}")),
            Buffer::Output(i) => self.outputs.get(i),
            Buffer::Intermediate(i) => self.intermediates.get(i),
            Buffer::ErrorWord => None,
        };
        match owned {
            Some(o) if o.written || o.tensor.is_empty() => Ok(&o.tensor),
            Some(_) => Err(format!("reads {buffer:?} before it is written")),
            None => Err(format!("reads {buffer:?}, which it cannot")),
        }
    }

    fn write(&mut self, program: &Program, buffer: Buffer, tensor: Tensor, goes_on: bool) -> Result<(), String> {
        let owned = match buffer {
            Buffer::Output(i) => self.outputs.get_mut(i),
            Buffer::Intermediate(i) => self.intermediates.get_mut(i),
            Buffer::Input(_) | Buffer::ErrorWord => None,
        };
        let owned = owned.ok_or_else(|| format!("writes {buffer:?}, which it cannot"))?;
        if owned.written && !goes_on {
            return Err(format!("writes {buffer:?} again"));
        }
        if (owned.tensor.dtype(), owned.tensor.shape()) != (tensor.dtype(), tensor.shape()) {
            let (want, got) = (text(&owned.tensor), text(&tensor));
            return Err(format!("writes {got} to {buffer:?}, which is {want}"));
        }
        if let Buffer::Output(i) = buffer
            && let Alias::InPlace(input) | Alias::Donates(input) = program.outputs[i].alias
            && let Some(overwritten) = self.inputs.get_mut(input)
        {
            *overwritten = Cow::Owned(tensor.clone());
        }
        *owned = Owned { tensor, written: true };
        Ok(())
    }
}

fn text(tensor: &Tensor) -> String {
    super::bind::tensor_text(tensor.dtype(), tensor.shape())
}
