//! The command line of `compile`.

use super::{Forced, GraphSource, OUTPUT};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `compile`.
#[derive(Debug, Args)]
pub struct Compile {
    #[command(flatten)]
    pub graph: GraphSource,
    /// A target, or several: `--target host,sm_90 --target gfx942`.
    #[arg(long, value_delimiter = ',', default_value = "host")]
    pub target: Vec<String>,
    /// The folder that code is written to, and manifest.json, which says how to launch it.
    ///
    /// It is made if need be. With --export, it is the file.
    #[arg(short, long, value_name = "PATH")]
    pub out: PathBuf,
    /// Write one file that another system loads.
    ///
    /// It has all kernels in it, and is written instead of a folder.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "timings")]
    pub export: Option<ExportForm>,
    /// Write over files that are there, whatever they are.
    ///
    /// Those that a former compile of the same graph wrote are written over without.
    #[arg(long)]
    pub force: bool,
    /// Print where the time went.
    #[arg(long)]
    pub timings: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
    /// Print what was written as JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// A form in which another system loads code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A shared object with a function of the graph's name, for `tvm_ffi.load_module`: its kernels run on this host, or on an NVIDIA GPU.
    TvmFfi,
}
