//! The command line of `explore`.

use super::model_name::ModelName;
use super::values::named_value;
use clap::Args;
use std::path::PathBuf;

/// `explore`.
#[derive(Debug, Args)]
pub struct Explore {
    /// What to begin with: a .route text or its JSON form; without one, an example.
    #[arg(conflicts_with = "model")]
    pub file: Option<PathBuf>,
    /// A model preset to begin with; `routefuse models` lists them.
    #[arg(long, value_name = "NAME", value_parser = ModelName { all: false }, hide_possible_values = true)]
    pub model: Option<String>,
    /// An option of the model, as in eplb=static; `routefuse models NAME` lists them.
    #[arg(long = "option", value_name = "NAME=VALUE", requires = "model", conflicts_with = "file", value_parser = named_value)]
    pub options: Vec<(String, String)>,
    /// Whose schedules and machine code the page shows at first.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// The port on this machine's loopback; 0 takes one that is free.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
    /// Only print the address, and open no browser.
    ///
    /// Who knows the address may use the page. A browser is opened by a file that leads there, which only this user can read.
    #[arg(long)]
    pub no_browser: bool,
}
