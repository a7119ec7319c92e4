//! The command line of `models`.

use super::OUTPUT;
use super::model_name::ModelName;
use clap::Args;

/// `models`.
#[derive(Debug, Args)]
pub struct Models {
    /// A preset, whose options are listed.
    #[arg(value_parser = ModelName { all: false }, hide_possible_values = true)]
    pub name: Option<String>,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
