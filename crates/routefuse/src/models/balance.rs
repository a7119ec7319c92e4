//! From logical to physical ids, and the record of load.

use super::options::{Eplb, ModelOptions};
use super::padded::Padded;
use super::random::philox;
use super::row_input::row_input;
use super::sizes::Sizes;
use crate::chains::{balance, remap, rows};
use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// What a load balancer reads besides the ids.
pub(super) struct Balancer<'a> {
    pub sizes: &'a Sizes,
    pub options: &'a ModelOptions,
    /// The rows.
    pub t: Dim,
    /// Expert slots that go through it: K, and S where shared experts do.
    pub slots: u64,
    /// Rows that count for the record of load.
    pub padded: Option<Padded>,
}

impl Balancer<'_> {
    /// Physical ids `i32[T, slots]`; what is none of the P is −1.
    pub fn physical(&self, b: &mut GraphBuilder, ids: NodeId, seed: &mut Option<(NodeId, NodeId)>) -> NodeId {
        let (sizes, o, per_token) = (self.sizes, self.options, [self.t, self.slots.into()]);
        let logical = sizes.logical(o);
        let table = |b: &mut GraphBuilder| {
            let replicas = b.input("replicas", o.map, [logical.into(), o.replicas.into()]);
            (replicas, b.input("valid_replicas", DType::I32, [logical.into()]))
        };
        let found = match o.eplb {
            Eplb::None => return ids,
            Eplb::Static => {
                let map = b.input("map", o.map, [logical.into()]);
                b.gather(map, &[ids])
            }
            Eplb::Dynamic | Eplb::Philox => {
                let (replicas, valid) = table(b);
                let random = if o.eplb == Eplb::Philox {
                    philox(b, seed, self.t, self.slots)
                } else {
                    let random = row_input(b, o, "random", DType::I32, per_token);
                    b.bitcast(random, DType::U32)
                };
                remap::replica(b, replicas, valid, ids, random, o.replicas)
            }
            Eplb::Proportional | Eplb::ProportionalPhilox => {
                let (replicas, valid) = table(b);
                let probabilities = b.input("probabilities", DType::F32, [logical.into(), o.replicas.into()]);
                let uniform = if o.eplb == Eplb::ProportionalPhilox {
                    let random = philox(b, seed, self.t, self.slots);
                    balance::uniform(b, random)
                } else {
                    row_input(b, o, "uniform", DType::F32, per_token)
                };
                let tables = balance::Replicas { replicas, valid, probabilities, columns: o.replicas };
                tables.pick(b, self.t, self.slots, ids, uniform)
            }
            Eplb::Hashed | Eplb::HashedWithLoad => {
                let (replicas, valid) = table(b);
                let token = b.iota(DType::U32, per_token, 0);
                let hash = b.multiplicative_hash(token);
                remap::replica(b, replicas, valid, ids, hash, o.replicas)
            }
        };
        let physical = rows::within(b, found, sizes.physical);
        let physical = b.name(physical, "physical");
        if let (Eplb::HashedWithLoad, Some(padded)) = (o.eplb, self.padded) {
            let routed = rows::first_columns(b, physical, sizes.top_k);
            let load = b.input("load", DType::I32, [sizes.physical.into()]);
            let enabled = b.input("record_load", DType::I32, []);
            let counted = padded.others(b, [self.t, sizes.top_k.into()]);
            let loaded = remap::record_load(b, load, enabled, counted, routed);
            remap::in_place(b, "load_out", loaded, load);
        }
        physical
    }
}
