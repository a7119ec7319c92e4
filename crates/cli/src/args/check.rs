//! The command line of `check`.

use super::{GraphSource, OUTPUT};
use clap::Args;

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub graph: GraphSource,
    /// Print the diagnostics as JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
