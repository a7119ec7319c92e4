"""Ids and weights in one word, and other forms of the same."""

from __future__ import annotations

import torch

from .case import case, floats, ids

E, K = 64, 8


def routed(rows, g):
    return ids(rows, K, E, g, padding=True), floats(rows, K, generator=g).abs()


@case(routed, "__lshift__ _to_copy bitcast bitwise_and bitwise_or")
def pack(expert_ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The id above the bits of the bf16 weight."""
    bits = weights.to(torch.bfloat16).view(torch.int16).to(torch.int32) & 0xFFFF
    return (expert_ids << 16) | bits


@case(routed, "__lshift__ _to_copy bitcast bitwise_or")
def pack_sign_extended(expert_ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Without the mask: the weight's sign overwrites the id."""
    return (expert_ids << 16) | weights.to(torch.bfloat16).view(torch.int16)


@case(
    lambda rows, g: (*routed(rows, g), torch.tensor(rows // 2)),
    "__lshift__ _to_copy arange bitcast bitwise_and bitwise_or lt where",
)
def pack_valid(expert_ids: torch.Tensor, weights: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Rows of padding become one word."""
    bits = weights.bfloat16().view(torch.int16).int() & 0xFFFF
    here = torch.arange(expert_ids.shape[0], device=expert_ids.device)[:, None] < valid
    return torch.where(here, (expert_ids << 16) | bits, -1)


def packed_words(rows, g):
    """Ids of 15 bits above a weight of 1."""
    return (torch.randint(0, 2**15, (rows, K), generator=g, dtype=torch.int32) << 16 | 0x3F80,)


@case(packed_words, "__rshift__ _to_copy bitcast bitwise_and")
def unpack(packed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weights = (packed & 0xFFFF).to(torch.int16).view(torch.bfloat16)
    return packed >> 16, weights.float()


@case(lambda rows, g: (floats(rows, K, generator=g), ids(rows, K, E, g)), "_to_copy")
def other_dtypes(weights: torch.Tensor, expert_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return weights.half(), weights.bfloat16(), expert_ids.long(), expert_ids.to(torch.uint8), expert_ids.to(torch.int16)


@case(
    lambda rows, g: (floats(rows, 2 * K, generator=g)[:, :K], floats(rows, K, generator=g)),
    "_to_copy add",
    name="strided_input",
)
def strided_input(wide: torch.Tensor, narrow: torch.Tensor) -> torch.Tensor:
    """Columns of a wider buffer."""
    return (wide + narrow).to(torch.bfloat16)
