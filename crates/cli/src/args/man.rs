//! The command line of `man`.

use clap::Args;
use std::path::PathBuf;

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write the page of every command into DIR, as NAME.1.
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "out")]
    pub force: bool,
}
