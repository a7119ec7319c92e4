//! A compiled graph on candle's tensors.

use crate::device::{self, Place, Writes};
use crate::dtype;
use crate::error::failed;
use crate::hold::{Wanted, hold};
#[cfg(feature = "compiler")]
use crate::routers::Routers;
use crate::view::{Region, View};
use candle_core::{DType, Device, Layout as CandleLayout, Result, Shape, Storage, Tensor};
use rayon::ThreadPool;
use routefuse::diag::{Code, Diagnostic};
use routefuse::ir::{Alias, Dim, Layout, Port};
#[cfg(feature = "compiler")]
use routefuse::models::IntoGraph;
use routefuse::{Args, Plan};
use smallvec::SmallVec;
use std::sync::Arc;

/// A graph, compiled and loaded on one of candle's devices. Any number of threads may use it at once; a clone is another handle of
/// the same.
#[derive(Clone, Debug)]
pub struct Router {
    pub(crate) inner: Arc<Inner>,
    gives_i32: bool,
    pool: Option<Arc<ThreadPool>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    place: Place,
    device: Device,
    /// For each symbol of the program, the input whose leading extent it is.
    rows_of: Vec<Option<usize>>,
    /// "router `deepseek_v3`".
    about: String,
}

/// Extents, one a symbol of the program.
pub(crate) type Extents = SmallVec<[u64; 2]>;
/// One for each tensor of a launch.
type Several<T> = SmallVec<[T; 8]>;

impl Router {
    /// A graph or a preset on a device, compiled and loaded: from here on nothing compiles, for any number of tokens.
    ///
    /// This makes an engine of its own, which keeps nothing on disk. [`Routers`] shares one among the graphs of a model.
    ///
    /// # Errors
    /// Those of [`Routers::new`] and [`Routers::router`].
    #[cfg(feature = "compiler")]
    pub fn new<'g>(graph: impl IntoGraph<'g>, device: &Device) -> Result<Router> {
        let engine = routefuse::Engine::builder().build().map_err(|e| failed(e, "routefuse-candle"))?;
        Routers::new(engine, device)?.router(graph)
    }

    pub(crate) fn of_place(place: Place, device: &Device, about: String) -> std::result::Result<Router, Diagnostic> {
        let program = place.plan().program();
        for (role, ports) in [("input", &program.inputs), ("output", &program.outputs)] {
            if let Some(port) = ports.iter().find(|p| dtype::to_candle(p.ty.dtype, false).is_none()) {
                let message = format!("{role} `{}` is of {}, which candle lacks", port.name, port.ty.dtype);
                return Err(Diagnostic::new(Code::UnsupportedDType, message)
                    .help("candle's integers are u8, i16, i32, u32 and i64: cast to one of those in the graph"));
            }
        }
        let leads = |port: &Port, s: usize| matches!(port.ty.shape.first(), Some(Dim::Sym(d)) if d.0 as usize == s);
        let rows_of = |s: usize| program.inputs.iter().position(|port| leads(port, s));
        let rows_of = (0..program.symbols.len()).map(rows_of).collect();
        let inner = Inner { device: device.clone(), rows_of, about, place };
        Ok(Router { inner: Arc::new(inner), gives_i32: false, pool: None })
    }

    /// The same, but what is `i32` in the graph is given as candle's `I32` instead of `U32`.
    #[must_use]
    pub fn gives_i32(self, yes: bool) -> Router {
        Router { gives_i32: yes, ..self }
    }

    /// The same, but on the CPU a launch with many rows shares them among this pool's threads. Without one, it runs on the calling
    /// thread. On a GPU it says nothing.
    #[must_use]
    pub fn on_pool(self, pool: impl Into<Option<Arc<ThreadPool>>>) -> Router {
        Router { pool: pool.into(), ..self }
    }

    /// The graph's results for these inputs, in its order, as new tensors; no input is changed. One that the graph writes in place is
    /// copied first.
    ///
    /// # Errors
    /// `RF0601` to `RF0614` for arguments that do not fit, before anything is written; on the CPU, that an index was out of range where
    /// a gather of the graph traps ([`Router::take_trap`] says it on a GPU); what candle's allocator and the driver report.
    pub fn forward(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.forward_with_dims(inputs, &[])
    }

    /// As [`Router::forward`], for a graph with dims that no input has: each by its name, as in `("T", 5)`.
    ///
    /// # Errors
    /// Those of [`Router::forward`]; `RF0606` for a dim that the graph lacks, or that is not given.
    pub fn forward_with_dims(&self, inputs: &[&Tensor], dims: &[(&str, usize)]) -> Result<Vec<Tensor>> {
        self.check_count(inputs, "input", self.plan().program().inputs.len())?;
        let program = self.plan().program();
        if !program.outputs.iter().any(|o| matches!(o.alias, Alias::InPlace(_))) {
            return self.run(inputs, &none(program.outputs.len()), dims);
        }
        let mut inputs: Several<Tensor> = inputs.iter().copied().cloned().collect();
        for port in &program.outputs {
            if let Alias::InPlace(i) = port.alias {
                inputs[i] = inputs[i].force_contiguous()?;
            }
        }
        let borrowed: Several<&Tensor> = inputs.iter().collect();
        self.run(&borrowed, &self.own_inputs(&borrowed, false), dims)
    }

    /// As [`Router::forward`], in place where the graph allows it: an output that is declared `in_place` or `donates` is written into
    /// its input, by an in-place op of candle, and the result is that tensor. Other results are new tensors.
    ///
    /// # Errors
    /// Those of [`Router::forward`]; candle's, for a tensor of which several elements are in one place.
    pub fn forward_in_place(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.check_count(inputs, "input", self.plan().program().inputs.len())?;
        self.run(inputs, &self.own_inputs(inputs, true), &[])
    }

    /// Writes the results into tensors that there are, in the order of the graph, by an in-place op of candle: nothing is allocated
    /// but for plans of several kernels. An output that is declared `in_place`, `donates` or `guarded` may be given its input.
    ///
    /// # Errors
    /// Those of [`Router::forward`], also for an output that overlaps what it may not.
    pub fn forward_into(&self, inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<()> {
        let program = self.plan().program();
        self.check_count(inputs, "input", program.inputs.len())?;
        self.check_count(outputs, "output", program.outputs.len())?;
        let outputs: Several<Option<&Tensor>> = outputs.iter().map(|t| Some(*t)).collect();
        self.run(inputs, &outputs, &[]).map(drop)
    }

    /// Whether a gather of the graph that traps met an index out of range since this was last asked: on a GPU, where a launch does not
    /// wait to know it. Waits for the device's stream. On the CPU `forward` fails instead.
    ///
    /// # Errors
    /// The driver's.
    pub fn take_trap(&self) -> Result<bool> {
        match &self.inner.place {
            Place::Cpu(_) => Ok(false),
            #[cfg(feature = "cuda")]
            Place::Cuda(on) => on.take_trap(),
        }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        self.inner.place.plan()
    }

    /// The inputs in their order: names, dtypes, shapes, layouts.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.plan().program().inputs.iter()
    }

    /// The outputs in their order.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.plan().program().outputs.iter()
    }

    /// One tensor of an op of candle's, which has storages and no tensors.
    pub(crate) fn apply(&self, inputs: &[(Region, DType, &CandleLayout)]) -> Result<(Storage, Shape)> {
        let program = self.plan().program();
        let [output] = &program.outputs[..] else {
            let message = format!("an op of candle's gives one tensor, and the graph has {}", program.outputs.len());
            return self.wrong(Diagnostic::new(Code::MissingArgument, message).help("call `forward`"));
        };
        if let Alias::InPlace(_) = output.alias {
            let message = format!("output `{}` is written in place, which an op of candle's does not do", output.name);
            return self.wrong(Diagnostic::new(Code::NotInPlace, message).help("call `forward`"));
        }
        self.check_count(inputs, "input", program.inputs.len())?;
        let extents = self.extents(|i| inputs[i].2.dims(), &[])?;
        let (mut storage, shape) = self.allocate(output, &extents)?;
        let layout = CandleLayout::contiguous(&shape);
        {
            let (region, _writes) = device::region_of_new(&mut storage)?;
            self.launch(inputs, &[(region, self.dtype_of(output), &layout)], &extents)?;
        }
        Ok((storage, shape))
    }

    /// Launches with tensors: results go to `given`, or else into new ones.
    fn run(&self, inputs: &[&Tensor], given: &[Option<&Tensor>], dims: &[(&str, usize)]) -> Result<Vec<Tensor>> {
        let program = self.plan().program();
        for (tensor, port) in inputs.iter().zip(&program.inputs) {
            self.check_device(tensor, port, "input")?;
        }
        for (tensor, port) in given.iter().zip(&program.outputs) {
            tensor.map_or(Ok(()), |tensor| self.check_device(tensor, port, "output"))?;
        }
        let extents = self.extents(|i| inputs[i].dims(), dims)?;
        let mut fresh: Several<Option<(Storage, CandleLayout)>> = SmallVec::new();
        for (port, given) in program.outputs.iter().zip(given) {
            fresh.push(match given {
                Some(_) => None,
                None => {
                    let (storage, shape) = self.allocate(port, &extents)?;
                    Some((storage, CandleLayout::contiguous(&shape)))
                }
            });
        }
        let is_given = |i: usize| {
            let output = |(port, given): (&Port, &Option<&Tensor>)| given.is_some() && port.alias.input() == Some(i);
            program.outputs.iter().zip(given).any(output)
        };
        let mut copies: Several<Option<Tensor>> = SmallVec::new();
        for (i, (tensor, port)) in inputs.iter().zip(&program.inputs).enumerate() {
            let copied = !is_given(i) && !fits(port.layout, tensor);
            copies.push(if copied { Some(tensor.contiguous()?) } else { None });
        }
        let inputs: Several<&Tensor> = inputs.iter().zip(&copies).map(|(t, copy)| copy.as_ref().unwrap_or(t)).collect();
        let read = inputs.iter().map(|t| Wanted { tensor: t, written: false });
        let written = given.iter().flatten().map(|t| Wanted { tensor: t, written: true });
        let wanted: Several<Wanted<'_>> = read.chain(written).collect();
        hold(&wanted, &mut |regions| {
            let (read, written) = regions.split_at(inputs.len());
            let inputs: Several<_> = inputs.iter().zip(read).map(|(t, r)| (*r, t.dtype(), t.layout())).collect();
            let mut written = written.iter();
            let mut outputs: Several<(Region, DType, &CandleLayout)> = SmallVec::new();
            let mut writes: Several<Writes<'_>> = SmallVec::new();
            for ((port, given), fresh) in program.outputs.iter().zip(given).zip(&mut fresh) {
                match (given, fresh) {
                    (None, Some((storage, layout))) => {
                        let (region, guard) = device::region_of_new(storage)?;
                        writes.push(guard);
                        outputs.push((region, self.dtype_of(port), layout));
                    }
                    (Some(tensor), _) => {
                        let region = written.next().copied().unwrap_or(Region::NONE);
                        outputs.push((region, tensor.dtype(), tensor.layout()));
                    }
                    (None, None) => {}
                }
            }
            self.launch(&inputs, &outputs, &extents)
        })?;
        let result = |(given, fresh): (&Option<&Tensor>, Option<(Storage, CandleLayout)>)| match fresh {
            Some((storage, layout)) => Some(Tensor::from((storage, layout.shape().clone()))),
            None => given.map(Tensor::clone),
        };
        Ok(given.iter().zip(fresh).filter_map(result).collect())
    }

    /// Binds everything and launches. Who calls holds the memory of all of it, exclusively where it is written.
    #[inline]
    fn launch(
        &self,
        inputs: &[(Region, DType, &CandleLayout)],
        outputs: &[(Region, DType, &CandleLayout)],
        extents: &[u64],
    ) -> Result<()> {
        let Inner { place, about, .. } = &*self.inner;
        let device = place.device();
        let program = place.plan().program();
        let view = |(region, dtype, layout)| View { region, dtype, layout, device };
        let mut args = Args::new();
        for (argument, port) in inputs.iter().zip(&program.inputs) {
            // SAFETY: the storage is locked by whoever calls, or lent to an op of candle's, until the launch is on the device's
            // stream; candle frees and reuses memory of a GPU in the order of that stream.
            args.input(unsafe { view(*argument).input(port) }.map_err(|e| failed(e, about))?);
        }
        for (argument, port) in outputs.iter().zip(&program.outputs) {
            // SAFETY: as above; the storage is new, or locked for writing.
            args.output(unsafe { view(*argument).output(port) }.map_err(|e| failed(e, about))?);
        }
        place.launch(args, extents, self.pool.as_deref(), about)
    }

    /// For each output, the input that it overwrites: what it must, and with `donated` what it may.
    fn own_inputs<'t>(&self, inputs: &[&'t Tensor], donated: bool) -> Several<Option<&'t Tensor>> {
        let of = |port: &Port| match port.alias {
            Alias::InPlace(i) => Some(inputs[i]),
            Alias::Donates(i) if donated => Some(inputs[i]),
            _ => None,
        };
        self.plan().program().outputs.iter().map(of).collect()
    }

    /// The extent of each symbol.
    fn extents<'d>(&self, dims_of: impl Fn(usize) -> &'d [usize], dims: &[(&str, usize)]) -> Result<Extents> {
        let symbols = &self.plan().program().symbols;
        if let Some((name, _)) = dims.iter().find(|(name, _)| !symbols.iter().any(|s| s == name)) {
            let message = format!("the graph has no dim `{name}`");
            let help = format!("its dims are {}", symbols.join(", "));
            return self.wrong(Diagnostic::new(Code::SymbolConflict, message).help(help));
        }
        let mut extents = Extents::new();
        for (symbol, rows_of) in symbols.iter().zip(&self.inner.rows_of) {
            let given = dims.iter().find(|(name, _)| name == symbol).map(|d| d.1);
            // An input without dims is refused by the launch, which has nothing to do with how many rows are assumed.
            let extent = given.or_else(|| rows_of.map(|i| dims_of(i).first().copied().unwrap_or(0)));
            let Some(extent) = extent else {
                let message = format!("no input has the dim `{symbol}`");
                let help = "give its extent by `forward_with_dims`";
                return self.wrong(Diagnostic::new(Code::SymbolConflict, message).help(help));
            };
            extents.push(extent as u64);
        }
        Ok(extents)
    }

    #[inline]
    fn dtype_of(&self, port: &Port) -> DType {
        // `of_place` has refused what candle lacks.
        dtype::to_candle(port.ty.dtype, self.gives_i32).unwrap_or(DType::U8)
    }

    /// A storage for an output, and its shape.
    fn allocate(&self, port: &Port, extents: &[u64]) -> Result<(Storage, Shape)> {
        let extent = |d: &Dim| usize::try_from(d.resolve(extents)).unwrap_or(usize::MAX);
        let dims: SmallVec<[usize; 6]> = port.ty.shape.iter().map(extent).collect();
        if dims.iter().try_fold(8usize, |bytes, n| bytes.checked_mul(*n)).is_none_or(|n| n > isize::MAX as usize) {
            let message = format!("output `{}` of shape {dims:?} is larger than memory", port.name);
            return self.wrong(Diagnostic::new(Code::ExtentTooLarge, message).help("give fewer rows"));
        }
        let shape = Shape::from(&dims[..]);
        // SAFETY: a launch writes every element of an output, and nobody sees the storage when it fails.
        let storage = unsafe { self.inner.place.allocate(&shape, self.dtype_of(port)) }?;
        Ok((storage, shape))
    }

    fn check_count<T>(&self, tensors: &[T], role: &str, wanted: usize) -> Result<()> {
        if tensors.len() == wanted {
            return Ok(());
        }
        let program = self.plan().program();
        let ports = if role == "input" { &program.inputs } else { &program.outputs };
        let names: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
        let code = if tensors.len() < wanted { Code::MissingArgument } else { Code::ExtraArgument };
        let message = format!("{} {role} tensors for the {wanted} {role}s of the graph", tensors.len());
        self.wrong(Diagnostic::new(code, message).help(format!("they are {}", names.join(", "))))
    }

    fn check_device(&self, tensor: &Tensor, port: &Port, role: &str) -> Result<()> {
        if tensor.device().same_device(&self.inner.device) {
            return Ok(());
        }
        let (there, here) = (tensor.device().location(), self.inner.device.location());
        let message = format!("{role} `{}` is on {there:?}, and the router on {here:?}", port.name);
        self.wrong(Diagnostic::new(Code::WrongDevice, message).help("move it by `to_device`"))
    }

    #[cold]
    fn wrong<T>(&self, diagnostic: Diagnostic) -> Result<T> {
        Err(failed(diagnostic, &self.inner.about))
    }
}

fn none<'t>(count: usize) -> Several<Option<&'t Tensor>> {
    SmallVec::from_elem(None, count)
}

/// Whether a launch takes the tensor as it lies.
fn fits(layout: Layout, tensor: &Tensor) -> bool {
    if tensor.is_contiguous() {
        return true;
    }
    match layout {
        Layout::Contiguous => false,
        Layout::Strided => true,
        Layout::Rows => {
            let (dims, strides) = (tensor.dims(), tensor.stride());
            let mut stride = 1;
            (1..dims.len()).rev().all(|d| {
                let fits = strides[d] == stride || dims[d] == 1;
                stride *= dims[d];
                fits
            })
        }
    }
}
