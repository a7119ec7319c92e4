"""Operations that find, or write, elements by an index."""

from __future__ import annotations

import typing

from .. import _shapes
from .._conversion import Conversion, Value, converts
from .._dtypes import is_int
from .._shapes import Rows, Shape
from .pointwise import choose
from .rows import take

Operand = typing.Any
#: Writes to a row by an index are a comparison for every expert slot: beyond this many, too much code.
MOST_SLOTS = 32


def _table(g: Conversion, value: Value) -> Value:
    if _shapes.row_dim(value.shape) is not None:
        g.refuse(f"rows are found by an index in {_shapes.text(value.shape)}", "a kernel computes each row by itself")
    return g.narrow(g.real(value))


def _lookup(g: Conversion, table: Value, indices: list[Value], shape: Shape, policy: str) -> Value:
    """table[i0, i1, …, :]: the dims behind those of the indices are columns that are found one by one."""
    table = _table(g, table)
    if any(not is_int(i.dtype) for i in indices):
        g.refuse(f"an index of {', '.join(i.dtype for i in indices)}")
    n = len(indices)
    if len(table.shape) > 2:
        # The indexed dims as one, and those behind as one.
        extents = typing.cast("tuple[int, ...]", table.shape[:n])
        if n != 1:
            g.refuse(f"{n} indices into {_shapes.text(table.shape)}", "a table of one or two dims is indexed")
        table = g.reshape(table, (extents[0], _shapes.count(table.shape[1:])))
    indexed: Shape = ()
    for index in indices:
        indexed = _shapes.broadcast(indexed, index.shape)
    columns = _shapes.count(table.shape[n:])
    if len(table.shape) == n:
        ready = [g.repeat(g.real(i), indexed) if i.shape else g.operand(i) for i in indices]
        if all(not i.shape for i in ready) and indexed:
            ready = [g.repeat(i, indexed) for i in ready]
        return g.emit("gather", table, *ready, dtype=table.dtype, shape=indexed, out_of_range=policy)
    wide = indexed + (columns,)
    row = g.repeat(g.reshape(g.real(indices[0]), indexed + (1,)), wide)
    column = g.iota(row.dtype, wide, len(wide) - 1)
    found = g.emit("gather", table, row, column, dtype=table.dtype, shape=wide, out_of_range=policy)
    return g.reshape(found, shape)


@converts("aten.index", "aten._unsafe_index")
def index(g: Conversion, x: Operand, indices: Operand) -> Value:
    table = g.value(x)
    given = [i for i in indices if i is not None]
    if any(i.dtype == "bool" for i in given):
        g.refuse("the number of its results depends on the data", "choose by where")
    shape = g.result()[1]
    if indices[: len(given)] == given and _shapes.row_dim(table.shape) is None:
        # A negative index counts from the end, once.
        return _lookup(g, table, given, shape, "wrap")
    row = _shapes.row_dim(table.shape)
    at = [d for d, i in enumerate(indices) if i is not None]
    if len(at) == 2 and at[0] == row == 0 and len(table.shape) == 2:
        return _own_row(g, table, given, shape)
    if len(at) == 1 and at[0] == len(table.shape) - 1 and row is not None:
        # The same columns of every row.
        columns = given[0]
        if _shapes.row_dim(columns.shape) is not None or len(columns.shape) != 1:
            g.refuse("columns that differ by the row are taken of every row")
        wide = table.shape[:-1] + columns.shape
        return _wrapped(g, table, g.repeat(g.real(columns), wide))
    g.refuse(
        f"rows are found by an index in {_shapes.text(table.shape)}",
        "a kernel computes each row by itself; see torch.gather",
    )


def _own_row(g: Conversion, table: Value, given: list[Value], shape: Shape) -> Value:
    """x[arange(T)[:, None], ids]: a gather within the row, if the first index is the row's own."""
    rows, columns = given
    if rows.origin != ("own_row",):
        g.refuse("rows are found by an index", "a kernel computes each row by itself; see torch.gather")
    indexed = _shapes.broadcast(rows.shape, columns.shape)
    columns = g.repeat(g.real(columns), indexed)
    if len(indexed) == 1:
        return g.reshape(_wrapped(g, table, g.reshape(columns, (*indexed, 1))), shape)
    return _wrapped(g, table, columns)


def _wrapped(g: Conversion, value: Value, columns: Value) -> Value:
    value = g.real(value)
    made = g.emit("gather_row", value, columns, dtype=value.dtype, shape=columns.shape, out_of_range="wrap")
    made.wide = value.wide
    return made


@converts("aten.index_select")
def index_select(g: Conversion, x: Operand, dim: int, indices: Operand) -> Value:
    table, where = g.value(x), g.value(indices)
    dim = g.axis(table, dim)
    if dim == 0 and _shapes.row_dim(table.shape) is None:
        return _lookup(g, table, [where], g.result()[1], "pass")
    if dim == len(table.shape) - 1 and _shapes.row_dim(where.shape) is None:
        wide = table.shape[:-1] + where.shape
        return take(g, table, g.repeat(g.real(where), wide))
    g.refuse(
        f"dim {dim} of {_shapes.text(table.shape)} is indexed", "the first dim of a table, or the last of rows, is"
    )


@converts("aten.embedding")
def embedding(g: Conversion, table: Operand, indices: Operand, *args: Operand, **options: Operand) -> Value:
    return _lookup(g, g.value(table), [g.value(indices)], g.result()[1], "pass")


@converts("aten.gather")
def gather(g: Conversion, x: Operand, dim: int, indices: Operand, *, sparse_grad: bool = False) -> Value:
    value, where = g.value(x), g.value(indices)
    dim = g.constant_axis(value, dim, "elements are found")
    if any(not isinstance(d, Rows) and d != 1 for d in value.shape[dim + 1 :]):
        g.refuse(f"elements are found along dim {dim} of {_shapes.text(value.shape)}, which is not the last")
    if _shapes.row_dim(value.shape) is None and len(value.shape) == 1:
        return _lookup(g, value, [where], where.shape, "pass")
    if _shapes.row_dim(value.shape) is None and _shapes.row_dim(where.shape) is not None:
        g.refuse(f"rows of {_shapes.text(where.shape)} find elements of {_shapes.text(value.shape)}")
    # Of the other dims, as many as the index has.
    for d in range(dim):
        have, want = value.shape[d], where.shape[d]
        if have != want:
            if isinstance(have, Rows) or isinstance(want, Rows):
                g.refuse(f"elements of {_shapes.text(value.shape)} are found by {_shapes.text(where.shape)}")
            value = g.slice(value, d, 0, want)
    shape = where.shape
    where, value = g.real(where), g.real(value)
    found = take(g, g.reshape(value, value.shape[: dim + 1]), g.reshape(where, shape[: dim + 1]))
    return g.reshape(found, shape)


def _slots(g: Conversion, value: Value, dim: int, where: Value) -> tuple[Value, Value, list[Value]]:
    """A row, its columns' numbers, and the index of each expert slot, repeated over the row."""
    dim = g.constant_axis(value, dim, "elements are written")
    if dim != len(value.shape) - 1:
        g.refuse(f"elements are written along dim {dim} of {_shapes.text(value.shape)}, which is not the last")
    if where.shape[:-1] != value.shape[:-1]:
        g.refuse(f"elements of {_shapes.text(value.shape)} are written by {_shapes.text(where.shape)}")
    k = typing.cast(int, where.shape[-1])
    if k > MOST_SLOTS:
        g.refuse(f"{k} elements of a row are written by an index", f"{MOST_SLOTS} are")
    value, where = g.real(value), g.real(where)
    columns = g.iota(where.dtype, value.shape, dim)
    indices = [g.repeat(g.slice(where, dim, i, i + 1), value.shape) for i in range(k)]
    return value, columns, indices


def _is_chosen(g: Conversion, value: Value, where: Value) -> Value | None:
    """Whether a column is among the k best, if the index came from a top-k over columns like these."""
    origin = where.origin
    if origin is None or origin[0] != "topk" or origin[1].shape != value.shape:
        return None
    if where.shape != value.shape[:-1] + (origin[2],):
        return None
    keys = origin[1]
    return g.emit("topk_mask", keys, dtype="bool", shape=keys.shape, k=origin[2], **origin[3])


@converts("aten.scatter", "aten.scatter.value", "aten.scatter.src")
def scatter(g: Conversion, x: Operand, dim: int, indices: Operand, source: Operand, **options: Operand) -> Value:
    if options.get("reduce") is not None:
        g.refuse(f"elements are written with reduce={options['reduce']!r}")
    value, where = g.value(x), g.value(indices)
    written = source if isinstance(source, Value) else g.value(source)
    if written.const is not None:
        chosen = _is_chosen(g, value, where)
        fill = g.cast(written, value.dtype)
        if chosen is not None:
            return choose(g, chosen, Value(fill.dtype, (), const=fill.const), value, value.dtype, value.shape)
    value, columns, slots = _slots(g, value, dim, where)
    parts = _parts(g, written, where.shape, value)
    for slot, part in zip(slots, parts):
        here = g.pointwise("eq", [columns, slot], "bool", value.shape)
        value = choose(g, here, part, value, value.dtype, value.shape)
    return value


def _parts(g: Conversion, source: Value, shape: Shape, value: Value) -> list[Value]:
    """What each expert slot writes, repeated over the row."""
    if source.const is not None:
        fill = Value(value.dtype, (), const=g.cast(source, value.dtype).const)
        return [fill] * typing.cast(int, shape[-1])
    dim = len(shape) - 1
    if source.shape[:-1] != shape[:-1]:
        g.refuse(f"{_shapes.text(source.shape)} is written by {_shapes.text(shape)}")
    return [g.repeat(g.slice(source, dim, i, i + 1), value.shape) for i in range(typing.cast(int, shape[-1]))]


def _counts(g: Conversion, value: Value, where: Value, added: Value) -> Value | None:
    """Counts over all rows: the one thing that rows write together, in place of an argument. None if it is not that."""
    if len(value.shape) != 1 or _shapes.row_dim(value.shape) is not None or _shapes.row_dim(where.shape) is None:
        return None
    if value.source is None or value.ir is None:
        g.refuse(
            "rows are added up in a tensor that is no argument of one dim",
            "add to an argument, in place; give a row of a matrix by itself",
        )
    if value.dtype not in ("i32", "i64", "u32", "u64"):
        g.refuse(f"rows are added up in {value.dtype}", "count in integers of 32 or 64 bits, whose sum has no order")
    amounts = g.cast(added, value.dtype)
    amounts = (
        g.repeat(g.real(amounts), where.shape)
        if amounts.const is None
        else g.real(Value(value.dtype, where.shape, const=amounts.const))
    )
    made = g.emit("atomic_add", value, g.real(where), amounts, dtype=value.dtype, shape=value.shape)
    made.origin = ("counts", value.source)
    return made


@converts("aten.index_add")
def index_add(g: Conversion, x: Operand, dim: int, indices: Operand, source: Operand, *, alpha: Operand = 1) -> Value:
    value, where, added = g.value(x), g.value(indices), g.value(source)
    made = _counts(g, value, where, added) if alpha == 1 else None
    if made is None:
        g.refuse("rows are added to by an index", "counts of one dim are, in place of an argument")
    return made


@converts("aten.scatter_add")
def scatter_add(g: Conversion, x: Operand, dim: int, indices: Operand, source: Operand) -> Value:
    """Expert slot by expert slot, as eager does on the host; or counts over all rows."""
    value, where, added = g.value(x), g.value(indices), g.value(source)
    counted = _counts(g, value, where, added)
    if counted is not None:
        return counted
    dtype = value.dtype
    value, columns, slots = _slots(g, value, dim, where)
    total = g.compute(value, dtype)
    for slot, part in zip(slots, _parts(g, added, where.shape, value)):
        here = g.pointwise("eq", [columns, slot], "bool", value.shape)
        more = g.compute(
            g.rounded(g.pointwise("add", [total, g.compute(part, dtype)], total.dtype, value.shape), dtype), dtype
        )
        total = choose(g, here, more, total, total.dtype, value.shape)
    return g.rounded(total, dtype)


@converts("aten.index_put", "aten._unsafe_index_put")
def index_put(g: Conversion, x: Operand, indices: Operand, source: Operand, accumulate: bool = False) -> Value:
    """By a mask, where one number is written. By numbers, it crosses rows."""
    value, written = g.value(x), g.value(source)
    if accumulate and len(indices) == 1 and indices[0] is not None and indices[0].dtype != "bool":
        counted = _counts(g, value, indices[0], written)
        if counted is not None:
            return counted
    if len(indices) == 1 and indices[0] is not None and indices[0].dtype == "bool" and not accumulate:
        mask = indices[0]
        if written.shape and _shapes.count(d if isinstance(d, int) else 2 for d in written.shape) != 1:
            g.refuse("the elements that a mask chooses get different values", "write torch.where(mask, values, x)")
        if mask.shape != value.shape[: len(mask.shape)]:
            g.refuse(f"a mask of {_shapes.text(mask.shape)} chooses elements of {_shapes.text(value.shape)}")
        wide = g.reshape(g.real(mask), mask.shape + (1,) * (len(value.shape) - len(mask.shape)))
        written = Value(written.dtype, (), const=written.const) if written.const is not None else g.reshape(written, ())
        return choose(g, wide, g.cast(written, value.dtype), value, value.dtype, value.shape)
    g.refuse("rows are written by an index", "a kernel writes its own row; see torch.scatter")


@converts("aten.masked_scatter", "aten.nonzero", "aten.masked_select", "aten.bincount", "aten.histc", "aten.unique")
def no_fixed_shape(g: Conversion, *args: Operand, **options: Operand) -> typing.NoReturn:
    g.refuse("its result depends on all rows, or its shape on the data", "a kernel computes each row by itself")


@converts(
    "aten.mm",
    "aten.addmm",
    "aten.bmm",
    "aten.matmul",
    "aten.linear",
    "aten.convolution",
    "aten.searchsorted",
    "aten.bucketize",
)
def no_product(g: Conversion, *args: Operand, **options: Operand) -> typing.NoReturn:
    name = str(g.op_name()).split(".")[1]
    g.refuse(f"graphs have no `{name}`", "leave it to torch, and capture what comes before or behind it")
