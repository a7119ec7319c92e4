"""Routers by hand in Triton: one launch, a block of rows a program, keys that carry their column.

A key is a number whose order is that of the scores, with the complement of the column in its low bits: the largest key is then the
best score in the lowest column, and a round of selection is one maximum. Softmax routers rank bf16 logits themselves, in 32 bits;
sigmoid routers rank f32 scores with a bias, in 64.
"""

import torch
import triton
import triton.language as tl

# Rows of a program and its warps: which is best depends on the router and on the number of rows, and all of them are tried.
SETTINGS = ((1, 1), (1, 2), (1, 4), (2, 1), (4, 1), (4, 4), (8, 4), (16, 4), (32, 8))


@triton.jit
def ordered(x):
    """The bits of a float as an integer of the same order."""
    bits = x.to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def best_keys(keys, K: tl.constexpr, SLOTS: tl.constexpr, least, BLOCK: tl.constexpr):
    """The K largest of each row, largest first, in SLOTS columns."""
    slot = tl.arange(0, SLOTS)[None, :]
    chosen = tl.full((BLOCK, SLOTS), least, keys.dtype)
    for turn in tl.static_range(K):
        best = tl.max(keys, axis=1)[:, None]
        chosen = tl.where(slot == turn, best, chosen)
        keys = tl.where(keys == best, least, keys)
    return chosen


@triton.jit
def softmax_kernel(logits, ids, weights, rows, E: tl.constexpr, COLUMNS: tl.constexpr, K: tl.constexpr, SLOTS: tl.constexpr,
                   BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    column, slot = tl.arange(0, COLUMNS)[None, :], tl.arange(0, SLOTS)[None, :]
    inside = row < rows
    x = tl.load(logits + row * E + column, mask=inside & (column < E), other=float("-inf")).to(tl.float32)
    keys = (ordered(x) & -65536) | (COLUMNS - 1 - column)
    chosen = best_keys(keys, K, SLOTS, -0x80000000, BLOCK)
    # The logit is the upper half of its key.
    upper = (chosen ^ ((chosen >> 31) & 0x7FFFFFFF)) & -65536
    logit = tl.where(slot < K, upper.to(tl.float32, bitcast=True), float("-inf"))
    # Softmax over all and division by the sum of the chosen is softmax over the chosen.
    e = tl.exp(logit - tl.max(logit, axis=1)[:, None])
    weight = e / tl.sum(e, axis=1)[:, None]
    here = inside & (slot < K)
    tl.store(ids + row * K + slot, COLUMNS - 1 - (chosen & (COLUMNS - 1)), mask=here)
    tl.store(weights + row * K + slot, weight, mask=here)


@triton.jit
def sigmoid_kernel(logits, bias, ids, weights, rows, table, valid, shared, packed, E: tl.constexpr, COLUMNS: tl.constexpr,
                   GROUPS: tl.constexpr, KEEP: tl.constexpr, K: tl.constexpr, SLOTS: tl.constexpr, epsilon, factor,
                   POST: tl.constexpr, SHARED: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    column, slot = tl.arange(0, COLUMNS)[None, :], tl.arange(0, SLOTS)[None, :]
    inside, real = row < rows, column < E
    x = tl.load(logits + row * E + column, mask=inside & real, other=0.0).to(tl.float32)
    score = tl.sigmoid(x) + tl.load(bias + column, mask=real, other=0.0)
    score = tl.where(real, score, float("-inf"))
    if GROUPS > 1:
        of_group = tl.reshape(score, (BLOCK, GROUPS, COLUMNS // GROUPS))
        member = tl.arange(0, COLUMNS // GROUPS)[None, None, :]
        first, at = tl.max(of_group, axis=2, return_indices=True)
        second = tl.max(tl.where(member == at[:, :, None], float("-inf"), of_group), axis=2)
        total, group = first + second, tl.arange(0, GROUPS)
        mine, other = total[:, :, None], total[:, None, :]
        lower = group[None, None, :] < group[None, :, None]
        rank = tl.sum(((other > mine) | ((other == mine) & lower)).to(tl.int32), axis=2)
        score = tl.reshape(tl.where((rank < KEEP)[:, :, None], of_group, float("-inf")), (BLOCK, COLUMNS))
    keys = (ordered(score).to(tl.int64) << 32) | (COLUMNS - 1 - column)
    chosen = best_keys(keys, K, SLOTS, -0x8000000000000000, BLOCK)
    id = COLUMNS - 1 - (chosen & (COLUMNS - 1)).to(tl.int32)
    routed = inside & (slot < K)
    weight = tl.sigmoid(tl.load(logits + row * E + id, mask=routed, other=0.0).to(tl.float32))
    weight = tl.where(slot < K, weight, 0.0)
    weight = weight / (tl.sum(weight, axis=1)[:, None] + epsilon) * factor
    WIDTH: tl.constexpr = K + SHARED
    here = inside & (slot < WIDTH)
    if POST:
        id = tl.load(table + id, mask=routed, other=E)
        # Shared slots of padding are masked as well.
        id = tl.where(row < tl.load(valid), id, -1)
        if SHARED:
            weight = tl.where(slot < K, weight, tl.load(shared + row, mask=inside, other=0.0).to(tl.float32))
        bits = weight.to(tl.bfloat16).to(tl.int16, bitcast=True).to(tl.int32)
        tl.store(packed + row * WIDTH + slot, (id << 16) | (bits & 0xFFFF), mask=here)
    tl.store(ids + row * WIDTH + slot, id, mask=here)
    tl.store(weights + row * WIDTH + slot, weight, mask=here)


def outputs(logits, k):
    rows = logits.shape[0]
    ids = torch.empty((rows, k), dtype=torch.int32, device=logits.device)
    return ids, torch.empty((rows, k), device=logits.device)


def softmax(setting, logits, k):
    """Ids and renormalised weights of a softmax router."""
    (block, warps), (rows, experts) = setting, logits.shape
    ids, weights = outputs(logits, k)
    columns, slots = triton.next_power_of_2(experts), triton.next_power_of_2(k)
    softmax_kernel[(triton.cdiv(rows, block),)](logits, ids, weights, rows, experts, columns, k, slots, block, num_warps=warps)
    return ids, weights


def sigmoid(setting, logits, bias, groups, keep, k, epsilon, factor, post=None):
    """Ids and weights of a router of sigmoid scores with a bias; `post` is (valid rows, table, shared weights or None)."""
    (block, warps), (rows, experts) = setting, logits.shape
    valid, table, shared = post or (None, None, None)
    ids, weights = outputs(logits, k + (shared is not None))
    packed = torch.empty_like(ids) if post else None
    columns, slots = triton.next_power_of_2(experts), triton.next_power_of_2(ids.shape[1])
    sigmoid_kernel[(triton.cdiv(rows, block),)](
        logits, bias, ids, weights, rows, table, valid, shared, packed, experts, columns, groups, keep, k, slots, epsilon, factor,
        post is not None, shared is not None, block, num_warps=warps)
    return (packed, ids, weights) if post else (ids, weights)
