//! From a preset and options to the graph.

use super::options::{ModelOptions, Part};
use super::preset::Preset;
use super::sizes::Sizes;
use super::{after, selection};
use crate::chains::ChainResult;
use routefuse_ir::GraphBuilder;

impl Preset {
    /// The graph of the router and what follows it; `T`, the tokens, is symbolic.
    ///
    /// Inputs, where the options ask for them, in this order: `logits [T, E]`, `bias [E]`, `tid2eid i32[V, K]` and
    /// `input_ids i32[T]`, `sink_logits f32[sinks]` and `global_scale f32[]`, `per_expert_scale f32[E]`,
    /// `entropy_thresholds f32[K−1]`, `n i32[]`, the load balancer's (see [`Eplb`](super::Eplb)), `record [P]`, and
    /// `shared_weights [T, S]` or `shared_gate [T, S]`. Outputs: `packed i32`, `ids_out`, `weights_out`, all of K expert slots and
    /// the appended shared ones; `identity f32[T, 1]`; and `load_out` and `record_out` in place of `load` and `record`.
    ///
    /// # Errors
    /// `RF1002` for options that the model has not, all of them; `RF1004` for some that exclude each other; and what the
    /// sizes are wrong in: `RF0312` for more expert slots than experts or more groups than there are, `RF0313` for groups of
    /// different sizes.
    pub fn graph(&self, options: &ModelOptions) -> ChainResult {
        self.check(options).into_result(())?;
        if options.part == Part::HeadGate {
            let gate = self.indexer.clone().unwrap_or_default();
            return gate.graph();
        }
        let mut b = GraphBuilder::new(self.name.replace('-', "_"));
        let sizes = Sizes::of(self, options)?;
        let routed = selection::build(&mut b, self, &sizes, options);
        after::build(&mut b, self, &sizes, options, routed);
        b.finish()
    }
}
