//! Which value of the graph as it was written stands behind a name of a later stage.

use routefuse::Graph;
use std::collections::HashMap;

/// Positions of the values of a graph by name.
pub(crate) struct Origin<'g>(HashMap<&'g str, usize>);

impl<'g> Origin<'g> {
    pub(crate) fn of(graph: &'g Graph) -> Origin<'g> {
        Origin(graph.nodes().enumerate().map(|(position, node)| (node.name.as_str(), position)).collect())
    }

    /// The value of this name.
    pub(crate) fn find_exactly(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// The value of this name, or the one that it was made for: what passes make is called after it, as `packed.shl` after
    /// `packed`.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let mut name = name;
        loop {
            if let Some(found) = self.0.get(name) {
                return Some(*found);
            }
            name = &name[..name.rfind('.')?];
        }
    }
}
