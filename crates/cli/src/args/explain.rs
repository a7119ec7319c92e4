//! The command line of `explain`.

use super::{GraphSource, LocalOptions, OUTPUT};
use clap::{Args, ValueEnum};

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
    /// Say of this target alone how kernels meet its lanes, or with --key its keys.
    ///
    /// Without it the report has every target, and keys are those of the host.
    #[arg(long)]
    pub target: Option<String>,
    #[command(flatten)]
    pub cache: LocalOptions,
    /// Print the report in this form.
    #[arg(long, value_enum, default_value_t, conflicts_with = "key", help_heading = OUTPUT)]
    pub format: Format,
    /// Print JSON: the same as --format json.
    #[arg(long, conflicts_with = "format", help_heading = OUTPUT)]
    pub json: bool,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal, as wide as it is.
    #[default]
    Text,
    /// JSON, as docs/reference/schemas/explain.json says.
    Json,
    /// Markdown to paste into a pull request.
    Markdown,
}
