"""Random numbers: by Philox, of a seed that each call draws from torch's generator."""

from __future__ import annotations

import typing

from .. import _shapes
from .._conversion import Conversion, Value, converts
from .._dtypes import FLOATS, is_int
from .._shapes import Rows, Shape
from .creation import filled

Operand = typing.Any
#: Random bits of a float in [0, 1), as torch has it: as many as its significand has.
BITS = {"f32": 24, "f16": 11, "bf16": 8}


def _words(g: Conversion, shape: Shape) -> Value:
    """32 random bits for each element of a shape: those of the operation's own stream, at the element's number."""
    if g.seed is None:
        g.refuse(
            "random numbers of torch's generator, which a replayed kernel would draw again and again",
            'draw them outside and give them as an argument, or take other ones: random="philox"',
        )
    row = _shapes.row_dim(shape)
    each = _shapes.count(d.factor if isinstance(d, Rows) else d for d in shape)
    flat: Shape = (Rows(1), each) if row is not None else (each,)
    position = g.iota("u64", flat, len(flat) - 1)
    if row is not None:
        first = g.pointwise("mul", [g.iota("u64", flat, 0), g.cast(g.value(each), "u64")], "u64", flat)
        position = g.pointwise("add", [first, position], "u64", flat)
    stream = g.cast(g.value(g.draws), "u64")
    g.draws += 1
    g.note("random numbers are Philox's: as torch's are distributed, and others")
    return g.reshape(g.pointwise("philox", [g.seed, stream, position], "u32", flat), shape)


def _uniform(g: Conversion, dtype: str, shape: Shape) -> Value:
    """Floats in [0, 1): the high bits of each word, as a multiple of the smallest."""
    bits = BITS[dtype]
    high = g.pointwise("shr", [_words(g, shape), g.cast(g.value(32 - bits), "u32")], "u32", shape)
    scale = g.cast(g.value(2.0**-bits), "f32")
    return g.cast(g.pointwise("mul", [g.cast(high, "f32"), scale], "f32", shape), dtype)


@converts("aten.rand", "aten.rand_like")
def rand(g: Conversion, *args: Operand, **options: Operand) -> Value:
    dtype, shape = g.result()
    if dtype not in FLOATS:
        g.refuse(f"random numbers of {dtype}", "draw them in float32")
    return _uniform(g, dtype, shape)


@converts("aten.bernoulli")
def bernoulli(g: Conversion, x: Operand, p: Operand = None, **options: Operand) -> Value:
    """1 with a probability: that of each element, or `p`."""
    dtype, shape = g.result()
    likely = g.value(x if p is None or not isinstance(p, (int, float)) else p)
    drawn = g.pointwise("lt", [_uniform(g, "f32", shape), g.cast(likely, "f32")], "bool", shape)
    return g.cast(drawn, dtype)


@converts("aten.randint", "aten.randint_like")
def randint(g: Conversion, *args: Operand, **options: Operand) -> Value:
    """Whole numbers from low up to high; of a range of one number, that number."""
    bounds = [a for a in args if isinstance(a, int) and not isinstance(a, bool)]
    low, high = bounds if "low" in str(g.op_name()) else (0, *bounds)
    if high == low + 1:
        return filled(g, low)
    dtype, shape = g.result()
    extent = high - low
    if extent > 1 << 32 or not (is_int(dtype) or dtype in FLOATS):
        g.refuse(f"random numbers of {dtype} from {low} up to {high}", "draw from a range of at most 32 bits")
    drawn = _words(g, shape)
    if extent < 1 << 32:
        drawn = g.pointwise("rem", [drawn, g.cast(g.value(extent), "u32")], "u32", shape)
    wide = g.cast(drawn, "i64")
    return g.cast(g.pointwise("add", [wide, g.cast(g.value(low), "i64")], "i64", shape), dtype)


@converts(
    "aten.randn",
    "aten.randn_like",
    "aten.multinomial",
    "aten.randperm",
    "aten.normal",
    "aten.uniform",
    "aten.exponential",
)
def other(g: Conversion, *args: Operand, **options: Operand) -> typing.NoReturn:
    g.refuse(
        "random numbers that are neither whole nor evenly distributed", "draw them outside and give them as an argument"
    )
