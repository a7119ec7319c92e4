//! Tuning: the shapes of row schedules, measured on the card that is there.
//!
//! What may be chosen and how is for `routefuse_passes::schedule` to say, what a time is for `measure`; here the two meet, and
//! the answer is kept.

mod json;
#[cfg(any(feature = "cuda", feature = "hip"))]
mod measure;
mod report;

pub use report::{KernelTuning, TuneOptions, TuneReport};

use super::Engine;
use crate::error::Error;
use crate::exec::{check_size, no_device};
use rayon::ThreadPool;
use routefuse_ir::kernel::schedule::tuning::MOST_ROWS;
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
    check(graph, options)?;
    engine.compiler()?;
    if !engine.compiles {
        let message =
            format!("tuning `{}` compiles, and the engine has a bundle in the place of a compiler", graph.name);
        let help = "tune where the bundle is made, and make it anew";
        return Err(Diagnostic::new(Code::CompileFailed, message).help(help).into());
    }
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
            Err(no_device(other).into())
        }
    }
}

/// What cannot be measured.
fn check(graph: &Verified<Graph>, options: &TuneOptions) -> Result<(), Diagnostic> {
    let TuneOptions { rows, samples, launches, margin, graph: kernels, .. } = options;
    let wrong = |message: String, help: &str| Err(Diagnostic::new(Code::CountOutOfRange, message).help(help));
    if rows.is_empty() || rows.len() > MOST_ROWS || rows[0] == 0 || !rows.is_sorted_by(|a, b| a < b) {
        let message =
            format!("the numbers of rows to measure, {rows:?}, are not 1 to {MOST_ROWS} that ascend from 1 or more");
        return wrong(message, "write them as in `--dim T=1,64,4096`");
    }
    if *samples == 0 || *launches == 0 {
        return wrong(format!("{samples} samples of {launches} launches take no time"), "each is one at least");
    }
    if !margin.is_finite() || *margin < 0.0 {
        return wrong(format!("the margin is {margin}"), "it is a share, 0 or more");
    }
    if kernels.shape.is_some() || !kernels.records {
        let message =
            "kernels of a forced shape, or for which no records are followed, have nothing to tune".to_owned();
        return wrong(message, "leave `Options::shape` and `Options::records` as they are by default");
    }
    rows.iter().try_for_each(|rows| check_size(graph, &graph.extents_of_rows(*rows)))
}
