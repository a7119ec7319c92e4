//! A graph on its way to a target, before any machine code: what compile, stages, keys and explain share.

use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use routefuse_ir::{Diagnostic, Diagnostics, Graph, Verified};
use routefuse_passes::explain::Report;
use routefuse_passes::pipeline::{Compiled, Options, compile_graph_until};
use routefuse_passes::schedule::schedule_in;
use std::time::{Duration, Instant};

/// A canonical graph, its program, and the program's kernels with their schedules.
pub(crate) struct Lowered {
    compiled: Compiled,
    kernels: Vec<Verified<Scheduled>>,
    time: Duration,
}

impl Lowered {
    /// Canonicalises, fuses and schedules, until it is cancelled. The only place of the facade that does. `tuned` gives the
    /// kernel with other shapes than the built-in ones, where there is a record of them; it is asked unless the options force
    /// shapes or want the built-in ones.
    ///
    /// # Errors
    /// `RF0815` if an operation is larger than a kernel may be; `RF0816` if it was cancelled.
    pub(crate) fn of(
        graph: &Verified<Graph>,
        target: Target,
        options: &Options,
        cancel: &Cancel,
        tuned: &dyn Fn(&Verified<Scheduled>) -> Option<Verified<Scheduled>>,
    ) -> Result<Lowered, Diagnostics> {
        let start = Instant::now();
        let compiled = compile_graph_until(graph.clone(), options, cancel)?;
        let kernels = compiled.program.steps.iter().map(|step| {
            cancel.check()?;
            let built_in = schedule_in(step.kernel.clone(), target, options.shape)?;
            let records = options.records && options.shape.is_none();
            Ok(if records { tuned(&built_in) } else { None }.unwrap_or(built_in))
        });
        let kernels = kernels.collect::<Result<_, Diagnostic>>()?;
        Ok(Lowered { compiled, kernels, time: start.elapsed() })
    }

    /// The graph after canonicalisation.
    pub(crate) fn canonical(&self) -> &Verified<Graph> {
        &self.compiled.canonical
    }

    /// What the passes made.
    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The kernels and the buffers between them.
    pub(crate) fn program(&self) -> &Program {
        &self.compiled.program
    }

    /// The kernels with their schedules, in the order in which they run.
    pub(crate) fn kernels(&self) -> &[Verified<Scheduled>] {
        &self.kernels
    }

    /// What [`Lowered::of`] took.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// How the kernels came to be. It is made when asked for.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub(crate) fn report(&self) -> Result<Report, Diagnostics> {
        self.compiled.report()
    }

    /// The program, and the schedule of each of its kernels.
    pub(crate) fn into_parts(self) -> (Program, Vec<Verified<Scheduled>>) {
        (self.compiled.program, self.kernels)
    }
}
