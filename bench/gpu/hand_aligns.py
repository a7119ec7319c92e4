"""Alignment by hand in Triton: items by expert in blocks, in the order of tokens.

In two launches, a chunk of items a program: counts of each chunk, then places. And by a sort of all items in one program, for few.
"""

import torch
import triton
import triton.language as tl

# Items of a chunk, warps.
SETTINGS = [(128, 4), (256, 4), (512, 8), (1024, 8)]
# What one program sorts at most.
SORTED = 4096


def room(items, experts, block):
    """Places and blocks, as vLLM makes room for them."""
    places = min(items * block, items + experts * (block - 1))
    return places, triton.cdiv(places, block)


@triton.jit
def count_kernel(ids, counts, sorted_ids, owners, items, places, blocks, experts, E: tl.constexpr, CHUNK: tl.constexpr):
    """The items of each expert in each chunk; and what is padding unless it is an item's. E is a power of two, and no less than
    the experts."""
    chunk, chunks = tl.program_id(0), tl.num_programs(0)
    at = chunk * CHUNK + tl.arange(0, CHUNK)
    expert = tl.load(ids + at, mask=at < items, other=-1)
    is_item = (expert >= 0) & (expert < experts)
    tl.store(counts + chunk * E + tl.arange(0, E), tl.histogram(tl.where(is_item, expert, 0), E, mask=is_item))
    for first in range(chunk * CHUNK, places, chunks * CHUNK):
        place = first + tl.arange(0, CHUNK)
        tl.store(sorted_ids + place, tl.zeros((CHUNK,), tl.int32) + items, mask=place < places)
    for first in range(chunk * CHUNK, blocks, chunks * CHUNK):
        block = first + tl.arange(0, CHUNK)
        tl.store(owners + block, tl.zeros((CHUNK,), tl.int32) - 1, mask=block < blocks)


@triton.jit
def place_kernel(ids, counts, base, sorted_ids, owners, total, items, experts, E: tl.constexpr, B: tl.constexpr, CHUNK: tl.constexpr):
    """Where the items of each chunk go: after those of earlier chunks and of earlier items."""
    chunk, chunks = tl.program_id(0), tl.num_programs(0)
    bins = tl.arange(0, E)
    before, count = tl.zeros((E,), tl.int32), tl.zeros((E,), tl.int32)
    for other in range(chunks):
        of_other = tl.load(counts + other * E + bins)
        before += tl.where(other < chunk, of_other, 0)
        count += of_other
    padded = (count + B - 1) // B * B
    ends = tl.cumsum(padded, 0)
    starts = ends - padded
    tl.store(base + chunk * E + bins, starts + before)
    if chunk == 0:
        tl.store(total, tl.sum(padded, 0))
    # A block's expert is that of its first place; blocks are shared out among the programs.
    for block in range(chunk, tl.sum(padded, 0) // B, chunks):
        tl.store(owners + block, tl.sum((ends <= block * B).to(tl.int32), 0))
    tl.debug_barrier()
    lanes = tl.arange(0, CHUNK)
    at = chunk * CHUNK + lanes
    expert = tl.load(ids + at, mask=at < items, other=-1)
    is_item = (expert >= 0) & (expert < experts)
    # Earlier items of the chunk, a part of them at a time.
    rank = tl.zeros((CHUNK,), tl.int32)
    for first in range(0, CHUNK, 32):
        earlier = first + tl.arange(0, 32)
        there = chunk * CHUNK + earlier
        of_earlier = tl.load(ids + there, mask=there < items, other=-1)
        rank += tl.sum(((of_earlier[None, :] == expert[:, None]) & (earlier[None, :] < lanes[:, None])).to(tl.int32), 1)
    place = tl.load(base + chunk * E + expert, mask=is_item, other=0) + rank
    tl.store(sorted_ids + place, at, mask=is_item)


@triton.jit
def sort_kernel(ids, sorted_ids, owners, total, items, places, blocks, experts, E: tl.constexpr, B: tl.constexpr, N: tl.constexpr):
    """Everything in one program: items in order of expert and number are keys in order."""
    at = tl.arange(0, N)
    expert = tl.load(ids + at, mask=at < items, other=-1)
    is_item = (expert >= 0) & (expert < experts)
    keys = tl.sort(tl.where(is_item, expert * N + at, E * N))
    count = tl.histogram(tl.where(is_item, expert, 0), E, mask=is_item)
    padded = (count + B - 1) // B * B
    ends = tl.cumsum(padded, 0)
    # How much padding is before a bin, by the scratch that its blocks' experts lie in until they are written.
    shift = ends - padded - (tl.cumsum(count, 0) - count)
    for first in range(0, places, N):
        tl.store(sorted_ids + first + at, tl.zeros((N,), tl.int32) + items, mask=first + at < places)
    tl.store(total, tl.sum(padded, 0))
    tl.store(total + 1 + tl.arange(0, E), shift)
    tl.store(total + 1 + E + tl.arange(0, E), ends)
    tl.debug_barrier()
    real = keys < E * N
    place = at + tl.load(total + 1 + keys // N, mask=real, other=0)
    tl.store(sorted_ids + place, keys % N, mask=real)
    for first in range(0, blocks, 32):
        block = first + tl.arange(0, 32)
        low = tl.zeros((32,), tl.int32)
        for bin in range(0, E):
            low += (tl.load(total + 1 + E + bin) <= block * B).to(tl.int32)
        tl.store(owners + block, tl.where(low < E, low, -1), mask=block < blocks)


def two_launches(setting, ids, experts, block):
    chunk, warps = setting
    items = ids.numel()
    places, blocks = room(items, experts, block)
    chunks = triton.cdiv(items, chunk)
    bins = triton.next_power_of_2(experts)
    scratch = torch.empty((2, chunks, bins), dtype=torch.int32, device=ids.device)
    sorted_ids = torch.empty(places, dtype=torch.int32, device=ids.device)
    owners = torch.empty(blocks, dtype=torch.int32, device=ids.device)
    total = torch.empty(1, dtype=torch.int32, device=ids.device)
    count_kernel[(chunks,)](ids, scratch[0], sorted_ids, owners, items, places, blocks, experts, bins, chunk, num_warps=warps)
    place_kernel[(chunks,)](ids, scratch[0], scratch[1], sorted_ids, owners, total, items, experts, bins, block, chunk,
                            num_warps=warps)
    return sorted_ids, owners, total


def by_sort(ids, experts, block):
    items = ids.numel()
    if items > SORTED:
        raise ValueError(f"one program sorts {SORTED} items at most")
    places, blocks = room(items, experts, block)
    sorted_ids = torch.empty(places, dtype=torch.int32, device=ids.device)
    owners = torch.empty(blocks, dtype=torch.int32, device=ids.device)
    bins = triton.next_power_of_2(experts)
    total = torch.empty(1 + 2 * bins, dtype=torch.int32, device=ids.device)
    sort_kernel[(1,)](ids, sorted_ids, owners, total, items, places, blocks, experts, bins, block,
                      triton.next_power_of_2(max(items, 16)), num_warps=8)
    return sorted_ids, owners, total[:1]


@triton.jit
def layout_kernel(ids, per_rank, per_expert, in_rank, rows, experts, E: tl.constexpr, K: tl.constexpr, SLOTS: tl.constexpr,
                  R: tl.constexpr, RANKS: tl.constexpr, CHUNK: tl.constexpr):
    """DeepEP's dispatch layout of a chunk of rows, added to sums that are 0 at first."""
    row = tl.program_id(0) * CHUNK + tl.arange(0, CHUNK)[:, None]
    slot, rank = tl.arange(0, SLOTS)[None, :], tl.arange(0, RANKS)
    expert = tl.load(ids + row * K + slot, mask=(row < rows) & (slot < K), other=-1).to(tl.int32)
    is_one = (expert >= 0) & (expert < experts)
    of_rank = tl.where(is_one, expert // (experts // R), -1)
    there = tl.max((of_rank[:, :, None] == rank[None, None, :]).to(tl.int32), axis=1)
    here = (row < rows) & (rank[None, :] < R)
    tl.store(in_rank + row * R + rank[None, :], there.to(tl.int8), mask=here)
    tl.atomic_add(per_rank + rank, tl.sum(there, axis=0), mask=rank < R)
    flat = tl.reshape(tl.where(is_one, expert, 0), (CHUNK * SLOTS,))
    counts = tl.histogram(flat, E, mask=tl.reshape(is_one, (CHUNK * SLOTS,)))
    tl.atomic_add(per_expert + tl.arange(0, E), counts, mask=counts > 0)


def layout(setting, ids, experts, ranks):
    """Zeros of both sums, and one launch."""
    (chunk, warps), (rows, k) = setting, ids.shape
    sums = torch.zeros(ranks + triton.next_power_of_2(experts), dtype=torch.int32, device=ids.device)
    in_rank = torch.empty((rows, ranks), dtype=torch.bool, device=ids.device)
    layout_kernel[(triton.cdiv(rows, chunk),)](
        ids, sums, sums[ranks:], in_rank.view(torch.int8), rows, experts, triton.next_power_of_2(experts), k,
        triton.next_power_of_2(k), ranks, triton.next_power_of_2(ranks), chunk, num_warps=warps)
    return sums[:ranks], sums[ranks:ranks + experts], in_rank
