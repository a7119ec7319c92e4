//! From the K expert slots to what the expert GEMMs take: zero experts, load balancing, padding, records, ownership, expert
//! parallelism, shared experts, dtypes, packing, and the layout of all rows' items.

use super::align;
use super::balance::Balancer;
use super::options::{ModelOptions, Output, SharedForm};
use super::padded::Padded;
use super::preset::Preset;
use super::rank::{self, Rank};
use super::row_input::row_input;
use super::selection::Routed;
use super::sizes::{Sizes, appends_shared};
use crate::chains::{Padding, remap, rows};
use routefuse_ir::op::{CompareOp, ReduceOp, UnaryOp};
use routefuse_ir::{Alias, DType, Dim, GraphBuilder, Layout, Literal, NodeId};

pub(super) fn build(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions, routed: Routed) {
    let Routed { t, mut ids, mut weights, in_gate, mut seed } = routed;
    let rows = Padded::input(b, o, t);
    let padded = rows.filter(|_| o.padding != Padding::Keep);
    let zero = (p.identity > 0).then(|| zero_experts(b, sizes, ids, weights, padded));
    if let Some(zero) = &zero {
        (ids, weights) = (zero.ids, zero.weights);
    }
    let mut slots = sizes.top_k;
    if o.balance_shared {
        let shared_ids = rows::consecutive_ids(b, DType::I32, t, sizes.shared, sizes.experts);
        let shared = shared_weights(b, p, sizes, o, t, in_gate);
        ids = b.concat(&[ids, shared_ids]);
        weights = b.concat(&[weights, shared]);
        slots += sizes.shared;
    }
    let balancer = Balancer { sizes, options: o, t, slots, padded: rows };
    ids = balancer.physical(b, ids, &mut seed);
    // An expert slot that stands for nothing is −1 until records have counted; then it is what its option says, or the
    // sentinel.
    let dead = Dead::of(sizes, o);
    let experts = ids;
    if let Some(zero) = zero.filter(|_| dead.zero_expert != -1) {
        let id = b.int(DType::I32, i128::from(dead.zero_expert));
        ids = b.select(zero.is_zero, id, ids);
    }
    if let Some(padded) = padded {
        ids = padded.fill(b, ids, Literal::i32(dead.routed_padding));
        b.name(ids, "masked");
        if masks_weights(o) {
            weights = padded.fill(b, weights, Literal::f32(0.0));
        }
    }
    if let Some(dtype) = o.record {
        let counted = match padded {
            _ if dead.zero_expert == -1 && dead.routed_padding == -1 => ids,
            Some(padded) => padded.fill(b, experts, Literal::i32(-1)),
            None => experts,
        };
        let counted = rows::first_columns(b, counted, sizes.top_k);
        let (counts, one) = (b.input("record", dtype, [sizes.physical.into()]), b.int(dtype, 1));
        let recorded = b.atomic_add(counts, counted, one);
        remap::in_place(b, "record_out", recorded, counts);
    }
    let rank = Rank::input(b, o);
    ids = rank::ids(b, sizes, o, rank, ids);
    if appends_shared(o) && !o.balance_shared {
        let mut shared_ids = rank::shared_ids(b, sizes, o, rank, t, i128::from(dead.no_rank));
        let mut shared = shared_weights(b, p, sizes, o, t, in_gate);
        if let Some(padded) = padded {
            shared_ids = padded.fill(b, shared_ids, Literal::i32(dead.shared_padding));
            if masks_weights(o) {
                shared = padded.fill(b, shared, Literal::f32(0.0));
            }
        }
        ids = b.concat(&[ids, shared_ids]);
        weights = b.concat(&[weights, shared]);
    }
    outputs(b, o, ids, weights);
    align::build(b, sizes, o, align::Slots { t, ids, weights, padded });
}

/// The ids of expert slots that stand for nothing.
struct Dead {
    /// Of zero experts, before the rank's ids are made.
    zero_expert: i32,
    /// Of routed slots in rows of padding, before the rank's ids are made.
    routed_padding: i32,
    /// Of shared slots in rows of padding, as they leave.
    shared_padding: i32,
    /// Of shared slots of a rank that there is not, as they leave.
    no_rank: i32,
}

impl Dead {
    fn of(sizes: &Sizes, o: &ModelOptions) -> Dead {
        let padding = if o.padding == Padding::ZeroWithWeights { 0 } else { -1 };
        if o.owned.is_none() {
            return Dead { zero_expert: o.identity_id, routed_padding: padding, shared_padding: padding, no_rank: -1 };
        }
        // No rank owns −1: it becomes the sentinel with all others that this one does not own. It fits: it was checked.
        let sentinel = i32::try_from(sizes.ids_end(o)).unwrap_or(i32::MAX);
        Dead { zero_expert: -1, routed_padding: -1, shared_padding: sentinel, no_rank: sentinel }
    }
}

/// Weights of rows of padding become 0.
fn masks_weights(o: &ModelOptions) -> bool {
    matches!(o.padding, Padding::ZeroWithWeights | Padding::MinusOneWithWeights)
}

fn outputs(b: &mut GraphBuilder, o: &ModelOptions, ids: NodeId, weights: NodeId) {
    let ids = b.cast(ids, o.ids);
    let weights = b.cast(weights, o.weights);
    let layout = if o.strided { Layout::Rows } else { Layout::Contiguous };
    if matches!(o.output, Output::Packed | Output::All) {
        let packed = b.pack(ids, weights, o.pack);
        b.output_with("packed", packed, layout, Alias::None);
    }
    if matches!(o.output, Output::IdsAndWeights | Output::All) {
        b.output_with("ids_out", ids, layout, Alias::None);
        b.output_with("weights_out", weights, layout, Alias::None);
    }
}

/// Expert slots without those of zero experts, whose id is −1 and whose weight is 0.
struct Routes {
    ids: NodeId,
    weights: NodeId,
    /// Which were those of zero experts.
    is_zero: NodeId,
}

/// Expert slots with an id from E on give their weight to `constants`, a column each, and to `identity`; a row of padding has
/// none.
fn zero_experts(b: &mut GraphBuilder, sizes: &Sizes, ids: NodeId, weights: NodeId, padded: Option<Padded>) -> Routes {
    let experts = b.int(DType::I32, i128::from(sizes.experts));
    let is_zero = b.compare(CompareOp::Ge, ids, experts);
    let none = b.int(DType::I32, -1);
    let zero = b.constant(Literal::f32(0.0));
    let given = |b: &mut GraphBuilder, to: NodeId| {
        let given = b.select(to, weights, zero);
        let sum = b.reduce_inner(ReduceOp::Sum, given);
        match padded {
            Some(padded) => padded.fill(b, sum, Literal::f32(0.0)),
            None => sum,
        }
    };
    let mut to_copies = is_zero;
    if sizes.constants > 0 {
        let of_each: Vec<NodeId> = (0..sizes.constants)
            .map(|c| {
                let id = b.int(DType::I32, i128::from(sizes.experts + c));
                let to = b.compare(CompareOp::Eq, ids, id);
                given(b, to)
            })
            .collect();
        let constants = b.concat(&of_each);
        b.output("constants", constants);
        let first = b.int(DType::I32, i128::from(sizes.experts + sizes.constants));
        to_copies = b.compare(CompareOp::Ge, ids, first);
    }
    // Experts that give nothing weigh 0 already.
    let identity = given(b, to_copies);
    b.output("identity", identity);
    Routes { ids: b.select(is_zero, none, ids), weights: b.select(is_zero, zero, weights), is_zero }
}

fn shared_weights(
    b: &mut GraphBuilder,
    p: &Preset,
    sizes: &Sizes,
    o: &ModelOptions,
    t: Dim,
    in_gate: Option<NodeId>,
) -> NodeId {
    let shape = [t, sizes.shared.into()];
    match (o.shared, in_gate) {
        (SharedForm::InGate, Some(weights)) => weights,
        (SharedForm::PerToken, _) => {
            let weights = row_input(b, o, "shared_weights", o.shared_dtype, shape);
            b.cast(weights, DType::F32)
        }
        (SharedForm::Gate, _) => {
            let logits = row_input(b, o, "shared_gate", o.shared_dtype, shape);
            let logits = b.cast(logits, DType::F32);
            let gate = b.unary(UnaryOp::Sigmoid, logits);
            match o.shared_weight {
                None => gate,
                Some(factor) => {
                    let factor = b.constant(Literal::f32(factor));
                    b.mul(gate, factor)
                }
            }
        }
        _ => {
            let weight = b.constant(Literal::f32(sizes.shared_weight(p, o)));
            b.broadcast(weight, shape)
        }
    }
}
