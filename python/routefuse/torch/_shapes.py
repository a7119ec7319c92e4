"""Shapes as torch has them, and as graphs have them.

A graph's tensor has one dim without a fixed extent, and it is the leading one. torch's may have it behind dims of extent 1, and may
have several expert slots of a row behind one another in one dim: T·K elements. The elements of both are in the same order, so
that one is the other under another shape.
"""

from __future__ import annotations

import math
import typing


class Rows(typing.NamedTuple):
    """An extent of so many times the number of rows."""

    factor: int

    def __str__(self) -> str:
        return "T" if self.factor == 1 else f"{self.factor}·T"


Dim = typing.Union[int, Rows]
Shape = tuple[Dim, ...]
ROWS = "T"


class Unfit(Exception):
    """A shape that graphs do not have; the text says why."""


def text(shape: typing.Iterable[Dim]) -> str:
    return "[" + ", ".join(str(d) for d in shape) + "]"


class Layout(typing.NamedTuple):
    """How a graph has a shape: its dims, and which of them each of torch's dims is."""

    dims: tuple[int | str, ...]
    axes: tuple[tuple[int, ...], ...]


def layout(shape: Shape) -> Layout:
    """A shape in a graph. Raises Unfit where rows are not in front."""
    at = [i for i, d in enumerate(shape) if isinstance(d, Rows)]
    if not at:
        return Layout(typing.cast("tuple[int | str, ...]", shape), tuple((i,) for i in range(len(shape))))
    if len(at) > 1:
        raise Unfit(f"{text(shape)} has more than one dim of rows")
    row = at[0]
    if any(d != 1 for d in shape[:row]):
        raise Unfit(f"{text(shape)} has its rows behind other dims")
    dims: list[int | str] = [ROWS]
    axes: list[tuple[int, ...]] = [()] * row
    factor = typing.cast(Rows, shape[row]).factor
    if factor == 1:
        axes.append((0,))
    else:
        dims.append(factor)
        axes.append((0, 1))
    for d in shape[row + 1 :]:
        axes.append((len(dims),))
        dims.append(typing.cast(int, d))
    return Layout(tuple(dims), tuple(axes))


def row_dim(shape: Shape) -> int | None:
    """The dim of rows."""
    return next((i for i, d in enumerate(shape) if isinstance(d, Rows)), None)


def count(shape: typing.Iterable[Dim]) -> int:
    """Elements of constant dims."""
    return math.prod(typing.cast("typing.Iterable[int]", shape))


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape that both repeat to."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    out: list[Dim] = []
    for x, y in zip(a, b):
        if x != y and x != 1 and y != 1:
            raise Unfit(f"{text(a)} and {text(b)} do not broadcast")
        out.append(y if x == 1 else x)
    return tuple(out)
