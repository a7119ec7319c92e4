//! The command line of `demo`.

use super::OUTPUT;
use clap::Args;
use std::path::PathBuf;

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// A routing trace, a .safetensors file [default: the one that the program carries].
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
