"""Tensors that are made of nothing."""

from __future__ import annotations

import typing

import torch

from .._conversion import Conversion, Value, converts
from .._shapes import Rows

Operand = typing.Any


@converts("aten.full", "aten.full_like", "aten.new_full")
def full(g: Conversion, of: Operand, size_or_value: Operand, value: Operand = None, **options: Operand) -> Value:
    fill = size_or_value if value is None else value
    return filled(g, fill)


def filled(g: Conversion, fill: Operand) -> Value:
    """The node's result, every element of which is this number."""
    dtype, shape = g.result()
    constant = fill.const if isinstance(fill, Value) else fill
    if not isinstance(constant, (bool, int, float)):
        value = g.value(fill)
        return g.repeat(g.cast(value, dtype), shape)
    return Value(dtype, shape, const=g.cast(g.value(constant), dtype).const)


@converts("aten.zeros", "aten.zeros_like", "aten.new_zeros")
def zeros(g: Conversion, *args: Operand, **options: Operand) -> Value:
    return filled(g, 0)


@converts("aten.ones", "aten.ones_like", "aten.new_ones")
def ones(g: Conversion, *args: Operand, **options: Operand) -> Value:
    return filled(g, 1)


@converts(
    "aten.empty",
    "aten.empty_like",
    "aten.new_empty",
    "aten.empty_strided",
    "aten.new_empty_strided",
    "aten.empty_permuted",
)
def empty(g: Conversion, *args: Operand, **options: Operand) -> Value:
    """Memory of any content: zeros here."""
    return filled(g, 0)


@converts("aten.scalar_tensor")
def scalar_tensor(g: Conversion, value: Operand, **options: Operand) -> Value:
    return filled(g, value)


@converts("aten.lift_fresh_copy", "aten.lift_fresh")
def lift(g: Conversion, x: Operand) -> Value:
    return g.value(x)


@converts("aten.arange")
def arange(g: Conversion, *args: Operand, **options: Operand) -> Value:
    dtype, shape = g.result()
    if not dtype.startswith(("i", "u")):
        g.refuse(f"a range of {dtype}", "make it of integers, and cast it")
    (extent,) = shape
    start, step = 0, 1
    if "start" in str(g.op_name()):
        start = args[0]
        step = args[2] if len(args) > 2 else options.get("step", 1)
    if not isinstance(start, int) or not isinstance(step, int):
        g.refuse("a range that begins at, or steps by, what depends on the rows")
    if not isinstance(extent, Rows) and extent == 0:
        g.refuse("a tensor without elements")
    made = g.iota(dtype, shape, 0)
    if extent == Rows(1) and (start, step) == (0, 1):
        # Each row's own number, by which a row finds itself.
        made.origin = ("own_row",)
    if step != 1:
        made = g.pointwise("mul", [made, g.cast(g.value(step), dtype)], dtype, shape)
    if start != 0:
        made = g.pointwise("add", [made, g.cast(g.value(start), dtype)], dtype, shape)
    return made


@converts("get_attr")
def constant_tensor(g: Conversion, tensor: torch.Tensor) -> Value:
    """A tensor that the function made of Python numbers."""
    dtype = g.dtype(tensor.dtype)
    if tensor.numel() == 1:
        return Value(dtype, tuple(tensor.shape), const=tensor.item())
    if tensor.numel() > 64 or dtype == "f64":
        g.refuse(f"a constant tensor of {tensor.numel()} elements of {dtype}", "give it as an argument")
    parts = [g.repeat(g.operand(Value(dtype, (), const=n)), (1,)) for n in tensor.reshape(-1).tolist()]
    return g.reshape(g.concat(parts, 0, dtype), tuple(tensor.shape))
