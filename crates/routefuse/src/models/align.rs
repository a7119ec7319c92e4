//! The layout of the items of all rows, behind the router: what the chain of the same name makes of ids.

use super::options::ModelOptions;
use super::padded::Padded;
use super::sizes::{Sizes, appends_shared};
use crate::chains::Align;
use crate::chains::align::Items;
use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// Expert slots as they leave.
pub(super) struct Slots {
    pub t: Dim,
    /// `i32[T, K + S]`.
    pub ids: NodeId,
    /// `f32[T, K + S]`.
    pub weights: NodeId,
    pub padded: Option<Padded>,
}

/// The chain that these options ask for, of the ids that leave.
pub(super) fn chain(sizes: &Sizes, o: &ModelOptions) -> Option<Align> {
    let engine = o.align?;
    let shared = if appends_shared(o) { sizes.shared } else { 0 };
    let placed = appends_shared(o) || o.expert_parallel.is_some();
    Some(Align {
        engine,
        experts: if placed { sizes.ids_end(o) } else { sizes.physical },
        top_k: sizes.top_k + shared,
        block: o.align_block,
        local: o.align_experts,
        duplicates: o.align_duplicates,
        ranks: o.align_ranks,
        capacity: o.align_capacity,
        tail: o.align_tail,
        optional: o.align_optional,
        id_dtype: DType::I32,
        counted_rows: false,
    })
}

pub(super) fn build(b: &mut GraphBuilder, sizes: &Sizes, o: &ModelOptions, slots: Slots) {
    let Some(chain) = chain(sizes, o) else { return };
    let Slots { t, ids, weights, padded } = slots;
    let rows = match padded {
        Some(Padded::From(n)) => Some(n),
        Some(Padded::Where(_)) | None => None,
    };
    chain.lay_out(b, Items { t, slots: chain.top_k, ids, weights: Some(weights), rows });
}
