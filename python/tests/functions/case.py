"""A function, inputs for it, and what is expected of its kernel."""

from __future__ import annotations

import dataclasses
import typing

import torch

CASES: list[Case] = []


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
    #: Of these arguments, what a selection compares: rows whose ids differ must tie there.
    keys: typing.Callable[..., torch.Tensor] | None
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
    keys: typing.Callable[..., torch.Tensor] | None = None,
    unordered: bool = False,
    kernels: int = 1,
    name: str | None = None,
    **static: typing.Any,
) -> typing.Callable[[typing.Callable[..., typing.Any]], typing.Callable[..., typing.Any]]:
    """Registers a function; several times with different arguments."""

    def register(function: typing.Callable[..., typing.Any]) -> typing.Callable[..., typing.Any]:
        called = name or function.__name__
        assert all(c.name != called for c in CASES), called
        CASES.append(Case(called, function, make, ops, ulp, absolute, keys, unordered, static, kernels))
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
