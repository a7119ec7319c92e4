"""Arguments that are dataclasses with tensors in them, as engines have for the placement of experts.

Each of their tensors is an argument of its own, called as `info.table`; all else of them is constant. The function gets an
object of the same class, made of both.
"""

from __future__ import annotations

import dataclasses
import typing

import torch


def tensor_fields(value: typing.Any) -> list[str]:
    """The fields of a dataclass that hold tensors, if it is made of nothing but its fields."""
    fields = getattr(type(value), "__dataclass_fields__", None)
    if not fields or not all(field.init for field in fields.values()):
        return []
    return [name for name in fields if isinstance(getattr(value, name), torch.Tensor)]


def constant_fields(value: typing.Any) -> dict[str, typing.Any]:
    """The other fields, with what they hold."""
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: held for name, held in found.items() if not isinstance(held, torch.Tensor)}


class Opened(typing.NamedTuple):
    """An argument that was taken apart: its class, its constants, and for each tensor's field the name of its argument."""

    kind: type
    constants: dict[str, typing.Any]
    tensors: dict[str, str]


def rebuilding(
    function: typing.Callable[..., typing.Any], opened: dict[typing.Any, Opened]
) -> typing.Callable[..., typing.Any]:
    """The function of the tensors: `opened` are the arguments, by position or keyword, that it has by their fields."""
    names = {name for argument in opened.values() for name in argument.tensors.values()}

    def called(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        positional = list(args)
        keywords = {key: value for key, value in kwargs.items() if key not in names}
        for key, argument in opened.items():
            fields = {field: kwargs[name] for field, name in argument.tensors.items()}
            made = argument.kind(**argument.constants, **fields)
            if isinstance(key, int):
                positional[key] = made
            else:
                keywords[key] = made
        return function(*positional, **keywords)

    return called
