"""The routers that are compared: their numbers, the same in PyTorch, and every hand-written peer."""

import dataclasses
import functools

import torch

import hand_routers
from bound import Bound
from chains import floats, logits, pack, post, remap, shared, table, valid


@dataclasses.dataclass(frozen=True)
class Router:
    """A router's graph and numbers; `post` is what follows it: nothing, "post" (remap, append, mask, pack) or "pack"."""

    name: str
    file: str
    experts: int
    k: int
    score: str = "softmax"
    groups: int = 1
    keep: int = 1
    epsilon: float = 0.0
    factor: float = 1.0
    post: str = ""

    extents = (1, 64, 512, 2048, 4096, 16384, 65536)
    # Files of kernels by hand, which are built beside what is measured first.
    bounds = (("router_exact",), ("router_approximate",))

    def inputs(self, rows):
        """The arguments of `function`: tensors, then the router's numbers."""
        tensors = [logits(rows, self.experts)]
        if self.score == "sigmoid":
            tensors.append(floats(self.experts))
        if self.post:
            tensors += [valid(rows), table(self.experts)]
        if self.post == "post":
            tensors.append(shared(rows))
        return (*tensors, *self.numbers())

    def path(self, examples):
        """The graph's file, among the examples."""
        return examples / f"{self.file}.route"

    def numbers(self):
        return (self.k,) if self.score == "softmax" else (self.groups, self.keep, self.k, self.epsilon, self.factor)

    @property
    def function(self):
        """The same as PyTorch programs have it."""
        if self.score == "softmax":
            return route_softmax
        return {"": route_sigmoid, "post": route_and_post, "pack": route_and_pack}[self.post]

    def compared(self, inputs, outputs):
        """What two right peers have in common: packed words are rounded weights, and where logits tie, ids are anyone's."""
        ids, weights = outputs[-2:]
        return inputs[0].gather(1, ids.long()) if self.score == "softmax" else ids, weights

    def by_hand(self, inputs):
        """Calls of hand-written peers by the peer's name, one for each of its settings."""
        tensors = dict(zip(("logits", "bias", "valid", "table", "shared"), inputs[:len(inputs) - len(self.numbers())]))
        after = (tensors["valid"], tensors["table"], tensors.get("shared")) if self.post else None

        def triton(setting):
            if self.score == "softmax":
                return lambda: hand_routers.softmax(setting, tensors["logits"], self.k)
            return lambda: hand_routers.sigmoid(setting, tensors["logits"], tensors["bias"], *self.numbers(), after)

        return {"triton": [triton(setting) for setting in hand_routers.SETTINGS],
                "exact": list(exact().calls(self, tensors)), "approximate": list(approximate().calls(self, tensors))}


def route_softmax(logits, k: int):
    weights, ids = logits.float().softmax(-1).topk(k, -1)
    return ids.to(torch.int32), weights / weights.sum(-1, keepdim=True)


def route_sigmoid(logits, bias, groups: int, keep: int, k: int, epsilon: float, factor: float):
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


def route_and_post(logits, bias, rows, table, shared, groups: int, keep: int, k: int, epsilon: float, factor: float):
    ids, weights = route_sigmoid(logits, bias, groups, keep, k, epsilon, factor)
    return post(ids, weights, table, rows, shared, 1.0, logits.shape[1])


def route_and_pack(logits, bias, rows, table, groups: int, keep: int, k: int, epsilon: float, factor: float):
    ids, weights = route_sigmoid(logits, bias, groups, keep, k, epsilon, factor)
    ids = remap(ids, table, rows)
    return pack(ids, weights), ids, weights


@functools.cache
def exact():
    return Bound("router_exact", range(5))


@functools.cache
def approximate():
    return Bound("router_approximate", range(3))


SIGMOID = dict(score="sigmoid", epsilon=1e-20)
ROUTERS = [
    Router("DeepSeek-V3", "models/deepseek-v3", 256, 8, groups=8, keep=4, factor=2.5, **SIGMOID),
    Router("DeepSeek-V3 + post", "models/deepseek-v3-post", 256, 8, groups=8, keep=4, factor=2.5, post="post", **SIGMOID),
    Router("Kimi-K2", "models/kimi-k2", 384, 8, factor=2.827, **SIGMOID),
    Router("Kimi-K2 + post", "models/kimi-k2-post", 384, 8, factor=2.827, post="post", **SIGMOID),
    Router("MiniMax-M2.5", "models/minimax-m2.5", 256, 8, score="sigmoid"),
    Router("MiniMax-M2.5 + post", "models/minimax-m2.5-post", 256, 8, score="sigmoid", post="pack"),
    Router("Qwen3", "models/qwen3-moe", 128, 8),
    Router("Qwen3.5", "models/qwen3.5-397b", 512, 10),
    Router("gpt-oss", "models/gpt-oss", 128, 4),
    Router("Mixtral", "models/mixtral", 8, 2),
]
