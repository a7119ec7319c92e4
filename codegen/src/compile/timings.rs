//! Wall-clock time of each phase of one compile.

use std::time::{Duration, Instant};

/// Where the time of one compile went. A phase that a target does not have (PTX is not linked) stays zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Making the MLIR context and the target machine.
    pub setup: Duration,
    /// Kernel IR to MLIR, with MLIR's verifier.
    pub build: Duration,
    /// MLIR passes down to the llvm dialect.
    pub passes: Duration,
    /// llvm dialect to LLVM IR.
    pub translate: Duration,
    /// LLVM's optimiser.
    pub optimise: Duration,
    /// Instruction selection to object bytes or PTX text.
    pub emit: Duration,
    /// LLD.
    pub link: Duration,
}

impl Timings {
    /// The sum of all phases.
    pub fn total(&self) -> Duration {
        self.phases().iter().map(|(_, time)| *time).sum()
    }

    /// Every phase with its name, in order.
    pub fn phases(&self) -> [(&'static str, Duration); 7] {
        let Self { setup, build, passes, translate, optimise, emit, link } = *self;
        [
            ("setup", setup),
            ("build", build),
            ("passes", passes),
            ("translate", translate),
            ("optimise", optimise),
            ("emit", emit),
            ("link", link),
        ]
    }
}

/// Runs `work` and adds its time to `phase`.
pub(crate) fn timed<R>(phase: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *phase += start.elapsed();
    result
}
