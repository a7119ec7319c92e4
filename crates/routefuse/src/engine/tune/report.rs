//! What a tuning is asked, and what it answers.

use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, shape_of};
use routefuse_ir::target::Target;
use routefuse_passes::pipeline::Options;
use routefuse_runtime::{Device, KeptTuning, KeyText};
use std::path::PathBuf;
use std::time::Duration;

/// How a tuning is done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TuneOptions {
    /// The numbers of rows to measure, ascending: 1 to 65,536, close together where the shapes of routers meet. All dims of a
    /// graph take each in turn.
    pub rows: Vec<u64>,
    /// Times that differ by a share of less than this are equal, and then the built-in choice stands. 0.03.
    pub margin: f64,
    /// Replays of a shape with a number of rows, of which the median counts. 15.
    pub samples: u32,
    /// Launches of one replay; fewer where there are many rows. 25.
    pub launches: u32,
    /// Work before times are taken of each number of rows, so that the card's clocks are where they stay under load. 100 ms.
    pub warm_up: Duration,
    /// After this time no further shapes are tried for a kernel: those in other blocks. 60 s.
    pub limit: Duration,
    /// Seed of the random inputs. 0.
    pub seed: u64,
    /// Whether the answer is kept. Yes.
    pub keep: bool,
    /// What makes kernels of the graph.
    pub graph: Options,
}

impl Default for TuneOptions {
    fn default() -> TuneOptions {
        TuneOptions {
            rows: vec![1, 64, 512, 1024, 2048, 4096, 8192, 16_384, 65_536],
            margin: 0.03,
            samples: 15,
            launches: 25,
            warm_up: Duration::from_millis(100),
            limit: Duration::from_secs(60),
            seed: 0,
            keep: true,
            graph: Options::default(),
        }
    }
}

impl TuneOptions {
    /// These options, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut TuneOptions)) -> TuneOptions {
        change(&mut self);
        self
    }
}

/// What was measured, chosen and kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TuneReport {
    /// The graph's name.
    pub graph: String,
    /// The dim whose extents were timed: the graph's first, or "rows" where it has none.
    pub dim: String,
    /// Where it was measured.
    pub device: Device,
    /// The card, as its driver calls it.
    pub card: String,
    /// The driver, as it calls itself.
    pub driver: String,
    /// The target that was compiled for.
    pub target: Target,
    /// Kernels of the graph, with those that have nothing to choose.
    pub kernels: usize,
    /// Those with shapes to choose, in the order in which they run.
    pub tuned: Vec<KernelTuning>,
}

/// The tuning of one kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelTuning {
    /// The kernel's name.
    pub kernel: String,
    /// The key of its record.
    pub key: KeyText,
    /// The built-in shapes, for more and more rows.
    pub built_in: Vec<RowShape>,
    /// The record: what was chosen, and the times. They are of a launch of the whole graph, whose other kernels have the shapes
    /// that they have without this record.
    pub tuning: Tuning,
    /// Where the record is kept beside memory; `None` if it was not to be kept.
    pub kept: Option<KeptTuning>,
    /// The file that holds the record, if a directory keeps it.
    pub file: Option<PathBuf>,
}

impl KernelTuning {
    /// The built-in choice is as good as any, or better.
    pub fn is_built_in(&self) -> bool {
        self.tuning.shapes == self.built_in
    }

    /// The built-in shape for this many rows.
    pub fn built_in_for(&self, rows: u64) -> Option<RowShape> {
        shape_of(&self.built_in, rows)
    }

    /// Nanoseconds of a launch over each of the measured numbers of rows: with the built-in shapes, and with the chosen ones.
    pub fn before_and_after(&self) -> Vec<(u64, u64)> {
        let time = |shape: Option<RowShape>, at: usize| {
            let shape = shape.map(RowShape::any_rows);
            let trial = self.tuning.trials.iter().find(|t| Some(t.shape) == shape);
            trial.map_or(0, |t| t.ns[at])
        };
        let rows = self.tuning.rows.iter().enumerate();
        rows.map(|(at, r)| (time(self.built_in_for(*r), at), time(self.tuning.shape_for(*r), at))).collect()
    }
}
