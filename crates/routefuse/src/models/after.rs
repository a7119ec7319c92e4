//! From the K expert slots to what the expert GEMMs take: load balancing, zero experts, padding, records, shared experts,
//! expert parallelism, dtypes, packing.

use super::options::{Eplb, ModelOptions, Output, SharedForm};
use super::preset::Preset;
use super::selection::{Routed, philox};
use super::sizes::Sizes;
use crate::chains::{Padding, balance, dispatch, remap, rows};
use routefuse_ir::op::{BinaryOp, CompareOp, ReduceOp, UnaryOp};
use routefuse_ir::{Alias, DType, GraphBuilder, Layout, Literal, NodeId};

pub(super) fn build(b: &mut GraphBuilder, p: &Preset, sizes: &Sizes, o: &ModelOptions, routed: Routed) {
    let Routed { t, mut ids, mut weights, in_gate, mut seed } = routed;
    let needs_n = o.padding != Padding::Keep || o.eplb == Eplb::HashedWithLoad;
    let n = needs_n.then(|| b.input("n", DType::I32, []));
    if p.identity > 0 {
        (ids, weights) = zero_experts(b, sizes, o, ids, weights);
    }
    ids = load_balance(b, sizes, o, t, ids, &mut seed, n);
    if let Some(n) = n.filter(|_| o.padding != Padding::Keep) {
        let fill = if o.padding == Padding::MinusOne { -1 } else { 0 };
        ids = b.mask_rows(ids, n, Literal::from_bits(b.ty(ids).dtype, i64::from(fill) as u64));
        b.name(ids, "masked");
        if o.padding == Padding::ZeroWithWeights {
            weights = b.mask_rows(weights, n, Literal::f32(0.0));
        }
    }
    if let Some(dtype) = o.record {
        // An id of −1 is out of range and counts nothing.
        let (counts, one) = (b.input("record", dtype, [sizes.physical.into()]), b.int(dtype, 1));
        let recorded = b.atomic_add(counts, ids, one);
        in_place(b, "record_out", recorded, counts);
    }
    if let Some((first, end)) = o.owned {
        let dtype = b.ty(ids).dtype;
        let first = b.int(dtype, i128::from(first));
        let end = b.int(dtype, i128::from(end));
        let sentinel = b.int(dtype, i128::from(sizes.physical) + i128::from(sizes.shared));
        let (above, below) = (b.compare(CompareOp::Ge, ids, first), b.compare(CompareOp::Lt, ids, end));
        let owned = b.binary(BinaryOp::And, above, below);
        ids = b.select(owned, ids, sentinel);
    }
    if let Some(ep) = o.expert_parallel {
        ids = dispatch::expert_parallel_ids(b, ids, ep.experts_per_rank, sizes.shared);
    }
    if o.shared != SharedForm::None && sizes.shared > 0 {
        let dtype = b.ty(ids).dtype;
        let first = o.expert_parallel.map_or(sizes.physical, |ep| {
            ep.rank.saturating_mul(ep.experts_per_rank.saturating_add(sizes.shared)).saturating_add(ep.experts_per_rank)
        });
        let shared_ids = rows::consecutive_ids(b, dtype, t, sizes.shared, first);
        let shared = shared_weights(b, sizes, o, t, in_gate);
        ids = b.concat(&[ids, shared_ids]);
        weights = b.concat(&[weights, shared]);
    }
    ids = b.cast(ids, o.ids);
    weights = b.cast(weights, o.weights);
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

fn in_place(b: &mut GraphBuilder, name: &str, value: NodeId, input: NodeId) {
    // Only inputs are passed in.
    let alias = b.input_position(input).map_or(Alias::None, Alias::InPlace);
    b.output_with(name, value, Layout::Contiguous, alias);
}

/// Expert slots with an id from E on give their weight to `identity`.
fn zero_experts(
    b: &mut GraphBuilder,
    sizes: &Sizes,
    o: &ModelOptions,
    ids: NodeId,
    weights: NodeId,
) -> (NodeId, NodeId) {
    let experts = b.int(DType::I32, i128::from(sizes.experts));
    let is_zero = b.compare(CompareOp::Ge, ids, experts);
    let none = b.int(DType::I32, i128::from(o.identity_id));
    let zero = b.constant(Literal::f32(0.0));
    let given = b.select(is_zero, weights, zero);
    let identity = b.reduce_inner(ReduceOp::Sum, given);
    b.output("identity", identity);
    (b.select(is_zero, none, ids), b.select(is_zero, zero, weights))
}

fn load_balance(
    b: &mut GraphBuilder,
    sizes: &Sizes,
    o: &ModelOptions,
    t: routefuse_ir::Dim,
    ids: NodeId,
    seed: &mut Option<(NodeId, NodeId)>,
    n: Option<NodeId>,
) -> NodeId {
    let per_token = [t, sizes.top_k.into()];
    let table = |b: &mut GraphBuilder| {
        let replicas = b.input("replicas", o.map, [sizes.experts.into(), o.replicas.into()]);
        (replicas, b.input("valid_replicas", DType::I32, [sizes.experts.into()]))
    };
    let physical = match o.eplb {
        Eplb::None => return ids,
        Eplb::Static => {
            let map = b.input("map", o.map, [sizes.experts.into()]);
            b.gather(map, &[ids])
        }
        Eplb::Dynamic | Eplb::Philox => {
            let (replicas, valid) = table(b);
            let random = if o.eplb == Eplb::Philox {
                philox(b, seed, t, sizes.top_k)
            } else {
                let random = b.input("random", DType::I32, per_token);
                b.bitcast(random, DType::U32)
            };
            remap::replica(b, replicas, valid, ids, random)
        }
        Eplb::Proportional | Eplb::ProportionalPhilox => {
            let (replicas, valid) = table(b);
            let probabilities = b.input("probabilities", DType::F32, [sizes.experts.into(), o.replicas.into()]);
            let uniform = if o.eplb == Eplb::ProportionalPhilox {
                let random = philox(b, seed, t, sizes.top_k);
                balance::uniform(b, random)
            } else {
                b.input("uniform", DType::F32, per_token)
            };
            let tables = balance::Replicas { replicas, valid, probabilities, columns: o.replicas };
            tables.pick(b, t, sizes.top_k, ids, uniform)
        }
        Eplb::Hashed | Eplb::HashedWithLoad => {
            let (replicas, valid) = table(b);
            let token = b.iota(DType::U32, per_token, 0);
            let hash = b.multiplicative_hash(token);
            remap::replica(b, replicas, valid, ids, hash)
        }
    };
    let physical = b.name(physical, "physical");
    if let (Eplb::HashedWithLoad, Some(n)) = (o.eplb, n) {
        let load = b.input("load", DType::I32, [sizes.physical.into()]);
        let enabled = b.input("record_load", DType::I32, []);
        let loaded = remap::record_load(b, load, enabled, n, physical, t, sizes.top_k);
        in_place(b, "load_out", loaded, load);
    }
    physical
}

fn shared_weights(
    b: &mut GraphBuilder,
    sizes: &Sizes,
    o: &ModelOptions,
    t: routefuse_ir::Dim,
    in_gate: Option<NodeId>,
) -> NodeId {
    let shape = [t, sizes.shared.into()];
    match (o.shared, in_gate) {
        (SharedForm::InGate, Some(weights)) => weights,
        (SharedForm::PerToken, _) => {
            let weights = b.input("shared_weights", o.shared_dtype, shape);
            b.cast(weights, DType::F32)
        }
        (SharedForm::Gate, _) => {
            let logits = b.input("shared_gate", o.shared_dtype, shape);
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
            let usual = if o.expert_parallel.is_some() { 1.0 / sizes.scale } else { 1.0 };
            let weight = b.constant(Literal::f32(o.shared_weight.unwrap_or(usual)));
            b.broadcast(weight, shape)
        }
    }
}
