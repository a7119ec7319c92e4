"""Results of kernels as tuples with names."""

from __future__ import annotations

import collections
import functools
import keyword
import re
import typing


def _identifier(name: str, taken: set[str]) -> str:
    """A Python name for an output, which may be called anything."""
    plain = re.sub(r"\W", "_", name).lstrip("_") or "output"
    if plain[0].isdigit() or keyword.iskeyword(plain):
        plain = f"output_{plain}"
    while plain in taken:
        plain += "_"
    taken.add(plain)
    return plain


@functools.lru_cache(maxsize=None)
def _class(name: str, outputs: tuple[str, ...]) -> typing.Any:
    taken = {"count", "index"}
    fields = [_identifier(output, taken) for output in outputs]
    return collections.namedtuple(_identifier(name, set()), fields)


def named_results(name: str, outputs: list[str]) -> type[tuple[typing.Any, ...]]:
    """The class of a kernel's results: a tuple whose items have the outputs' names, and nothing besides."""
    return _class(name, tuple(outputs))
