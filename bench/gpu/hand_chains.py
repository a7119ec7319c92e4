"""Append and pack by hand in Triton, a block of rows a program, as one would write them for speed."""

import torch
import triton
import triton.language as tl


@triton.jit
def append_kernel(ids, weights, shared, ids_out, weights_out, rows, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = at // 9, at % 9
    inside, first = row < rows, column < 8
    source = row * 8 + column
    number = tl.load(ids + source, mask=inside & first, other=256)
    weight = tl.load(weights + source, mask=inside & first, other=0.0)
    extra = tl.load(shared + row, mask=inside & (column == 8), other=0.0).to(tl.float32)
    tl.store(ids_out + at, number, mask=inside)
    tl.store(weights_out + at, tl.where(first, weight, extra), mask=inside)


@triton.jit
def pack_kernel(ids, weights, packed, size, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    number = tl.load(ids + at, mask=inside)
    bits = tl.load(weights + at, mask=inside).to(tl.bfloat16).to(tl.int16, bitcast=True).to(tl.int32)
    tl.store(packed + at, (number << 16) | (bits & 0xFFFF), mask=inside)


@triton.jit
def empty_kernel(x):
    pass


def append(ids, weights, shared):
    rows = ids.shape[0]
    out = torch.empty((rows, 9), dtype=ids.dtype, device=ids.device), torch.empty((rows, 9), device=ids.device)
    append_kernel[(triton.cdiv(rows * 9, 1024),)](ids, weights, shared, *out, rows, 1024)
    return out


def pack(ids, weights):
    packed = torch.empty_like(ids)
    pack_kernel[(triton.cdiv(ids.numel(), 1024),)](ids, weights, packed, ids.numel(), 1024)
    return packed
