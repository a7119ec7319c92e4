"""A function, inputs for it, and what is expected of its kernel."""

from __future__ import annotations

import dataclasses
import itertools
import typing

import torch

CASES: list[Case] = []


@dataclasses.dataclass(frozen=True)
class Ties:
    """What tells a tie from a difference, where a selection's keys are equal in some rows."""

    #: Of the arguments: what the selection compares, a row of keys for each token.
    keys: typing.Callable[..., torch.Tensor]
    #: Of the arguments and the chosen columns: their weights.
    weights: typing.Callable[..., torch.Tensor]
    #: Of the keys: what a choice of groups compares, where only columns of the best groups are chosen; and how many are.
    groups: typing.Callable[[torch.Tensor], torch.Tensor] | None = None
    kept: int = 0

    def candidates(self, keys: torch.Tensor) -> typing.Iterator[torch.Tensor]:
        """The columns of one row among which may be chosen: once for each way of taking the best groups among equal ones."""
        if self.groups is None:
            yield torch.arange(len(keys))
            return
        scores = self.groups(keys[None])[0]
        least = scores.topk(self.kept).values[-1]
        sure = (scores > least).nonzero().flatten().tolist()
        level = (scores == least).nonzero().flatten().tolist()
        of = torch.arange(len(keys)).view(len(scores), -1)
        for more in itertools.combinations(level, self.kept - len(sure)):
            yield of[[*sure, *more]].flatten()

    def allow(self, keys: torch.Tensor, chosen: torch.Tensor, ordered: bool) -> bool:
        """Whether these columns of one row are the best, whichever are taken of equal keys and of equal groups; the best first,
        where they are ordered."""
        if chosen.unique().numel() != chosen.numel() or not ((chosen >= 0) & (chosen < len(keys))).all():
            return False
        taken = keys[chosen] if ordered else keys[chosen].sort(descending=True).values
        return any(
            torch.isin(chosen, columns).all() and torch.equal(taken, keys[columns].topk(len(chosen)).values)
            for columns in self.candidates(keys)
        )


@dataclasses.dataclass
class Case:
    name: str
    function: typing.Callable[..., typing.Any]
    #: Arguments for so many rows, by a generator.
    make: typing.Callable[[int, torch.Generator], tuple[typing.Any, ...]]
    #: Operations of the trace, without those that only name or shape; sorted, each once.
    ops: str
    #: The most ulp by which a float may differ from eager's; 0 is bit for bit.
    ulp: int
    #: The most absolute difference, where a sum may cancel.
    absolute: float
    #: How rows tie whose ids may differ; the weights come first among the results, and the ids second.
    ties: Ties | None
    #: A row's slots are in no order: they are compared by ascending id, ids last among the results.
    unordered: bool
    static: dict[str, typing.Any]
    kernels: int


def case(
    make: typing.Callable[[int, torch.Generator], tuple[typing.Any, ...]],
    ops: str,
    *,
    ulp: int = 0,
    absolute: float = 0.0,
    ties: Ties | None = None,
    unordered: bool = False,
    kernels: int = 1,
    name: str | None = None,
    **static: typing.Any,
) -> typing.Callable[[typing.Callable[..., typing.Any]], typing.Callable[..., typing.Any]]:
    """Registers a function; several times with different arguments."""

    def register(function: typing.Callable[..., typing.Any]) -> typing.Callable[..., typing.Any]:
        called = name or function.__name__
        assert all(c.name != called for c in CASES), called
        CASES.append(Case(called, function, make, ops, ulp, absolute, ties, unordered, static, kernels))
        return function

    return register


def floats(
    *shape: int, dtype: torch.dtype = torch.float32, generator: torch.Generator, scale: float = 1.0
) -> torch.Tensor:
    return (torch.randn(shape, generator=generator) * scale).to(dtype)


def ids(
    rows: int, k: int, experts: int, generator: torch.Generator, dtype: torch.dtype = torch.int32, padding: bool = False
) -> torch.Tensor:
    """Ids of experts, all different in a row; with padding some are -1."""
    made = torch.rand(rows, experts, generator=generator).argsort(-1)[:, :k].to(dtype)
    if padding and rows:
        made[torch.rand(rows, k, generator=generator) < 0.1] = -1
    return made


def table(experts: int, physical: int, generator: torch.Generator, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.randint(0, physical, (experts,), generator=generator).to(dtype)
