//! The command line of `report`.

use super::values::{extent, gigabytes, named_file};
use super::{GraphSource, LocalOptions};
use clap::Args;
use std::path::PathBuf;

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub graph: GraphSource,
    /// The page to write; without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Whose schedules and machine code the page shows.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// An input of the check, as `run` takes it: name=path.npy.
    ///
    /// The page shows what the host's code gives for these inputs beside what the interpreter gives. Inputs that are not given are
    /// made from the seed.
    #[arg(long = "in", value_name = "NAME=FILE", value_parser = named_file)]
    pub inputs: Vec<(String, String)>,
    /// The extent of a dim: T=64, for the check and for the bytes at first.
    ///
    /// The slider of the page moves the first of them that rows are counted in. Without this, an extent is that of the inputs that
    /// are given, else 64.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = extent)]
    pub dims: Vec<(String, u64)>,
    /// The seed of the inputs that are not given.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Times to show: what `bench --json` or `tune --json` printed.
    #[arg(long, value_name = "FILE")]
    pub measured: Vec<PathBuf>,
    /// The memory bandwidth that times are compared with, in GB/s.
    ///
    /// Without it, it is that of the card that times were measured on, if it is known.
    #[arg(long, value_name = "GB/S", value_parser = gigabytes)]
    pub bandwidth: Option<f64>,
    /// Write over a file that is there, whatever it is.
    ///
    /// A page that was written before is written over without.
    #[arg(long, requires = "out")]
    pub force: bool,
    #[command(flatten)]
    pub cache: LocalOptions,
    /// Write what the page shows as JSON instead.
    #[arg(long, help_heading = super::OUTPUT)]
    pub json: bool,
}
