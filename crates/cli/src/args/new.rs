//! The command line of `new`.

use super::model_name::GraphName;
use super::values::{graph_name, named_value};
use clap::Args;
use std::path::PathBuf;

/// `new`.
#[derive(Debug, Args)]
pub struct New {
    /// The name of the new graph, as in my_router.
    #[arg(value_parser = graph_name)]
    pub name: String,
    /// What to begin with: a model preset, or a chain of examples/.
    ///
    /// `routefuse models` lists the presets. A chain is named as its file, as in e_post_chain.
    #[arg(long, value_name = "MODEL", value_parser = GraphName, hide_possible_values = true)]
    pub like: String,
    /// An option of the model, as in eplb=static.
    ///
    /// `routefuse models MODEL` lists them. A chain has none.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = named_value)]
    pub options: Vec<(String, String)>,
    /// The file to write [default: NAME.route]; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
}
