//! Bundles: finished kernels in a file.

use crate::boundary::{self, Out, bad_call, call};
use crate::device::routefuse_device;
use crate::engine::{engine, routefuse_engine, shared};
use crate::error::{routefuse_error, routefuse_status};
use crate::graph::routefuse_graph;
use crate::plan::{self, routefuse_plan};
use crate::text::{self, routefuse_text};
use routefuse::Error;
use routefuse::cache::{Trust, TrustedBundle};
use routefuse::diag::{Code, Diagnostic};
use std::ffi::c_char;
use std::path::Path;

/// A graph and its name in a bundle.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_named_graph {
    /// The name.
    pub name: *const c_char,
    /// The graph.
    pub graph: *const routefuse_graph,
}

/// The bundle in a file, of somebody who is trusted.
pub(crate) fn read(path: &str, trust: &Trust) -> Result<TrustedBundle, Error> {
    let help = "name the file of its signer's public key in `trust.key_files`";
    let helped = |e: Diagnostic| if e.code == Code::Untrusted { e.help(help) } else { e };
    Ok(TrustedBundle::read(Path::new(path), trust).map_err(helped)?)
}

/// How many graphs the engine's bundles have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_bundled_count(
    engine: *const routefuse_engine,
    count: *mut usize,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("count", count) }?;
        let engine = self::engine(engine)?;
        out.write(engine.engine.cache().bundles().iter().map(|b| b.graphs().len()).sum());
        Ok(())
    })
}

/// Name and targets of a graph of the engine's bundles, by its index; the targets are words with spaces between. Both are freed with
/// `routefuse_text_free`; either may be null if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_bundled(
    engine: *const routefuse_engine,
    index: usize,
    name: *mut *mut routefuse_text,
    targets: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (name, targets) = unsafe { (Out::wanted("name", name)?, Out::wanted("targets", targets)?) };
        let engine = self::engine(engine)?;
        let bundles = engine.engine.cache().bundles();
        let graph = bundles.iter().flat_map(|b| b.graphs()).nth(index);
        let graph = graph.ok_or_else(|| {
            let count: usize = bundles.iter().map(|b| b.graphs().len()).sum();
            bad_call(format!("there is no graph {index} in the engine's bundles"), format!("they have {count}"))
        })?;
        if let Some(name) = name {
            name.write(text::handle(&graph.name)?);
        }
        if let Some(targets) = targets {
            targets.write(text::handle(&graph.targets.join(" "))?);
        }
        Ok(())
    })
}

/// The plan of a graph of the engine's bundles on a device, by the graph's name. It is not prepared.
///
/// RF0812 if no bundle has such a graph for the device's target, with those that there are; RF0809 without such a device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_plan(
    engine: *const routefuse_engine,
    name: *const c_char,
    device: routefuse_device,
    plan: *mut *mut routefuse_plan,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, name) = unsafe { (Out::of("plan", plan)?, boundary::text("name", name)?) };
        let (engine, device) = (shared(engine)?, device.checked()?);
        let made = engine.engine.plan_for(name, &engine.target(device)?)?;
        out.write(plan::handle(&engine, &made, device, None)?);
        Ok(())
    })
}

/// Writes a bundle of graphs, each compiled for all of the targets ("host", "sm_90", "gfx942", …), to the file `path`, whole or not
/// at all. With `sign_with`, the file of a key, it is signed; `sign_with` may be null. `threads` share the work; 0 and 1 are the
/// calling thread. `flags` are those of `routefuse_engine_compile`.
///
/// RF0801 for an unknown target, RF0702 if the file cannot be written, RF0802 in a library without the compiler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_write_bundle(
    engine: *const routefuse_engine,
    path: *const c_char,
    graphs: *const routefuse_named_graph,
    graph_count: usize,
    targets: *const *const c_char,
    target_count: usize,
    flags: u32,
    sign_with: *const c_char,
    threads: u32,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        let engine = shared(engine)?;
        // SAFETY: the caller's promise.
        let (path, graphs, targets, sign_with) = unsafe {
            (
                boundary::text("path", path)?,
                boundary::array("graphs", graphs, graph_count)?,
                boundary::texts("targets", targets, target_count)?,
                boundary::optional_text("sign_with", sign_with)?,
            )
        };
        // SAFETY: the caller's promise.
        let names = graphs.iter().map(|g| unsafe { boundary::text("graph.name", g.name) });
        let named = names.zip(graphs).map(|(name, g)| Ok((name?, g.graph))).collect::<Result<Vec<_>, Error>>()?;
        write(&engine, path, &named, &targets, flags, sign_with, threads)
    })
}

#[cfg(not(feature = "compiler"))]
fn write(
    _: &crate::engine::Shared,
    _: &str,
    _: &[(&str, *const routefuse_graph)],
    _: &[&str],
    _: u32,
    _: Option<&str>,
    _: u32,
) -> Result<(), Error> {
    Err(crate::graph::no_compiler())
}

#[cfg(feature = "compiler")]
fn write(
    engine: &crate::engine::Shared,
    path: &str,
    graphs: &[(&str, *const routefuse_graph)],
    targets: &[&str],
    flags: u32,
    sign_with: Option<&str>,
    threads: u32,
) -> Result<(), Error> {
    use routefuse::{Target, Verified};
    if graphs.is_empty() || targets.is_empty() {
        return Err(bad_call("a bundle of no graphs, or for no targets", "give at least one of each"));
    }
    let graph = |(name, graph): &(&str, *const routefuse_graph)| {
        Ok(((*name).to_owned(), Verified::clone(&*crate::graph::of_handle(*graph)?)))
    };
    let graphs = graphs.iter().map(graph).collect::<Result<Vec<_>, Error>>()?;
    let targets = targets.iter().map(|t| Ok(Target::named(t)?)).collect::<Result<Vec<Target>, Error>>()?;
    let options = crate::graph::options(flags)?;
    let key = sign_with.map(crate::trust::signing_key).transpose()?;
    let pool = crate::pool::of_threads(threads)?;
    let bundle = engine.engine.bundle(&graphs, &targets, &options, pool.as_ref(), &|_| ())?;
    let bytes = key.map_or_else(|| bundle.finish(), |key| bundle.finish_signed(&key));
    routefuse::cache::Bundle::write(Path::new(path), &bytes).map_err(|trouble| {
        let message = format!("{path} cannot be written: {trouble}");
        Diagnostic::new(Code::CannotWrite, message).help("name a file in a folder that can be written").into()
    })
}
