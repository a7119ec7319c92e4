//! A model's graphs at once.

use super::Engine;
use crate::error::Error;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use routefuse_ir::target::Target;
use routefuse_ir::{Graph, Verified};
use routefuse_passes::pipeline::Options;
use routefuse_runtime::{Plan, Progress};
use std::borrow::Borrow;
use std::sync::Arc;

/// See [`Engine::compile_all`].
pub(super) fn compile_all<G: Borrow<Verified<Graph>> + Sync>(
    engine: &Engine,
    graphs: &[G],
    target: &Target,
    options: &Options,
    pool: Option<&ThreadPool>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Arc<Plan>>, Error> {
    let plan = |g: &G| engine.compile(g.borrow(), target, options);
    let plans: Vec<Result<Arc<Plan>, Error>> = match pool {
        Some(pool) => pool.install(|| graphs.par_iter().map(plan).collect()),
        None => graphs.iter().map(plan).collect(),
    };
    let plans = plans.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Plan::prepare_all(&plans, pool, progress)?;
    Ok(plans)
}
