//! Blocks of items of one expert each: vLLM, sglang, aiter.

use super::items::{self, Bins, Scatter};
use super::{Align, AlignEngine, Items, LocalExperts};
use routefuse_ir::op::{BinaryOp, CompareOp, OutOfRange};
use routefuse_ir::{BoundTerm, DType, Dim, GraphBuilder, Literal, NodeId};

/// At most n blocks, and at most one more than is full for each bin: the places of all, and the blocks.
fn capacities(b: &mut GraphBuilder, items: &Items, bins: u64, block: u64) -> (Dim, Dim) {
    let (k, padding) = (items.slots, (bins * (block - 1)) as i64);
    let places = [BoundTerm::linear(k * block, 0), BoundTerm::linear(k, padding)];
    let c = items::capacity(b, items, "C", 1, &places);
    let blocks = [BoundTerm::linear(k, 0), BoundTerm::ceil(k, padding, block)];
    (c, items::capacity(b, items, "J", 1, &blocks))
}

/// `min(n × B, n + E × (B − 1))` places.
pub(super) fn vllm(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let block = align.block();
    let Bins { ids, count, map } = align.bins(b, items);
    let (c, j) = capacities(b, items, count, block);
    let counts = b.bin_count(ids, count);
    let starts = b.bin_starts(counts, block);
    let (item, total) = (items::numbers(b, items), items::total(b, items));
    Scatter { align, ids, starts, places: c }.output(b, "sorted_token_ids", item, total);
    let mut expert = b.bin_of(starts, block, j);
    if let Some(map) = map.filter(|_| align.local == LocalExperts::MapOfBlocks) {
        expert = b.gather_with(map, &[expert], OutOfRange::Fill(Literal::i32(-1)));
    }
    b.output("expert_ids", expert);
    let end = items::end(b, starts, count);
    b.output("num_tokens_post_pad", end);
}

/// `min(n × B, n + (E + 1) × (B − 1))` places, and up to 3 more, as many as whole vectors of 4 take.
pub(super) fn sglang(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let block = align.block();
    let (ids, count) = with_none(b, align, items);
    let (k, padding) = (items.slots, (count * (block - 1)) as i64);
    let quarters = [BoundTerm::ceil(k * block, 0, 4), BoundTerm::ceil(k, padding, 4)];
    let c = items::capacity(b, items, "C", 4, &quarters);
    // ⌈C / B⌉, of 4 places at a time where that is so many blocks, or of a few places more.
    let j = match block {
        1 | 2 => items::capacity(b, items, "J", 4 / block, &quarters),
        _ => {
            let more = if block.is_multiple_of(4) { 0 } else { 3 };
            let blocks = [BoundTerm::ceil(k * block, more, block), BoundTerm::ceil(k, padding + more, block)];
            items::capacity(b, items, "J", 1, &blocks)
        }
    };
    let counts = b.bin_count(ids, count);
    let starts = b.bin_starts(counts, block);
    let (item, total) = (items::numbers(b, items), items::total(b, items));
    Scatter { align, ids, starts, places: c }.output(b, "sorted_token_ids", item, total);
    let bin = b.bin_of(starts, block, j);
    let (one, none) = (b.int(DType::I32, 1), b.int(DType::I32, -1));
    let expert = b.sub(bin, one);
    let expert = b.max(expert, none);
    b.output("expert_ids", expert);
    let (end, first) = (items::end(b, starts, count), b.slice(starts, 1, 2));
    let block = b.int(DType::I32, i128::from(block));
    let blocks = b.div(first, block);
    let both = b.concat(&[end, blocks]);
    b.output("num_tokens_post_pad", both);
}

/// Bins of which the first is that of −1, and of experts of other ranks; what is no expert is in none.
fn with_none(b: &mut GraphBuilder, align: &Align, items: &Items) -> (NodeId, u64) {
    let ids = items.ids;
    let one = items::like(b, ids, 1);
    if align.local == LocalExperts::All {
        return (b.add(ids, one), align.experts + 1);
    }
    let Bins { ids: local, count, .. } = align.bins(b, items);
    let expert = items::between(b, ids, -1, i128::from(align.experts));
    let here = items::between(b, local, 0, i128::from(count));
    let local = b.cast(local, DType::I32);
    let (one, zero, none) = (b.int(DType::I32, 1), b.int(DType::I32, 0), b.int(DType::I32, -1));
    let next = b.add(local, one);
    let elsewhere = b.select(expert, zero, none);
    (b.select(here, next, elsewhere), count + 1)
}

/// `n + E × B − K` places.
pub(super) fn aiter(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let (block, k) = (align.block(), items.slots);
    let Bins { ids, count, map } = align.bins(b, items);
    let more = (count * block) as i64 - k as i64;
    let c = items::capacity(b, items, "C", 1, &[BoundTerm::linear(k, more)]);
    let j = items::capacity(b, items, "J", 1, &[BoundTerm::ceil(k, more, block)]);
    let rows = items.rows.unwrap_or_else(|| b.rows(DType::I32, [items.t]));
    let token = items::tokens(b, items);
    let slot = b.iota(DType::I32, [items.t, k.into()], 1);
    let high = b.int(DType::I32, 24);
    let slot = b.binary(BinaryOp::Shl, slot, high);
    let word = b.binary(BinaryOp::Or, slot, token);
    let no_slot = b.int(DType::I32, i128::from(k << 24) - if k > 127 { 1 << 32 } else { 0 });
    let no_word = b.binary(BinaryOp::Or, no_slot, rows);
    let counts = b.bin_count(ids, count);
    let starts = b.bin_starts(counts, block);
    let sorted = Scatter { align, ids, starts, places: c };
    sorted.output(b, "sorted_ids", word, no_word);
    if let Some(weights) = items.weights {
        let nothing = b.constant(Literal::f32(0.0));
        sorted.output(b, "sorted_weights", weights, nothing);
    }
    let expert = b.bin_of(starts, block, j);
    // A mask's experts are numbered in order: as many as are before, by a running sum.
    let number = map.map(|mask| {
        let (zero, one) = (b.int(DType::I32, 0), b.int(DType::I32, 1));
        let there = b.compare(CompareOp::Ne, mask, zero);
        let there = b.cast(there, DType::I32);
        let sums = b.cumsum(there);
        b.sub(sums, one)
    });
    let numbered = |b: &mut GraphBuilder, expert: NodeId| match number {
        Some(number) => b.gather_with(number, &[expert], OutOfRange::Fill(Literal::i32(-1))),
        None => expert,
    };
    let expert = numbered(b, expert);
    b.output("sorted_expert_ids", expert);
    let end = items::end(b, starts, count);
    let rows_of_one = b.reshape(rows, [1.into()]);
    let both = b.concat(&[end, rows_of_one]);
    b.output("num_valid_ids", both);
    if align.optional {
        let here = items::between(b, ids, 0, i128::from(count));
        let none = items::like(b, ids, -1);
        let local = b.select(here, ids, none);
        let local = b.cast(local, DType::I32);
        let local = numbered(b, local);
        b.output("local_topk_ids", local);
        sorted.output(b, "m_indices", token, rows);
        let places = items::places(b, ids, count, starts);
        b.output("reverse_sorted", places);
    }
    debug_assert_eq!(align.engine, AlignEngine::Aiter);
}
