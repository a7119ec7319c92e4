//! Graphs by the name of a preset, or as they are: what constructors of routers take.

use super::{ModelOptions, named};
use routefuse_ir::{Diagnostics, Graph, Verified};
use std::borrow::Cow;

/// What a router of an adapter is made of: a graph, or the name of a preset.
///
/// A preset by its name is the router alone, with the default options: `ids_out i32[T, K]` and `weights_out f32[T, K]`. For other
/// options make the graph: `models::named("deepseek-v3")?.graph(&options)?`. Chains and graphs from text are graphs too.
///
/// ```
/// use routefuse::models::IntoGraph;
///
/// fn inputs<'g>(graph: impl IntoGraph<'g>) -> Result<usize, routefuse::diag::Diagnostics> {
///     Ok(graph.into_graph()?.inputs.len())
/// }
/// assert_eq!(inputs("mixtral").unwrap(), 1);
/// assert_eq!(inputs("mixtrall").unwrap_err()[0].code.as_str(), "RF1001");
/// ```
pub trait IntoGraph<'g> {
    /// The graph.
    ///
    /// # Errors
    /// `RF1001` for a name that no preset has.
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Diagnostics>;
}

impl<'g> IntoGraph<'g> for &str {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Diagnostics> {
        Ok(Cow::Owned(named(self)?.graph(&ModelOptions::default())?))
    }
}

impl<'g> IntoGraph<'g> for Verified<Graph> {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Diagnostics> {
        Ok(Cow::Owned(self))
    }
}

impl<'g> IntoGraph<'g> for &'g Verified<Graph> {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Diagnostics> {
        Ok(Cow::Borrowed(self))
    }
}
