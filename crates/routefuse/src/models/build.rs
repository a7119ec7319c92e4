//! From a preset and options to the graph.

use super::options::{ModelOptions, Part};
use super::preset::Preset;
use super::sizes::Sizes;
use super::{after, selection};
use crate::chains::ChainResult;
use routefuse_ir::{Diagnostics, GraphBuilder};

impl Preset {
    /// The graph of the router and what follows it; `T`, the tokens, is symbolic.
    ///
    /// Inputs, where the options ask for them, in this order: `logits [T, E]`, `bias [E]`, `tid2eid [V, K]` and
    /// `input_ids [T]`, `sink_logits f32[sinks]` and `global_scale f32[]`, `per_expert_scale f32[E]`,
    /// `entropy_thresholds f32[K−1]`, `n i32[]` or `padding_mask bool[T]`, the load balancer's (see [`Eplb`](super::Eplb)),
    /// `record [P]`, `rank i32[]`, and `shared_weights [T, S]` or `shared_gate [T, S]`. Outputs: `packed i32`, `ids_out`,
    /// `weights_out`, all of K expert slots and the appended shared ones; `identity f32[T, 1]`, and `constants f32[T, C]` of C
    /// constant experts; and `load_out` and `record_out`
    /// in place of `load` and `record`. An id that leaves the graph is that of an expert or, of a slot without one, −1, or what
    /// the options say instead.
    ///
    /// # Errors
    /// `RF1002` for options that the model has not, all of them; otherwise the first cause alone: `RF1003` for a value that
    /// cannot be right, `RF1004` for options that exclude each other or have no effect beside each other, `RF0312` for more
    /// expert slots than experts or more groups than there are, `RF0313` for groups of different sizes.
    pub fn graph(&self, options: &ModelOptions) -> ChainResult {
        self.check(options).into_result(())?;
        if options.part == Part::HeadGate {
            let gate = self.indexer.clone().unwrap_or_default();
            return gate.graph();
        }
        let mut b = GraphBuilder::new(self.name.replace('-', "_"));
        let sizes = Sizes::of(self, options);
        let routed = selection::build(&mut b, self, &sizes, options);
        after::build(&mut b, self, &sizes, options, routed);
        // What the builder says after its first mistake follows from that.
        b.finish().map_err(|d| d.first().cloned().map_or_else(Diagnostics::default, Diagnostics::from))
    }
}
