"""From a row's logits to the ids and weights of its experts."""

from __future__ import annotations

import torch

from .case import Ties, case, floats

E, K, G, KEEP = 64, 8, 8, 4


def logits_and_bias(dtype=torch.float32, bias_dtype=torch.float32, e=E):
    return lambda rows, g: (
        floats(rows, e, dtype=dtype, generator=g),
        floats(e, dtype=bias_dtype, generator=g, scale=0.1),
    )


def logits(dtype=torch.float32, e=E):
    return lambda rows, g: (floats(rows, e, dtype=dtype, generator=g),)


def share(scores: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The scores of the chosen, as parts of their sum."""
    weights = scores.gather(1, ids)
    return weights / weights.sum(-1, keepdim=True)


def best_of_groups(keys: torch.Tensor) -> torch.Tensor:
    return keys.view(-1, G, E // G).amax(-1)


@case(logits(), "_softmax _to_copy amax bitwise_not div full_like masked_fill scatter sum topk", ulp=6, unordered=True)
@case(
    logits(torch.bfloat16),
    "_softmax _to_copy amax bitwise_not div full_like masked_fill scatter sum topk",
    name="grouped_softmax.bf16",
    ulp=1,
    unordered=True,
    ties=Ties(lambda x: x.softmax(-1), lambda x, ids: share(x.softmax(-1), ids).float(), best_of_groups, KEEP),
)
def grouped_softmax(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best groups by their best expert, and the best experts of those."""
    scores = torch.softmax(x, dim=-1)
    best_of_group = scores.view(-1, G, E // G).amax(-1)
    groups = best_of_group.topk(KEEP, dim=-1, sorted=False).indices
    kept = torch.zeros_like(best_of_group).scatter_(1, groups, 1)
    kept = kept[:, :, None].expand(-1, G, E // G).reshape(-1, E)
    chosen = scores.masked_fill(~kept.bool(), 0.0).topk(K, dim=-1, sorted=False)
    weights = chosen.values / chosen.values.sum(-1, keepdim=True)
    return weights.float(), chosen.indices.int()


@case(
    logits(), "_softmax _to_copy add amax arange bitwise_not div eq full_like masked_fill scatter sum topk where", ulp=6
)
def grouped_softmax_with_shared(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A shared expert in a slot of its own, with a weight of the routed ones' sum."""
    scores = torch.softmax(x, dim=-1)
    best_of_group = scores.view(-1, G, E // G).amax(-1)
    groups = best_of_group.topk(KEEP, dim=-1, sorted=False).indices
    kept = torch.zeros_like(best_of_group).scatter_(1, groups, 1)
    kept = kept[:, :, None].expand(-1, G, E // G).reshape(-1, E)
    weights, ids = scores.masked_fill(~kept.bool(), 0.0).topk(K, dim=-1)
    last = torch.arange(K, device=x.device) == K - 1
    ids = torch.where(last, E, ids)
    routed = weights[:, :-1].sum(-1, keepdim=True)
    weights = torch.where(last, routed / 2.5, weights)
    return weights / (routed + 1e-20), ids.int()


BIASED = Ties(lambda x, b: x.float().sigmoid() + b, lambda x, b, ids: share(x.float().sigmoid(), ids) * 2.446)


@case(logits_and_bias(), "_to_copy add div gather mul sigmoid sum topk", ulp=6, unordered=True)
@case(
    logits_and_bias(torch.bfloat16),
    "_to_copy add div gather mul sigmoid sum topk",
    ulp=6,
    unordered=True,
    name="biased.bf16",
    ties=BIASED,
)
@case(
    logits_and_bias(torch.float16),
    "_to_copy add div gather mul sigmoid sum topk",
    ulp=6,
    unordered=True,
    name="biased.f16",
    ties=BIASED,
)
def biased(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best by score and bias, weighted by the scores alone."""
    scores = x.float().sigmoid()
    ids = (scores + bias[None, :]).topk(K, dim=-1, sorted=False).indices
    weights = scores.gather(1, ids)
    weights = weights / (weights.sum(-1, keepdim=True) + 1e-20) * 2.446
    return weights, ids.to(torch.int32)


@case(
    logits_and_bias(torch.bfloat16, torch.bfloat16),
    "_to_copy add div gather mul sigmoid sum topk",
    name="biased_rounding.bf16",
    ties=Ties(lambda x, b: x.sigmoid() + b, lambda x, b, ids: (share(x.sigmoid(), ids) * 2.446).float()),
)
def biased_rounding(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All of it in bf16: every operation rounds."""
    scores = x.sigmoid()
    ids = (scores + bias).topk(K, dim=-1).indices
    weights = scores.gather(1, ids)
    weights = weights / weights.sum(-1, keepdim=True) * 2.446
    return weights.float(), ids.to(torch.int32)


@case(logits_and_bias(), "_to_copy add div exp gather gt log1p mul sqrt sum topk where", ulp=6)
def biased_sqrt_softplus(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.nn.functional.softplus(x).sqrt()
    ids = (scores + bias).topk(K, dim=-1).indices
    weights = scores.gather(1, ids)
    return weights / (weights.sum(-1, keepdim=True) + 1e-20) * 1.5, ids.int()


@case(logits_and_bias(), "_to_copy add copy div full_like gather select_scatter sigmoid slice_scatter sum topk", ulp=6)
def biased_with_shared(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The last slot is the shared expert's, written by column."""
    scores = x.sigmoid()
    ids = (scores + bias).topk(K, dim=-1).indices
    weights = scores.gather(1, ids)
    ids[:, -1] = E
    weights[:, -1] = weights[:, :-1].sum(-1) / 2.5
    weights = weights / weights[:, :-1].sum(-1, keepdim=True)
    return weights, ids.int()


def _group_scores(biased: torch.Tensor) -> torch.Tensor:
    return biased.view(biased.shape[0], G, -1).topk(2, dim=-1).values.sum(-1)


@case(logits_and_bias(), "_to_copy add bitwise_not div full_like gather masked_fill scatter sigmoid sum topk", ulp=6)
@case(
    logits_and_bias(),
    "_to_copy add bitwise_not div full_like gather masked_fill mul scatter sigmoid sum topk",
    ulp=6,
    name="biased_grouped.scaled",
    scale=2.5,
)
@case(
    logits_and_bias(torch.bfloat16),
    "_to_copy add bitwise_not div full_like gather masked_fill scatter sigmoid sum topk",
    ulp=6,
    name="biased_grouped.bf16",
    ties=Ties(
        lambda x, b: x.float().sigmoid() + b,
        lambda x, b, ids: share(x.float().sigmoid(), ids),
        lambda keys: _group_scores(keys),
        KEEP,
    ),
)
def biased_grouped(
    x: torch.Tensor, bias: torch.Tensor, scale: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best groups by the two best of each."""
    scores = x.float().sigmoid()
    biased = scores + bias
    by_group = _group_scores(biased)
    groups = by_group.topk(KEEP, dim=-1, sorted=False).indices
    kept = torch.zeros_like(by_group).scatter_(1, groups, 1)
    kept = kept.unsqueeze(-1).expand(x.shape[0], G, E // G).reshape(x.shape[0], -1)
    ids = biased.masked_fill(~kept.bool(), float("-inf")).topk(K, dim=-1).indices
    weights = scores.gather(1, ids)
    weights = weights / weights.sum(-1, keepdim=True)
    if scale is not None:
        weights = weights * scale
    return weights, ids.int()


@case(logits(), "_softmax add div sum topk", ulp=6)
@case(
    logits(torch.bfloat16),
    "_softmax add div sum topk",
    name="softmax_topk.bf16",
    ulp=1,
    ties=Ties(lambda x: x.softmax(-1), lambda x, ids: share(x.softmax(-1), ids)),
)
def softmax_topk(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weights, ids = torch.topk(x.softmax(dim=-1), K, dim=-1)
    return weights / (weights.sum(dim=-1, keepdim=True) + 1e-20), ids


@case(logits_and_bias(), "add div gather sigmoid sum topk", ulp=6)
def sigmoid_topk(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores = x.sigmoid()
    ids = torch.topk(scores + bias, K).indices
    weights = torch.gather(scores, -1, ids)
    return weights / (weights.sum(-1, keepdim=True) + 1e-9), ids


@case(
    logits(torch.bfloat16),
    "_softmax _to_copy gather topk",
    ulp=6,
    ties=Ties(lambda x: x, lambda x, ids: x.float().gather(1, ids).softmax(-1)),
)
@case(logits(), "_softmax _to_copy gather topk", ulp=6, name="raw_logits_topk.f32")
def raw_logits_topk(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Chosen by the logits; weighted by the softmax of the chosen."""
    ids = x.topk(K, dim=-1).indices
    return x.float().gather(1, ids).softmax(-1), ids.int()


def _hash_inputs(rows: int, g: torch.Generator) -> tuple[torch.Tensor, ...]:
    tokens = torch.randint(0, 97, (rows,), generator=g)
    return floats(rows, E, generator=g), tokens, torch.randint(0, E, (97, 6), generator=g).int()


@case(_hash_inputs, "_to_copy add copy div exp full gather gt index log1p slice_scatter sqrt sum where", ulp=6)
def hash_routing(x: torch.Tensor, tokens: torch.Tensor, by_token: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Experts by a table of tokens, into buffers that are written in part."""
    scores = torch.nn.functional.softplus(x).sqrt()
    ids = torch.full((x.shape[0], 8), -1, dtype=torch.int32, device=x.device)
    weights = torch.zeros(x.shape[0], 8, device=x.device)
    chosen = by_token[tokens]
    ids[:, :6] = chosen
    picked = scores.gather(1, chosen.long())
    weights[:, :6] = picked / (picked.sum(-1, keepdim=True) + 1e-20)
    return weights, ids


@case(logits_and_bias(), "_to_copy add clamp div gather sigmoid sum topk", ulp=6)
def clamped_renormalisation(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.sigmoid(x.float())
    _, ids = torch.topk(scores + bias, K, dim=1)
    weights = scores.gather(1, ids)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-12), ids.int()


@case(logits(), "_softmax _to_copy bitwise_not full masked_fill max mul scatter topk", ulp=6)
def grouped_scaled(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Without renormalising."""
    scores = torch.softmax(x, -1)
    groups = scores.view(scores.shape[0], G, -1).max(dim=-1).values.topk(KEEP, sorted=False)[1]
    kept = torch.zeros(x.shape[0], G, device=x.device).scatter_(1, groups, 1)
    kept = kept[..., None].expand(-1, -1, E // G).reshape(x.shape[0], E)
    weights, ids = scores.masked_fill(~kept.bool(), float("-inf")).topk(K, dim=-1, sorted=True)
    return weights * 16.0, ids.int()


@case(logits(), "_to_copy max sigmoid", ulp=6, name="llama_one_expert")
@case(
    logits(torch.bfloat16),
    "_to_copy max sigmoid",
    ulp=6,
    name="llama_one_expert.bf16",
    ties=Ties(lambda x: x, lambda x, ids: x.gather(1, ids).float().sigmoid()),
)
def one_expert(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest logit alone, weighted by its sigmoid."""
    best, ids = torch.max(x, dim=-1, keepdim=True)
    return torch.sigmoid(best.float()), ids.to(torch.int32)


@case(
    logits(torch.bfloat16),
    "_to_copy div sigmoid sum topk",
    ulp=6,
    ties=Ties(lambda x: x.float().sigmoid(), lambda x, ids: share(x.float().sigmoid(), ids)),
)
def sigmoid_of_chosen(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores, ids = x.float().sigmoid().topk(K, dim=-1)
    return scores / scores.sum(-1, keepdim=True), ids.int()


@case(
    lambda rows, g: (floats(rows, E, generator=g), floats(E, generator=g).abs()),
    "_softmax arange div eq gather gt index mul sum topk where",
    ulp=6,
)
def scaled_experts(x: torch.Tensor, scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A mask of the chosen by comparison, and a scale of each expert."""
    _, ids = torch.topk(x, K, dim=-1)
    probabilities = torch.softmax(x, dim=-1)
    chosen = (ids[..., None] == torch.arange(E, device=x.device)).sum(1)
    kept = probabilities * chosen
    total = kept.sum(-1, keepdim=True)
    kept = kept / torch.where(total > 0, total, 1.0)
    return kept.gather(-1, ids) * scales[ids], ids


@case(logits(), "_softmax abs cat clamp div gather gt max scatter sub where", ulp=6)
def sparse_mixer(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Twice the best, the second without the first; each weighted among those that are near it."""

    def near(values: torch.Tensor, of: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        best, at = values.max(dim=-1, keepdim=True)
        far = (best - of) / of.abs().clamp(min=best) > 0.02
        weights = torch.where(far, float("-inf"), values).softmax(-1)
        return weights.gather(-1, at), at

    first, at = near(x, x)
    rest = x.scatter(-1, at, float("-inf"))
    second, then = near(rest, x)
    return torch.cat([first, second], -1), torch.cat([at, then], -1)


@case(logits(), "_softmax add arange div mul sum topk", ulp=6, name="topk_inside_groups")
def topk_inside_groups(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """As many of each group."""
    scores = x.softmax(-1).view(x.shape[0], 4, E // 4)
    weights, ids = scores.topk(2, dim=-1)
    ids = ids + (torch.arange(4, device=x.device) * (E // 4))[None, :, None]
    weights = weights.reshape(x.shape[0], 8)
    return weights / weights.sum(-1, keepdim=True), ids.reshape(x.shape[0], 8)


@case(logits_and_bias(), "_to_copy add div gather mul sigmoid sum topk", ulp=6, absolute=1e-5, name="least_experts")
def least(x: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The k smallest, and how their costs compare."""
    costs = x.sigmoid() * 2.0 + bias
    ids = costs.topk(4, dim=-1, largest=False).indices
    chosen = costs.gather(1, ids)
    return chosen / chosen.sum(-1, keepdim=True), ids.to(torch.int32)


@case(logits(e=32), "_softmax _to_copy cumsum lt sort sub where", ulp=6, absolute=1e-6)
def top_p(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The fewest experts whose probabilities reach a sum."""
    weights, ids = x.softmax(-1).sort(dim=-1, descending=True)
    before = weights.cumsum(-1) - weights
    return torch.where(before < 0.9, weights, 0.0), ids.int()


@case(
    lambda rows, g: (floats(rows, E, generator=g), floats(rows, generator=g)),
    "_to_copy add bitwise_and div gather ge lt mul sigmoid sum topk where",
    ulp=6,
)
def image_bias(x: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A second score in rows whose position is of an image."""
    scores = x.sigmoid()
    image = (positions >= 0.0) & (positions < 1.0)
    keys = torch.where(image[:, None], scores + 0.25 * x, scores)
    ids = keys.topk(K).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(-1, keepdim=True) * 2.0, ids.int()


@case(logits(e=16), "_log_softmax _to_copy arange argmax eq exp mul neg sum", ulp=6, absolute=1e-5)
def entropy_and_best(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What an adaptive k asks of a row."""
    logs = torch.log_softmax(x, -1)
    entropy = -(logs.exp() * logs).sum(-1)
    best = x.argmax(-1)
    return entropy, (torch.arange(16, device=x.device) == best[:, None]).to(torch.int8)


@case(logits(torch.bfloat16), "_to_copy add mean mul pow rsqrt", ulp=6, absolute=1e-5, name="normalised_logits")
def normalised(x: torch.Tensor) -> torch.Tensor:
    """A root-mean-square norm in front of a router."""
    wide = x.float()
    return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
