//! A call of a kernel: arguments are read, results are made, and the plan is launched.

use crate::binding::{Family, View, no_tensor};
use crate::failure::{kind_of, raised, refused, wrong};
use crate::kernel::{Kernel, Place};
use crate::results::{self, Made, OutPort};
use crate::signature::{Return, Source};
use ::routefuse::diag::Code;
use ::routefuse::exec::{Device, Workspace};
use ::routefuse::{Args, DType};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use smallvec::{SmallVec, smallvec};
use std::time::{Duration, Instant};

/// A launch on the host that touches so many bytes takes longer than letting go of Python's lock and taking it again.
const WORTH_LETTING_GO: u64 = 256 << 10;

/// The arguments of a call, by parameter.
type Arguments<'py> = SmallVec<[Option<Bound<'py, PyAny>>; 12]>;
/// The tensors of a call, by input.
type Given<'a, 'py> = SmallVec<[&'a Bound<'py, PyAny>; 12]>;

/// What is given besides the inputs.
#[derive(Default)]
struct Named<'py> {
    out: Option<Bound<'py, PyAny>>,
    dims: Option<Bound<'py, PyAny>>,
    error_word: Option<Bound<'py, PyAny>>,
}

/// Numbers that are inputs of rank 0: 8 bytes each, which stay where they are during a launch.
type Numbers = SmallVec<[Box<[u8; 8]>; 1]>;

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
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (arguments, named) = self.assign(py, positional, keywords)?;
        let given = self.tensors(py, &arguments)?;
        let family = self.family(py, &given, &named)?;
        let mut numbers = Numbers::new();
        let inputs = self.read_inputs(py, family, &given, &mut numbers)?;
        if let Family::Torch(torch) = family
            && torch.grad_is_enabled(py)?
        {
            self.refuse_gradients(&given, &named)?;
        }
        let extents = self.extents(py, &inputs, &named)?;
        let outputs = self.outputs_of(py, family, &given, &inputs, &extents, named.out.as_ref())?;
        self.launch(py, family, (&inputs, &outputs), &extents, named.error_word.as_ref(), 1)?;
        self.give(py, &arguments, &outputs)
    }

    /// As [`Kernel::call`], but for so many launches without Python in between: how long one of them took the host.
    pub(crate) fn time(&self, py: Python<'_>, times: u32, positional: &Bound<'_, PyTuple>) -> PyResult<Duration> {
        let (arguments, named) = self.assign(py, positional, None)?;
        let given = self.tensors(py, &arguments)?;
        let family = self.family(py, &given, &named)?;
        let mut numbers = Numbers::new();
        let inputs = self.read_inputs(py, family, &given, &mut numbers)?;
        let extents = self.extents(py, &inputs, &named)?;
        let outputs = self.outputs_of(py, family, &given, &inputs, &extents, None)?;
        let views = (&inputs[..], &outputs);
        self.launch(py, family, views, &extents, None, 1)?;
        let begin = Instant::now();
        self.launch(py, family, views, &extents, None, times)?;
        Ok(begin.elapsed() / times.max(1))
    }

    /// Which object is which input's.
    #[inline]
    fn assign<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Arguments<'py>, Named<'py>)> {
        let mut given = Arguments::from_elem(None, self.parameters.len());
        let mut named = Named::default();
        if positional.len() > self.parameters.len() {
            let (n, most) = (positional.len(), self.parameters.len());
            let message = format!("{n} tensors are given, and `{}` takes {most}", self.name());
            return Err(wrong(py, Code::ExtraArgument, message, format!("it takes {}", self.signature())));
        }
        for (slot, object) in given.iter_mut().zip(positional.iter_borrowed()) {
            *slot = Some(object.to_owned());
        }
        for (key, object) in keywords.into_iter().flatten() {
            // A keyword of a call is an interned text, so that it is the very one.
            let known = [
                (intern!(py, "out"), &mut named.out),
                (intern!(py, "dims"), &mut named.dims),
                (intern!(py, "error_word"), &mut named.error_word),
            ];
            let at = self.parameters.iter().position(|p| p.key.is(&key));
            if at.is_none()
                && let Some((_, slot)) = known.into_iter().find(|k| k.0.is(&key))
            {
                *slot = Some(object).filter(|o| !o.is_none());
                continue;
            }
            let key = key.extract::<String>()?;
            let at = at.or_else(|| self.parameters.iter().position(|p| p.name == key));
            if let Some(at) = at {
                if given[at].replace(object).is_some() {
                    let message = format!("`{key}` is given twice");
                    return Err(wrong(py, Code::ExtraArgument, message, format!("it takes {}", self.signature())));
                }
                continue;
            }
            let object = Some(object).filter(|o| !o.is_none());
            match key.as_str() {
                "out" => named.out = object,
                "dims" => named.dims = object,
                "error_word" => named.error_word = object,
                _ => {
                    let message = format!("`{}` has no input `{key}`", self.name());
                    return Err(wrong(py, Code::ExtraArgument, message, format!("it takes {}", self.signature())));
                }
            }
        }
        if let Some(missing) = given.iter().position(Option::is_none) {
            let message = format!("`{}` of `{}` is not given", self.parameters[missing].name, self.name());
            return Err(wrong(py, Code::MissingArgument, message, format!("it takes {}", self.signature())));
        }
        Ok((given, named))
    }

    /// The tensor of each input.
    #[inline]
    fn tensors<'a, 'py>(&'a self, py: Python<'py>, arguments: &'a Arguments<'py>) -> PyResult<Given<'a, 'py>> {
        let mut given = Given::new();
        for port in &self.inputs {
            given.push(match &port.of {
                Source::Argument(at) => arguments[*at].as_ref().ok_or_else(|| refused(py, "an argument is missing"))?,
                Source::Bound(tensor) => tensor.bind(py),
            });
        }
        Ok(given)
    }

    /// Whose tensors these are: those of the first that is no number.
    #[inline]
    fn family<'py>(&self, py: Python<'py>, given: &Given<'_, 'py>, named: &Named<'py>) -> PyResult<Family> {
        let mut first = None;
        for (port, object) in self.inputs.iter().zip(given.iter().copied()) {
            if let Some(family) = Family::of(object)? {
                return Ok(family);
            }
            first = first.or(Some((port, object)));
        }
        let outs = named.out.as_ref().map(objects_of).transpose()?;
        for object in outs.iter().flatten() {
            if let Some(family) = Family::of(object)? {
                return Ok(family);
            }
        }
        match first {
            Some((port, object)) if !(port.rank == 0 && is_number(object)) => Err(no_tensor(&port.name, object)),
            _ if self.device() == Device::Host => Ok(Family::Array),
            _ => Err(refused(
                py,
                format!("`{}` is given no tensor: give `out=` tensors of {}", self.name(), self.device()),
            )),
        }
    }

    #[inline]
    fn read_inputs<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        given: &Given<'_, 'py>,
        numbers: &mut Numbers,
    ) -> PyResult<SmallVec<[View; 12]>> {
        let mut views = SmallVec::new();
        for (port, object) in self.inputs.iter().zip(given.iter().copied()) {
            let fits = family.has(object)?;
            if !fits && Family::of(object)?.is_some() {
                let message = format!("`{}` is a {}, and other arguments are not", port.name, kind_of(object));
                return Err(wrong(py, Code::WrongDevice, message, "give all as torch tensors, or all as arrays"));
            }
            let mut view = if fits {
                if port.written {
                    family.read_writable(&port.name, object)?
                } else {
                    family.read(&port.name, object)?
                }
            } else if port.rank == 0 && is_number(object) {
                self.number(py, &port.name, port.dtype, object, numbers)?
            } else {
                return Err(no_tensor(&port.name, object));
            };
            // numpy has no dtype for bf16: its bits come as u16.
            if port.dtype == DType::Bf16 && view.dtype == DType::U16 && matches!(family, Family::Array) {
                view = view.as_dtype(DType::Bf16);
            }
            views.push(view);
        }
        Ok(views)
    }

    /// A number for a scalar input, by value.
    fn number(
        &self,
        py: Python<'_>,
        name: &str,
        dtype: DType,
        object: &Bound<'_, PyAny>,
        numbers: &mut Numbers,
    ) -> PyResult<View> {
        if self.device() != Device::Host {
            let message =
                format!("`{name}` is a number, and kernels on {} read scalars from its memory", self.device());
            return Err(wrong(py, Code::WrongDevice, message, "give a tensor of rank 0 there"));
        }
        let literal = if dtype.is_float() {
            ::routefuse::ir::Literal::from_f64(dtype, object.extract()?)
        } else {
            ::routefuse::ir::Literal::from_int(dtype, object.extract()?)
        };
        let Some(literal) = literal else {
            let message = format!("`{name}` is {object}, which does not fit {dtype}");
            return Err(wrong(py, Code::ArgumentDType, message, format!("give a number that {dtype} has")));
        };
        numbers.push(Box::new(literal.bits().to_le_bytes()));
        let at = numbers.len() - 1;
        Ok(View::scalar(numbers[at].as_mut_ptr(), dtype))
    }

    #[cold]
    #[inline(never)]
    fn refuse_gradients<'py>(&self, given: &Given<'_, 'py>, named: &Named<'py>) -> PyResult<()> {
        let wants = |name: &str, object: &Bound<'py, PyAny>| {
            crate::binding::torch::wants_grad(name, object).map_or(Ok(()), Err)
        };
        for (port, object) in self.inputs.iter().zip(given.iter().copied()) {
            wants(&port.name, object)?;
        }
        let outs = named.out.as_ref().map(objects_of).transpose()?;
        outs.iter().flatten().try_for_each(|object| wants("out", object))
    }

    /// The extents of symbolic dims: those of the inputs, or else what `dims` says.
    #[inline]
    fn extents(&self, py: Python<'_>, inputs: &[View], named: &Named<'_>) -> PyResult<SmallVec<[u64; 4]>> {
        let symbols = &self.plan.program().symbols;
        let mut extents = SmallVec::from_elem(0, symbols.len());
        for (s, extent) in extents.iter_mut().enumerate() {
            let from = self.inputs.iter().position(|port| port.symbol == Some(s as u32));
            // One of another rank is refused at launch.
            if let Some(from) = from {
                *extent = inputs[from].shape().first().copied().unwrap_or(0);
                continue;
            }
            let stated = named.dims.as_ref().and_then(|dims| dims.get_item(&symbols[s]).ok());
            *extent = match stated {
                Some(n) => n.extract()?,
                None => {
                    let message = format!("no input of `{}` says how large the dim {} is", self.name(), symbols[s]);
                    let help = format!("say it: dims={{\"{}\": …}}", symbols[s]);
                    return Err(wrong(py, Code::SymbolConflict, message, help));
                }
            };
        }
        Ok(extents)
    }

    /// Where each output goes: into an input, into `out`, or into new memory.
    #[inline]
    fn outputs_of<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        given: &Given<'_, 'py>,
        inputs: &[View],
        extents: &[u64],
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Made<'py>> {
        let own = || self.outputs.iter().filter(|port| port.in_place.is_none());
        let mut apart = match out {
            None => results::make(py, family, self.device(), own(), extents)?,
            Some(out) => self.given_outputs(py, family, out)?,
        };
        for (port, (_, view)) in own().zip(&mut apart) {
            *view = port.view(py, *view, extents)?;
        }
        if apart.len() == self.outputs.len() {
            return Ok(apart);
        }
        let mut apart = apart.into_iter();
        let mut outputs = Made::new();
        for port in &self.outputs {
            outputs.push(match port.in_place {
                Some(i) => (given[i].clone(), inputs[i]),
                None => apart.next().ok_or_else(|| refused(py, "an output is missing"))?,
            });
        }
        Ok(outputs)
    }

    /// The tensors of `out=`: one, a sequence in the order of the outputs, or a mapping by their names.
    fn given_outputs<'py>(&self, py: Python<'py>, family: Family, out: &Bound<'py, PyAny>) -> PyResult<Made<'py>> {
        let own: SmallVec<[&OutPort; 8]> = self.outputs.iter().filter(|port| port.in_place.is_none()).collect();
        let objects: SmallVec<[Bound<'py, PyAny>; 8]> = match out.cast::<PyDict>() {
            Ok(dict) => {
                let find = |port: &&OutPort| {
                    dict.get_item(&port.name)?.ok_or_else(|| {
                        wrong(
                            py,
                            Code::MissingArgument,
                            format!("`out` has no output `{}`", port.name),
                            format!("give one for each of {}", names(&own)),
                        )
                    })
                };
                if let Some(extra) = dict.keys().iter().find(|k| !own.iter().any(|p| k.to_string() == p.name)) {
                    let message = format!("`{}` has no output `{extra}`", self.name());
                    return Err(wrong(py, Code::ExtraArgument, message, format!("its outputs are {}", names(&own))));
                }
                own.iter().map(find).collect::<PyResult<_>>()?
            }
            Err(_) => objects_of(out)?,
        };
        if objects.len() != own.len() {
            let message =
                format!("`out` has {} tensors, and `{}` has {} outputs", objects.len(), self.name(), own.len());
            let code = if objects.len() < own.len() { Code::MissingArgument } else { Code::ExtraArgument };
            return Err(wrong(py, code, message, format!("they are {}", names(&own))));
        }
        let read = |(port, object): (&&OutPort, Bound<'py, PyAny>)| {
            if !family.has(&object)? {
                return Err(no_tensor(&port.name, &object));
            }
            let mut view = family.read_writable(&port.name, &object)?;
            if port.dtype == DType::Bf16 && view.dtype == DType::U16 && matches!(family, Family::Array) {
                view = view.as_dtype(DType::Bf16);
            }
            Ok((object, view))
        };
        own.iter().zip(objects).map(read).collect()
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
        let together = |i: usize| self.inputs[i].shared.is_some_and(|o| inputs[i].is_same(&outputs[o].1));
        let leave_out = self.inputs.iter().enumerate().all(|(i, port)| port.shared.is_none() || together(i));
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
                Some(object) => family.read_writable("error_word", object)?.as_dtype(DType::U32),
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
            Place::Cuda(plan) => self.launch_cuda(py, plan, family, &args, size, times),
        }
    }

    #[inline]
    fn launch_cuda(
        &self,
        py: Python<'_>,
        plan: &::routefuse::cuda::CudaPlan,
        family: Family,
        args: &Args<'_>,
        workspace: u64,
        times: u32,
    ) -> PyResult<()> {
        use ::routefuse::cuda::Launch;
        let Family::Torch(torch) = family else {
            let message =
                format!("`{}` is compiled for {}, and arrays lie in this process's memory", self.name(), self.device());
            return Err(wrong(
                py,
                Code::WrongDevice,
                message,
                "give torch tensors of that GPU, or compile with device=\"cpu\"",
            ));
        };
        let stream = torch.stream(py, self.device())?;
        // SAFETY: the current stream of torch, which lives; it is of the primary context, as the plan is.
        let launch = unsafe { Launch::on_raw(stream.cast()) };
        if workspace == 0 {
            return (0..times).try_for_each(|_| plan.launch(launch, args)).map_err(|e| raised(py, e));
        }
        let block = match torch.exchange() {
            Some(exchange) => Here((Some(exchange.block(py, self.device(), workspace)?), None)),
            None => Here((None, Some(torch.empty(py, self.device(), DType::U8, &[workspace as i64])?))),
        };
        let address = match block.get() {
            (Some(block), _) => block.data(),
            (None, Some(tensor)) => torch.read("workspace", tensor)?.ptr,
            (None, None) => std::ptr::null_mut(),
        };
        // SAFETY: torch's allocator gives the memory to other work only behind what this stream has been given.
        let launch = unsafe { launch.workspace(address.expose_provenance() as u64, workspace) };
        (0..times).try_for_each(|_| plan.launch(launch, args)).map_err(|e| raised(py, e))
    }

    /// What the call returns.
    #[inline]
    fn give<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        outputs: &Made<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let one = |what: &Return| match what {
            Return::Output(o) => outputs[*o].0.clone(),
            Return::Argument(a) => arguments[*a].clone().unwrap_or_else(|| py.None().into_bound(py)),
            Return::Constant(object) => object.bind(py).clone(),
        };
        let results = &self.returns;
        if let Some(unflatten) = &results.unflatten {
            let leaves = PyList::new(py, results.leaves.iter().map(one))?;
            return unflatten.bind(py).call1((leaves,));
        }
        match results.leaves.as_slice() {
            [single] if results.single => Ok(one(single)),
            leaves => {
                let tuple = PyTuple::new(py, leaves.iter().map(one))?;
                match &results.named {
                    Some(make) => make.bind(py).call1((tuple,)),
                    None => Ok(tuple.into_any()),
                }
            }
        }
    }
}

/// Whether it is a Python number.
fn is_number(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyBool, PyFloat, PyInt};
    object.is_instance_of::<PyInt>() || object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyBool>()
}

/// The tensors of `out=`: one, or those of a sequence or a mapping.
fn objects_of<'py>(out: &Bound<'py, PyAny>) -> PyResult<SmallVec<[Bound<'py, PyAny>; 8]>> {
    if let Ok(tuple) = out.cast::<PyTuple>() {
        return Ok(tuple.iter().collect());
    }
    if let Ok(dict) = out.cast::<PyDict>() {
        return Ok(dict.values().iter().collect());
    }
    if out.is_instance_of::<PyList>() {
        return out.try_iter()?.collect();
    }
    Ok(smallvec![out.clone()])
}

fn names(ports: &[&OutPort]) -> String {
    ports.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
}
