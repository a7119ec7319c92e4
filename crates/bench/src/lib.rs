//! What the benchmarks share: the chains, and launches.
//!
//! `cargo bench -p routefuse-bench` runs all of them, `-- NAME` some; `docs/lab-notes/results.md` says what they measure.

mod launch;

pub use launch::{Move, launch};

use routefuse::{Graph, Verified, chains, models};

/// The five chains in their forms, by the names of their files under `examples/`.
///
/// # Panics
/// If one of them does not verify, which the facade's tests exclude.
pub fn five_chains() -> Vec<(&'static str, Verified<Graph>)> {
    let lettered = chains::examples().into_iter().filter(|(name, _)| name.as_bytes().get(1) == Some(&b'_'));
    lettered.map(|(name, graph)| (name, graph.unwrap_or_else(|e| panic!("{name}: {e}")))).collect()
}

/// The long chain: remap, mask, scale, append, pack.
///
/// # Panics
/// As [`five_chains`].
pub fn long_chain() -> Verified<Graph> {
    chains::PostChain::default().graph().unwrap_or_else(|e| panic!("{e}"))
}

/// DeepSeek-V3's router, and all that its engine does behind it.
///
/// # Panics
/// As [`five_chains`].
pub fn router() -> Verified<Graph> {
    let examples = models::examples().into_iter().find(|e| e.file == "deepseek-v3-post");
    let example = examples.expect("an example of that name");
    example.graph().unwrap_or_else(|e| panic!("{e}"))
}
