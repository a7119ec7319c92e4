//! A call of a kernel: arguments are read, results are made, and the plan is launched.

use crate::arguments::{Arguments, Inputs, Keywords, Numbers};
use crate::binding::{Block, Family, View, no_tensor};
use crate::failure::{raised, refused, wrong};
use crate::kernel::{Kernel, Place};
use crate::results::Made;
use crate::signature::InPort;
use ::routefuse::diag::Code;
use ::routefuse::exec::{Device, Workspace};
use ::routefuse::{Args, DType};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A launch on the host that touches so many bytes takes longer than letting go of Python's lock and taking it again.
const WORTH_LETTING_GO: u64 = 256 << 10;

/// Addresses go to a thread that has let go of Python's lock; it is the same thread.
struct Here<T>(T);
// SAFETY: what is in it is used on the thread that made it: `detach` runs its closure there.
unsafe impl<T> Send for Here<T> {}

impl<T> Here<T> {
    /// By a method, so that a closure takes the whole of it.
    fn get(&self) -> &T {
        &self.0
    }
}

impl Kernel {
    /// Calls the kernel.
    pub(crate) fn call<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        mut keywords: Keywords<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // What is large is filled in place: it would be copied by every function that gave it.
        let (mut arguments, mut numbers, mut inputs, mut outputs) =
            (Arguments::new(), Numbers::new(), Inputs::new(), Made::new());
        self.assign(py, positional, &mut keywords, &mut arguments)?;
        let family = self.family(py, &arguments, &keywords)?;
        self.read_inputs(py, family, &arguments, &mut numbers, &mut inputs)?;
        if let Family::Torch(torch) = family
            && torch.grad_is_enabled(py)?
        {
            self.refuse_gradients(py, &arguments, keywords.out.as_ref())?;
        }
        if let Some(out) = &keywords.out {
            self.given_outputs(py, family, out, &mut outputs)?;
        }
        let extents = self.extents(py, &inputs, &outputs, &keywords)?;
        self.outputs_of(py, family, (&arguments, &inputs), &extents, keywords.out.is_some(), &mut outputs)?;
        self.launch(py, family, (&inputs, &outputs), &extents, keywords.error_word.as_ref(), 1)?;
        self.give(py, &arguments, &outputs)
    }

    /// As [`Kernel::call`], but for so many launches without Python in between: how long one of them took the host.
    pub(crate) fn time(&self, py: Python<'_>, times: u32, positional: &Bound<'_, PyTuple>) -> PyResult<Duration> {
        let (mut arguments, mut numbers, mut inputs, mut outputs) =
            (Arguments::new(), Numbers::new(), Inputs::new(), Made::new());
        let mut keywords = Keywords { out: None, dims: None, error_word: None, inputs: None };
        self.assign(py, positional, &mut keywords, &mut arguments)?;
        let family = self.family(py, &arguments, &keywords)?;
        self.read_inputs(py, family, &arguments, &mut numbers, &mut inputs)?;
        let extents = self.extents(py, &inputs, &outputs, &keywords)?;
        self.outputs_of(py, family, (&arguments, &inputs), &extents, false, &mut outputs)?;
        let views = (&inputs[..], &outputs);
        self.launch(py, family, views, &extents, None, 1)?;
        let begin = Instant::now();
        self.launch(py, family, views, &extents, None, times)?;
        Ok(begin.elapsed() / times.max(1))
    }

    #[inline]
    fn launch<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        (inputs, outputs): (&[View], &Made<'py>),
        extents: &[u64],
        error_word: Option<&Bound<'py, PyAny>>,
        times: u32,
    ) -> PyResult<()> {
        let mut args = Args::new();
        // An input that an output overwrites is the output's view, unless the two lie apart as they may.
        let together = |(port, view): (&InPort, &View)| port.shared.is_none_or(|o| view.is_same(&outputs[o].1));
        let leave_out = self.shares && self.inputs.iter().zip(inputs).all(together);
        for (view, port) in inputs.iter().zip(&self.inputs) {
            if !(leave_out && port.shared.is_some()) {
                // SAFETY: the objects of the call are kept until it ends; on a GPU, their library gives their memory to other
                // work only behind what its current stream has been given.
                args.input(unsafe { view.input() });
            }
        }
        for (_, view) in outputs {
            // SAFETY: as above. What is written is either new or the caller's to write.
            args.output(unsafe { view.output() });
        }
        let mut word = 0u32;
        let has_trap = self.plan.program().has_trap;
        if has_trap {
            let view = match error_word {
                Some(object) if !family.has(object)? => return Err(no_tensor("error_word", object)),
                Some(object) => {
                    let view = family.read("error_word", object, true)?;
                    // torch has had unsigned words of 32 bits since 2.3 only.
                    if view.dtype == DType::I32 { view.as_dtype(DType::U32) } else { view }
                }
                None if self.device() == Device::Host => View::scalar((&raw mut word).cast(), DType::U32),
                None => {
                    let message = format!("`{}` has a gather that may trap, and no error word", self.name());
                    let help =
                        "give error_word=, a 32-bit integer tensor of rank 0 that is 0; read it after the stream";
                    return Err(wrong(py, Code::MissingArgument, message, help));
                }
            };
            // SAFETY: `word` and the object outlive the launch.
            args.output(unsafe { view.output() });
        }
        let size = if self.plan.program().intermediates.is_empty() {
            0
        } else {
            self.plan.workspace_size(extents).map_err(|e| raised(py, e))?
        };
        match &self.place {
            Place::Host(plan) => {
                let mut workspace = (size > 0).then(|| Workspace::new(size as usize));
                let bytes: u64 = inputs.iter().chain(outputs.iter().map(|o| &o.1)).map(View::bytes).sum();
                let mut run = |args: &Args<'_>| {
                    (0..times).try_for_each(|_| match &mut workspace {
                        Some(workspace) => plan.launch_with(args, workspace),
                        None => plan.launch(args),
                    })
                };
                let result = if bytes < WORTH_LETTING_GO {
                    run(&args)
                } else {
                    let (run, args) = (Here(std::cell::RefCell::new(run)), Here(&args));
                    py.detach(move || (run.get().borrow_mut())(args.get()))
                };
                result.map_err(|e| raised(py, e))?;
                if word != 0 {
                    let message = "a gather with `out_of_range = trap` met an index out of range";
                    return Err(refused(py, message));
                }
                Ok(())
            }
            Place::Cuda(plan) => {
                let at = self.queue(py, family, size)?;
                // SAFETY: the current stream of torch, which lives; it is of the primary context, as the plan is.
                let mut launch = unsafe { ::routefuse::cuda::Launch::on_raw(at.stream.cast()) };
                if let Some(address) = at.workspace.address() {
                    // SAFETY: torch's allocator gives the memory to other work only behind what this stream has been given.
                    launch = unsafe { launch.workspace(address, size) };
                }
                (0..times).try_for_each(|_| plan.launch(launch, &args)).map_err(|e| raised(py, e))
            }
            Place::Hip(plan) => {
                let at = self.queue(py, family, size)?;
                // SAFETY: the current stream of torch, which lives, on the plan's device.
                let mut launch = unsafe { ::routefuse::hip::Launch::on_raw(at.stream.cast()) };
                if let Some(address) = at.workspace.address() {
                    // SAFETY: as above.
                    launch = unsafe { launch.workspace(address, size) };
                }
                (0..times).try_for_each(|_| plan.launch(launch, &args)).map_err(|e| raised(py, e))
            }
        }
    }

    /// Where a launch on a GPU is queued: torch's current stream, with this many bytes of workspace from torch's allocator.
    #[inline]
    fn queue<'py>(&self, py: Python<'py>, family: Family, bytes: u64) -> PyResult<Queue<'py>> {
        let Family::Torch(torch) = family else { return Err(self.refuse_arrays(py)) };
        let stream = torch.stream(py, self.device())?;
        let workspace = match torch.exchange() {
            _ if bytes == 0 => Room::None,
            Some(exchange) => Room::Block(exchange.block(py, self.device(), bytes)?),
            None => {
                let tensor = torch.empty(py, self.device(), DType::U8, &[bytes as i64])?;
                let address = torch.read("workspace", &tensor)?.ptr;
                Room::Tensor { address, _tensor: tensor }
            }
        };
        Ok(Queue { stream, workspace })
    }

    #[cold]
    fn refuse_arrays(&self, py: Python<'_>) -> PyErr {
        let message =
            format!("`{}` is compiled for {}, and arrays lie in this process's memory", self.name(), self.device());
        let help = "give torch tensors of that GPU, or compile with device=\"cpu\"";
        wrong(py, Code::WrongDevice, message, help)
    }
}

/// Where a launch on a GPU is queued.
struct Queue<'py> {
    stream: *mut c_void,
    workspace: Room<'py>,
}

/// Memory of torch's between kernels, kept until the launch is queued.
enum Room<'py> {
    None,
    Block(Arc<Block>),
    Tensor { address: *mut u8, _tensor: Bound<'py, PyAny> },
}

impl Room<'_> {
    #[inline]
    fn address(&self) -> Option<u64> {
        let address = match self {
            Room::None => return None,
            Room::Block(block) => block.data(),
            Room::Tensor { address, .. } => *address,
        };
        Some(address.expose_provenance() as u64)
    }
}
