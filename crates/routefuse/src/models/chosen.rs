//! What a router has chosen, from which the weights and a row's own k are made.

use routefuse_ir::{Dim, NodeId};

/// What was chosen, and what from.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    /// The rows.
    pub t: Dim,
    /// The logits, `f32[T, E]`.
    pub x: NodeId,
    /// Their scores.
    pub scores: NodeId,
    /// What was compared, if a top-k chose: scores, bias, and what masked groups became.
    pub keys: Option<NodeId>,
    /// `i32[T, K]`, −1 where candidates ran out.
    pub ids: NodeId,
}
