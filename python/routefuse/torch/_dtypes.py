"""torch's dtypes and the graph's."""

from __future__ import annotations

import torch

NAMES: dict[torch.dtype, str] = {
    torch.float32: "f32",
    torch.bfloat16: "bf16",
    torch.float16: "f16",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.uint8: "u8",
    torch.uint16: "u16",
    torch.uint32: "u32",
    torch.uint64: "u64",
    torch.bool: "bool",
}
TORCH: dict[str, torch.dtype] = {name: dtype for dtype, name in NAMES.items()}
FLOATS = frozenset({"f32", "bf16", "f16"})
HALVES = frozenset({"bf16", "f16"})
SIZES = {
    "bool": 1,
    "i8": 1,
    "u8": 1,
    "i16": 2,
    "u16": 2,
    "bf16": 2,
    "f16": 2,
    "i32": 4,
    "u32": 4,
    "f32": 4,
    "i64": 8,
    "u64": 8,
}


def is_int(dtype: str) -> bool:
    return dtype not in FLOATS and dtype not in ("bool", "f64")
