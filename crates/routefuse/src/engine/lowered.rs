//! A graph on its way to a target, before any machine code: what compile, stages, keys and explain share.

use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::{Program, Step};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Diagnostic, Diagnostics, Graph, Verified};
use routefuse_passes::explain::Report;
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Compiled, Options, compile_graph_until};
use routefuse_passes::schedule::{schedule_in, schedule_step};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A canonical graph, its program, and the program's kernels with their schedules.
pub(crate) struct Lowered {
    compiled: Compiled,
    kernels: Vec<Verified<Scheduled>>,
    time: Duration,
    target: Target,
    /// Kernels that cross rows may become one launch.
    joins: bool,
}

/// A program, and each of its kernels with its schedule.
type Parts = (Program, Vec<Verified<Scheduled>>);

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
        // A shape that is asked for is to be seen, and phases have none.
        let joins = options.fuse && options.shape.is_none() && target.kind() != TargetKind::Host;
        Ok(Lowered { compiled, kernels, time: start.elapsed(), target, joins })
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

    /// What a plan runs: the program, in which kernels that cross rows are joined where the target is a GPU, and the schedule of
    /// each of its kernels.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub(crate) fn into_parts(self) -> Result<Parts, Diagnostics> {
        let joined = self.joined()?;
        Ok(joined.unwrap_or((self.compiled.program, self.kernels)))
    }

    /// The same of a lowering that is still asked other things.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub(crate) fn parts(&self) -> Result<Parts, Diagnostics> {
        Ok(self.joined()?.unwrap_or_else(|| (self.program().clone(), self.kernels.clone())))
    }

    /// For each kernel that the target runs, which of [`Lowered::kernels`] it is: of several, the first to the last.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub(crate) fn launched(&self) -> Result<Vec<Range<usize>>, Diagnostics> {
        let each = || (0..self.kernels.len()).map(|n| n..n + 1).collect();
        if self.joins { Ok(join(self.program())?.from) } else { Ok(each()) }
    }

    /// The program and its kernels after joining, where kernels may be joined.
    fn joined(&self) -> Result<Option<Parts>, Diagnostics> {
        if !self.joins {
            return Ok(None);
        }
        let program = join(self.program())?.program;
        // Those that are not joined have the schedule that they had.
        let known = |step: &Step| self.kernels.iter().find(|k| *k.kernel == *step.kernel);
        let scheduled = program.steps.iter().map(|step| match known(step) {
            Some(known) if step.taken.is_none() => Ok(known.clone()),
            Some(known) => {
                let Scheduled { kernel, schedule, target } = Scheduled::clone(known);
                Scheduled { kernel, schedule: schedule.within(&step.rows_taken()), target }.verify()
            }
            None => schedule_step(step, self.target),
        });
        let kernels = scheduled.collect::<Result<_, Diagnostic>>()?;
        Ok(Some((program, kernels)))
    }
}
