//! Maps between items and places: TensorRT-LLM's, vLLM's permutation, GShard's capacity.

use super::items::{self, Bins, Scatter};
use super::{Align, Items, LocalExperts};
use routefuse_ir::op::CompareOp;
use routefuse_ir::{BoundTerm, DType, GraphBuilder, NodeId};

/// `min(E, n) + ⌊(n − min(E, n)) / B⌋` blocks, which is `min(n, ⌊(n + E × (B − 1)) / B⌋)`.
pub(super) fn trtllm(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let (block, k) = (align.block(), items.slots);
    let Bins { ids, count, .. } = align.bins(b, items);
    let blocks = [BoundTerm::linear(k, 0), BoundTerm { over: block, times: k, plus: (count * (block - 1)) as i64 }];
    let c = items::capacity(b, items, "C", block, &blocks);
    let j = items::capacity(b, items, "J", 1, &blocks);
    let counts = b.bin_count(ids, count);
    let starts = b.bin_starts(counts, block);
    let places = items::places(b, ids, count, starts);
    b.output("expanded_to_permuted", places);
    let none = b.int(DType::I32, -1);
    let token = items::tokens(b, items);
    let sorted = Scatter { align, ids, starts, places: c };
    sorted.output(b, "permuted_to_token", token, none);
    if align.optional {
        let item = items::numbers(b, items);
        sorted.output(b, "permuted_to_expanded", item, none);
        b.output("tokens_per_expert", counts);
    }
    let end = items::end(b, starts, count);
    b.output("total_padded", end);
    let expert = b.bin_of(starts, block, j);
    b.output("cta_to_expert", expert);
    let (of, one) = (b.int(DType::I32, i128::from(block)), b.int(DType::I32, 1));
    let number = b.iota(DType::I32, [j], 0);
    let next = b.add(number, one);
    let whole = b.mul(next, of);
    let items_end = bin_ends(b, expert, starts, counts);
    let limit = b.min(whole, items_end);
    let zero = b.int(DType::I32, 0);
    let live = b.compare(CompareOp::Ge, expert, zero);
    let limit = b.select(live, limit, none);
    b.output("cta_to_limit", limit);
    let live = b.div(end, of);
    b.output("live_ctas", live);
}

/// Where the items of each bin end, without padding.
pub(super) fn bin_ends(b: &mut GraphBuilder, bin: NodeId, starts: NodeId, counts: NodeId) -> NodeId {
    let (first, count) = (b.gather(starts, &[bin]), b.gather(counts, &[bin]));
    b.add(first, count)
}

/// Local experts by their numbers, others by their ids behind them, and what is no expert last.
pub(super) fn vllm_permute(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let Bins { ids: local, count, .. } = align.bins(b, items);
    let here = items::between(b, local, 0, i128::from(count));
    let local = b.cast(local, DType::I32);
    // Where all experts are local, none has a bin behind them.
    let others = if align.local == LocalExperts::All { 0 } else { align.experts };
    let last = b.int(DType::I32, i128::from(count + others));
    let elsewhere = match others {
        0 => last,
        _ => {
            let expert = items::between(b, items.ids, 0, i128::from(align.experts));
            let id = b.cast(items.ids, DType::I32);
            let local_end = b.int(DType::I32, i128::from(count));
            let behind = b.add(id, local_end);
            b.select(expert, behind, last)
        }
    };
    let ids = b.select(here, local, elsewhere);
    let bins = count + others + 1;
    let c = items::capacity(b, items, "C", 1, &[BoundTerm::linear(items.slots, 0)]);
    let counts = b.bin_count(ids, bins);
    let starts = b.bin_starts(counts, 1);
    let (item, none) = (items::numbers(b, items), b.int(DType::I32, -1));
    Scatter { align, ids, starts, places: c }.output(b, "permuted_to_item", item, none);
    let places = items::places(b, ids, bins, starts);
    b.output("item_to_permuted", places);
    let offsets = b.slice(starts, 0, count + 1);
    let offsets = b.cast(offsets, DType::I64);
    b.output("expert_first_token_offset", offsets);
}

/// Bins that are told apart at once: no more could be counted in the memory of a GPU's block.
const BINS_AT_ONCE: u64 = 3584;

/// The slots of all rows one after the other: what earlier slots have of an expert comes before. As many slots as there is room
/// for are ranked at once, each with bins of its own.
pub(super) fn gshard(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let experts = align.experts;
    let at_once = (BINS_AT_ONCE / experts).clamp(1, items.slots);
    let none = b.int(DType::I32, -1);
    let mut before: Option<NodeId> = None;
    let mut ranks = vec![];
    for first in (0..items.slots).step_by(at_once as usize) {
        let slots = at_once.min(items.slots - first);
        let ids = b.slice(items.ids, first, first + slots);
        let here = items::between(b, ids, 0, i128::from(experts));
        let (zero, each) = (items::like(b, ids, 0), b.int(DType::I32, i128::from(experts)));
        let expert = b.select(here, ids, zero);
        let expert = b.cast(expert, DType::I32);
        let slot = b.iota(DType::I32, [items.t, slots.into()], 1);
        let bins = b.mul(slot, each);
        let bin = b.add(bins, expert);
        let bin = b.select(here, bin, none);
        let counts = b.bin_count(bin, slots * experts);
        let mut rank = b.bin_rank(bin, slots * experts);
        if let Some(before) = before {
            let earlier = b.gather(before, &[expert]);
            rank = b.add(rank, earlier);
        }
        for earlier in 0..slots {
            let of_slot = b.slice(counts, earlier * experts, (earlier + 1) * experts);
            before = Some(match before {
                None => of_slot,
                Some(before) => b.add(before, of_slot),
            });
            if earlier + 1 == slots {
                break;
            }
            let (bins, zero) = (b.int(DType::I32, i128::from(earlier * experts)), b.int(DType::I32, 0));
            let bin = b.add(expert, bins);
            let count = b.gather(counts, &[bin]);
            let number = b.int(DType::I32, i128::from(earlier));
            let is_earlier = b.compare(CompareOp::Gt, slot, number);
            let count = b.select(is_earlier, count, zero);
            rank = b.add(rank, count);
        }
        ranks.push(b.select(here, rank, none));
    }
    let rank = b.concat(&ranks);
    let capacity = align.capacity.unwrap_or(1);
    let room = items::between(b, rank, 0, i128::from(capacity));
    let position = b.select(room, rank, none);
    b.output("position", position);
    let (ids, capacity) = (b.cast(items.ids, DType::I32), b.int(DType::I32, i128::from(capacity)));
    let first = b.mul(ids, capacity);
    let place = b.add(first, rank);
    let place = b.select(room, place, none);
    b.output("destination", place);
    if let Some(counts) = before {
        b.output("expert_counts", counts);
    }
}
