//! The native module of the Python package `routefuse`: engines, graphs and kernels, and the way from Python's tensors to a
//! launch.
//!
//! It has no meaning, no check and no cache of its own: graphs are the facade's, and what a launch checks the runtime checks.
//! The package's own sources, in `python/routefuse`, import it as `routefuse._routefuse`.

mod arguments;
mod binding;
mod bundle;
mod captured;
#[cfg(feature = "compiler")]
mod chains;
mod device;
mod engine;
mod failure;
#[cfg(feature = "compiler")]
mod graph;
mod kernel;
mod launch;
#[cfg(feature = "compiler")]
mod models;
#[cfg(feature = "compiler")]
mod progress;
mod results;
mod signature;
mod trust;

use pyo3::prelude::*;

#[cfg(feature = "compiler")]
routefuse_arc4random::define!();

/// Fused and compiled kernels of MoE routing graphs: the native part of the package.
#[pymodule(gil_used = false)]
fn _routefuse(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("has_compiler", cfg!(feature = "compiler"))?;
    module.add("Error", py.get_type::<failure::Error>())?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::Sealed>()?;
    module.add_class::<kernel::Kernel>()?;
    module.add_class::<bundle::Bundle>()?;
    module.add_function(wrap_pyfunction!(trust::generate_key, module)?)?;
    module.add_function(wrap_pyfunction!(binding::torch::use_attributes, module)?)?;
    module.add_function(wrap_pyfunction!(binding::torch::way, module)?)?;
    #[cfg(feature = "compiler")]
    {
        module.add_class::<graph::Graph>()?;
        module.add_function(wrap_pyfunction!(models::presets, module)?)?;
        module.add_function(wrap_pyfunction!(models::preset_graph, module)?)?;
        module.add_function(wrap_pyfunction!(chains::chain_names, module)?)?;
        module.add_function(wrap_pyfunction!(chains::chain_graph, module)?)?;
    }
    Ok(())
}
