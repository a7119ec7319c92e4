"""The graphs that are compared, each as PyTorch would have it: what engines write by hand today."""

import torch


class Work:
    """A graph's file, the same in PyTorch, and inputs for a number of rows."""

    def __init__(self, name, file, function, inputs, largest=1 << 20, triton=None):
        self.name, self.file, self.function, self.inputs = name, file, function, inputs
        self.largest, self.triton = largest, triton


def mask(ids, rows):
    padding = torch.arange(ids.shape[0], device=ids.device) >= rows
    return torch.where(padding.unsqueeze(1), -1, ids)


def remap(ids, table, rows):
    return mask(table[ids], rows)


def append(ids, weights, shared_weights):
    shared = torch.full((ids.shape[0], 1), 256, dtype=ids.dtype, device=ids.device)
    return torch.cat((ids, shared), 1), torch.cat((weights, shared_weights.to(weights.dtype)), 1)


def pack(ids, weights):
    bits = weights.to(torch.bfloat16).view(torch.int16).to(torch.int32)
    return (ids << 16) | (bits & 0xFFFF)


def head_gate(gate, scale):
    return (gate.float() * 0.125).unsqueeze(-1) * scale * 0.088388346


def post(ids, weights, table, rows, shared_weights, factor: float):
    ids, weights = append(table[ids], weights * factor, shared_weights)
    ids = mask(ids, rows)
    return pack(ids, weights), ids, weights


def route(logits, bias, groups: int, keep: int, k: int, epsilon: float, factor: float):
    scores = logits.float().sigmoid()
    biased = scores + bias
    if groups > 1:
        rows, experts = biased.shape
        best = biased.view(rows, groups, experts // groups).topk(2, -1).values.sum(-1)
        kept = torch.zeros_like(best, dtype=torch.bool).scatter_(1, best.topk(keep, -1).indices, True)
        biased = biased.masked_fill(~kept.repeat_interleave(experts // groups, 1), float("-inf"))
    ids = biased.topk(k, -1).indices
    weights = scores.gather(1, ids)
    return ids.to(torch.int32), weights / (weights.sum(-1, keepdim=True) + epsilon) * factor


def route_and_post(logits, bias, rows, table, shared_weights, groups: int, keep: int, k: int, epsilon: float, factor: float):
    ids, weights = route(logits, bias, groups, keep, k, epsilon, factor)
    return post(ids, weights, table, rows, shared_weights, 1.0)


def route_and_pack(logits, bias, rows, table, k: int, epsilon: float, factor: float):
    ids, weights = route(logits, bias, 1, 1, k, epsilon, factor)
    ids = remap(ids, table, rows)
    return pack(ids, weights), ids, weights


def ids(rows, experts=256, k=8):
    return torch.randint(0, experts, (rows, k), dtype=torch.int32, device="cuda")


def floats(*shape, dtype=torch.float32):
    return torch.rand(shape, device="cuda").to(dtype)


def table(experts=256):
    return torch.randperm(experts, device="cuda").to(torch.int32)


def valid(rows):
    return torch.tensor(rows - rows // 8, dtype=torch.int32, device="cuda")


def logits(rows, experts):
    return torch.randn((rows, experts), device="cuda").to(torch.bfloat16)


def shared(rows):
    return floats(rows, 1, dtype=torch.bfloat16)


def router(name, file, experts, groups, keep, epsilon, factor):
    numbers = (groups, keep, 8, epsilon, factor)
    return Work(name, file, route, lambda t: (logits(t, experts), floats(experts), *numbers), 1 << 16)


WORKS = [
    Work("remap", "a_remap_static", remap, lambda t: (ids(t), table(), valid(t))),
    Work("append", "b_append_shared", append, lambda t: (ids(t), floats(t, 8), shared(t)), triton="append"),
    Work("pack", "c_pack", pack, lambda t: (ids(t), floats(t, 8)), triton="pack"),
    Work("head gate", "d_head_gate", head_gate, lambda t: (floats(t, 64, dtype=torch.bfloat16), floats(t, 64, 1))),
    Work("post", "e_post_chain", post, lambda t: (ids(t), floats(t, 8), table(), valid(t), shared(t), 2.5)),
    router("DeepSeek-V3", "models/deepseek-v3", 256, 8, 4, 1e-20, 2.5),
    Work("DeepSeek-V3 + post", "models/deepseek-v3-post", route_and_post,
         lambda t: (logits(t, 256), floats(256), valid(t), table(), shared(t), 8, 4, 8, 1e-20, 2.5), 1 << 16),
    router("Kimi-K2", "models/kimi-k2", 384, 1, 1, 1e-20, 2.827),
    Work("Kimi-K2 + post", "models/kimi-k2-post", route_and_post,
         lambda t: (logits(t, 384), floats(384), valid(t), table(384), shared(t), 1, 1, 8, 1e-20, 2.827), 1 << 16),
    router("MiniMax-M2.5", "models/minimax-m2.5", 256, 1, 1, 0.0, 1.0),
    Work("MiniMax-M2.5 + post", "models/minimax-m2.5-post", route_and_pack,
         lambda t: (logits(t, 256), floats(256), valid(t), table(), 8, 0.0, 1.0), 1 << 16),
]
