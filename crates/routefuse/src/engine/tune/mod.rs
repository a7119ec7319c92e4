//! Tuning: the shapes of row schedules, measured on the card that is there.
//!
//! What may be chosen and how is for `routefuse_passes::schedule` to say, what a time is for `measure`; here the two meet, and
//! the answer is kept.

#[cfg(any(feature = "cuda", feature = "hip"))]
mod measure;
mod report;

pub use report::{KernelTuning, TuneOptions, TuneReport};

use super::Engine;
use crate::error::Error;
use rayon::ThreadPool;
use routefuse_ir::{Code, Diagnostic, Graph, Verified};
use routefuse_runtime::{Device, Progress};

/// See [`Engine::tune`].
pub(super) fn tune(
    engine: &Engine,
    graph: &Verified<Graph>,
    device: Device,
    options: &TuneOptions,
    pool: Option<&ThreadPool>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<TuneReport, Error> {
    if engine.kernels.is_sealed() {
        let message = format!("the engine is sealed, and tuning `{}` would compile and load", graph.name);
        return Err(Diagnostic::new(Code::Sealed, message).help("tune before the engine is sealed").into());
    }
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(ordinal) => {
            use routefuse_runtime::cuda::{Cuda, Gpu};
            measure::tune::<Cuda>(engine, graph, &Gpu::open(ordinal)?, options, pool, progress)
        }
        #[cfg(feature = "hip")]
        Device::Hip(ordinal) => {
            use routefuse_runtime::hip::{Gpu, Hip};
            measure::tune::<Hip>(engine, graph, &Gpu::open(ordinal)?, options, pool, progress)
        }
        Device::Host => {
            let message = "the host has nothing to tune: its schedules have one shape";
            Err(Diagnostic::new(Code::NoDevice, message).help("name a GPU, as in `cuda:0` or `hip:0`").into())
        }
        #[allow(unreachable_patterns)]
        other => {
            let _ = (options, pool, progress);
            let feature = if matches!(other, Device::Cuda(_)) { "cuda" } else { "hip" };
            let message = format!("this build of routefuse does not run on {other}");
            Err(Diagnostic::new(Code::NoDevice, message).help(format!("build it with the feature `{feature}`")).into())
        }
    }
}
