"""Operations that move elements and compute nothing."""

from __future__ import annotations

import typing

from .. import _shapes
from .._conversion import Conversion, Value, converts
from .._shapes import Rows, Shape
from .rows import take

Operand = typing.Any
_END = 1 << 62


@converts(
    "aten.view", "aten._unsafe_view", "aten.reshape", "aten.unsqueeze", "aten.squeeze", "aten.flatten", "aten._reshape_alias",
    "aten.view_copy", "aten.unflatten",
)  # fmt: skip
def view(g: Conversion, x: Operand, *args: Operand) -> Value:
    return g.reshape(g.value(x), g.result()[1])


@converts("aten.expand", "aten.expand_copy")
def expand(g: Conversion, x: Operand, *args: Operand, **options: Operand) -> Value:
    return g.repeat(g.value(x), g.result()[1])


@converts("aten.clone", "aten.alias", "aten.detach", "aten.contiguous", "aten.alias_copy", "aten.detach_copy")
def same(g: Conversion, x: Operand, **options: Operand) -> Value:
    value = g.value(x)
    if "clone" not in str(g.op_name()):
        return value
    made = Value(value.dtype, value.shape, ir=value.ir, const=value.const)
    made.wide, made.origin = value.wide, value.origin
    return made


@converts("aten.repeat")
def repeat(g: Conversion, x: Operand, times: Operand) -> Value:
    """Each dim behind itself several times: a dim of extent 1 in front of it, repeated, and the two taken together."""
    value, (_, shape) = g.value(x), g.result()
    padded: Shape = (1,) * (len(times) - len(value.shape)) + value.shape
    apart: list[typing.Any] = []
    wanted: list[typing.Any] = []
    for extent, n in zip(padded, times):
        if not isinstance(n, int):
            g.refuse("rows are repeated as often as there are rows")
        if isinstance(extent, Rows):
            if n != 1:
                g.refuse("rows are repeated", "a kernel computes each row by itself")
            apart.append(extent)
            wanted.append(extent)
        else:
            apart += [1, extent]
            wanted += [n, extent]
    return g.reshape(g.repeat(g.reshape(value, tuple(apart)), tuple(wanted)), shape)


@converts(
    "aten.permute",
    "aten.transpose",
    "aten.t",
    "aten.permute_copy",
    "aten.transpose_copy",
    "aten.numpy_T",
    "aten.swapaxes",
)
def permute(g: Conversion, x: Operand, *args: Operand) -> Value:
    value, (_, shape) = g.value(x), g.result()
    rank = len(value.shape)
    name = str(g.op_name())
    order = list(range(rank))
    if "permute" in name:
        order = [g.axis(value, d) for d in args[0]]
    elif rank > 1:
        a, b = (0, 1) if name.startswith("aten.t.") else (g.axis(value, args[0]), g.axis(value, args[1]))
        order[a], order[b] = order[b], order[a]
    if value.const is not None:
        return Value(value.dtype, shape, const=value.const)
    moved = [d for d in order if value.shape[d] != 1]
    if moved == sorted(moved):
        return g.reshape(value, shape)
    row = _shapes.row_dim(value.shape)
    if row is not None and order[row] != row:
        g.refuse(
            f"{_shapes.text(value.shape)} is transposed to {_shapes.text(shape)}", "graphs have their rows in front"
        )
    # Columns in another order: a gather within the row, by columns that are computed of an iota.
    first = 0 if row is None else row + 1
    inner = value.shape[first:]
    width = _shapes.count(inner)
    strides = [_shapes.count(inner[d + 1 :]) for d in range(len(inner))]
    target = [d - first for d in order[first:]]
    flat = (width,) if row is None else (value.shape[row], width)
    column = g.iota("i32", flat, len(flat) - 1)
    index: Value | None = None
    behind = width
    number = lambda n: g.cast(g.value(n), "i32")  # noqa: E731
    for d in target:
        extent = typing.cast(int, inner[d])
        behind //= extent
        digit = g.pointwise(
            "rem", [g.pointwise("div", [column, number(behind)], "i32", flat), number(extent)], "i32", flat
        )
        term = g.pointwise("mul", [digit, number(strides[d])], "i32", flat)
        index = term if index is None else g.pointwise("add", [index, term], "i32", flat)
    assert index is not None
    rows = g.reshape(value, flat)
    made = g.emit("gather_row", rows, index, dtype=value.dtype, shape=flat, out_of_range="pass")
    made.wide = value.wide
    return g.reshape(made, shape)


def _bounds(g: Conversion, extent: int, start: Operand, end: Operand) -> tuple[int, int]:
    for bound in (start, end):
        if bound is not None and not isinstance(bound, int):
            g.refuse("columns are cut at a number that depends on the rows")
    start = 0 if start is None else start
    end = _END if end is None else end
    start = min(max(start + extent if start < 0 else start, 0), extent)
    end = min(max(end + extent if end < 0 else end, start), extent)
    return start, end


@converts("aten.slice", "aten.slice_copy")
def slice_(g: Conversion, x: Operand, dim: int = 0, start: Operand = None, end: Operand = None, step: int = 1) -> Value:
    value = g.value(x)
    dim = g.axis(value, dim)
    extent = value.shape[dim]
    if isinstance(extent, Rows):
        if start in (None, 0) and step == 1 and g.result()[1] == value.shape:
            return value
        g.refuse("some of the rows are taken", "a kernel computes all rows; take them before or behind it")
    start, end = _bounds(g, extent, start, end)
    if step == 1:
        return g.slice(value, dim, start, end)
    return _steps(g, value, dim, start, end, step)


def _steps(g: Conversion, value: Value, dim: int, start: int, end: int, step: int) -> Value:
    """Every step-th of a dim: of pieces of step each, the first."""
    n = -(-(end - start) // step)
    if n == 0:
        g.refuse("a slice without elements", "graphs have no empty slices")
    extent = typing.cast(int, value.shape[dim])
    before, after = value.shape[:dim], value.shape[dim + 1 :]
    if start + n * step > extent:
        # The last piece is not whole: its first is taken by itself.
        last = g.slice(value, dim, start + (n - 1) * step, start + (n - 1) * step + 1)
        if n == 1:
            return last
        return g.concat([_steps(g, value, dim, start, start + (n - 2) * step + 1, step), last], dim, value.dtype)
    whole = g.slice(value, dim, start, start + n * step)
    pieces = g.reshape(whole, (*before, n, step, *after))
    return g.reshape(g.slice(pieces, dim + 1, 0, 1), (*before, n, *after))


@converts("aten.select", "aten.select_copy")
def select(g: Conversion, x: Operand, dim: int, index: Operand) -> Value:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "one is taken")
    if not isinstance(index, int):
        g.refuse("a column is taken that depends on the rows")
    extent = typing.cast(int, value.shape[dim])
    index = index + extent if index < 0 else index
    return g.reshape(g.slice(value, dim, index, index + 1), g.result()[1])


@converts("aten.unbind")
def unbind(g: Conversion, x: Operand, dim: int = 0) -> tuple[Value, ...]:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "it is taken apart")
    shape = value.shape[:dim] + value.shape[dim + 1 :]
    return tuple(g.reshape(g.slice(value, dim, i, i + 1), shape) for i in range(typing.cast(int, value.shape[dim])))


@converts("aten.split_with_sizes", "aten.split_with_sizes_copy")
def split_with_sizes(g: Conversion, x: Operand, sizes: Operand, dim: int = 0) -> tuple[Value, ...]:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "it is taken apart")
    parts, at = [], 0
    for size in sizes:
        if not isinstance(size, int):
            g.refuse("columns are cut at a number that depends on the rows")
        parts.append(g.slice(value, dim, at, at + size))
        at += size
    return tuple(parts)


@converts("aten.split", "aten.split_copy", "aten.chunk")
def split(g: Conversion, x: Operand, size: Operand, dim: int = 0) -> tuple[Value, ...]:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "it is taken apart")
    extent = typing.cast(int, value.shape[dim])
    if "chunk" in str(g.op_name()):
        size = -(-extent // size)
    sizes = [min(size, extent - at) for at in range(0, extent, size)]
    return split_with_sizes(g, value, sizes, dim)


@converts("aten.cat")
def cat(g: Conversion, parts: Operand, dim: int = 0) -> Value:
    dtype, shape = g.result()
    values = [g.value(p) for p in parts]
    # A tensor of shape [0] fits everywhere.
    values = [v for v in values if v.shape != (0,) or len(shape) == 1]
    dim = g.constant_axis(values[0], dim, "they are joined")
    return g.concat([v if v.wide and v.dtype == dtype else g.cast(v, dtype) for v in values], dim, dtype)


@converts("aten.stack")
def stack(g: Conversion, parts: Operand, dim: int = 0) -> Value:
    dtype, shape = g.result()
    dim = dim % len(shape)
    one = shape[:dim] + (1,) + shape[dim + 1 :]
    if isinstance(shape[dim], Rows):
        g.refuse("they are joined over rows", "a kernel computes each row by itself")
    return g.concat([g.cast(g.reshape(g.value(p), one), dtype) for p in parts], dim, dtype)


@converts("aten.constant_pad_nd")
def pad(g: Conversion, x: Operand, widths: Operand, value: Operand = 0) -> Value:
    made = g.value(x)
    fill = g.value(value)
    for i in range(len(widths) // 2):
        before, after = widths[2 * i : 2 * i + 2]
        if (before, after) == (0, 0):
            continue
        dim = g.constant_axis(made, -1 - i, "it is padded")
        if before < 0 or after < 0:
            extent = typing.cast(int, made.shape[dim])
            made = g.slice(made, dim, max(-before, 0), extent + min(after, 0))
        sides = []
        for width in (before, after):
            shape = made.shape[:dim] + (max(width, 0),) + made.shape[dim + 1 :]
            sides.append(Value(made.dtype, shape, const=g.cast(fill, made.dtype).const))
        made = g.concat([sides[0], made, sides[1]], dim, made.dtype)
    return made


@converts("aten.flip")
def flip(g: Conversion, x: Operand, dims: Operand) -> Value:
    value = g.value(x)
    if value.const is not None:
        return value
    for dim in dims:
        dim = g.constant_axis(value, dim, "the order is turned round")
        extent = typing.cast(int, value.shape[dim])
        parts = [g.slice(value, dim, i, i + 1) for i in reversed(range(extent))]
        if len(parts) > 64:
            g.refuse(f"the order of {extent} columns is turned round", "64 are converted")
        value = g.concat(parts, dim, value.dtype)
    return value


@converts("aten.slice_scatter")
def slice_scatter(
    g: Conversion, x: Operand, source: Operand, dim: int = 0, start: Operand = None, end: Operand = None, step: int = 1
) -> Value:
    value, part = g.value(x), g.value(source)
    dim = g.axis(value, dim)
    extent = value.shape[dim]
    part = g.cast(part, value.dtype) if not (part.wide and part.dtype == value.dtype) else part
    if isinstance(extent, Rows):
        if start in (None, 0) and step == 1 and part.shape == value.shape:
            return part
        g.refuse("some of the rows are written", "a kernel writes all rows; mask them instead")
    start, end = _bounds(g, extent, start, end)
    if step != 1:
        return _every(g, value, part, dim, range(start, end, step))
    pieces = []
    if start > 0:
        pieces.append(g.slice(value, dim, 0, start))
    if end > start:
        pieces.append(part)
    if end < extent:
        pieces.append(g.slice(value, dim, end, extent))
    return g.concat(pieces, dim, value.dtype)


def _every(g: Conversion, value: Value, part: Value, dim: int, places: range) -> Value:
    """A part's elements at places that lie apart: each column asks whether it is one of them, and which."""
    wide = value.wide or part.wide
    dtype = value.dtype
    value, part = (g.real(g.widen(v) if wide else v) for v in (value, part))
    (flat, _, after), (source, _, _) = g.merged(value, dim), g.merged(part, dim)
    each = _shapes.count(after)
    number = lambda n: g.cast(g.value(n), "i32")  # noqa: E731

    def integer(op: str, a: Value, b: int) -> Value:
        return g.pointwise(op, [a, number(b)], "i32", flat.shape)

    def holds(op: str, a: Value, b: int) -> Value:
        return g.pointwise(op, [a, number(b)], "bool", flat.shape)

    column = g.iota("i32", flat.shape, len(flat.shape) - 1)
    at = column if each == 1 else integer("div", column, each)
    distance = integer("sub", at, places.start)
    here = [
        holds("ge", at, places.start),
        holds("lt", at, places.stop),
        holds("eq", integer("rem", distance, places.step), 0),
    ]
    chosen = g.pointwise("and", [g.pointwise("and", here[:2], "bool", flat.shape), here[2]], "bool", flat.shape)
    index = integer("div", distance, places.step)
    if each != 1:
        index = g.pointwise("add", [integer("mul", index, each), integer("rem", column, each)], "i32", flat.shape)
    made = g.pointwise("select", [chosen, take(g, source, index), flat], flat.dtype, flat.shape)
    made.dtype, made.wide = dtype, wide
    return g.reshape(made, value.shape)


@converts("aten.select_scatter")
def select_scatter(g: Conversion, x: Operand, source: Operand, dim: int, index: Operand) -> Value:
    value = g.value(x)
    dim = g.constant_axis(value, dim, "one is written")
    if not isinstance(index, int):
        g.refuse("a column is written that depends on the rows")
    index = index + typing.cast(int, value.shape[dim]) if index < 0 else index
    one = value.shape[:dim] + (1,) + value.shape[dim + 1 :]
    return slice_scatter(g, value, g.reshape(g.value(source), one), dim, index, index + 1)


@converts("aten.copy")
def copy(g: Conversion, x: Operand, source: Operand, *args: Operand) -> Value:
    value = g.value(x)
    return g.repeat(g.cast(g.value(source), value.dtype), value.shape)


@converts("aten.as_strided", "aten.as_strided_scatter", "aten.diagonal", "aten.unfold")
def no_view(g: Conversion, *args: Operand, **options: Operand) -> typing.NoReturn:
    g.refuse("elements are seen at strides of the function's own", "slice, reshape or expand")
