//! What one can begin with: the chains and the presets, by the names of their files under `examples/`.

use routefuse::diag::Diagnostics;
use routefuse::{chains, models, text};
use serde_json::{Value, json};

/// The example of the long chain, which a reader without a graph begins with.
pub const FIRST: &str = "e_post_chain";

/// The names of all, in groups.
pub fn groups() -> Value {
    let chains: Vec<&str> = chains::examples().into_iter().map(|(name, _)| name).collect();
    let models: Vec<&str> = models::examples().into_iter().map(|e| e.file).collect();
    json!([{ "title": "Chains", "names": chains }, { "title": "Models", "names": models }])
}

/// The text of one.
///
/// # Errors
/// What is wrong with its options: nothing, as tests show.
pub fn named(name: &str) -> Result<Option<String>, Diagnostics> {
    if let Some((_, graph)) = chains::examples().into_iter().find(|(chain, _)| *chain == name) {
        return graph.map(|g| Some(text::print(&g)));
    }
    let Some(example) = models::examples().into_iter().find(|e| e.file == name) else { return Ok(None) };
    example.graph().map(|g| Some(text::print(&g)))
}
