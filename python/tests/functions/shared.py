"""Shared experts: appended, remapped, balanced."""

from __future__ import annotations

import torch

from .case import case, floats, ids

E, K = 64, 8


def routed(rows, g, dtype=torch.int32, padding=False):
    return ids(rows, K, E, g, dtype, padding), floats(rows, K, generator=g).abs()


@case(
    lambda rows, g: (*routed(rows, g), floats(rows, 1, generator=g, dtype=torch.bfloat16)),
    "_to_copy cat full mul sigmoid",
    ulp=6,
)
def append_gated(
    expert_ids: torch.Tensor, weights: torch.Tensor, gate: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A shared expert behind the routed ones, weighted by a gate of each token."""
    extra = torch.full((expert_ids.shape[0], 1), E, dtype=expert_ids.dtype, device=expert_ids.device)
    share = torch.sigmoid(gate.float()) * 0.5
    return torch.cat([expert_ids, extra], -1), torch.cat([weights, share], -1)


@case(lambda rows, g: routed(rows, g), "cat full")
def append_constant(expert_ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = expert_ids.shape[0]
    shared = torch.full((rows, 2), 0.4, dtype=weights.dtype, device=expert_ids.device)
    return torch.cat((expert_ids, torch.full((rows, 2), E, dtype=torch.int32, device=expert_ids.device)), 1), torch.cat(
        (weights, shared), 1
    )


@case(lambda rows, g: (ids(rows, K, E, g),), "add arange cat div mul")
def per_rank(expert_ids: torch.Tensor) -> torch.Tensor:
    """Each rank has 16 routed experts and then 2 shared ones."""
    rank = torch.div(expert_ids, 16, rounding_mode="floor")
    moved = expert_ids + rank * 2
    shared = torch.arange(2, dtype=torch.int32, device=expert_ids.device) + 16 + 18 * 1
    return torch.cat([moved, shared.expand(expert_ids.shape[0], 2)], dim=1)


@case(
    lambda rows, g: (ids(rows, K, E, g, padding=True),),
    "add any copy empty floor_divide ge mul select_scatter slice_scatter where",
)
def waterfill(expert_ids: torch.Tensor) -> torch.Tensor:
    """The shared expert's copy on the rank that the token visits anyway; else on the token's own."""
    visited = torch.where(expert_ids >= 0, expert_ids // 16, -1)
    wide = torch.empty(expert_ids.shape[0], K + 1, dtype=torch.int32, device=expert_ids.device)
    wide[:, :K] = torch.where(visited >= 0, expert_ids + visited, expert_ids)
    somewhere = (visited >= 0).any(-1)
    wide[:, K] = torch.where(somewhere, visited[:, 0] * 17 + 16, 16)
    return wide


@case(
    lambda rows, g: (ids(rows, K, E + 8, g), floats(rows, K, generator=g)),
    "copy copy_ ge sum where",
    ulp=6,
    absolute=2e-6,
)
def zero_experts(expert_ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Expert slots with a zero expert: id 0, weight 0, in place; and their weight."""
    zero = expert_ids >= E
    given = torch.where(zero, weights, 0.0).sum(-1, keepdim=True)
    weights.copy_(torch.where(zero, 0.0, weights))
    expert_ids.copy_(torch.where(zero, 0, expert_ids))
    return given


@case(
    lambda rows, g: (floats(rows, 3, 48, generator=g), torch.zeros(rows, 48)),
    "copy copy_ mul sum",
    absolute=2e-6,
    ulp=6,
)
def combine(parts: torch.Tensor, into: torch.Tensor) -> None:
    """The sum over a token's expert slots, into a buffer."""
    into.copy_(parts.sum(dim=1) * 2.5)


@case(
    lambda rows, g: (ids(rows, K, E, g), floats(rows, K, generator=g), torch.tensor(5)),
    "_to_copy add bitwise_and full ge lt remainder scatter_add sum where",
    ulp=6,
    absolute=2e-6,
)
def substituted(expert_ids: torch.Tensor, weights: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Weights of experts that are not here go to the expert that stands in for them."""
    here = (expert_ids >= first) & (expert_ids < first + 32)
    lost = torch.where(here, 0.0, weights)
    by_expert = torch.zeros(weights.shape[0], 4, device=expert_ids.device).scatter_add(1, (expert_ids % 4).long(), lost)
    return torch.where(here, weights, 0.0).sum(-1, keepdim=True) + by_expert
