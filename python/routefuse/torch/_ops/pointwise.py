"""Operations on single elements."""

from __future__ import annotations

import math
import typing

import torch

from .. import _shapes
from .._conversion import Conversion, Value, converts
from .._dtypes import FLOATS, HALVES, SIZES, is_int

Operand = typing.Any


def arithmetic(g: Conversion, op: str, operands: list[Operand], dtype: str, *, exact_scalars: bool = True) -> Value:
    """An operation whose operands and result are of one dtype, the node's result.

    A Python number beside a 16-bit tensor is used as it is (`exact_scalars`), or rounded to that dtype first: eager's add and
    mul do the one, its min and max the other.
    """
    shape = g.result()[1]
    values = [g.value(o) for o in operands]
    if not exact_scalars and dtype in HALVES:
        values = [g.cast(v, dtype) if v.is_number else v for v in values]
    ready = [g.compute(v, dtype) for v in values]
    return g.rounded(g.pointwise(op, ready, ready[0].dtype, shape), dtype)


def in_f32(g: Conversion, build: typing.Callable[..., Value], *operands: Operand) -> Value:
    """A computation on floats, in f32 and rounded once; integers become floats."""
    dtype, _ = g.result()
    if dtype not in FLOATS:
        g.refuse(f"it gives {dtype}, and floats are computed in f32", "compute in f32")
    return g.rounded(build(*[g.operand(g.compute(g.value(o), dtype)) for o in operands]), dtype)


@converts("aten.add", "aten.sub")
def add(g: Conversion, a: Operand, b: Operand, *, alpha: typing.Any = 1) -> Value:
    dtype, shape = g.result()
    op = "add" if "add" in str(g.op_name()) else "sub"
    if dtype == "bool":
        return arithmetic(g, "or", [a, b], dtype)
    if alpha == 1:
        return arithmetic(g, op, [a, b], dtype)
    factor = alpha if op == "add" else -alpha
    if is_int(dtype):
        scaled = g.pointwise(
            "mul", [g.cast(g.value(b), dtype), g.cast(g.value(factor), dtype)], dtype, g.value(b).shape
        )
        return arithmetic(g, "add", [a, scaled], dtype)
    # Eager multiplies and adds in one step here, with one rounding.
    ready = [g.compute(g.value(o), dtype) for o in (b, factor, a)]
    return g.rounded(g.pointwise("fma", ready, "f32", shape), dtype)


@converts("aten.rsub")
def rsub(g: Conversion, a: Operand, b: Operand, *, alpha: typing.Any = 1) -> Value:
    if alpha != 1:
        g.refuse("a factor of alpha", "write the product out")
    return arithmetic(g, "sub", [b, a], g.result()[0])


@converts("aten.mul")
def mul(g: Conversion, a: Operand, b: Operand) -> Value:
    dtype, _ = g.result()
    return arithmetic(g, "and" if dtype == "bool" else "mul", [a, b], dtype)


@converts("aten.div", "aten.true_divide")
def div(g: Conversion, a: Operand, b: Operand, *, rounding_mode: str | None = None) -> Value:
    dtype, shape = g.result()
    if rounding_mode is None:
        # Of integers it is a float, whatever torch remembers of it: 2.8 takes it for the division that truncates.
        return arithmetic(g, "div", [a, b], dtype if dtype in FLOATS else "f32")
    if is_int(dtype):
        return arithmetic(g, "div_floor" if rounding_mode == "floor" else "div", [a, b], dtype)
    if rounding_mode == "trunc":
        return in_f32(
            g, lambda x, y: g.pointwise("trunc", [g.pointwise("div", [x, y], "f32", shape)], "f32", shape), a, b
        )
    divisor = g.value(b)
    is_one = divisor.const is not None or all(d == 1 for d in divisor.shape)
    if dtype in HALVES and g.rounding == "eager" and not is_one:
        return in_f32(g, lambda x, y: _div_floor_rounded(g, x, y, dtype, shape), a, b)
    return in_f32(g, lambda x, y: g.pointwise("div_floor", [x, y], "f32", shape), a, b)


def _div_floor_rounded(g: Conversion, x: Value, y: Value, dtype: str, shape: _shapes.Shape) -> Value:
    """`div_floor` by a 16-bit tensor of more than one element: the steps of which it is made, each rounded to their dtype, as eager
    does."""

    def f32(op: str, *operands: Value) -> Value:
        return g.pointwise(op, list(operands), "f32", shape)

    def rounded(op: str, *operands: Value) -> Value:
        return g.cast(g.cast(f32(op, *operands), dtype), "f32")

    def holds(op: str, *operands: Value) -> Value:
        return g.pointwise(op, list(operands), "bool", shape)

    zero, half, one = (g.cast(g.value(n), "f32") for n in (0.0, 0.5, 1.0))
    rest = f32("rem", x, y)
    quotient = rounded("div", rounded("sub", x, rest), y)
    moves = holds("and", holds("ne", rest, zero), holds("xor", holds("lt", y, zero), holds("lt", rest, zero)))
    quotient = f32("select", moves, rounded("sub", quotient, one), quotient)
    below = f32("floor", quotient)
    whole = f32("select", holds("gt", rounded("sub", quotient, below), half), rounded("add", below, one), below)
    # A quotient of 0 has the sign of the plain one, which a division by 0 is.
    plain = f32("div", x, y)
    bits = g.emit("bitcast", plain, dtype="i32", shape=shape, dtype_="i32")
    sign = g.pointwise("and", [bits, g.cast(g.value(-(1 << 31)), "i32")], "i32", shape)
    signed = g.emit("bitcast", sign, dtype="f32", shape=shape, dtype_="f32")
    return f32("select", holds("eq", y, zero), plain, f32("select", holds("eq", quotient, zero), signed, whole))


@converts("aten.floor_divide")
def floor_divide(g: Conversion, a: Operand, b: Operand) -> Value:
    return div(g, a, b, rounding_mode="floor")


@converts("aten.remainder")
def remainder(g: Conversion, a: Operand, b: Operand) -> Value:
    return arithmetic(g, "rem_floor", [a, b], g.result()[0], exact_scalars=False)


@converts("aten.fmod")
def fmod(g: Conversion, a: Operand, b: Operand) -> Value:
    return arithmetic(g, "rem", [a, b], g.result()[0], exact_scalars=False)


@converts("aten.neg")
def neg(g: Conversion, x: Operand) -> Value:
    return arithmetic(g, "neg", [x], g.result()[0])


@converts("aten.abs")
def absolute(g: Conversion, x: Operand) -> Value:
    dtype, _ = g.result()
    return g.value(x) if dtype in ("bool", "u8", "u16", "u32", "u64") else arithmetic(g, "abs", [x], dtype)


def _unary(op: str, *names: str) -> None:
    @converts(*names)
    def convert(g: Conversion, x: Operand) -> Value:
        shape = g.result()[1]
        made = in_f32(g, lambda v: g.pointwise(op, [v], "f32", shape), x)
        if op == "exp" and made.dtype == "f32":
            made.origin = ("exp", g.operand(g.compute(g.value(x), "f32")))
        return made


for _op in ("sqrt", "exp", "exp2", "log", "log2", "rsqrt", "sigmoid", "tanh", "erf"):
    _unary(_op, f"aten.{_op}")


@converts("aten.gelu")
def gelu(g: Conversion, x: Operand, *, approximate: str = "none") -> Value:
    """x·(1 + erf(x/√2))/2, or with tanh(√(2/π)·(x + 0.044715·x³)) in the place of erf."""
    shape = g.result()[1]
    number = lambda n: g.cast(g.value(n), "f32")  # noqa: E731

    def build(v: Value) -> Value:
        f32 = lambda op, *operands: g.pointwise(op, list(operands), "f32", shape)  # noqa: E731
        if approximate == "tanh":
            cube = f32("mul", f32("mul", v, v), v)
            inner = f32("mul", f32("add", v, f32("mul", cube, number(0.044715))), number(math.sqrt(2 / math.pi)))
            part = f32("tanh", inner)
        else:
            part = f32("erf", f32("mul", v, number(math.sqrt(0.5))))
        return f32("mul", f32("mul", v, number(0.5)), f32("add", part, number(1.0)))

    return in_f32(g, build, x)


@converts("aten.floor", "aten.ceil", "aten.trunc")
def whole(g: Conversion, x: Operand) -> Value:
    value = g.value(x)
    if is_int(value.dtype):
        return value
    op = str(g.op_name()).split(".")[1]
    return in_f32(g, lambda v: g.pointwise(op, [v], "f32", value.shape), x)


@converts("aten.round")
def round_(g: Conversion, x: Operand, *, decimals: int = 0) -> Value:
    value = g.value(x)
    if decimals:
        g.refuse(f"rounding to {decimals} decimals")
    return value if is_int(value.dtype) else in_f32(g, lambda v: g.pointwise("round", [v], "f32", value.shape), x)


@converts("aten.reciprocal")
def reciprocal(g: Conversion, x: Operand) -> Value:
    shape = g.result()[1]
    return in_f32(g, lambda v: g.pointwise("div", [g.cast(g.value(1.0), "f32"), v], "f32", shape), x)


def _log1p(g: Conversion, x: Value, shape: _shapes.Shape) -> Value:
    """log(1 + x) without the loss at small x: x·log(u)/(u − 1) with u = 1 + x rounded (Higham, Accuracy and Stability, 1.14.1)."""
    one = g.cast(g.value(1.0), "f32")
    u = g.pointwise("add", [x, one], "f32", shape)
    quotient = g.pointwise(
        "div", [g.pointwise("log", [u], "f32", shape), g.pointwise("sub", [u, one], "f32", shape)], "f32", shape
    )
    exact = g.pointwise("eq", [u, one], "bool", shape)
    infinite = g.pointwise("eq", [u, g.cast(g.value(math.inf), "f32")], "bool", shape)
    near = g.pointwise("select", [exact, x, g.pointwise("mul", [x, quotient], "f32", shape)], "f32", shape)
    return g.pointwise("select", [infinite, u, near], "f32", shape)


@converts("aten.log1p")
def log1p(g: Conversion, x: Operand) -> Value:
    dtype, shape = g.result()
    origin = g.value(x).origin
    if origin is not None and origin[0] == "exp" and dtype == "f32":
        return g.pointwise("softplus", [origin[1]], "f32", shape)
    return in_f32(g, lambda v: _log1p(g, v, shape), x)


@converts("aten.expm1")
def expm1(g: Conversion, x: Operand) -> Value:
    """exp(x) − 1 without the loss at small x: (u − 1)·x/log(u) with u = exp(x) rounded (Higham, as above)."""
    shape = g.result()[1]
    one = g.cast(g.value(1.0), "f32")

    def build(v: Value) -> Value:
        u = g.pointwise("exp", [v], "f32", shape)
        less = g.pointwise("sub", [u, one], "f32", shape)
        quotient = g.pointwise("div", [v, g.pointwise("log", [u], "f32", shape)], "f32", shape)
        product = g.pointwise("mul", [less, quotient], "f32", shape)
        near = g.pointwise("select", [g.pointwise("eq", [u, one], "bool", shape), v, product], "f32", shape)
        # Where u is 0 or infinite, u − 1 is exact.
        ends = g.pointwise("eq", [less, g.cast(g.value(-1.0), "f32")], "bool", shape)
        ends = g.pointwise(
            "or", [ends, g.pointwise("eq", [u, g.cast(g.value(math.inf), "f32")], "bool", shape)], "bool", shape
        )
        return g.pointwise("select", [ends, less, near], "f32", shape)

    return in_f32(g, build, x)


@converts("aten.relu")
def relu(g: Conversion, x: Operand) -> Value:
    return extremum(g, "max", [x, 0])


def extremum(g: Conversion, op: str, operands: list[Operand], dtype: str | None = None) -> Value:
    """The smaller or the larger; a NaN if there is one, as torch has it."""
    made, shape = g.result()
    dtype = dtype or made
    if dtype in HALVES:
        values = [g.compute(g.cast(v, dtype) if v.is_number else v, dtype) for v in map(g.value, operands)]
    else:
        values = [g.compute(g.value(o), dtype) for o in operands]
    attributes = {"nan": "propagate"} if dtype in FLOATS else {}
    return g.rounded(g.pointwise(op, values, values[0].dtype, shape, **attributes), dtype)


@converts("aten.maximum", "aten.max.other")
def maximum(g: Conversion, a: Operand, b: Operand) -> Value:
    return extremum(g, "max", [a, b])


@converts("aten.minimum", "aten.min.other")
def minimum(g: Conversion, a: Operand, b: Operand) -> Value:
    return extremum(g, "min", [a, b])


@converts("aten.clamp", "aten.clamp_min", "aten.clamp_max", "aten.hardtanh")
def clamp(
    g: Conversion, x: Operand, low: Operand = None, high: Operand = None, *, min: Operand = None, max: Operand = None
) -> Value:
    name = str(g.op_name())
    if "clamp_max" in name:
        low, high = None, low if high is None else high
    if "hardtanh" in name:
        low, high = -1.0 if low is None else low, 1.0 if high is None else high
    low, high = low if min is None else min, high if max is None else max
    value: Operand = x
    if low is not None:
        value = extremum(g, "max", [value, low])
    if high is not None:
        value = extremum(g, "min", [value, high])
    return g.cast(g.value(value), g.result()[0]) if value is x else value


@converts("aten.sign", "aten.sgn")
def sign(g: Conversion, x: Operand) -> Value:
    dtype, shape = g.result()
    if dtype == "bool" or dtype.startswith("u"):
        return g.cast(g.cast(g.value(x), "bool"), dtype)
    v = g.compute(g.value(x), dtype)
    number = lambda n: g.cast(g.value(n), v.dtype)  # noqa: E731
    below = g.pointwise(
        "select", [g.pointwise("lt", [v, number(0)], "bool", shape), number(-1), number(0)], v.dtype, shape
    )
    above = g.pointwise("gt", [v, number(0)], "bool", shape)
    return g.rounded(g.pointwise("select", [above, number(1), below], v.dtype, shape), dtype)


@converts("aten.pow")
def power(g: Conversion, x: Operand, exponent: Operand) -> Value:
    dtype, shape = g.result()
    n = exponent.const if isinstance(exponent, Value) else exponent
    if isinstance(x, (int, float)) or n is None:
        if isinstance(x, (int, float)) and x == 2 and dtype in FLOATS:
            return in_f32(g, lambda v: g.pointwise("exp2", [v], "f32", shape), exponent)
        g.refuse("a power whose exponent is no constant")
    if n == 0.5 and dtype in FLOATS:
        return in_f32(g, lambda v: g.pointwise("sqrt", [v], "f32", shape), x)
    if n == -0.5 and dtype in FLOATS:
        return in_f32(g, lambda v: g.pointwise("rsqrt", [v], "f32", shape), x)
    if n in (-1, -2) and dtype in FLOATS:
        one = g.cast(g.value(1.0), "f32")

        def inverse(v: Value) -> Value:
            return g.pointwise("div", [one, v if n == -1 else g.pointwise("mul", [v, v], "f32", shape)], "f32", shape)

        return in_f32(g, inverse, x)
    if n == 1:
        return g.cast(g.value(x), dtype)
    if n not in (2, 3):
        g.refuse(f"a power with the exponent {n}", "the exponents -2, -1, -0.5, 0.5, 1, 2 and 3 are converted")
    v = g.operand(g.compute(g.value(x), dtype))
    square = g.pointwise("mul", [v, v], v.dtype, shape)
    return g.rounded(square if n == 2 else g.pointwise("mul", [square, v], v.dtype, shape), dtype)


@converts("aten.square")
def square(g: Conversion, x: Operand) -> Value:
    return power(g, x, 2)


def _bitwise(op: str, *names: str) -> None:
    @converts(*names)
    def convert(g: Conversion, a: Operand, b: Operand) -> Value:
        return arithmetic(g, op, [a, b], g.result()[0])


_bitwise("and", "aten.bitwise_and", "aten.__and__")
_bitwise("or", "aten.bitwise_or", "aten.__or__")
_bitwise("xor", "aten.bitwise_xor", "aten.__xor__")
_bitwise("shl", "aten.bitwise_left_shift", "aten.__lshift__")
_bitwise("shr", "aten.bitwise_right_shift", "aten.__rshift__")


@converts("aten.bitwise_not")
def bitwise_not(g: Conversion, x: Operand) -> Value:
    return arithmetic(g, "not", [x], g.result()[0])


@converts("aten.logical_not")
def logical_not(g: Conversion, x: Operand) -> Value:
    value = g.cast(g.value(x), "bool")
    return g.pointwise("not", [value], "bool", value.shape)


def _logical(op: str, name: str) -> None:
    @converts(name)
    def convert(g: Conversion, a: Operand, b: Operand) -> Value:
        return g.pointwise(op, [g.cast(g.value(a), "bool"), g.cast(g.value(b), "bool")], "bool", g.result()[1])


_logical("and", "aten.logical_and")
_logical("or", "aten.logical_or")
_logical("xor", "aten.logical_xor")


def _comparison(op: str) -> None:
    @converts(f"aten.{op}")
    def convert(g: Conversion, a: Operand, b: Operand) -> Value:
        assert g.node is not None
        dtype = g.promoted(*g.node.args[:2])
        if dtype == "f64":
            g.refuse("f64 values are compared, which graphs lack", "compute in f32")
        values = [g.value(a), g.value(b)]
        if dtype in HALVES:
            values = [g.cast(v, dtype) if v.is_number else v for v in values]
        return g.pointwise(op, [g.compute(v, dtype) for v in values], "bool", g.result()[1])


for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_op)


@converts("aten.isnan")
def isnan(g: Conversion, x: Operand) -> Value:
    value = g.value(x)
    if value.dtype not in FLOATS:
        return Value("bool", value.shape, const=False)
    return g.pointwise("is_nan", [g.widen(value)], "bool", value.shape)


@converts("aten.isinf", "aten.isfinite")
def isinf(g: Conversion, x: Operand) -> Value:
    value = g.value(x)
    finite = "isfinite" in str(g.op_name())
    if value.dtype not in FLOATS:
        return Value("bool", value.shape, const=finite)
    size = g.pointwise("abs", [g.widen(value)], "f32", value.shape)
    return g.pointwise("lt" if finite else "eq", [size, g.cast(g.value(math.inf), "f32")], "bool", value.shape)


@converts("aten.where")
def where(g: Conversion, condition: Operand, a: Operand = None, b: Operand = None) -> Value:
    if a is None or b is None:
        g.refuse("the number of its results depends on the data")
    dtype, shape = g.result()
    return choose(g, condition, a, b, dtype, shape)


def choose(g: Conversion, condition: Operand, a: Operand, b: Operand, dtype: str, shape: _shapes.Shape) -> Value:
    """`a` where the condition holds, else `b`."""
    picked = g.cast(g.value(condition), "bool")
    values = [g.value(a), g.value(b)]
    wide = any(v.wide for v in values)
    values = [g.widen(g.cast(v, dtype) if v.const is not None else v) if wide else g.cast(v, dtype) for v in values]
    made = g.pointwise("select", [picked, *values], "f32" if wide else dtype, shape)
    made.dtype, made.wide = dtype, wide
    return made


@converts("aten.masked_fill")
def masked_fill(g: Conversion, x: Operand, mask: Operand, value: Operand) -> Value:
    dtype, shape = g.result()
    return choose(g, mask, value, x, dtype, shape)


@converts("aten.lerp")
def lerp(g: Conversion, a: Operand, b: Operand, weight: Operand) -> Value:
    g.refuse("interpolation, which torch rounds in one of two ways by its weight", "write a + w * (b - a)")


@converts("aten._to_copy", "prims.convert_element_type", "aten.to")
def to_copy(g: Conversion, x: Operand, dtype: torch.dtype | None = None, **options: typing.Any) -> Value:
    if options.get("device") is not None:
        assert g.node is not None
        source = typing.cast(torch.fx.Node, g.node.args[0]).meta["val"].device
        if torch.device(options["device"]).type != source.type:
            g.refuse(f"a copy from {source} to {options['device']}", "a kernel runs on one device")
    value = g.value(x)
    to = g.result()[0]
    if to == "f64" and value.const is None:
        g.refuse("f64 values are computed, which graphs lack", "compute in f32")
    made = g.cast(value, to)
    made.origin = value.origin
    return made


@converts("aten.view.dtype")
def bitcast(g: Conversion, x: Operand, dtype: torch.dtype) -> Value:
    value, (to, shape) = g.narrow(g.real(g.value(x))), g.result()
    if value.dtype == to:
        return value
    if SIZES[value.dtype] != SIZES[to]:
        g.refuse(f"the bits of {value.dtype} as {to}, which is of another width")
    if "bool" in (value.dtype, to):
        g.refuse(f"the bits of {value.dtype} as {to}")
    return g.emit("bitcast", value, dtype=to, shape=shape, dtype_=to)


@converts("aten.sin", "aten.cos", "aten.log10", "aten.atan2", "aten.erfinv")
def no_function(g: Conversion, *args: Operand, **options: Operand) -> Value:
    name = str(g.op_name()).split(".")[1]
    g.refuse(f"graphs have no `{name}`", "compute it outside, and capture what is around it")
