//! Items and bins: which bin each item is in, and where it goes.

use super::{Align, AlignEngine, Items, LocalExperts, Tail};
use crate::chains::remap;
use crate::chains::rows;
use routefuse_ir::op::{BinaryOp, CompareOp, Op, OutOfRange, ReduceOp};
use routefuse_ir::{BoundTerm, DType, Dim, GraphBuilder, Literal, NodeId, SymbolId};

/// Items with the bins that they are in.
#[derive(Clone, Copy)]
pub(super) struct Bins {
    /// The bin of each item, `[T, K]`; any other number is in none.
    pub ids: NodeId,
    /// How many there are.
    pub count: u64,
    /// `expert_map i32[E]` or `expert_mask i32[E]`, where there is one.
    pub map: Option<NodeId>,
}

/// An integer of the dtype of `x`.
pub(super) fn like(b: &mut GraphBuilder, x: NodeId, n: i128) -> NodeId {
    let dtype = b.ty(x).dtype;
    b.int(dtype, n)
}

/// `first ≤ x < end`.
pub(super) fn between(b: &mut GraphBuilder, x: NodeId, first: i128, end: i128) -> NodeId {
    let (first, end) = (like(b, x, first), like(b, x, end));
    let (above, below) = (b.compare(CompareOp::Ge, x, first), b.compare(CompareOp::Lt, x, end));
    b.binary(BinaryOp::And, above, below)
}

/// The most slots of a row of which each is compared with those before it one by one.
const MOST_ONE_BY_ONE: u64 = 32;

/// Ids of which each expert's is in a row once; another is E, which is none.
pub(super) fn once(b: &mut GraphBuilder, items: &Items, experts: u64) -> NodeId {
    let ids = items.ids;
    let earlier = if items.slots <= MOST_ONE_BY_ONE { seen_one_by_one(b, items) } else { seen(b, items) };
    let Some(earlier) = earlier else { return ids };
    let expert = between(b, ids, 0, i128::from(experts));
    let again = b.binary(BinaryOp::And, earlier, expert);
    let none = like(b, ids, i128::from(experts));
    b.select(again, none, ids)
}

/// Whether a slot before has the id, each of them by itself: nothing is made of a whole row, so whoever asks for an item can do it
/// alone. The last slot is before none; without another there is nothing to compare.
fn seen_one_by_one(b: &mut GraphBuilder, items: &Items) -> Option<NodeId> {
    let Items { t, slots, ids, .. } = *items;
    let of_row = [t, slots.into()];
    let slot = b.iota(DType::I32, of_row, 1);
    (0..slots - 1).fold(None, |earlier, other| {
        let id = b.slice(ids, other, other + 1);
        let id = b.broadcast(id, of_row);
        let number = b.int(DType::I32, i128::from(other));
        let (same, behind) = (b.compare(CompareOp::Eq, ids, id), b.compare(CompareOp::Gt, slot, number));
        let is_it = b.binary(BinaryOp::And, same, behind);
        Some(match earlier {
            Some(earlier) => b.binary(BinaryOp::Or, earlier, is_it),
            None => is_it,
        })
    })
}

/// Whether a slot before has the id, by a maximum over all pairs of a row: in far fewer operations of the graph.
fn seen(b: &mut GraphBuilder, items: &Items) -> Option<NodeId> {
    let Items { t, slots, ids, .. } = *items;
    let pairs = [t, slots.into(), slots.into()];
    let of_slot = b.reshape(ids, [t, slots.into(), 1.into()]);
    let of_slot = b.broadcast(of_slot, pairs);
    let others = b.reshape(ids, [t, 1.into(), slots.into()]);
    let others = b.broadcast(others, pairs);
    let (slot, other) = (b.iota(DType::I32, pairs, 1), b.iota(DType::I32, pairs, 2));
    let (same, before) = (b.compare(CompareOp::Eq, of_slot, others), b.compare(CompareOp::Lt, other, slot));
    let earlier = b.binary(BinaryOp::And, same, before);
    let earlier = b.cast(earlier, DType::I32);
    let earlier = b.reduce_inner(ReduceOp::Max, earlier);
    let earlier = b.reshape(earlier, [t, slots.into()]);
    let zero = b.int(DType::I32, 0);
    Some(b.compare(CompareOp::Gt, earlier, zero))
}

/// The bin of each item among the experts that are laid out.
pub(super) fn local(b: &mut GraphBuilder, align: &Align, items: &Items) -> Bins {
    let ids = items.ids;
    match align.local {
        LocalExperts::All => Bins { ids, count: align.experts, map: None },
        LocalExperts::Window { first, end, stride_log2 } => {
            let count = (end - first).div_ceil(1 << stride_log2);
            Bins { ids: in_window(b, ids, first, stride_log2), count, map: None }
        }
        LocalExperts::MapOfBlocks => {
            let map = b.input("expert_map", DType::I32, [align.experts.into()]);
            Bins { ids, count: align.experts, map: Some(map) }
        }
        LocalExperts::Map if align.engine == AlignEngine::Aiter => {
            let mask = b.input("expert_mask", DType::I32, [align.experts.into()]);
            let (zero, none) = (b.int(DType::I32, 0), like(b, ids, -1));
            let local = b.gather_with(mask, &[ids], OutOfRange::Fill(Literal::i32(0)));
            let local = b.compare(CompareOp::Ne, local, zero);
            Bins { ids: b.select(local, ids, none), count: align.experts, map: Some(mask) }
        }
        LocalExperts::Map => {
            let map = b.input("expert_map", DType::I32, [align.experts.into()]);
            let ids = b.gather_with(map, &[ids], OutOfRange::Fill(Literal::i32(-1)));
            Bins { ids, count: align.experts, map: Some(map) }
        }
    }
}

/// `(id − first) >> stride_log2`, or −1 for those between.
pub(super) fn in_window(b: &mut GraphBuilder, ids: NodeId, first: u64, stride_log2: u32) -> NodeId {
    let first = like(b, ids, i128::from(first));
    let distance = b.sub(ids, first);
    if stride_log2 == 0 {
        return distance;
    }
    let (bits, zero, none) = (like(b, ids, (1 << stride_log2) - 1), like(b, ids, 0), like(b, ids, -1));
    let rest = b.binary(BinaryOp::And, distance, bits);
    let on = b.compare(CompareOp::Eq, rest, zero);
    let by = like(b, ids, i128::from(stride_log2));
    let number = b.binary(BinaryOp::Shr, distance, by);
    b.select(on, number, none)
}

/// `t × K + k`.
pub(super) fn numbers(b: &mut GraphBuilder, items: &Items) -> NodeId {
    let numbers = rows::positions(b, DType::I32, items.t, items.slots);
    b.name(numbers, "item")
}

/// The token of each item.
pub(super) fn tokens(b: &mut GraphBuilder, items: &Items) -> NodeId {
    b.iota(DType::I32, [items.t, items.slots.into()], 0)
}

/// n = T × K, `i32[]`.
pub(super) fn total(b: &mut GraphBuilder, items: &Items) -> NodeId {
    let (rows, slots) = (b.rows(DType::I32, [items.t]), b.int(DType::I32, i128::from(items.slots)));
    b.mul(rows, slots)
}

/// A dim of capacity.
pub(super) fn capacity(b: &mut GraphBuilder, items: &Items, name: &str, times: u64, terms: &[BoundTerm]) -> Dim {
    let symbol = b.symbol(name);
    b.at_least(symbol, times, items.t.as_sym().unwrap_or(SymbolId(0)), terms);
    symbol.into()
}

/// The place of each item, `i32[T, K]`: where its bin starts, and its rank there; −1 for items of no bin.
pub(super) fn places(b: &mut GraphBuilder, ids: NodeId, bins: u64, starts: NodeId) -> NodeId {
    let first = b.gather(starts, &[ids]);
    let rank = b.bin_rank(ids, bins);
    let place = b.add(first, rank);
    let (zero, none) = (b.int(DType::I32, 0), b.int(DType::I32, -1));
    let ranked = b.compare(CompareOp::Ge, rank, zero);
    b.select(ranked, place, none)
}

/// Values at their items' places, in an output of this name.
pub(super) struct Scatter<'a> {
    pub align: &'a Align,
    pub ids: NodeId,
    pub starts: NodeId,
    pub places: Dim,
}

impl Scatter<'_> {
    pub fn output(&self, b: &mut GraphBuilder, name: &str, values: NodeId, fill: NodeId) {
        if self.align.tail == Tail::Fill {
            let sorted = b.bin_scatter(values, self.ids, self.starts, fill, self.places);
            b.output(name, sorted);
            return;
        }
        let dtype = b.ty(values).dtype;
        let old = b.input(&format!("{name}_buffer"), dtype, [self.places]);
        let op = Op::BinScatter { shape: vec![self.places] };
        let sorted = b.op(op, &[values, self.ids, self.starts, fill, old]);
        remap::in_place(b, name, sorted, old);
    }
}

/// The last of the starts, `i32[1]`: N.
pub(super) fn end(b: &mut GraphBuilder, starts: NodeId, bins: u64) -> NodeId {
    b.slice(starts, bins, bins + 1)
}
