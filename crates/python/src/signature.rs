//! What a kernel takes and gives: its inputs, the parameters of a call, and the results.

use crate::results::Extent;
use ::routefuse::DType;
use ::routefuse::ir::Layout;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

/// An input.
pub struct InPort {
    pub name: String,
    pub dtype: DType,
    pub rank: usize,
    /// Whose tensor it is.
    pub of: Source,
    /// The symbol that its leading extent gives.
    pub symbol: Option<u32>,
    /// The output that lies, or may lie, in its memory.
    pub shared: Option<usize>,
    /// An output lies in its memory.
    pub written: bool,
    pub layout: Layout,
    /// It is this row of a matrix that is given.
    pub matrix_row: Option<u64>,
    pub shape: Vec<Extent>,
}

/// Where an input's tensor comes from.
pub enum Source {
    /// The argument at this position.
    Argument(usize),
    /// The same tensor in every call.
    Bound(Py<PyAny>),
}

/// What a call takes.
pub struct Parameter {
    pub name: String,
    /// The same, interned: keywords of a call mostly are.
    pub key: Py<PyString>,
}

impl Parameter {
    pub fn new(py: Python<'_>, name: &str) -> Parameter {
        Parameter { name: name.to_owned(), key: PyString::intern(py, name).unbind() }
    }
}

/// One result of a call.
pub enum Return {
    /// An output.
    Output(usize),
    /// An argument, as it was given: one that is overwritten, or handed through.
    Argument(usize),
    /// The same in every call.
    Constant(Py<PyAny>),
}

/// What a call returns.
pub struct Returns {
    pub leaves: Vec<Return>,
    /// One result is returned by itself.
    pub single: bool,
    /// The class of the tuple, whose items have names.
    pub named: Option<Py<PyType>>,
    /// Makes of the list of results what the function returned that was captured.
    pub unflatten: Option<Py<PyAny>>,
}
