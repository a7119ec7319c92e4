//! The command line of `explain`.

use super::{GraphSource, LocalOptions, OUTPUT};
use clap::Args;

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub graph: GraphSource,
    /// Print the key of each kernel's code, and all that it is made of.
    ///
    /// It is printed instead of the report, for each kernel and variant.
    #[arg(long)]
    pub key: bool,
    /// The target of the keys.
    #[arg(long, default_value = "host", requires = "key")]
    pub target: String,
    #[command(flatten)]
    pub cache: LocalOptions,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
