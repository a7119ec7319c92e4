"""Kernels as ops of torch, for functions that an outer torch.compile takes as a whole."""

from __future__ import annotations

import typing

import torch

from .._routefuse import Error, Kernel
from ._dtypes import TORCH

#: Libraries are kept: an op goes when its library does.
_libraries: dict[str, torch.library.Library] = {}
_kernels: dict[str, Kernel] = {}


class Op:
    """A kernel as an op of torch: called as the kernel is, and one node in a graph of torch's.

    `op.overload` is the op itself, which takes the tensors and gives a list of the results that are new.
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        overload: torch._ops.OpOverload,
        leaves: list[tuple[str, typing.Any]],
        single: bool,
    ) -> None:
        self.__name__ = name
        self.kernel = kernel
        self.overload = overload
        self._leaves = leaves
        self._single = single

    def __call__(self, *tensors: torch.Tensor) -> typing.Any:
        made = self.overload(*tensors)
        made = (made,) if isinstance(made, torch.Tensor) else made
        results = tuple(
            made[what] if kind == "output" else tensors[what] if kind == "argument" else what
            for kind, what in self._leaves
        )
        return results[0] if self._single else results

    def __repr__(self) -> str:
        return f"<routefuse op {self.__name__}: {self.overload._schema}>"


def as_op(kernel: Kernel, name: str) -> Op:
    """A kernel as an op of torch called `name`, as "routefuse::router": with a schema, an implementation for shapes alone, the
    inputs that it overwrites, and the tag that its arguments keep their strides.

    The result is called as the kernel is, by position. An outer `torch.compile` (Inductor, fullgraph, any number of rows) takes it
    as one node and launches the kernel from there. Raises Error for a name that is taken, or whose parts are no names.
    """
    namespace, separator, plain = name.partition("::")
    if not separator or not namespace.isidentifier() or not plain.isidentifier():
        raise Error(f'{name!r} is no name of an op: two names, as in "routefuse::router"')
    if name in _kernels:
        raise Error(f"there is an op {name} already: choose another name")
    described = kernel._signature()
    if described["unflatten"]:
        raise Error("an op gives tensors: capture a function that returns a tensor, or a tuple of tensors")
    inputs, outputs = kernel.inputs, kernel.outputs
    new = [i for i, port in enumerate(outputs) if port["in_place"] is None]
    position = {i: at for at, i in enumerate(new)}
    leaves = []
    for kind, what in described["leaves"]:
        if kind == "output" and what not in position:
            argument = described["arguments"][
                next(i for i, p in enumerate(inputs) if p["name"] == outputs[what]["in_place"])
            ]
            leaves.append(("argument", argument))
        else:
            leaves.append((kind, position[what]) if kind == "output" else (kind, what))
    schema = _schema(described, inputs, len(new))
    library = _libraries.setdefault(namespace, torch.library.Library(namespace, "FRAGMENT"))
    tags = [torch.Tag.needs_fixed_stride_order] if hasattr(torch.Tag, "needs_fixed_stride_order") else []
    if described["drawn"]:
        tags.append(torch.Tag.nondeterministic_seeded)
    library.define(plain + schema, tags=tuple(tags))
    by_output = kernel._giving_outputs(new)
    _kernels[name] = by_output

    def fake(*tensors: torch.Tensor) -> typing.Any:
        rows = next((tensors[a].shape[0] for a in described["rows"]), None)
        made = []
        for i in new:
            shape = [_extent(dim, rows) for dim in outputs[i]["shape"]]
            made.append(tensors[0].new_empty(shape, dtype=TORCH[outputs[i]["dtype"]]))
        return made[0] if len(made) == 1 else tuple(made) if made else None

    library.impl(plain, by_output if new else _nothing(by_output), "CompositeExplicitAutograd")
    torch.library.register_fake(name, fake, lib=library)
    overload = getattr(getattr(torch.ops, namespace), plain).default
    return Op(name, kernel, overload, leaves, described["single"])


def _extent(dim: int | str, rows: typing.Any) -> typing.Any:
    """A dim of a kernel's output, as "T" or "8*T", with so many rows."""
    if isinstance(dim, int):
        return dim
    factor, separator, _ = dim.partition("*")
    return int(factor) * rows if separator else rows


def _nothing(kernel: Kernel) -> typing.Callable[..., None]:
    def call(*tensors: torch.Tensor) -> None:
        kernel(*tensors)

    return call


def _schema(described: dict[str, typing.Any], inputs: list[dict[str, typing.Any]], results: int) -> str:
    written = {a for a, port in zip(described["arguments"], inputs) if port["written"] and a is not None}
    arguments = []
    for at, name in enumerate(described["parameters"]):
        kind = f"Tensor({chr(ord('a') + len([w for w in written if w < at]))}!)" if at in written else "Tensor"
        plain = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
        arguments.append(f"{kind} {plain if plain.isidentifier() else f'arg{at}'}")
    gives = {0: "()", 1: "Tensor"}.get(results, "(" + ", ".join(["Tensor"] * results) + ")")
    return f"({', '.join(arguments)}) -> {gives}"
