//! The command line of `fmt`.

use clap::Args;
use std::path::PathBuf;

/// `fmt`.
#[derive(Debug, Args)]
pub struct Fmt {
    /// A .route text; `-` is standard input.
    pub file: PathBuf,
    /// Write nothing; exit with 1 if the file is not formatted.
    #[arg(long)]
    pub check: bool,
    /// Print the result instead of writing the file.
    ///
    /// What comes from standard input is always printed.
    #[arg(long)]
    pub stdout: bool,
}
