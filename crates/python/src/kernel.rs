//! Kernels: a plan that is prepared on a device, and called with tensors.

use crate::arguments::Keywords;
use crate::captured::Function;
use crate::engine::Shared;
#[cfg(feature = "compiler")]
use crate::failure::{raised, refused};
#[cfg(feature = "compiler")]
use crate::graph::Graph;
use crate::results::{Extent, OutPort};
use crate::signature::{InPort, Parameter, Return, Returns, Source};
use ::routefuse::exec::Device;
use ::routefuse::ir::{Alias, Dim, Layout, Port};
use ::routefuse::{DType, HostPlan, Plan};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use std::sync::Arc;

/// Where a kernel runs.
pub enum Place {
    Host(HostPlan),
    Cuda(Arc<::routefuse::cuda::CudaPlan>),
    Hip(Arc<::routefuse::hip::HipPlan>),
}

/// A compiled kernel, ready to be called: nothing is compiled or loaded any more, for any number of rows.
///
/// `kernel(*inputs, out=None, dims=None, error_word=None, **inputs)` takes the inputs by position or by name, as torch tensors on
/// the kernel's device, or on the host as numpy arrays; an input of rank 0 may be a Python number on the host. It runs on torch's
/// current stream and does not wait. The results are in new memory, all in one block, or in that of `out`: a tensor, a sequence
/// in the order of the outputs, or a dict by their names. An input that an output overwrites is overwritten, and returned as
/// that output. `dims` gives the extents of dims that no input has; `error_word` is needed on a GPU where a gather may trap.
///
/// Raises Error, before anything is written (but for a gather that traps on the host, which is known only then): RF0601 to RF0614 for arguments that do not fit, RF0808 if the GPU's driver fails.
#[pyclass(frozen, weakref, module = "routefuse")]
pub struct Kernel {
    pub(crate) plan: Arc<Plan>,
    pub(crate) place: Place,
    /// What a call takes, in order: the inputs, unless it is a captured function's.
    pub(crate) parameters: Vec<Parameter>,
    /// What makes the tensors that each call has anew, behind its arguments: seeds of random numbers.
    pub(crate) drawn: Vec<Py<PyAny>>,
    pub(crate) inputs: Vec<InPort>,
    pub(crate) outputs: Vec<OutPort>,
    /// Some output lies, or may lie, in an input's memory.
    pub(crate) shares: bool,
    /// For each symbol, the input whose leading extent it is.
    pub(crate) rows_of: Vec<Option<usize>>,
    pub(crate) returns: Returns,
    pub(crate) engine: Arc<Shared>,
    #[cfg(feature = "compiler")]
    pub(crate) graph: Option<Arc<::routefuse::Verified<::routefuse::Graph>>>,
    pub(crate) fused: bool,
    pub(crate) info: Py<PyDict>,
}

impl Kernel {
    /// A kernel of a plan that was prepared.
    pub fn new(py: Python<'_>, engine: &Arc<Shared>, plan: Arc<Plan>, place: Place, fused: bool) -> PyResult<Kernel> {
        let program = plan.program();
        let shared = |i: usize| {
            program.outputs.iter().position(|o| matches!(o.alias, Alias::InPlace(a) | Alias::Donates(a) if a == i))
        };
        let input = |(i, port): (usize, &Port)| {
            let seen = OutPort::of(port);
            let symbol = match port.ty.shape.first() {
                Some(Dim::Sym(s)) => Some(s.0),
                _ => None,
            };
            InPort {
                of: Source::Argument(i),
                name: port.name.clone(),
                dtype: port.ty.dtype,
                rank: port.ty.shape.len(),
                symbol,
                shared: shared(i),
                written: program.outputs.iter().any(|o| matches!(o.alias, Alias::InPlace(a) if a == i)),
                layout: port.layout,
                matrix_row: None,
                shape: seen.shape,
            }
        };
        let inputs: Vec<InPort> = program.inputs.iter().enumerate().map(input).collect();
        let parameters = inputs.iter().map(|port| Parameter::new(py, &port.name)).collect();
        let outputs: Vec<OutPort> = program.outputs.iter().map(OutPort::of).collect();
        let leaves = (0..outputs.len()).map(Return::Output).collect();
        let named = if outputs.len() > 1 {
            let names: Vec<&str> = outputs.iter().map(|o| o.name.as_str()).collect();
            let results = py.import("routefuse._results")?;
            let class = results.getattr("named_results")?.call1((&program.name, names))?;
            Some(class.cast_into::<PyType>()?.unbind())
        } else {
            None
        };
        let returns = Returns { leaves, single: true, named, unflatten: None };
        let rows_of = |s| inputs.iter().position(|port| port.symbol == Some(s as u32));
        Ok(Kernel {
            place,
            shares: inputs.iter().any(|port| port.shared.is_some()),
            rows_of: (0..program.symbols.len()).map(rows_of).collect(),
            parameters,
            drawn: Vec::new(),
            inputs,
            outputs,
            returns,
            engine: Arc::clone(engine),
            #[cfg(feature = "compiler")]
            graph: None,
            fused,
            info: PyDict::new(py).unbind(),
            plan,
        })
    }

    #[cfg(feature = "compiler")]
    pub fn with_graph(self, graph: &Arc<::routefuse::Verified<::routefuse::Graph>>) -> Kernel {
        Kernel { graph: Some(Arc::clone(graph)), ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.plan.program().name
    }

    pub(crate) fn device(&self) -> Device {
        match &self.place {
            Place::Host(_) => Device::Host,
            Place::Cuda(plan) => plan.gpu().device(),
            Place::Hip(plan) => plan.gpu().device(),
        }
    }

    /// "ids: i32[T, 8], map: i32[256]", for errors.
    pub(crate) fn signature(&self) -> String {
        let one = |(at, p): (usize, &Parameter)| {
            let input = self.inputs.iter().find(|i| matches!(i.of, Source::Argument(a) if a == at));
            input.map_or_else(|| p.name.clone(), |i| format!("{}: {}{}", p.name, i.dtype, self.dims(&i.shape)))
        };
        self.parameters.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
    }

    fn dims(&self, shape: &[Extent]) -> String {
        let dim = |d: &Extent| match d {
            Extent::Const(n) => n.to_string(),
            Extent::Rows(1, s) => self.plan.program().symbols[*s as usize].clone(),
            Extent::Rows(n, s) => format!("{n}*{}", self.plan.program().symbols[*s as usize]),
        };
        format!("[{}]", shape.iter().map(dim).collect::<Vec<_>>().join(", "))
    }

    #[cfg(feature = "compiler")]
    fn graph(&self, py: Python<'_>) -> PyResult<&Arc<::routefuse::Verified<::routefuse::Graph>>> {
        self.graph.as_ref().ok_or_else(|| {
            refused(py, format!("`{}` came from a bundle, which has its plan and not its graph", self.name()))
        })
    }

    fn port<'py>(
        &self,
        py: Python<'py>,
        (name, dtype, shape): (&str, DType, &[Extent]),
        layout: Layout,
    ) -> PyResult<Bound<'py, PyDict>> {
        let port = PyDict::new(py);
        port.set_item("name", name)?;
        port.set_item("dtype", dtype.name())?;
        let dim = |d: &Extent| match d {
            Extent::Const(n) => Ok(n.into_pyobject(py)?.into_any()),
            Extent::Rows(1, s) => Ok(PyString::new(py, &self.plan.program().symbols[*s as usize]).into_any()),
            Extent::Rows(n, s) => {
                let text = format!("{n}*{}", self.plan.program().symbols[*s as usize]);
                Ok(PyString::new(py, &text).into_any())
            }
        };
        port.set_item("shape", shape.iter().map(dim).collect::<PyResult<Vec<Bound<'py, PyAny>>>>()?)?;
        port.set_item(
            "layout",
            match layout {
                Layout::Contiguous => "contiguous",
                Layout::Rows => "rows",
                Layout::Strided => "strided",
            },
        )?;
        Ok(port)
    }
}

#[pymethods]
impl Kernel {
    #[pyo3(signature = (*inputs, out = None, dims = None, error_word = None, **named))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyTuple>,
        out: Option<Bound<'py, PyAny>>,
        dims: Option<Bound<'py, PyAny>>,
        error_word: Option<Bound<'py, PyAny>>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, inputs, Keywords { out, dims, error_word, inputs: named })
    }

    /// The graph's name.
    #[getter(name)]
    fn get_name(&self) -> &str {
        self.name()
    }

    /// Where it runs: "cpu", or as "cuda:0", or as "hip:0", which a torch for AMD's GPUs calls "cuda:0".
    #[getter(device)]
    fn get_device(&self) -> String {
        match self.device() {
            Device::Host => "cpu".to_owned(),
            other => other.to_string(),
        }
    }

    /// The target that it was compiled for, as "host" or "sm_90".
    #[getter]
    fn target(&self) -> &'static str {
        self.plan.target().name()
    }

    /// Its inputs in order, as dicts with `name`, `dtype`, `shape`, `layout`, `written` and `matrix_row`: which row of the
    /// argument it is, or None for all of it. A dim without a fixed extent is its name.
    #[getter(inputs)]
    fn get_inputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |p: &InPort| {
            let port = self.port(py, (&p.name, p.dtype, &p.shape), p.layout)?;
            port.set_item("written", p.written)?;
            port.set_item("matrix_row", p.matrix_row)?;
            Ok(port)
        };
        self.inputs.iter().map(one).collect()
    }

    /// The names of what a call takes, in order.
    #[getter(parameters)]
    fn get_parameters(&self) -> Vec<&str> {
        self.parameters.iter().map(|p| p.name.as_str()).collect()
    }

    /// Its outputs in order, as dicts with `name`, `dtype`, `shape`, `layout` and `in_place`: the name of the input that one
    /// overwrites, or None.
    #[getter(outputs)]
    fn get_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |(p, of): (&OutPort, &Port)| {
            let port = self.port(py, (&p.name, p.dtype, &p.seen), of.layout)?;
            port.set_item("in_place", p.in_place.map(|i| self.inputs[i].name.as_str()))?;
            Ok(port)
        };
        self.outputs.iter().zip(&self.plan.program().outputs).map(one).collect()
    }

    /// How many kernels a call of many rows launches.
    #[getter]
    fn launches(&self) -> usize {
        self.plan.program().kernels_of_many_rows()
    }

    /// What is known of it besides: a dict, of a captured function its name, its arguments and what was noted.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.info.bind(py).clone()
    }

    /// The graph. Raises Error for a kernel of a bundle.
    #[cfg(feature = "compiler")]
    #[getter(graph)]
    fn get_graph(&self, py: Python<'_>) -> PyResult<Graph> {
        Ok(Graph::shared(self.graph(py)?))
    }

    /// The graph as text.
    #[cfg(feature = "compiler")]
    #[getter]
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        Ok(::routefuse::text::print(self.graph(py)?))
    }

    /// What became of the graph and why, in words: kernels, cuts, gathers and their checks, bytes.
    #[cfg(feature = "compiler")]
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        let options = ::routefuse::Options::default().fuse(self.fused);
        Ok(self.engine.engine.explain(self.graph(py)?, &options).map_err(|e| raised(py, e))?.to_string())
    }

    /// The same as a dict.
    #[cfg(feature = "compiler")]
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let options = ::routefuse::Options::default().fuse(self.fused);
        let report = self.engine.engine.explain(self.graph(py)?, &options).map_err(|e| raised(py, e))?;
        let text = serde_json::to_string(&report).map_err(|e| refused(py, e.to_string()))?;
        let report = py.import("json")?.call_method1("loads", (text,))?;
        if !self.info.bind(py).is_empty() {
            report.set_item("captured", self.info.bind(py))?;
        }
        Ok(report)
    }

    /// The graph beside its kernels as a picture: an SVG document.
    #[cfg(feature = "compiler")]
    fn svg(&self, py: Python<'_>) -> PyResult<String> {
        let options = ::routefuse::Options::default().fuse(self.fused);
        let picture = self.engine.engine.picture(self.graph(py)?, &options).map_err(|e| raised(py, e))?;
        picture.svg().map_err(|e| raised(py, e))
    }

    #[cfg(feature = "compiler")]
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if self.graph.is_none() {
            return Ok(format!("<pre>{}</pre>", escape(&self.__repr__())));
        }
        let svg = self.svg(py)?;
        // A document's declaration stands before a page's elements nowhere.
        let svg = svg.find("<svg").map_or(svg.as_str(), |at| &svg[at..]);
        let explained = escape(&self.explain(py)?);
        Ok(format!("<div><b>{}</b><div>{svg}</div><pre>{explained}</pre></div>", escape(&self.__repr__())))
    }

    /// Writes a bundle with this kernel alone, for this machine's host and every target of `targets` ("host", "sm_90", …; only
    /// the kernel's own if None), signed with the key in the file `sign`. `routefuse.load` loads it, without a compiler. A name
    /// of `name` instead of the graph's own.
    ///
    /// Raises Error where a target is unknown (RF0801) or a file cannot be read or written.
    #[cfg(feature = "compiler")]
    #[pyo3(signature = (path, *, name = None, targets = None, sign = None))]
    fn save(
        &self,
        py: Python<'_>,
        path: std::path::PathBuf,
        name: Option<String>,
        targets: Option<Vec<String>>,
        sign: Option<std::path::PathBuf>,
    ) -> PyResult<()> {
        let graph = self.graph(py)?;
        let name = name.unwrap_or_else(|| self.name().to_owned());
        let targets = targets.unwrap_or_else(|| vec![self.target().to_owned()]);
        let graphs = vec![(name, ::routefuse::Verified::clone(graph))];
        self.engine.write_bundle(py, &graphs, &targets, self.fused, &path, sign.as_deref())
    }

    /// This kernel as an op of torch, called `name`, as "routefuse::router": see `routefuse.torch.as_op`.
    fn as_op<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("routefuse.torch")?.call_method1("as_op", (slf, name))
    }

    /// The same kernel as a function of its own: for `routefuse.torch.capture`.
    ///
    /// `leaves` are the results, pairs of a kind ("output", "argument" or "constant") and which, or the constant. `shapes` gives
    /// for some outputs the shape that is seen, with pairs of a factor and a dim's name for a multiple of it. `parameters` are
    /// what a call takes, pairs of a name and the input, or None where the tensor is not used; `bound` are the tensors of other
    /// inputs, and `drawn` the functions that give each call the tensors of the rest. An input in `matrix_rows`
    /// is that row of its argument.
    #[pyo3(signature = (leaves, shapes, unflatten, info, single, parameters, bound, drawn, matrix_rows))]
    #[allow(clippy::too_many_arguments)] // keywords of one call
    fn _returning(
        &self,
        py: Python<'_>,
        leaves: Vec<(String, Bound<'_, PyAny>)>,
        shapes: &Bound<'_, PyDict>,
        unflatten: Option<Py<PyAny>>,
        info: Py<PyDict>,
        single: bool,
        parameters: Vec<(String, Option<usize>)>,
        bound: &Bound<'_, PyDict>,
        drawn: &Bound<'_, PyDict>,
        matrix_rows: &Bound<'_, PyDict>,
    ) -> PyResult<Kernel> {
        let function = Function { leaves, shapes, unflatten, info, single, parameters, bound, drawn, matrix_rows };
        self.of_function(py, function)
    }

    /// Seconds that one launch takes the host, of so many with these arguments and without Python in between: what a call adds
    /// to it is Python's and the tensors' part.
    #[pyo3(signature = (times, *inputs))]
    fn _time(&self, py: Python<'_>, times: u32, inputs: &Bound<'_, PyTuple>) -> PyResult<f64> {
        Ok(self.time(py, times, inputs)?.as_secs_f64())
    }

    /// The same kernel, whose calls return these outputs: one by itself, several as a tuple.
    fn _giving_outputs(&self, py: Python<'_>, outputs: Vec<usize>) -> PyResult<Kernel> {
        self.giving_outputs(py, outputs)
    }

    /// How a call's arguments and results stand to inputs and outputs, for `routefuse.torch.as_op`: a dict with `parameters`,
    /// `arguments` (for each input the parameter, or None), `rows` (the parameters whose leading extent is the rows), `leaves`,
    /// `single`, `unflatten` and `drawn`.
    fn _signature<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.described(py)
    }

    fn __repr__(&self) -> String {
        let output = |p: &OutPort| format!("{}: {}{}", p.name, p.dtype, self.dims(&p.seen));
        let outputs = self.outputs.iter().map(output).collect::<Vec<_>>().join(", ");
        let launches = match self.launches() {
            1 => "1 kernel".to_owned(),
            n => format!("{n} kernels"),
        };
        let device = self.get_device();
        format!("<routefuse.Kernel {}({}) -> ({outputs}), {launches} on {device}>", self.name(), self.signature())
    }
}

impl Place {
    /// Another handle of the same.
    pub(crate) fn again(&self) -> Place {
        match self {
            Place::Host(plan) => Place::Host(plan.clone()),
            Place::Cuda(plan) => Place::Cuda(Arc::clone(plan)),
            Place::Hip(plan) => Place::Hip(Arc::clone(plan)),
        }
    }
}
