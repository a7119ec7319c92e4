//! A function of Python's that is told how far a long work is.

use ::routefuse::engine::Progress;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Calls it, from any thread, until it raises.
pub struct Teller {
    function: Option<Py<PyAny>>,
    raised: Mutex<Option<PyErr>>,
}

impl Teller {
    pub fn new(function: Option<Py<PyAny>>) -> Teller {
        Teller { function, raised: Mutex::default() }
    }

    /// `function(done, total, kernel)`. The caller has let go of Python's lock.
    pub fn tell(&self, progress: &Progress<'_>) {
        let Some(function) = &self.function else { return };
        Python::attach(|py| {
            // Not held during the call, which may let go of Python's lock to a thread that would wait for this one.
            let raised = || self.raised.lock().unwrap_or_else(PoisonError::into_inner);
            if raised().is_none()
                && let Err(e) = function.call1(py, (progress.done, progress.total, progress.kernel))
            {
                raised().get_or_insert(e);
            }
        });
    }

    /// What it raised.
    pub fn finish(self) -> PyResult<()> {
        self.raised.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
