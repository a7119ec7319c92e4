//! The command line of `tune`.

use super::values::{Extents, extents};
use super::{CacheOptions, GraphSource, OUTPUT, On};
use clap::Args;

/// `tune`.
#[derive(Debug, Args)]
pub struct Tune {
    #[command(flatten)]
    pub graph: GraphSource,
    #[command(flatten)]
    pub on: On,
    /// A dim and the extents to measure, ascending.
    ///
    /// All dims take them in turn. Without this, they are 1, 64, 512, 1024, 2048, 4096, 8192, 16384 and 65536.
    #[arg(long = "dim", value_name = "NAME=N,N,…", value_parser = extents)]
    pub dim: Option<(String, Extents)>,
    /// Per cent by which times have to differ.
    ///
    /// Below it the built-in choice stands.
    #[arg(long, value_name = "PERCENT", default_value_t = 3.0)]
    pub margin: f64,
    /// Replays of each shape with each extent.
    ///
    /// The median counts.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub samples: u32,
    /// Seconds after which no further shapes are tried for a kernel.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub limit: u64,
    /// Seed of the random inputs.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Measure and print, and keep nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
