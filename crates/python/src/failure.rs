//! The exception that every error of routefuse becomes.

use ::routefuse::diag::{Code, Diagnostic};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

create_exception!(
    routefuse,
    Error,
    PyException,
    "What is wrong, and what would be right.\n\n\
     `code` is the stable code of the first error, as in \"RF0602\", or None where it has none. `errors` are all of them, as\n\
     dicts with `code`, `message`, `help`, `context`, `line` and `column`; what does not apply is None. `line` and `column`\n\
     are places in the text of a graph, counted from 1. `routefuse code RF0602`, on a command line, says more of a code."
);

/// The exception for what the facade reports.
#[cold]
pub fn raised(py: Python<'_>, error: impl Into<::routefuse::Error>) -> PyErr {
    let error = error.into();
    // `Debug` has the places in the text too.
    let raised = Error::new_err(format!("{error:?}"));
    match describe(py, &raised, error.diagnostics()) {
        Ok(()) => raised,
        Err(instead) => instead,
    }
}

/// The exception for one error that is found here.
#[cold]
pub fn wrong(py: Python<'_>, code: Code, message: impl Into<String>, help: impl Into<String>) -> PyErr {
    raised(py, Diagnostic::new(code, message).help(help))
}

/// An exception with a text only, for what has no code.
#[cold]
pub fn refused(py: Python<'_>, message: impl Into<String>) -> PyErr {
    let raised = Error::new_err(message.into());
    match describe(py, &raised, &[]) {
        Ok(()) => raised,
        Err(instead) => instead,
    }
}

/// What kind of object it is, for messages.
pub fn kind_of(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |n| n.to_string())
}

fn describe(py: Python<'_>, raised: &PyErr, diagnostics: &[Diagnostic]) -> PyResult<()> {
    let mut errors = Vec::new();
    for d in diagnostics {
        let dict = PyDict::new(py);
        dict.set_item("code", d.code.to_string())?;
        dict.set_item("message", &d.message)?;
        dict.set_item("help", &d.help)?;
        dict.set_item("context", &d.context)?;
        dict.set_item("line", d.location.map(|at| at.line))?;
        dict.set_item("column", d.location.map(|at| at.column))?;
        errors.push(dict);
    }
    let value = raised.value(py);
    value.setattr("code", diagnostics.first().map(|d| d.code.to_string()))?;
    value.setattr("errors", errors)
}
