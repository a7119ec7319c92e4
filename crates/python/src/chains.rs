//! The ready chains, with their default sizes.

use crate::failure::{raised, wrong};
use crate::graph::Graph;
use ::routefuse::chains;
use ::routefuse::diag::Code;
use pyo3::prelude::*;

/// The names of the chains.
#[pyfunction]
pub fn chain_names() -> Vec<&'static str> {
    chains::examples().into_iter().map(|c| c.0).collect()
}

/// The chain of this name as a graph.
#[pyfunction]
pub fn chain_graph(py: Python<'_>, name: &str) -> PyResult<Graph> {
    let Some((_, graph)) = chains::examples().into_iter().find(|c| c.0 == name) else {
        let help = format!("the chains are {}", chain_names().join(", "));
        return Err(wrong(py, Code::UnknownModel, format!("no chain is called `{name}`"), help));
    };
    Ok(Graph::of(graph.map_err(|e| raised(py, e))?))
}
