//! Which graph: a file, or a model preset.

use super::model_name::ModelName;
use super::values::named_value;
use clap::Args;
use std::path::PathBuf;

/// A graph: from a file, or a model preset.
#[derive(Debug, Args)]
pub struct GraphSource {
    /// A .route text or its JSON form; `-` is standard input.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    pub file: Option<PathBuf>,
    /// A model preset instead of a file; `routefuse models` lists them.
    #[arg(long, value_name = "NAME", value_parser = ModelName { all: false }, hide_possible_values = true)]
    pub model: Option<String>,
    /// An option of the model, as in eplb=static; `routefuse models NAME` lists them.
    #[arg(long = "option", value_name = "NAME=VALUE", requires = "model", conflicts_with = "file", value_parser = named_value)]
    pub options: Vec<(String, String)>,
}
