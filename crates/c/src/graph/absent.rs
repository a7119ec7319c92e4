//! What a library without the compiler says of graphs.

use super::{routefuse_graph, routefuse_plan, routefuse_text};
use crate::device::routefuse_device;
use crate::engine::routefuse_engine;
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};

/// This library has no compiler.
#[cold]
pub(crate) fn no_compiler() -> Error {
    Diagnostic::new(Code::CompileFailed, "this libroutefuse has no compiler: it loads bundles")
        .help("link the library with the compiler, or load finished kernels by `routefuse_engine_from_bundle`")
        .into()
}

type Graph = *mut routefuse_graph;
type Text = *mut routefuse_text;
type Plan = *mut routefuse_plan;

pub(crate) fn parse(_: &str) -> Result<Graph, Error> {
    Err(no_compiler())
}

pub(crate) fn from_json(_: &str) -> Result<Graph, Error> {
    Err(no_compiler())
}

pub(crate) fn preset(_: &str, _: &[(&str, &str)]) -> Result<Graph, Error> {
    Err(no_compiler())
}

pub(crate) fn preset_names() -> Result<Text, Error> {
    Err(no_compiler())
}

pub(crate) fn text(_: *const routefuse_graph) -> Result<Text, Error> {
    Err(no_compiler())
}

pub(crate) fn json(_: *const routefuse_graph) -> Result<Text, Error> {
    Err(no_compiler())
}

pub(crate) fn free(graph: *mut routefuse_graph) -> Result<(), Error> {
    if graph.is_null() { Ok(()) } else { Err(no_compiler()) }
}

pub(crate) fn compile(
    _: *const routefuse_engine,
    _: *const routefuse_graph,
    _: routefuse_device,
    _: u32,
) -> Result<Plan, Error> {
    Err(no_compiler())
}

pub(crate) fn compile_all(
    _: *const routefuse_engine,
    _: &[*const routefuse_graph],
    _: routefuse_device,
    _: u32,
    _: u32,
) -> Result<Vec<Plan>, Error> {
    Err(no_compiler())
}

pub(crate) fn explain(_: *const routefuse_engine, _: *const routefuse_graph, _: u32) -> Result<Text, Error> {
    Err(no_compiler())
}
