//! Records of tunings that schedules follow.

use super::Engine;
use crate::error::Error;
use routefuse_ir::graph::Graph;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, Scheduled, shapes_text};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_passes::pipeline::Options;
use routefuse_passes::schedule::follow;
use routefuse_runtime::{Key, KeyText};
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
    let check = |tuning: &Tuning| {
        let tuned = follow(built_in, tuning)?;
        if engine.compiles || engine.in_bundles(&tuned) {
            return Ok(());
        }
        let message = format!("the bundle has no code for `{}`, and there is no compiler", shapes_text(&tuning.shapes));
        Err(Diagnostic::new(Code::NotInBundle, message))
    };
    let tuning = if !engine.compiles {
        engine.kernels.bundled_tuning(&key, check)
    } else if engine.on_disk(built_in) {
        // What starts without a network goes on to do so.
        engine.kernels.tuning_on_machine(&key, check)
    } else {
        engine.kernels.tuning(&key, check)
    };
    Some((key, tuning))
}

impl Engine {
    /// The code of every variant lies in the directory on disk.
    fn on_disk(&self, kernel: &Verified<Scheduled>) -> bool {
        let there = |key: Key| self.kernels.disk().is_some_and(|disk| disk.path(key).exists());
        self.has_all(kernel, there)
    }

    /// The code of every variant is in a bundle.
    fn in_bundles(&self, kernel: &Verified<Scheduled>) -> bool {
        self.has_all(kernel, |key| self.kernels.bundles().iter().any(|bundle| bundle.has(key)))
    }

    fn has_all(&self, kernel: &Verified<Scheduled>, there: impl Fn(Key) -> bool) -> bool {
        let Some(compiler) = &self.compiler else { return false };
        kernel.variants().iter().all(|variant| there(Key::of(kernel, *variant, &**compiler)))
    }
}

/// See [`Engine::tuned_kernels`].
pub(super) fn tuned_kernels(
    engine: &Engine,
    graph: &Verified<Graph>,
    target: Target,
    options: &Options,
) -> Result<Vec<TunedKernel>, Error> {
    // Kernels of the host have no shapes to choose.
    if !options.records || options.shape.is_some() || target.kind() == TargetKind::Host {
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
