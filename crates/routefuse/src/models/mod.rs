//! Model presets: the router of a model, and what its engine does after it, as one graph.
//!
//! A [`Preset`] is data: sizes and a [`Route`], from which one builder makes the graph of every model. [`ModelOptions`]
//! choose what engines choose: load balancing, padding, shared experts, what is packed, dtypes. An option that a model has
//! nothing for is an error that says what it has. `docs/reference/routing.md` has the formulas and their sources.
//!
//! ```
//! use routefuse::models::{self, ModelOptions};
//!
//! let preset = models::named("deepseek-v3").unwrap();
//! let mut options = ModelOptions::default();
//! preset.set(&mut options, "eplb", "static").unwrap();
//! preset.set(&mut options, "padding", "minus_one").unwrap();
//! let graph = preset.graph(&options).unwrap();
//! assert_eq!(graph.outputs[0].name, "ids_out");
//! ```

mod after;
mod align;
mod align_options;
mod balance;
mod build;
mod chosen;
mod examples;
mod families;
mod into_graph;
mod option_info;
mod option_table;
mod options;
mod own_k;
mod padded;
mod preset;
mod presets;
mod random;
mod rank;
mod refusals;
mod relatives;
mod routes;
mod row_input;
mod selection;
mod sizes;
mod sparse_mixer;
mod weights;

pub use examples::{Example, examples};
pub use into_graph::IntoGraph;
pub use option_info::OptionInfo;
pub use options::{
    Eplb, ExpertParallelism, ModelOptions, NanLogits, Output, Owned, PaddedRows, Part, ScaleWhen, SharedForm,
    Simulation,
};
pub use preset::{Groups, Pick, Preset, Renorm, Route, Scoring, Weighting};
pub use presets::PRESETS;

use routefuse_ir::{Code, Diagnostic};

/// The names of all presets, in the order of the documentation.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|p| p.name)
}

/// The preset of this name.
///
/// # Errors
/// `RF1001`, with the names that are near, the model's nearest relatives, or all names.
pub fn named(name: &str) -> Result<&'static Preset, Diagnostic> {
    PRESETS.iter().find(|p| p.name == name).ok_or_else(|| {
        Diagnostic::new(Code::UnknownModel, format!("no model is called `{name}`")).help(relatives::of(name))
    })
}
