//! The command line of `bench`.

use super::values::{Extents, extents};
use super::{CacheOptions, Forced, GraphSource, OUTPUT, On};
use clap::{Args, ValueEnum};

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub graph: GraphSource,
    #[command(flatten)]
    pub forced: Forced,
    /// A dim and the extents to time [default: 1,64,4096,65536].
    ///
    /// All dims take them in turn.
    #[arg(long = "dim", value_name = "NAME=N,N,…", value_parser = extents)]
    pub dim: Option<(String, Extents)>,
    /// Seed of the random inputs.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What rows of floats are like.
    ///
    /// What a router takes depends on it where it has a quick way for most rows.
    #[arg(long, value_enum, default_value_t = RowsOf::Ordinary)]
    pub rows: RowsOf,
    /// Which bins ids are of.
    ///
    /// Those that a graph counts or ranks in bins, or looks up in a table.
    #[arg(long, value_enum, default_value_t = IdsOf::Even)]
    pub ids: IdsOf,
    #[command(flatten)]
    pub on: On,
    /// On a GPU: time replays of a graph of many launches.
    ///
    /// Instead of launches on a stream, a CUDA or HIP graph of many of them is timed.
    #[arg(long)]
    pub graph_replay: bool,
    /// What to compare with.
    #[arg(long, value_enum, default_value_t = Versus::Unfused)]
    pub vs: Versus,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// What a time is compared with, beside a copy of as many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Versus {
    /// The same graph with one kernel for every op.
    Unfused,
    /// Nothing.
    None,
}

/// Which bins ids are of that are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdsOf {
    /// Any, each as often as another.
    Even,
    /// The first one, all of them.
    One,
    /// The first ones most often, as Zipf's law has it.
    Zipf,
}

/// What every row of floats is like that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowsOf {
    /// Of about normal distribution.
    Ordinary,
    /// One number in all columns.
    Tied,
    /// Ordinary ones times 64.
    Huge,
    /// Ordinary ones, and a NaN.
    Nan,
    /// −∞ in all columns.
    NegInf,
}
