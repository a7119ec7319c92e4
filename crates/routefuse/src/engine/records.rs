//! Records of tunings that schedules follow.

use super::Engine;
use crate::error::Error;
use routefuse_ir::Verified;
use routefuse_ir::graph::Graph;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, Scheduled};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_passes::pipeline::Options;
use routefuse_passes::schedule::follow;
use routefuse_runtime::KeyText;
use std::sync::Arc;

/// A kernel that can be tuned on a target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TunedKernel {
    /// The kernel's name, which is not part of the key.
    pub kernel: String,
    /// The key under which the record is kept, or would be.
    pub key: KeyText,
    /// The built-in shapes, for more and more rows.
    pub built_in: Vec<RowShape>,
    /// The record that is followed.
    pub tuning: Option<Arc<Tuning>>,
}

/// The kernel with the shapes of its record; `None` without one.
pub(super) fn followed(engine: &Engine, built_in: &Verified<Scheduled>) -> Option<Verified<Scheduled>> {
    let (_, tuning) = record(engine, built_in)?;
    // It was checked when it was found.
    follow(built_in, &*tuning?).ok()
}

/// The key of a kernel's record, and the record if there is one that fits; `None` if the kernel has no shapes to choose.
pub(super) fn record(engine: &Engine, built_in: &Verified<Scheduled>) -> Option<(KeyText, Option<Arc<Tuning>>)> {
    if built_in.target.kind() == TargetKind::Host || built_in.schedule.shapes().is_empty() {
        return None;
    }
    let key = KeyText::of_tuning(built_in, &**engine.compiler.as_ref()?);
    let check = |tuning: &Tuning| follow(built_in, tuning).map(|_| ());
    // Code of shapes that only a record on the disk names is not in a bundle, and nothing would make it.
    let tuning =
        if engine.compiles { engine.kernels.tuning(&key, check) } else { engine.kernels.bundled_tuning(&key, check) };
    Some((key, tuning))
}

/// See [`Engine::tuned_kernels`].
pub(super) fn tuned_kernels(
    engine: &Engine,
    graph: &Verified<Graph>,
    target: Target,
    options: &Options,
) -> Result<Vec<TunedKernel>, Error> {
    if !options.records || options.shape.is_some() {
        return Ok(vec![]);
    }
    let lowered = super::Lowered::of(graph, target, &options.clone().records(false), &engine.cancel, &|_| None)?;
    let tuned = lowered.kernels().iter().filter_map(|built_in| {
        let (key, tuning) = record(engine, built_in)?;
        let (kernel, built_in) = (built_in.kernel.name.clone(), built_in.schedule.shapes().to_vec());
        Some(TunedKernel { kernel, key, built_in, tuning })
    });
    Ok(tuned.collect())
}
