//! A model's graphs at once.

use crate::engine::Engine;
use crate::error::Error;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use routefuse_ir::target::Target;
use routefuse_ir::{Graph, Verified};
use routefuse_passes::pipeline::Options;
use routefuse_runtime::{Plan, Progress};
use std::borrow::Borrow;
use std::sync::Arc;

impl Engine {
    /// The plans of many graphs, such as a model's layers, prepared. Equal graphs are one plan, and equal kernels of
    /// different graphs are compiled once: 58 equal layers cost what one does. With a pool, its threads share the work.
    /// `progress` is called, from any of them, for each variant of a kernel that became ready.
    ///
    /// ```
    /// # #[cfg(feature = "compiler")]
    /// # fn main() -> Result<(), routefuse::Error> {
    /// use routefuse::{Engine, Options, Target, chains};
    ///
    /// let layers = vec![chains::Pack::default().graph()?; 58];
    /// let engine = Engine::builder().build()?;
    /// let plans = engine.compile_all(&layers, &Target::host(), &Options::default(), None, &|_| ())?;
    /// assert_eq!((plans.len(), engine.counters().compiles), (58, 1));
    /// let sealed = engine.sealed(); // from here on nothing is compiled or loaded
    /// sealed.check()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "compiler"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Those of [`Engine::compile`] and [`Plan::prepare`]: the first, in the order of graphs.
    pub fn compile_all<G: Borrow<Verified<Graph>> + Sync>(
        &self,
        graphs: &[G],
        target: &Target,
        options: &Options,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Vec<Arc<Plan>>, Error> {
        let plan = |g: &G| self.compile(g.borrow(), target, options);
        let plans: Vec<Result<Arc<Plan>, Error>> = match pool {
            Some(pool) => pool.install(|| graphs.par_iter().map(plan).collect()),
            None => graphs.iter().map(plan).collect(),
        };
        let plans = plans.into_iter().collect::<Result<Vec<_>, Error>>()?;
        Plan::prepare_all(&plans, pool, progress)?;
        Ok(plans)
    }
}
