//! Graphs: from text, from JSON, and of models.
//!
//! A library without the compiler has these functions too, and each of them is the error `RF0802`.

use crate::boundary::{self, Out, call};
use crate::device::routefuse_device;
use crate::engine::routefuse_engine;
use crate::error::{routefuse_error, routefuse_status};
use crate::plan::routefuse_plan;
use crate::text::routefuse_text;
use routefuse::Error;
use std::ffi::c_char;

/// A graph that was verified. Free it with `routefuse_graph_free`; plans go on without it.
pub struct routefuse_graph {
    _opaque: [u8; 0],
}

/// An option of a model's preset: a name and a value, as `routefuse new` takes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_option {
    /// The option, as in "eplb".
    pub name: *const c_char,
    /// Its value, as in "static".
    pub value: *const c_char,
}

/// One kernel for every operation of the graph as it was written.
pub const ROUTEFUSE_UNFUSED: u32 = 1;
/// Records of tunings are not followed.
pub const ROUTEFUSE_NO_RECORDS: u32 = 2;

#[cfg(feature = "compiler")]
mod compiled;
#[cfg(feature = "compiler")]
use compiled as behind;
#[cfg(feature = "compiler")]
pub(crate) use compiled::{of_handle, options};

#[cfg(not(feature = "compiler"))]
mod absent;
#[cfg(not(feature = "compiler"))]
use absent as behind;
#[cfg(not(feature = "compiler"))]
pub(crate) use absent::no_compiler;

/// The graph of a text, the form of `.route` files. The error has every mistake, each with its place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_graph_parse(
    source: *const c_char,
    graph: *mut *mut routefuse_graph,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, source) = unsafe { (Out::of("graph", graph)?, boundary::text("source", source)?) };
        out.write(behind::parse(source)?);
        Ok(())
    })
}

/// The graph of its JSON form. The error has every mistake.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_graph_from_json(
    source: *const c_char,
    graph: *mut *mut routefuse_graph,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, source) = unsafe { (Out::of("graph", graph)?, boundary::text("source", source)?) };
        out.write(behind::from_json(source)?);
        Ok(())
    })
}

/// The router of a model, with what its engine does after it, under options.
///
/// RF1001 for an unknown model; RF1002 to RF1004 for options that it has not, whose values are none, or that do not go together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_graph_preset(
    name: *const c_char,
    options: *const routefuse_option,
    option_count: usize,
    graph: *mut *mut routefuse_graph,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, name) = unsafe { (Out::of("graph", graph)?, boundary::text("name", name)?) };
        // SAFETY: the caller's promise.
        let options = unsafe { boundary::array("options", options, option_count) }?;
        let pair = |o: &routefuse_option| {
            // SAFETY: the caller's promise.
            Ok(unsafe { (boundary::text("option.name", o.name)?, boundary::text("option.value", o.value)?) })
        };
        out.write(behind::preset(name, &options.iter().map(pair).collect::<Result<Vec<_>, Error>>()?)?);
        Ok(())
    })
}

/// The names of all presets, a line each. Free it with `routefuse_text_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_preset_names(
    names: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("names", names) }?;
        out.write(behind::preset_names()?);
        Ok(())
    })
}

/// The graph as text. Free it with `routefuse_text_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_graph_text(
    graph: *const routefuse_graph,
    text: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("text", text) }?;
        out.write(behind::text(graph)?);
        Ok(())
    })
}

/// The graph as JSON. Free it with `routefuse_text_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_graph_json(
    graph: *const routefuse_graph,
    text: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("text", text) }?;
        out.write(behind::json(graph)?);
        Ok(())
    })
}

/// Frees a graph, once no call uses it. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_graph_free(graph: *mut routefuse_graph) -> routefuse_status {
    call(std::ptr::null_mut(), || behind::free(graph))
}

/// The plan of a graph on a device: canonicalised, fused, scheduled. It is not prepared: `routefuse_plan_prepare` compiles and loads
/// its kernels. Equal graphs are one plan. `flags` are 0, or `ROUTEFUSE_UNFUSED` and `ROUTEFUSE_NO_RECORDS`.
///
/// RF0809 without such a device; RF0815 if one operation is larger than a kernel may be; RF0816 if the engine was cancelled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_compile(
    engine: *const routefuse_engine,
    graph: *const routefuse_graph,
    device: routefuse_device,
    flags: u32,
    plan: *mut *mut routefuse_plan,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("plan", plan) }?;
        out.write(behind::compile(engine, graph, device, flags)?);
        Ok(())
    })
}

/// The plans of many graphs, such as a model's layers, prepared, in the order of the graphs: `plans` has as many places. Equal graphs
/// are one plan, and equal kernels are compiled once. `threads` share the work; 0 and 1 are the calling thread.
///
/// The errors of `routefuse_engine_compile` and `routefuse_plan_prepare`; then no plan is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_compile_all(
    engine: *const routefuse_engine,
    graphs: *const *const routefuse_graph,
    count: usize,
    device: routefuse_device,
    flags: u32,
    threads: u32,
    plans: *mut *mut routefuse_plan,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let graphs = unsafe { boundary::array("graphs", graphs, count) }?;
        if count == 0 {
            return Ok(());
        }
        // SAFETY: the caller's promise, of the first place; the others follow it.
        let first = unsafe { Out::of("plans", plans) }?;
        let made = behind::compile_all(engine, graphs, device, flags, threads)?;
        // SAFETY: the caller's promise: there are as many places as graphs.
        made.iter().enumerate().skip(1).for_each(|(i, plan)| unsafe { plans.add(i).write(*plan) });
        first.write(made[0]);
        Ok(())
    })
}

/// What becomes of a graph and why, in words: kernels, cuts, proofs, bytes. Nothing is compiled. Free it with `routefuse_text_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_explain(
    engine: *const routefuse_engine,
    graph: *const routefuse_graph,
    flags: u32,
    text: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("text", text) }?;
        out.write(behind::explain(engine, graph, flags)?);
        Ok(())
    })
}
