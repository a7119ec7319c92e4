//! Bundles: finished kernels in a file, which need no compiler.

use crate::device::device;
use crate::engine::Shared;
use crate::failure::{raised, wrong};
use crate::kernel::Kernel;
use crate::trust;
use ::routefuse::Engine;
use ::routefuse::cache::{Trust, TrustedBundle};
use ::routefuse::diag::{Code, Diagnostic};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bundle in a file, of somebody who is trusted.
pub fn read(py: Python<'_>, path: &Path, trust: &Trust) -> PyResult<TrustedBundle> {
    let help = "name the file of its signer's public key as `trust`";
    let helped = |e: Diagnostic| if e.code == Code::Untrusted { e.help(help) } else { e };
    TrustedBundle::read(path, trust).map_err(|e| raised(py, helped(e)))
}

/// A bundle's kernels: see `routefuse.load`.
#[pyclass(frozen, module = "routefuse")]
pub struct Bundle {
    shared: Arc<Shared>,
    path: PathBuf,
    names: Vec<(String, Vec<String>)>,
}

#[pymethods]
impl Bundle {
    #[new]
    #[pyo3(signature = (path, *, trust = None))]
    fn new(py: Python<'_>, path: PathBuf, trust: Option<&Bound<'_, PyAny>>) -> PyResult<Bundle> {
        let trust = trust::trust(py, trust)?;
        let engine = Engine::from_bundle(&path, &trust).map_err(|e| raised(py, e))?;
        let graphs = engine.cache().bundles().iter().flat_map(|b| b.graphs());
        let names = graphs.map(|g| (g.name.clone(), g.targets.clone())).collect();
        Ok(Bundle { shared: Shared::new(engine), path, names })
    }

    /// The names of its graphs.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.names.iter().map(|n| n.0.as_str()).collect()
    }

    /// The targets that a graph is compiled for.
    fn targets(&self, py: Python<'_>, name: &str) -> PyResult<Vec<String>> {
        match self.names.iter().find(|n| n.0 == name) {
            Some((_, targets)) => Ok(targets.clone()),
            None => Err(self.unknown(py, name)),
        }
    }

    /// The kernel of this name, ready on a device; the name may be left out where there is one graph only.
    #[pyo3(signature = (name = None, *, device = None))]
    fn kernel(&self, py: Python<'_>, name: Option<&str>, device: Option<&Bound<'_, PyAny>>) -> PyResult<Kernel> {
        let on = self::device(py, device)?;
        let name = match (name, self.names.as_slice()) {
            (Some(name), _) => name,
            (None, [(only, _)]) => only,
            (None, _) => {
                let message = format!("{} has {} graphs, and none is named", self.path.display(), self.names.len());
                return Err(wrong(py, Code::NotInBundle, message, format!("it has {}", self.names().join(", "))));
            }
        };
        let (plan, place) = py
            .detach(|| -> Result<_, ::routefuse::Error> {
                let target = self.shared.target(on)?;
                let plan = self.shared.engine.plan_for(name, &target)?;
                let place = self.shared.place(&plan, on)?;
                Ok((plan, place))
            })
            .map_err(|e| raised(py, e))?;
        Kernel::new(py, &self.shared, plan, place, true)
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Kernel> {
        self.kernel(py, Some(name), None)
    }

    fn __len__(&self) -> usize {
        self.names.len()
    }

    fn __contains__(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.0 == name)
    }

    fn __repr__(&self) -> String {
        format!("<routefuse.Bundle {}: {}>", self.path.display(), self.names().join(", "))
    }
}

impl Bundle {
    fn unknown(&self, py: Python<'_>, name: &str) -> PyErr {
        let message = format!("the bundle has no graph called `{name}`");
        wrong(py, Code::NotInBundle, message, format!("it has {}", self.names().join(", ")))
    }
}
