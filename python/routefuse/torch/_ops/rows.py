"""Operations along a dim: sums, extrema, softmax, selections."""

from __future__ import annotations

import typing

from .. import _shapes
from .._conversion import Conversion, Value, converts
from .._dtypes import FLOATS, HALVES
from .._shapes import Rows, Shape

Operand = typing.Any


def _axes(g: Conversion, value: Value, dims: Operand, does: str) -> list[int]:
    """The dims that an operation takes together; all of them if none are named."""
    if dims is None or dims == []:
        dims = list(range(len(value.shape)))
    dims = [dims] if isinstance(dims, int) else dims
    return sorted(g.constant_axis(value, d, does) for d in dims) if value.shape else []


def reduce(g: Conversion, op: str, value: Value, dims: list[int], dtype: str) -> Value:
    """Over constant dims, which become 1."""
    for dim in reversed(dims):
        axis = _shapes.layout(value.shape).axes[dim]
        if value.shape[dim] == 1:
            continue
        shape: Shape = value.shape[:dim] + (1,) + value.shape[dim + 1 :]
        if not axis:
            value = g.reshape(value, shape)
            continue
        value = g.emit(op, g.real(value), dtype=dtype, shape=shape, axis=axis[0])
    return value


def _adjacent(g: Conversion, value: Value, dims: list[int]) -> tuple[Value, list[int]]:
    """Neighbouring dims as one, so that they are summed in one order."""
    if len(dims) < 2 or dims != list(range(dims[0], dims[-1] + 1)):
        return value, dims
    before, after = value.shape[: dims[0]], value.shape[dims[-1] + 1 :]
    return g.reshape(value, before + (_shapes.count(value.shape[d] for d in dims),) + after), [dims[0]]


@converts("aten.sum")
def sum_(g: Conversion, x: Operand, dims: Operand = None, keepdim: bool = False, *, dtype: Operand = None) -> Value:
    value, (to, shape) = g.value(x), g.result()
    axes = _axes(g, value, dims, "a sum")
    origin = value.origin
    keys = origin[1] if origin is not None and origin[0] == "topk_values" and origin[2] == 2 and to == "f32" else None
    if keys is not None and g.nan == "last" and value.shape == keys.shape[:-1] + (2,) and axes == [len(value.shape) - 1]:
        inner = len(_shapes.layout(keys.shape).dims) - 1
        best = g.emit("top2_sum", keys, dtype="f32", shape=keys.shape[:-1] + (1,), axis=inner)
        return g.reshape(best, shape)
    value = g.real(g.compute(value, to))
    value, axes = _adjacent(g, value, axes)
    return g.reshape(g.rounded(reduce(g, "reduce_sum", value, axes, value.dtype), to), shape)


@converts("aten.mean")
def mean(g: Conversion, x: Operand, dims: Operand = None, keepdim: bool = False, *, dtype: Operand = None) -> Value:
    value, (to, shape) = g.value(x), g.result()
    axes = _axes(g, value, dims, "a mean")
    n = _shapes.count(value.shape[d] for d in axes)
    value = g.real(g.compute(value, to))
    value, axes = _adjacent(g, value, axes)
    total = reduce(g, "reduce_sum", value, axes, "f32")
    made = g.pointwise("div", [total, g.cast(g.value(float(n)), "f32")], "f32", total.shape)
    return g.reshape(g.rounded(made, to), shape)


def _extremum(g: Conversion, value: Value, axes: list[int], op: str, dtype: str) -> Value:
    """The largest or smallest; a NaN if there is one, as torch has it."""
    if dtype == "bool":
        return g.cast(reduce(g, op, g.real(g.cast(value, "u8")), axes, "u8"), "bool")
    if not value.wide or dtype != value.dtype:
        value = g.compute(value, dtype)
    else:
        value = g.widen(value)
    value = g.real(value)
    best = reduce(g, op, value, axes, value.dtype)
    if dtype in FLOATS and value.const is None:
        nan = g.pointwise("is_nan", [value], "bool", value.shape)
        some = reduce(g, "reduce_max", g.cast(nan, "u8"), axes, "u8")
        best = g.pointwise(
            "select", [g.cast(some, "bool"), g.cast(g.value(float("nan")), "f32"), best], "f32", best.shape
        )
    return g.rounded(best, dtype)


@converts("aten.amax", "aten.amin", "aten.max", "aten.min")
def amax(g: Conversion, x: Operand, dims: Operand = None, keepdim: bool = False) -> Value:
    value = g.value(x)
    name = str(g.op_name())
    axes = _axes(g, value, dims, "an extremum")
    op = "reduce_max" if "max" in name else "reduce_min"
    dtype, shape = g.result()
    return g.reshape(_extremum(g, value, axes, op, dtype), shape)


@converts("aten.any", "aten.all")
def any_(g: Conversion, x: Operand, dims: Operand = None, keepdim: bool = False) -> Value:
    value = g.cast(g.value(x), "bool")
    op = "reduce_max" if "any" in str(g.op_name()) else "reduce_min"
    axes = _axes(g, value, dims, "any or all")
    made = g.cast(reduce(g, op, g.real(g.cast(value, "u8")), axes, "u8"), "bool")
    return g.reshape(made, g.result()[1])


@converts("aten.cumsum")
def cumsum(g: Conversion, x: Operand, dim: int, *, dtype: Operand = None) -> Value:
    value, (to, shape) = g.value(x), g.result()
    dim = g.constant_axis(value, dim, "a running sum")
    value = g.real(g.compute(value, to))
    flat = _inner(g, value, dim, "a running sum")
    made = g.emit("cumsum", flat, dtype=value.dtype, shape=flat.shape)
    return g.reshape(g.rounded(made, to), shape)


def _inner(g: Conversion, value: Value, dim: int, does: str) -> Value:
    """With a dim as the last one, behind which there is nothing."""
    after = value.shape[dim + 1 :]
    if any(isinstance(d, Rows) or d != 1 for d in after):
        g.refuse(
            f"{does} along dim {dim} of {_shapes.text(value.shape)}, which is not the last",
            "graphs have it along the last dim",
        )
    return g.reshape(value, value.shape[: dim + 1])


@converts("aten._softmax", "aten.softmax", "aten._safe_softmax")
def softmax(g: Conversion, x: Operand, dim: int, *args: Operand) -> Value:
    return _normalised(g, "softmax", x, dim)


@converts("aten._log_softmax", "aten.log_softmax")
def log_softmax(g: Conversion, x: Operand, dim: int, *args: Operand) -> Value:
    return _normalised(g, "log_softmax", x, dim)


def _normalised(g: Conversion, op: str, x: Operand, dim: int) -> Value:
    value, (to, shape) = g.value(x), g.result()
    dim = g.constant_axis(value, dim, f"a {op}")
    value = g.real(g.widen(value))
    flat = _inner(g, value, dim, f"a {op}")
    return g.reshape(g.rounded(g.emit(op, flat, dtype="f32", shape=flat.shape), to), shape)


def keys_of(g: Conversion, value: Value) -> Value:
    """What a selection compares."""
    value = g.real(value)
    if value.wide:
        value = g.widen(value)
    if value.dtype in ("i64", "u64", "u32"):
        g.refuse(f"a selection of {value.dtype}", "select by f32, or by integers of at most 32 bits")
    return g.cast(value, "u8") if value.dtype == "bool" else value


def take(g: Conversion, value: Value, index: Value) -> Value:
    """The elements of a row at these columns."""
    value = g.real(value)
    made = g.emit("gather_row", value, index, dtype=value.dtype, shape=index.shape, out_of_range="pass")
    made.wide = value.wide
    return made


@converts("aten.topk")
def topk(
    g: Conversion, x: Operand, k: Operand, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Value, Value]:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "a top-k")
    if not isinstance(k, int):
        g.refuse("a top-k of as many columns as there are rows")
    if not value.shape or k == 0:
        g.refuse(f"a top-k of {k} of {_shapes.text(value.shape)}")
    return _best(g, _inner(g, g.real(value), dim, "a top-k"), k, largest, g.result(0)[1])


def _best(g: Conversion, value: Value, k: int, largest: bool, shape: Shape) -> tuple[Value, Value]:
    keys = keys_of(g, value)
    if not largest:
        if keys.dtype.startswith("u"):
            g.refuse(f"the least of {keys.dtype}", "select by f32 or by signed integers")
        keys = _turned(g, keys)
    inner = value.shape[:-1] + (k,)
    # To torch a NaN is the largest, so that it is the last of the least.
    nan = nan_order(g, keys) if largest else {}
    ids = g.emit("topk", keys, dtype="i32", shape=inner, k=k, **nan)
    values = g.reshape(take(g, value, ids), shape)
    ids.origin = ("topk", keys, k, nan)
    if largest and keys.dtype == "f32" and not value.wide:
        values.origin = ("topk_values", keys, k)
    index = g.cast(g.reshape(ids, shape), "i64")
    index.origin = ("topk", keys, k, nan)
    return values, index


def nan_order(g: Conversion, keys: Value) -> dict[str, str]:
    """The attribute of a selection, where one is asked for."""
    return {"nan": "first"} if g.nan == "first" and keys.dtype in FLOATS else {}


def _turned(g: Conversion, keys: Value) -> Value:
    """In the opposite order: a float negated, an integer's bits turned over."""
    if keys.dtype in HALVES:
        keys = g.cast(keys, "f32")
    return g.pointwise("neg" if keys.dtype == "f32" else "not", [keys], keys.dtype, keys.shape)


@converts("aten.sort")
def sort(g: Conversion, x: Operand, *args: Operand, **options: Operand) -> tuple[Value, Value]:
    value = g.value(x)
    if "stable" in str(g.op_name()):
        stable = options.get("stable", args[0] if args else None)
        dim = options.get("dim", args[1] if len(args) > 1 else -1)
        descending = options.get("descending", args[2] if len(args) > 2 else False)
    else:
        stable = None
        dim = args[0] if args else options.get("dim", -1)
        descending = args[1] if len(args) > 1 else options.get("descending", False)
    del stable  # ties go to the lower column in any case
    dim = g.constant_axis(value, dim, "a sort")
    n = typing.cast(int, value.shape[dim])
    if n > 256:
        g.refuse(f"a sort of {n} columns", "256 are sorted; of more, take the best by topk")
    return _best(g, _inner(g, g.real(value), dim, "a sort"), n, bool(descending), g.result(0)[1])


@converts("aten.max.dim", "aten.min.dim")
def max_dim(g: Conversion, x: Operand, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "an extremum")
    best = "max" in str(g.op_name())
    flat = _inner(g, g.real(value), dim, "an extremum with its column")
    ids = _first_best(g, flat, best)
    values = take(g, flat, ids)
    return g.reshape(values, g.result(0)[1]), g.cast(g.reshape(ids, g.result(1)[1]), "i64")


def _first_best(g: Conversion, flat: Value, largest: bool) -> Value:
    keys = keys_of(g, flat)
    if not largest:
        if keys.dtype.startswith("u"):
            g.refuse(f"the least of {keys.dtype}", "select by f32 or by signed integers")
        keys = _turned(g, keys)
    return g.emit("argmax", keys, dtype="i32", shape=flat.shape[:-1] + (1,), **nan_order(g, keys))


@converts("aten.argmax", "aten.argmin")
def argmax(g: Conversion, x: Operand, dim: Operand = None, keepdim: bool = False) -> Value:
    value = g.value(x)
    if dim is None:
        _axes(g, value, None, "an extremum")
        value, dim = g.reshape(g.real(value), (_shapes.count(value.shape),)), 0
    dim = g.constant_axis(value, dim, "an extremum")
    flat = _inner(g, g.real(value), dim, "an extremum's column")
    ids = _first_best(g, flat, "argmax" in str(g.op_name()))
    return g.cast(g.reshape(ids, g.result()[1]), "i64")


@converts(
    "aten.prod", "aten.var", "aten.std", "aten.var_mean", "aten.cumprod", "aten.median", "aten.kthvalue", "aten.mode"
)
def no_reduction(g: Conversion, *args: Operand, **options: Operand) -> typing.NoReturn:
    name = str(g.op_name()).split(".")[1]
    g.refuse(f"graphs have no `{name}`", "they sum, and find extrema and the k best")
