"""What follows the selection: load balancing, padding, maps of experts."""

from __future__ import annotations

import torch

from .case import case, floats, ids, table

E, K, P = 64, 8, 80


def chosen(rows, g, dtype=torch.int64):
    return ids(rows, K, E, g, dtype)


@case(lambda rows, g: (chosen(rows, g), table(E, P, g), torch.tensor(rows // 2)), "arange ge index where")
@case(
    lambda rows, g: (chosen(rows, g), table(E, P, g, torch.int64), torch.tensor(rows // 2)),
    "arange ge index where",
    name="static_balance.i64",
)
@case(
    lambda rows, g: (chosen(rows, g, torch.int32), table(E, P, g), torch.tensor(rows // 2, dtype=torch.int32)),
    "arange ge index where",
    name="static_balance.i32",
)
def static_balance(expert_ids: torch.Tensor, to_physical: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Logical experts to physical ones; rows of padding become -1."""
    physical = to_physical[expert_ids]
    padding = torch.arange(expert_ids.shape[0], device=expert_ids.device) >= valid
    return torch.where(padding[:, None], -1, physical)


@case(
    lambda rows, g: (
        chosen(rows, g),
        torch.randint(0, P, (E, 4), generator=g).int(),
        torch.randint(1, 5, (E,), generator=g).int(),
        torch.tensor(rows),
    ),
    "arange ge index remainder where",
)
def hashed_balance(
    expert_ids: torch.Tensor, replicas: torch.Tensor, count: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """One of an expert's copies, by the slot's own number."""
    rows = expert_ids.shape[0]
    number = torch.arange(rows * K, dtype=torch.int32, device=expert_ids.device).view(rows, K)
    picked = replicas[expert_ids, number % count[expert_ids]]
    return torch.where((torch.arange(rows, device=expert_ids.device) >= valid)[:, None], -1, picked)


@case(
    lambda rows, g: (chosen(rows, g), torch.randint(0, P, (E, 4), generator=g).int()),
    "_to_copy add arange floor_divide index remainder",
)
def rank_invariant(expert_ids: torch.Tensor, replicas: torch.Tensor) -> torch.Tensor:
    """The copy depends on the token and the slot alone."""
    token = torch.arange(expert_ids.shape[0], device=expert_ids.device)[:, None]
    slot = torch.arange(K, device=expert_ids.device)[None, :]
    return replicas[expert_ids, (token // 3 + slot) % 4].to(torch.int64)


@case(lambda rows, g: (chosen(rows, g, torch.int32), torch.tensor(rows // 3)), "arange copy_ ge masked_fill")
def mask_padding(expert_ids: torch.Tensor, valid: torch.Tensor) -> None:
    """Rows of padding in place, by a mask that writes."""
    expert_ids[torch.arange(expert_ids.shape[0], device=expert_ids.device) >= valid] = -1


@case(lambda rows, g: (floats(rows, K, generator=g), torch.tensor(rows // 3)), "arange copy_ ge masked_fill")
def zero_padding(weights: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """And gives back what it changed."""
    weights.masked_fill_((torch.arange(weights.shape[0], device=weights.device) >= valid).unsqueeze(1), 0.0)
    return weights


@case(lambda rows, g: (ids(rows, K, E, g),), "copy copy_ ge where")
def mask_elsewhere(expert_ids: torch.Tensor) -> None:
    expert_ids.copy_(torch.where(expert_ids >= 32, -1, expert_ids))


@case(lambda rows, g: (ids(rows, K, E, g), table(E, E, g)), "_to_copy index")
def expert_map(expert_ids: torch.Tensor, local: torch.Tensor) -> torch.Tensor:
    return local[expert_ids.long()]


@case(lambda rows, g: (ids(rows, K, E, g).flatten(), table(E, E, g)), "index", name="expert_map.flat")
def expert_map_flat(expert_ids: torch.Tensor, local: torch.Tensor) -> torch.Tensor:
    return local[expert_ids]


@case(lambda rows, g: (ids(rows, K, E, g),), "add bitwise_and bitwise_not bitwise_or ge lt mul sub")
def vocabulary_shard(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which ids this rank has, and their places here."""
    first = (tokens >= 8) & (tokens < 24)
    added = (tokens >= 40) & (tokens < 48)
    offset = first * 8 + added * (40 - 16)
    valid = first | added
    return valid * (tokens - offset), ~valid


@case(lambda rows, g: (chosen(rows, g), torch.zeros(rows, K, dtype=torch.int64)), "_to_copy add copy_ eq")
def counted(expert_ids: torch.Tensor, seen: torch.Tensor) -> None:
    """A running count in a buffer, in place."""
    seen += (expert_ids == 3).to(torch.int64)


@case(
    lambda rows, g: (chosen(rows, g, torch.int32), floats(rows, K, generator=g)), "_to_copy mul sub", name="flat_views"
)
def flat_views(expert_ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All slots of all rows in one dim, as permutation kernels want them."""
    return (expert_ids - 1).view(-1), (weights.reshape(-1) * 0.5).to(torch.bfloat16)


@case(lambda rows, g: (chosen(rows, g, torch.int32),), "add arange mul")
def source_rows(expert_ids: torch.Tensor) -> torch.Tensor:
    """For each slot of all rows, its number and its expert's."""
    return torch.arange(expert_ids.numel(), device=expert_ids.device) + expert_ids.flatten() * 1000


@case(
    lambda rows, g: (ids(rows, K, E, g, padding=True), floats(rows, K, generator=g)),
    "amax amin any ge le logical_and logical_not sum where",
    absolute=1e-6,
    ulp=2,
)
def checks(expert_ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What a test asks of a row."""
    good = torch.logical_and(expert_ids >= 0, expert_ids <= E)
    return (
        good.all(-1),
        good.any(-1, keepdim=True),
        expert_ids.amin(-1),
        weights.amax(-1),
        torch.where(good, weights, 0).sum(-1),
    )


@case(lambda rows, g: (ids(rows, K, E, g),), "__lshift__ __rshift__ bitwise_and bitwise_xor", name="hash_bits")
def hash_bits(expert_ids: torch.Tensor) -> torch.Tensor:
    mixed = expert_ids ^ (expert_ids >> 3)
    return (mixed << 5) & 0x7FFF


@case(lambda rows, g: (chosen(rows, g), torch.zeros(E, dtype=torch.int32)), "copy_ full_like scatter_add")
def recorded(expert_ids: torch.Tensor, counts: torch.Tensor) -> None:
    """How often each expert was chosen, in all rows, added to a buffer."""
    flat = expert_ids.flatten()
    counts.scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.int32))


@case(
    lambda rows, g: (chosen(rows, g), torch.ones(E, dtype=torch.int64), torch.tensor(rows // 2)),
    "add arange copy_ index_put lt where",
    name="recorded.masked",
)
def recorded_masked(expert_ids: torch.Tensor, counts: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """The same without padding; and the ids go on."""
    here = torch.arange(expert_ids.shape[0], device=expert_ids.device) < valid
    counts.index_put_((expert_ids,), torch.where(here[:, None], 1, 0).expand(-1, K), accumulate=True)
    return expert_ids + 1


@case(
    lambda rows, g: (ids(rows, K, E, g), floats(rows, K, generator=g)),
    "arange div ge mul remainder where",
)
def of_so_many(expert_ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The number of rows as a number: rows counted from the end, a share of all of them, and what torch computes of it."""
    rows = expert_ids.shape[0]
    at = torch.arange(rows, device=expert_ids.device)
    last = torch.where((at >= rows - 3)[:, None], -1, expert_ids)
    return last, weights / rows, (expert_ids * (rows * 2 + 1)) % (rows // 4 + 1)


def _mixed(rows, g):
    return (
        (floats(rows, 6, generator=g) * 300).to(torch.bfloat16),
        torch.randint(250, 600, (rows, 6), generator=g, dtype=torch.int32),
        torch.tensor(258.7),
        torch.tensor(257, dtype=torch.int32),
    )


@case(_mixed, "add clamp div floor_divide fmod ge lt maximum mul remainder where", name="mixed_types.bf16")
def mixed_types(
    x: torch.Tensor, ids: torch.Tensor, scale: torch.Tensor, first: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Integers, numbers, tensors of no dims and the number of rows beside 16-bit floats: each is rounded where eager does."""
    rows = x.shape[0]
    return (
        ids * x, x + ids, ids % x.clamp(min=1.0), x * scale, x * first, x % scale, x // scale, x >= scale, x < first,
        torch.maximum(x, first), torch.where(x >= rows, ids, x), x % (rows + 256), torch.fmod(x, rows * 3 + 1), x // rows,
        x / rows, x * (rows + 2), x // ids, x / ids,
    )  # fmt: skip
