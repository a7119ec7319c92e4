//! The command line of `run`.

use super::values::{extent, named_file};
use super::{CacheOptions, Forced, GraphSource, OUTPUT, On};
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// Inputs and extents of a launch.
#[derive(Debug, Args)]
pub struct Inputs {
    /// An input: name=path.npy, or name=file.safetensors:key.
    ///
    /// Columns of a wider file, whose rows then lie as far apart as the file's, are written as in numpy:
    /// name=wide.npy[:,0:256].
    #[arg(long = "in", value_name = "NAME=FILE", value_parser = named_file)]
    pub inputs: Vec<(String, String)>,
    /// The extent of a dim: T=64.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = extent)]
    pub dims: Vec<(String, u64)>,
    /// Fill the inputs that are not given with random values from this seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write the inputs that the seed made as .npy files into DIR.
    ///
    /// They are for `--in`, and for other programs.
    #[arg(long, value_name = "DIR", requires = "seed")]
    pub save_inputs: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("folders").args(["out", "save_inputs"]).multiple(true)))]
pub struct Run {
    #[command(flatten)]
    pub graph: GraphSource,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Write each output to DIR/name.npy.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "folders")]
    pub force: bool,
    /// Print the outputs.
    #[arg(long)]
    pub print: bool,
    /// Compare with the interpreter, bit for bit; exit with 3 if they differ.
    #[arg(long)]
    pub check: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
    #[command(flatten)]
    pub on: On,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Print JSON; with --print, every element of every output.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
