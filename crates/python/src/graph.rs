//! Graphs, from text and JSON.

use crate::failure::raised;
use ::routefuse::ir::{Alias, Dim, Layout, TensorType, json};
use ::routefuse::{Verified, text};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// A verified graph.
///
/// Graph.parse(text) and Graph.from_json(text) read the two written forms; routefuse.GraphBuilder builds one op by op. Two
/// graphs are equal if they are written alike, names included.
#[pyclass(frozen, module = "routefuse")]
#[derive(Debug)]
pub struct Graph {
    graph: Arc<Verified<::routefuse::Graph>>,
}

impl Graph {
    pub fn of(graph: Verified<::routefuse::Graph>) -> Graph {
        Graph { graph: Arc::new(graph) }
    }

    pub fn shared(graph: &Arc<Verified<::routefuse::Graph>>) -> Graph {
        Graph { graph: Arc::clone(graph) }
    }

    pub fn verified(&self) -> &Arc<Verified<::routefuse::Graph>> {
        &self.graph
    }

    fn port<'py>(&self, py: Python<'py>, name: &str, ty: &TensorType, layout: Layout) -> PyResult<Bound<'py, PyDict>> {
        let port = PyDict::new(py);
        port.set_item("name", name)?;
        port.set_item("dtype", ty.dtype.name())?;
        let shape = ty.shape.iter().map(|d| match d {
            Dim::Const(n) => n.into_pyobject(py).map(|n| n.into_any()).map_err(PyErr::from),
            Dim::Sym(s) => Ok(self.graph.symbols[s.0 as usize].as_str().into_pyobject(py)?.into_any()),
        });
        port.set_item("shape", shape.collect::<PyResult<Vec<_>>>()?)?;
        let layout = match layout {
            Layout::Contiguous => "contiguous",
            Layout::Rows => "rows",
            Layout::Strided => "strided",
        };
        port.set_item("layout", layout)?;
        Ok(port)
    }
}

#[pymethods]
impl Graph {
    /// The graph of a text (the form of `.route` files). Raises Error with every mistake in its place.
    #[staticmethod]
    fn parse(py: Python<'_>, source: &str) -> PyResult<Graph> {
        text::parse_verified(source).map(Graph::of).map_err(|e| raised(py, e))
    }

    /// The graph of its JSON form. Raises Error with every mistake.
    #[staticmethod]
    fn from_json(py: Python<'_>, source: &str) -> PyResult<Graph> {
        json::from_str_verified(source).map(Graph::of).map_err(|e| raised(py, e))
    }

    /// The graph as text.
    #[getter]
    fn text(&self) -> String {
        text::print(&self.graph)
    }

    /// The graph as JSON.
    #[getter]
    fn json(&self) -> String {
        json::to_string(&self.graph)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.graph.name
    }

    /// Its inputs in order, as dicts with `name`, `dtype`, `shape` and `layout`. A dim without a fixed extent is its name.
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let inputs = self.graph.inputs.iter().enumerate();
        inputs.map(|(i, input)| self.port(py, &input.name, self.graph.input_type(i), input.layout)).collect()
    }

    /// Its outputs in order, as the inputs are; `alias` says in which input's memory one lies.
    #[getter]
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let outputs = self.graph.outputs.iter().enumerate().map(|(i, output)| {
            let port = self.port(py, &output.name, self.graph.output_type(i), output.layout)?;
            let of = |kind: &str, i: usize| Some(format!("{kind}({})", self.graph.inputs[i].name));
            port.set_item(
                "alias",
                match output.alias {
                    Alias::None => None,
                    Alias::InPlace(i) => of("in_place", i),
                    Alias::Donates(i) => of("donates", i),
                    Alias::Guarded(i) => of("guarded", i),
                },
            )?;
            Ok(port)
        });
        outputs.collect()
    }

    fn __eq__(&self, other: &Graph) -> bool {
        self.graph.same_as(&other.graph)
    }

    fn __hash__(&self) -> u64 {
        (self.graph.inputs.len() as u64) << 32 | self.graph.op_count() as u64
    }

    fn __repr__(&self) -> String {
        format!("<routefuse.Graph @{}: {} operations>", self.graph.name, self.graph.op_count())
    }

    fn __str__(&self) -> String {
        self.text()
    }
}
