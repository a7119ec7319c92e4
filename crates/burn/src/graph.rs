//! What a router is made of.

use routefuse::models::{self, ModelOptions};
use routefuse::{Error, Graph, Verified};
use std::borrow::Cow;

/// What [`Router::new`](crate::Router::new) takes: a graph, or the name of a preset.
///
/// A preset by its name is the router alone, with the default options: `ids_out i32[T, K]` and `weights_out f32[T, K]`. For other
/// options make the graph: `models::named("deepseek-v3")?.graph(&options)?`. Chains and graphs from text are graphs too.
pub trait IntoGraph<'g> {
    /// The graph.
    ///
    /// # Errors
    /// `RF1001` for a name that no preset has.
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Error>;
}

impl<'g> IntoGraph<'g> for &str {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Error> {
        Ok(Cow::Owned(models::named(self)?.graph(&ModelOptions::default())?))
    }
}

impl<'g> IntoGraph<'g> for Verified<Graph> {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Error> {
        Ok(Cow::Owned(self))
    }
}

impl<'g> IntoGraph<'g> for &'g Verified<Graph> {
    fn into_graph(self) -> Result<Cow<'g, Verified<Graph>>, Error> {
        Ok(Cow::Borrowed(self))
    }
}
