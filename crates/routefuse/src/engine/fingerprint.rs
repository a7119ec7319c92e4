//! The identity of a graph, to find its plan again.

#[cfg(feature = "graphs")]
use routefuse_ir::Graph;
#[cfg(feature = "graphs")]
use routefuse_ir::graph::{Input, Node, Output};
use routefuse_ir::target::Target;
#[cfg(feature = "graphs")]
use routefuse_passes::pipeline::Options;
use std::hash::{Hash, Hasher};

/// A hash of all that a plan is made from: the graph but for its spans and the names of inner values, the target, the
/// options. Of this process only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a plan that a bundle has the form of.
    pub(crate) fn of_form(form: &[u8], target: Target) -> Fingerprint {
        let mut bytes = Bytes(form.to_vec());
        // What follows a graph's fields is a list of nodes, never these words.
        ("form of a plan", target).hash(&mut bytes);
        Fingerprint(*blake3::hash(&bytes.0).as_bytes())
    }

    /// The same of a time when so often what is known of tunings had changed.
    #[cfg(feature = "graphs")]
    pub(crate) fn after(self, changes: u64) -> Fingerprint {
        let mut bytes = Bytes(self.0.to_vec());
        changes.hash(&mut bytes);
        if changes == 0 { self } else { Fingerprint(*blake3::hash(&bytes.0).as_bytes()) }
    }

    #[cfg(feature = "graphs")]
    pub(crate) fn of(graph: &Graph, target: Target, options: &Options) -> Fingerprint {
        // Destructured so that a new field cannot be forgotten.
        let Graph { name, symbols, bounds, inputs, outputs, .. } = graph;
        let mut bytes = Bytes(Vec::with_capacity(64 * graph.node_count()));
        (name, symbols, bounds, target, options).hash(&mut bytes);
        for Input { name, node, layout } in inputs {
            (name, node, *layout as u8).hash(&mut bytes);
        }
        for Output { name, node, layout, alias, span: _ } in outputs {
            (name, node, *layout as u8, alias).hash(&mut bytes);
        }
        for id in graph.node_ids() {
            let Node { op, ty, name: _, span: _ } = graph.node(id);
            (id, op, ty, graph.operands(id)).hash(&mut bytes);
        }
        Fingerprint(*blake3::hash(&bytes.0).as_bytes())
    }
}

/// Keeps what is hashed: `std`'s hashers give 64 bits, too few to take two graphs for one.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(all(test, feature = "graphs"))]
mod tests {
    use super::*;
    use routefuse_ir::text;

    /// The long chain under a comment.
    fn long_chain() -> String {
        let graph = crate::chains::PostChain::default().graph().unwrap();
        text::print(&graph).replacen("graph @", "# The long chain\ngraph @", 1)
    }

    fn of(text: &str) -> Fingerprint {
        Fingerprint::of(&text::parse(text).unwrap(), Target::host(), &Options::default())
    }

    #[test]
    fn equal_graphs_have_one() {
        let source = long_chain();
        let first = of(&source);
        assert!(first == of(&source.replace("# The long chain", "# A chain\n# much longer")), "spans");
        assert!(first == of(&source.replace("%physical", "%slots")), "names of inner values");
    }

    #[test]
    fn other_graphs_have_others() {
        let changed = [
            ("value = 2.5", "value = 2.25"),
            ("f32[T, 8]", "f16[T, 8]"),
            ("output ids_out", "output ids"),
            ("%ids", "%expert_ids"),
            ("dim T", "dim N"),
            ("@post_chain", "@chain"),
            ("input %map : i32[256]", "input %map : i32[255]"),
            ("input %ids : i32[T, 8]", "input %ids : i32[T, 8] rows"),
            ("output ids_out = %masked", "output ids_out = %masked rows"),
            ("gather %map, %ids {out_of_range = pass}", "gather %map, %ids {out_of_range = clamp}"),
            ("concat %physical, %v10", "concat %v10, %physical"),
        ];
        let source = long_chain();
        let first = of(&source);
        for (from, to) in changed {
            assert!(source.contains(from), "{from}");
            let text = source.replace(from, to);
            // Some are not well typed, or name what is gone; their graphs differ all the same.
            if let Ok(graph) = text::parse(&text) {
                assert!(first != Fingerprint::of(&graph, Target::host(), &Options::default()), "{to}");
            }
        }
        let graph = text::parse(&source).unwrap();
        assert!(first != Fingerprint::of(&graph, Target::host(), &Options::unfused()));
        assert!(first != Fingerprint::of(&graph, Target::named("sm_90").unwrap(), &Options::default()));
    }
}
