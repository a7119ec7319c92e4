//! What only NVIDIA GPUs have: times taken there, their machine code, and what they are.

mod bench;
mod timer;

pub use bench::bench;

use crate::failure::Failure;
use routefuse::cache::BundleWriter;
use routefuse::cuda::{CudaPlan, Gpu, cudarc::driver::DriverError};
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Engine, Graph, Options, Verified};
use std::fmt::Display;

/// A call of the driver that failed, in words.
fn driver(what: impl Display) -> impl FnOnce(DriverError) -> Diagnostic {
    move |e| Diagnostic::new(Code::DriverFailed, format!("{what}: {e}"))
}

/// The GPU of this number, for use on one stream.
fn open(ordinal: u32) -> Result<Gpu, Diagnostic> {
    let gpu = Gpu::open(ordinal)?;
    // One stream has nothing to wait for, and events that are recorded outside would break a capture.
    // SAFETY: each command makes one stream, and uses all of its memory there.
    unsafe { gpu.context().disable_event_tracking() };
    Ok(gpu)
}

/// Adds the GPU's machine code of these graphs to a bundle.
///
/// # Errors
/// `RF0809` if there is no such GPU; what compiling and loading report; `RF0901` if a schedule cannot be stored.
pub fn machine_code(
    engine: &Engine,
    graphs: &[(String, Verified<Graph>)],
    options: &Options,
    ordinal: u32,
    pool: &rayon::ThreadPool,
    bundle: &mut BundleWriter,
) -> Result<(), Failure> {
    let gpu = open(ordinal)?;
    for (name, graph) in graphs {
        let plan = CudaPlan::new(engine.compile(graph, &gpu.target()?, options)?, &gpu)?;
        plan.prepare_on(pool)?;
        for (key, artifact) in plan.machine_code() {
            if !bundle.kernel(&key, artifact) {
                let message = format!("the schedule of a kernel of `{name}` cannot be stored");
                return Err(Diagnostic::new(Code::Internal, message).into());
            }
        }
    }
    Ok(())
}

/// Every GPU in words and as JSON.
///
/// # Errors
/// `RF0809` without a driver.
pub fn describe() -> Result<Vec<(String, serde_json::Value)>, Diagnostic> {
    let mut all = Vec::new();
    for ordinal in 0..Gpu::count()? {
        let i = Gpu::open(ordinal)?.info()?;
        let target = i.target.map_or("none", routefuse::Target::name);
        let ptx = format!("{}.{}", i.ptx.0, i.ptx.1);
        let text = format!(
            "cuda:{ordinal}  {}, sm_{}, {} multiprocessors, {} MiB; target {target}; driver for {}, PTX up to {ptx}",
            i.name,
            i.sm,
            i.multiprocessors,
            i.memory >> 20,
            i.driver
        );
        let json = serde_json::json!({
            "device": format!("cuda:{ordinal}"), "name": i.name, "sm": i.sm, "multiprocessors": i.multiprocessors,
            "memory_bytes": i.memory, "target": target, "cuda": i.driver.to_string(), "ptx": ptx,
        });
        all.push((text, json));
    }
    Ok(all)
}
