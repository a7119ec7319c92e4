//! Graphs of a library with the compiler.

use super::{ROUTEFUSE_NO_RECORDS, ROUTEFUSE_UNFUSED, routefuse_graph, routefuse_plan, routefuse_text};
use crate::boundary::flags;
use crate::device::routefuse_device;
use crate::engine::{self, routefuse_engine};
use crate::handle::{Kind, Table};
use crate::plan;
use routefuse::ir::json;
use routefuse::models::{self, ModelOptions};
use routefuse::{Error, Graph, Options, Verified, text};
use std::sync::Arc;

static GRAPHS: Table<Verified<Graph>> = Table::new(Kind::Graph);

/// The graph of a handle.
pub(crate) fn of_handle(graph: *const routefuse_graph) -> Result<Arc<Verified<Graph>>, Error> {
    Ok(GRAPHS.get(graph)?.shared())
}

/// What flags say.
pub(crate) fn options(given: u32) -> Result<Options, Error> {
    flags("flags", given, ROUTEFUSE_UNFUSED | ROUTEFUSE_NO_RECORDS)?;
    Ok(Options::default().fuse(given & ROUTEFUSE_UNFUSED == 0).records(given & ROUTEFUSE_NO_RECORDS == 0))
}

fn handle(graph: Verified<Graph>) -> Result<*mut routefuse_graph, Error> {
    GRAPHS.insert(graph)
}

pub(crate) fn parse(source: &str) -> Result<*mut routefuse_graph, Error> {
    handle(text::parse_verified(source)?)
}

pub(crate) fn from_json(source: &str) -> Result<*mut routefuse_graph, Error> {
    handle(json::from_str_verified(source)?)
}

pub(crate) fn preset(name: &str, given: &[(&str, &str)]) -> Result<*mut routefuse_graph, Error> {
    let preset = models::named(name)?;
    let mut options = ModelOptions::default();
    for (option, value) in given {
        preset.set(&mut options, option, value)?;
    }
    handle(preset.graph(&options)?)
}

pub(crate) fn preset_names() -> Result<*mut routefuse_text, Error> {
    let mut names = String::new();
    for name in models::names() {
        names.push_str(name);
        names.push('\n');
    }
    crate::text::handle(&names)
}

pub(crate) fn text(graph: *const routefuse_graph) -> Result<*mut routefuse_text, Error> {
    crate::text::handle(&text::print(&*of_handle(graph)?))
}

pub(crate) fn json(graph: *const routefuse_graph) -> Result<*mut routefuse_text, Error> {
    crate::text::handle(&json::to_string(&*of_handle(graph)?))
}

pub(crate) fn free(graph: *mut routefuse_graph) -> Result<(), Error> {
    GRAPHS.remove(graph).map(drop)
}

pub(crate) fn compile(
    engine: *const routefuse_engine,
    graph: *const routefuse_graph,
    device: routefuse_device,
    flags: u32,
) -> Result<*mut routefuse_plan, Error> {
    let (engine, graph, device) = (engine::shared(engine)?, of_handle(graph)?, device.checked()?);
    let options = options(flags)?;
    let made = engine.engine.compile(&graph, &engine.target(device)?, &options)?;
    plan::handle(&engine, &made, device, Some((graph, options)))
}

pub(crate) fn compile_all(
    engine: *const routefuse_engine,
    graphs: &[*const routefuse_graph],
    device: routefuse_device,
    flags: u32,
    threads: u32,
) -> Result<Vec<*mut routefuse_plan>, Error> {
    let (engine, device, options) = (engine::shared(engine)?, device.checked()?, options(flags)?);
    let graphs = graphs.iter().map(|g| of_handle(*g)).collect::<Result<Vec<_>, Error>>()?;
    let pool = crate::pool::of_threads(threads)?;
    let verified: Vec<&Verified<Graph>> = graphs.iter().map(|g| &**g).collect();
    let target = engine.target(device)?;
    let made = engine.engine.compile_all(&verified, &target, &options, pool.as_ref(), &|_| ())?;
    let mut placed = Vec::new();
    for (made, graph) in made.iter().zip(graphs) {
        let plan = plan::placed(&engine, made, device, Some((graph, options.clone())))?;
        plan.prepare(pool.as_ref())?;
        placed.push(plan);
    }
    plan::handles(placed)
}

pub(crate) fn explain(
    engine: *const routefuse_engine,
    graph: *const routefuse_graph,
    flags: u32,
) -> Result<*mut routefuse_text, Error> {
    let report = engine::shared(engine)?.engine.explain(&*of_handle(graph)?, &options(flags)?)?;
    crate::text::handle(&report.to_string())
}
