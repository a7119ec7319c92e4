//! Presets: routers of models, made of the facade's tables.

use crate::failure::raised;
use crate::graph::Graph;
use ::routefuse::models::{self, ModelOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Every preset, as dicts with `name`, `models`, `formula`, `source` and `options`: tuples of name, values and a sentence.
#[pyfunction]
pub fn presets(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let describe = |preset: &models::Preset| {
        let dict = PyDict::new(py);
        dict.set_item("name", preset.name)?;
        dict.set_item("models", preset.models)?;
        dict.set_item("formula", preset.formula)?;
        dict.set_item("source", preset.source)?;
        let options: Vec<(&str, &str, &str)> = preset.options().map(|o| (o.name, o.values, o.summary)).collect();
        dict.set_item("options", options)?;
        Ok(dict)
    };
    models::PRESETS.iter().map(describe).collect()
}

/// The graph of a preset, under options that are given as text.
#[pyfunction]
pub fn preset_graph(py: Python<'_>, name: &str, options: Vec<(String, String)>) -> PyResult<Graph> {
    let preset = models::named(name).map_err(|e| raised(py, e))?;
    let mut chosen = ModelOptions::default();
    for (option, value) in &options {
        preset.set(&mut chosen, option, value).map_err(|e| raised(py, e))?;
    }
    Ok(Graph::of(preset.graph(&chosen).map_err(|e| raised(py, e))?))
}
