//! A compiled graph on burn's tensors.

use crate::argument::Argument;
use crate::memory::{Room, View, fitted, owned};
use burn_backend::Shape;
use burn_flex::{FlexTensor, Layout};
use rayon::ThreadPool;
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::Workspace;
use routefuse::ir::{Alias, Dim, Port};
#[cfg(feature = "compiler")]
use routefuse::models::IntoGraph;
use routefuse::{Args, DType, Error, HostPlan, Plan, TensorMut};
use smallvec::SmallVec;
use std::sync::Arc;

/// A graph, compiled and loaded on the host. Any number of threads may use it at once; a clone is another handle of the same.
#[derive(Clone, Debug)]
pub struct Router {
    plan: HostPlan,
    /// For each symbol of the program, the input whose leading extent it is.
    rows_of: Arc<[Option<usize>]>,
    pool: Option<Arc<ThreadPool>>,
}

/// One for each tensor of a launch.
type Several<T> = SmallVec<[T; 8]>;

/// Where an output goes.
enum Place {
    /// Into the memory of this input.
    Input(usize),
    New(Room, SmallVec<[u64; 6]>),
}

impl Router {
    /// A graph or a preset, compiled and loaded: from here on nothing compiles, for any number of tokens.
    ///
    /// This makes an engine of its own, which keeps nothing on disk. For many graphs, a cache or a bundle, take plans from an
    /// [`Engine`](routefuse::Engine): [`Router::of_plan`].
    ///
    /// # Errors
    /// `RF1001` for a name that no preset has; what compiling and loading report.
    #[cfg(feature = "compiler")]
    pub fn new<'g>(graph: impl IntoGraph<'g>) -> Result<Router, Error> {
        let (engine, graph) = (routefuse::Engine::builder().build()?, graph.into_graph()?);
        Router::of_plan(engine.compile(&graph, &routefuse::Target::host(), &routefuse::Options::default())?)
    }

    /// The router of a plan for the host, as [`Engine::compile`](routefuse::Engine) makes one, and
    /// [`Engine::plan_for`](routefuse::Engine::plan_for) finds one in a bundle. It is prepared here.
    ///
    /// # Errors
    /// `RF0806` for a plan of another target; what loading reports.
    pub fn of_plan(plan: Arc<Plan>) -> Result<Router, Error> {
        let plan = HostPlan::new(plan)?;
        plan.prepare()?;
        let program = plan.plan().program();
        let leads = |port: &Port, s: usize| matches!(port.ty.shape.first(), Some(Dim::Sym(d)) if d.0 as usize == s);
        let rows_of = |s: usize| program.inputs.iter().position(|port| leads(port, s));
        let rows_of = (0..program.symbols.len()).map(rows_of).collect();
        Ok(Router { plan, rows_of, pool: None })
    }

    /// The same, but a launch with many rows shares them among this pool's threads. Without one, it runs on the calling thread.
    #[must_use]
    pub fn on_pool(self, pool: impl Into<Option<Arc<ThreadPool>>>) -> Router {
        Router { pool: pool.into(), ..self }
    }

    /// The graph's results for these inputs, in its order. [`tensor`](crate::tensor) makes tensors of them.
    ///
    /// An output that the graph declares `in_place` or `donates` is in its argument's memory if the argument is the last handle of
    /// that. All other results are new.
    ///
    /// # Errors
    /// `RF0601` to `RF0614` for arguments that do not fit, before anything is written; that an index was out of range where a gather of
    /// the graph traps.
    pub fn forward(&self, inputs: impl IntoIterator<Item = Argument>) -> Result<Vec<FlexTensor>, Error> {
        self.forward_with_dims(inputs, &[])
    }

    /// As [`Router::forward`], for a graph with dims that no input has: each by its name, as in `("T", 5)`.
    ///
    /// # Errors
    /// Those of [`Router::forward`]; `RF0606` for a dim that the graph lacks, or that is not given.
    pub fn forward_with_dims(
        &self,
        inputs: impl IntoIterator<Item = Argument>,
        dims: &[(&str, usize)],
    ) -> Result<Vec<FlexTensor>, Error> {
        let program = self.plan.plan().program();
        let inputs: Several<FlexTensor> = inputs.into_iter().map(|a| a.0).collect();
        if inputs.len() != program.inputs.len() {
            return Err(self.wrong_count(inputs.len()).into());
        }
        let fit = |(tensor, port): (FlexTensor, &Port)| match port.ty.shape.is_empty() {
            true => scalar(tensor),
            false => fitted(tensor, port.layout),
        };
        let mut inputs: Several<FlexTensor> = inputs.into_iter().zip(&program.inputs).map(fit).collect();
        let extents = self.extents(&inputs, dims)?;
        let place = |port: &Port| match port.alias {
            Alias::InPlace(i) => Ok(Place::Input(i)),
            Alias::Donates(i) if inputs[i].is_unique() => Ok(Place::Input(i)),
            _ => new_place(port, &extents),
        };
        let mut places = program.outputs.iter().map(place).collect::<Result<Several<Place>, Diagnostic>>()?;
        self.launch(&mut inputs, &mut places, &extents)?;
        let result = |(place, port): (Place, &Port)| match place {
            Place::Input(i) => seen(inputs[i].clone()),
            // SAFETY: a launch writes every element of an output.
            Place::New(room, shape) => seen(unsafe { room.filled(port.ty.dtype, &shape) }),
        };
        Ok(places.into_iter().zip(&program.outputs).map(result).collect())
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        self.plan.plan()
    }

    /// The inputs in their order: names, dtypes, shapes, layouts.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.plan().program().inputs.iter()
    }

    /// The outputs in their order.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.plan().program().outputs.iter()
    }

    fn launch(&self, inputs: &mut [FlexTensor], places: &mut [Place], extents: &[u64]) -> Result<(), Error> {
        let program = self.plan().program();
        let is_written = |i: usize| places.iter().any(|p| matches!(p, Place::Input(written) if *written == i));
        let mut views: Several<View> = SmallVec::new();
        for (i, (tensor, port)) in inputs.iter_mut().zip(&program.inputs).enumerate() {
            let ptr = if is_written(i) { owned(tensor) } else { tensor.bytes().as_ptr().cast_mut() };
            views.push(View::of(ptr, tensor, port)?);
        }
        let mut args = Args::new();
        for view in &views {
            // SAFETY: the tensors keep their memory during the launch; nobody writes what is shared, and what is written is this
            // handle's alone.
            args.input(unsafe { view.input() });
        }
        for (place, port) in places.iter_mut().zip(&program.outputs) {
            // SAFETY: as above; new room is nobody else's.
            args.output(unsafe {
                match place {
                    Place::Input(i) => views[*i].output(),
                    Place::New(room, shape) => room.view(port.ty.dtype, shape).output(),
                }
            });
        }
        let mut word = 0u32;
        if program.has_trap {
            // SAFETY: the word lives until the launch has returned, and is read only then.
            args.output(unsafe { TensorMut::contiguous((&raw mut word).cast(), 4, DType::U32, &[]) });
        }
        let bytes = if program.intermediates.is_empty() { 0 } else { self.plan().workspace_size(extents)? };
        let mut workspace = (bytes > 0).then(|| Workspace::new(usize::try_from(bytes).unwrap_or(usize::MAX)));
        let workspace: &mut [u8] = workspace.as_deref_mut().unwrap_or_default();
        match self.pool.as_deref() {
            None => self.plan.launch_with(&args, workspace)?,
            Some(pool) => self.plan.launch_on_with(pool, &args, workspace)?,
        }
        if word != 0 {
            let message = format!("`{}`: a gather with `out_of_range = trap` met an index out of range", program.name);
            return Err(Diagnostic::new(Code::ArgumentExtent, message).help("give indices that the table has").into());
        }
        Ok(())
    }

    /// The extent of each symbol.
    fn extents(&self, inputs: &[FlexTensor], dims: &[(&str, usize)]) -> Result<SmallVec<[u64; 2]>, Diagnostic> {
        let symbols = &self.plan().program().symbols;
        if let Some((name, _)) = dims.iter().find(|(name, _)| !symbols.iter().any(|s| s == name)) {
            let message = format!("the graph has no dim `{name}`");
            return Err(
                Diagnostic::new(Code::SymbolConflict, message).help(format!("its dims are {}", symbols.join(", ")))
            );
        }
        let extent = |(symbol, rows_of): (&String, &Option<usize>)| {
            let given = dims.iter().find(|(name, _)| name == symbol).map(|d| d.1 as u64);
            // An input without dims is refused by the launch, however many rows are assumed.
            let read = || rows_of.map(|i| inputs[i].layout().shape().first().map_or(0, |n| *n as u64));
            given.or_else(read).ok_or_else(|| {
                Diagnostic::new(Code::SymbolConflict, format!("no input has the dim `{symbol}`"))
                    .help("give its extent by `forward_with_dims`")
            })
        };
        symbols.iter().zip(&*self.rows_of).map(extent).collect()
    }

    #[cold]
    fn wrong_count(&self, given: usize) -> Diagnostic {
        let inputs = &self.plan().program().inputs;
        let names: Vec<&str> = inputs.iter().map(|p| p.name.as_str()).collect();
        let code = if given < inputs.len() { Code::MissingArgument } else { Code::ExtraArgument };
        let message = format!("{given} arguments for the {} inputs of `{}`", inputs.len(), self.plan().program().name);
        Diagnostic::new(code, message).help(format!("they are {}", names.join(", ")))
    }
}

/// A tensor of one element as a scalar, which burn lacks.
fn scalar(tensor: FlexTensor) -> FlexTensor {
    match tensor.layout().num_elements() {
        1 => {
            let layout = Layout::new(Shape::from(Vec::<usize>::new()), Vec::new(), tensor.layout().start_offset());
            tensor.with_layout(layout)
        }
        // Refused by the launch.
        _ => tensor,
    }
}

/// A scalar as a tensor of one dim.
fn seen(tensor: FlexTensor) -> FlexTensor {
    match tensor.layout().num_dims() {
        0 => {
            let layout = Layout::new(Shape::from(vec![1]), vec![1], tensor.layout().start_offset());
            tensor.with_layout(layout)
        }
        _ => tensor,
    }
}

/// # Errors
/// `RF0614` for an output larger than memory.
fn new_place(port: &Port, extents: &[u64]) -> Result<Place, Diagnostic> {
    let shape: SmallVec<[u64; 6]> = port.ty.shape.iter().map(|d| d.resolve(extents)).collect();
    let elements = shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let bytes = elements.and_then(|n| n.checked_mul(8)).filter(|n| *n <= isize::MAX as u64);
    match (elements, bytes) {
        (Some(elements), Some(_)) => Ok(Place::New(Room::new(port.ty.dtype, elements as usize), shape)),
        _ => {
            let message = format!("output `{}` of shape {shape:?} is larger than memory", port.name);
            Err(Diagnostic::new(Code::ExtentTooLarge, message).help("give fewer rows"))
        }
    }
}
