//! DeepGEMM's grouped layouts.

use super::items::{self, Bins};
use super::{Align, Items, maps};
use routefuse_ir::op::{BinaryOp, CompareOp};
use routefuse_ir::{BoundTerm, DType, GraphBuilder};

/// Whole blocks: at most n, and at most one that is not full for each expert.
pub(super) fn contiguous(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let (block, k) = (align.block(), items.slots);
    let Bins { ids, count, .. } = align.bins(b, items);
    let blocks = [BoundTerm::linear(k, 0), BoundTerm { over: block, times: k, plus: (count * (block - 1)) as i64 }];
    let m = items::capacity(b, items, "M", block, &blocks);
    let counts = b.bin_count(ids, count);
    let starts = b.bin_starts(counts, block);
    let expert = b.bin_of(starts, 1, m);
    let end = maps::bin_ends(b, expert, starts, counts);
    let place = b.iota(DType::I32, [m], 0);
    let (zero, none) = (b.int(DType::I32, 0), b.int(DType::I32, -1));
    let (inside, real) = (b.compare(CompareOp::Lt, place, end), b.compare(CompareOp::Ge, expert, zero));
    let taken = b.binary(BinaryOp::And, inside, real);
    let expert = b.select(taken, expert, none);
    b.output("m_indices", expert);
    let heads = b.slice(starts, 0, count);
    let ends = b.add(heads, counts);
    b.output("psum", ends);
    let places = items::places(b, ids, count, starts);
    b.output("src2dst", places);
}

/// Slabs of M places, as many for each expert.
pub(super) fn masked(b: &mut GraphBuilder, align: &Align, items: &Items) {
    let Bins { ids, count, .. } = align.bins(b, items);
    let counts = b.bin_count(ids, count);
    b.output("masked_m", counts);
    let slab = match align.capacity {
        Some(places) => b.int(DType::I32, i128::from(places)),
        None => {
            let (rows, one) = (b.rows(DType::I32, [items.t]), b.int(DType::I32, 1));
            let block = b.int(DType::I32, i128::from(align.block()));
            let blocks = b.div(rows, block);
            let blocks = b.add(blocks, one);
            b.mul(blocks, block)
        }
    };
    let rank = b.bin_rank(ids, count);
    let expert = b.cast(ids, DType::I32);
    let first = b.mul(expert, slab);
    let place = b.add(first, rank);
    let (zero, none) = (b.int(DType::I32, 0), b.int(DType::I32, -1));
    let mut has = b.compare(CompareOp::Ge, rank, zero);
    if align.capacity.is_some() {
        let fits = b.compare(CompareOp::Lt, rank, slab);
        has = b.binary(BinaryOp::And, has, fits);
    }
    let place = b.select(has, place, none);
    b.output("src2dst", place);
}
