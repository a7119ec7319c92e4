"""A graph of torch's to a graph of routefuse's, node by node.

`Conversion` has what the functions of `_ops` build with. Every node is converted or refused: `CaptureError` names the operation,
the reason and the line of the user's source.

Each operation is what eager torch makes of it. A 16-bit float is computed in f32 and rounded after every operation, as eager
does (`rounding="eager"`), or where it reaches memory (`rounding="fused"`).
"""

from __future__ import annotations

import os
import pathlib
import re
import typing

import torch

from ..builder import GraphBuilder
from ..builder import Value as IrValue
from . import _shapes
from ._dtypes import FLOATS, HALVES, NAMES, TORCH, is_int
from ._errors import CaptureError
from ._shapes import Dim, Rows, Shape, Unfit

Scalar = typing.Union[bool, int, float]


class Value:
    """A tensor of the function: in the graph, or a constant that is not in it yet."""

    __slots__ = ("ir", "dtype", "shape", "wide", "const", "origin", "source")

    def __init__(self, dtype: str, shape: Shape, ir: IrValue | None = None, const: Scalar | None = None) -> None:
        self.ir = ir
        #: The graph's name of torch's dtype; "f64" for constants only.
        self.dtype = dtype
        self.shape = shape
        #: Computed in f32 and not rounded to its dtype yet.
        self.wide = False
        #: What every element is.
        self.const = const
        #: What it came from, where another operation asks: ("topk", x, k), ("topk_values", x, k).
        self.origin: tuple[typing.Any, ...] | None = None
        #: The input of which it is a plain view.
        self.source: int | None = None

    @property
    def is_number(self) -> bool:
        """A Python number, a constant, or a tensor of no dims: to torch their dtype counts less than that of a tensor with dims."""
        return self.const is not None or not self.shape

    @property
    def dims(self) -> tuple[int | str, ...]:
        return _shapes.layout(self.shape).dims

    def __repr__(self) -> str:
        return f"{self.dtype}{_shapes.text(self.shape)}"


Handler = typing.Callable[..., typing.Any]
HANDLERS: dict[str, Handler] = {}


def converts(*names: str) -> typing.Callable[[Handler], Handler]:
    """Registers what converts these operations, without their overloads' names or with them: `aten.add`, `aten.max.dim`."""

    def register(handler: Handler) -> Handler:
        for name in names:
            assert name not in HANDLERS, name
            HANDLERS[name] = handler
        return handler

    return register


_FILE = re.compile(r'File "(.*)", line (\d+), in (.*)')
#: Where lines are no user's.
_NOT_THE_USERS = tuple(str(pathlib.Path(f).parent) + os.sep for f in (torch.__file__, __file__))


def is_users(file: str) -> bool:
    """Whether a file is neither torch's nor this package's."""
    return not file.startswith(_NOT_THE_USERS)


def place_of(trace: str | None) -> str | None:
    """The user's line in a node's stack trace: the last one outside torch and this package."""
    lines = (trace or "").splitlines()
    found = None
    for i, line in enumerate(lines):
        match = _FILE.search(line)
        if match and is_users(match[1]):
            code = lines[i + 1].strip() if i + 1 < len(lines) else ""
            code = code if len(code) <= 100 else code[:99] + "…"
            found = f"{match[1]}:{match[2]} in {match[3]}" + (f": `{code}`" if code else "")
    return found


class Conversion:
    """What is built, and the node that is being converted."""

    def __init__(self, name: str, rounding: str, rows: frozenset[typing.Any], nan: str = "last") -> None:
        self.builder = GraphBuilder(name)
        self.rounding = rounding
        #: Where a selection ranks a NaN: "first", as torch does, or "last".
        self.nan = nan
        self.rows = rows
        self.node: torch.fx.Node | None = None
        self.notes: list[str] = []
        #: The seed of random numbers, where they are taken; and how many operations drew some.
        self.seed: Value | None = None
        self.draws = 0
        self._consts: dict[tuple[str, str], IrValue] = {}
        self._dim_declared = False

    # Refusals

    def op_name(self) -> str | None:
        if self.node is None or self.node.op != "call_function":
            return None
        target = self.node.target
        return str(target) if isinstance(target, torch._ops.OpOverload) else getattr(target, "__name__", str(target))

    def place(self) -> str | None:
        return place_of(self.node.meta.get("stack_trace")) if self.node is not None else None

    def refuse(self, reason: str, help: str | None = None) -> typing.NoReturn:
        raise CaptureError(reason, op=self.op_name(), place=self.place(), help=help)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # Types

    def dim(self, extent: typing.Any) -> Dim:
        """An extent of torch's."""
        if isinstance(extent, int):
            return extent
        expression = extent.node.expr
        if expression.is_number:
            return int(expression)
        symbols = [s for s in expression.free_symbols]
        if len(symbols) == 1 and symbols[0] in self.rows:
            factor = expression.coeff(symbols[0])
            if factor.is_Integer and factor > 0 and expression - factor * symbols[0] == 0:
                return Rows(int(factor))
        unknown = [str(s) for s in symbols if s not in self.rows]
        if unknown:
            self.refuse(f"an extent, {expression}, that is neither constant nor of the rows")
        self.refuse(f"an extent of {expression}, which is no multiple of the rows")

    def shape(self, value: typing.Any) -> Shape:
        shape = tuple(self.dim(d) for d in value.shape)
        try:
            _shapes.layout(shape)
        except Unfit as unfit:
            self.refuse(f"{unfit}", "graphs have their rows in front")
        return shape

    def dtype(self, dtype: torch.dtype) -> str:
        if dtype == torch.float64:
            return "f64"
        name = NAMES.get(dtype)
        if name is None:
            self.refuse(f"a tensor of {dtype}, which graphs lack")
        return name

    def result(self, index: int | None = None) -> tuple[str, Shape]:
        """dtype and shape of the node's result, or of one of its results."""
        assert self.node is not None
        value = self.node.meta["val"]
        if index is not None:
            value = value[index]
        return self.dtype(value.dtype), self.shape(value)

    def promoted(self, *operands: typing.Any) -> str:
        """The dtype in which torch computes with operands of the node."""
        of = [o.meta["val"] if isinstance(o, torch.fx.Node) else o for o in operands]
        # What torch knows while it traces has the type of a Python number.
        of = [1 if isinstance(o, torch.SymInt) else 1.0 if isinstance(o, torch.SymFloat) else o for o in of]
        found = torch.result_type(of[0], of[1]) if len(of) > 1 else of[0].dtype
        for other in of[2:]:
            found = torch.result_type(torch.empty((), dtype=found, device="meta"), other)
        return self.dtype(found)

    # Values

    def value(self, operand: typing.Any) -> Value:
        """An operand, which may be a number."""
        if isinstance(operand, Value):
            return operand
        if isinstance(operand, bool):
            return Value("bool", (), const=operand)
        if isinstance(operand, int):
            return Value("i64", (), const=operand)
        if isinstance(operand, float):
            return Value("f64", (), const=operand)
        if isinstance(operand, Rows):
            return self.times(self.rows_as_a_value(), operand.factor)
        if isinstance(operand, torch.SymInt):
            return self.number_of_rows(operand.node.expr)
        if isinstance(operand, torch.SymFloat):
            self.refuse(
                "a float that is computed of the number of rows is an operand",
                "divide by the number of rows as it is, or make it a tensor of float32 first",
            )
        self.refuse(f"an operand that is a {type(operand).__name__}")

    # The number of rows, as a number

    def rows_as_a_value(self) -> Value:
        return self.emit("rows", dtype="i64", shape=(), dtype_="i64", shape_=self._dims((_shapes.ROWS,)))

    def times(self, value: Value, factor: int) -> Value:
        return value if factor == 1 else self.pointwise("mul", [value, self.value(factor)], "i64", ())

    def number_of_rows(self, expression: typing.Any) -> Value:
        """What torch computed of the number of rows while it traced, of whole numbers."""
        if expression in self.rows:
            return self.rows_as_a_value()
        if expression.is_Integer:
            return self.value(int(expression))
        kind = type(expression).__name__
        op = {"Add": "add", "Mul": "mul", "FloorDiv": "div_floor", "Mod": "rem_floor", "PythonMod": "rem_floor"}.get(kind)
        if op is None or not expression.free_symbols <= self.rows:
            self.refuse(
                f"the number {expression} is an operand, which torch computed of extents",
                "of the number of rows, sums, differences, products, // and % of whole numbers are converted",
            )
        made, *others = [self.number_of_rows(part) for part in expression.args]
        for other in others:
            made = self.pointwise(op, [made, other], "i64", ())
        return made

    def _dims(self, dims: tuple[int | str, ...]) -> list[int | str]:
        if _shapes.ROWS in dims:
            self.declare_rows()
        return list(dims)

    def declare_rows(self) -> None:
        if not self._dim_declared:
            self.builder.dim(_shapes.ROWS)
            self._dim_declared = True

    def emit(self, op: str, *operands: Value | IrValue, dtype: str, shape: Shape, **attributes: typing.Any) -> Value:
        """An operation of the graph."""
        written = [o.ir if isinstance(o, Value) else o for o in operands]
        assert all(w is not None for w in written)
        # `dtype_` and `shape_` are attributes of operations that are called as this method's own parameters are.
        attributes = {key.removesuffix("_"): attribute for key, attribute in attributes.items()}
        return Value(dtype, shape, ir=self.builder.op(op, *written, place=self.place() or "", **attributes))

    def constant(self, dtype: str, value: Scalar) -> IrValue:
        """A scalar of the graph."""
        if dtype == "f64":
            self.refuse("f64 values are computed, which graphs lack", "compute in f32")
        if dtype == "bool":
            value = bool(value)
        elif is_int(dtype):
            if isinstance(value, float) and (value != value or abs(value) == float("inf")):
                self.refuse(f"{value} as {dtype}")
            value = int(value)
            bits = 8 * torch.empty((), dtype=TORCH[dtype]).element_size()
            value &= (1 << bits) - 1
            if dtype.startswith("i") and value >= 1 << (bits - 1):
                value -= 1 << bits
        else:
            value = float(value)
        key = (dtype, repr(value))
        if key not in self._consts:
            self._consts[key] = self.builder.op("const", dtype=dtype, value=value, place=self.place() or "")
        return self._consts[key]

    def operand(self, value: Value) -> Value:
        """For an elementwise operation: a constant as a scalar."""
        if value.const is not None:
            return Value(value.dtype, (), ir=self.constant(value.dtype, value.const))
        return value

    def real(self, value: Value) -> Value:
        """With all its elements in the graph, a constant repeated."""
        if value.const is None:
            return value
        scalar = self.operand(value)
        return scalar if not value.shape else self.repeat(scalar, value.shape)

    def narrow(self, value: Value) -> Value:
        """Rounded to its dtype."""
        if not value.wide:
            return value
        rounded = self.emit("cast", value, dtype=value.dtype, shape=value.shape, dtype_=value.dtype)
        rounded.origin = value.origin
        return rounded

    def widen(self, value: Value) -> Value:
        """A float as the f32 that is computed with."""
        if value.wide:
            wide = Value("f32", value.shape, ir=value.ir)
            wide.origin = value.origin
            return wide
        return self.cast(value, "f32")

    def rounded(self, value: Value, dtype: str) -> Value:
        """The result of a computation, of this dtype."""
        if dtype in HALVES and value.dtype == "f32":
            if self.rounding == "fused":
                value.dtype, value.wide = dtype, True
                return value
            return self.cast(value, dtype)
        return value if value.dtype == dtype else self.cast(value, dtype)

    def cast(self, value: Value, dtype: str) -> Value:
        """Another dtype, by value."""
        if value.const is not None:
            return Value(dtype, value.shape, const=_as_dtype(value.const, dtype))
        if value.dtype == dtype:
            return value
        if value.wide and dtype == "f32":
            return self.widen(value)
        value = self.narrow(value)
        made = self.emit("cast", value, dtype=dtype, shape=value.shape, dtype_=dtype)
        made.origin = value.origin
        return made

    def compute(self, value: Value, dtype: str) -> Value:
        """For a computation in this dtype: 16-bit floats in f32. Integers beside them are rounded to their dtype before, but for a
        number."""
        if dtype not in HALVES:
            return self.cast(value, dtype)
        if value.dtype in FLOATS:
            return self.widen(value)
        return self.cast(value if value.is_number else self.cast(value, dtype), "f32")

    # Shapes

    def reshape(self, value: Value, shape: Shape) -> Value:
        """The same elements in the same order."""
        if value.const is not None:
            return Value(value.dtype, shape, const=value.const)
        try:
            dims = _shapes.layout(shape).dims
        except Unfit as unfit:
            self.refuse(f"{unfit}", "graphs have their rows in front")
        if dims == value.dims:
            made = Value(value.dtype, shape, ir=value.ir)
        else:
            made = self.emit("reshape", value, dtype=value.dtype, shape=shape, shape_=self._dims(dims))
        made.wide, made.source, made.origin = value.wide, value.source, value.origin
        return made

    def repeat(self, value: Value, shape: Shape) -> Value:
        """Dims of extent 1 repeated, and dims in front added."""
        if value.const is not None:
            return Value(value.dtype, shape, const=value.const)
        if value.shape == shape:
            return value
        target = _shapes.layout(shape)
        padded = (1,) * (len(shape) - len(value.shape)) + value.shape
        middle: list[int | str] = []
        for have, want, axes in zip(padded, shape, target.axes):
            if have == want:
                middle += [target.dims[a] for a in axes]
            elif have == 1:
                middle += [1] * len(axes)
            else:
                self.refuse(f"{_shapes.text(value.shape)} does not repeat to {_shapes.text(shape)}")
        wide, source = value.wide, value.source
        if tuple(middle) != value.dims:
            value = self.emit("reshape", value, dtype=value.dtype, shape=value.shape, shape_=self._dims(tuple(middle)))
        if tuple(middle) != target.dims:
            value = self.emit("broadcast", value, dtype=value.dtype, shape=shape, shape_=self._dims(target.dims))
        made = Value(value.dtype, shape, ir=value.ir)
        made.wide, made.source = wide, source
        return made

    def axis(self, value: Value, dim: int) -> int:
        """torch's dim, counted from the front."""
        rank = max(len(value.shape), 1)
        if not -rank <= dim < rank:
            self.refuse(f"dim {dim} of {_shapes.text(value.shape)}")
        return dim % rank

    def constant_axis(self, value: Value, dim: int, does: str) -> int:
        """A dim that is not of rows."""
        dim = self.axis(value, dim)
        if value.shape and isinstance(value.shape[dim], Rows):
            self.refuse(
                f"{does} over rows: dim {dim} of {_shapes.text(value.shape)}", "a kernel computes each row by itself"
            )
        return dim

    def merged(self, value: Value, dim: int) -> tuple[Value, Shape, Shape]:
        """With a constant dim and those behind it as one; the shapes in front and behind."""
        before, after = value.shape[:dim], value.shape[dim + 1 :]
        if any(isinstance(d, Rows) for d in after):
            self.refuse(f"{_shapes.text(value.shape)} is taken apart in front of its rows")
        inner = _shapes.count(value.shape[dim:])
        return self.reshape(value, before + (inner,)), before, after

    def slice(self, value: Value, dim: int, start: int, stop: int) -> Value:
        """start..stop of a constant dim."""
        extent = typing.cast(int, value.shape[dim])
        shape = value.shape[:dim] + (stop - start,) + value.shape[dim + 1 :]
        if value.const is not None:
            return Value(value.dtype, shape, const=value.const)
        if (start, stop) == (0, extent):
            return value
        if start >= stop:
            self.refuse("a slice without elements", "graphs have no empty slices")
        flat, before, after = self.merged(value, dim)
        each = _shapes.count(after)
        part = self.emit(
            "slice",
            flat,
            dtype=value.dtype,
            shape=before + ((stop - start) * each,),
            start=start * each,
            stop=stop * each,
        )
        part.wide, part.source = value.wide, value.source
        return self.reshape(part, shape)

    def concat(self, parts: list[Value], dim: int, dtype: str) -> Value:
        """Joined along a constant dim. Parts are of one dtype but for wide ones."""
        parts = [p for p in parts if p.shape[dim] != 0]
        total = sum(typing.cast(int, p.shape[dim]) for p in parts)
        if len(parts) == 1:
            return parts[0]
        wide = any(p.wide for p in parts)
        merged = []
        for part in parts:
            part = self.real(self.widen(part) if wide else part)
            flat, before, after = self.merged(part, dim)
            merged.append(flat)
        shape = parts[0].shape[:dim] + (total,) + parts[0].shape[dim + 1 :]
        joined = self.emit("concat", *merged, dtype=dtype, shape=before + (total * _shapes.count(after),))
        joined.wide = wide
        return self.reshape(joined, shape)

    def iota(self, dtype: str, shape: Shape, dim: int) -> Value:
        """The index along a dim; of one of several expert slots a row, across rows."""
        place = _shapes.layout(shape)
        axes = place.axes[dim]
        dims = self._dims(place.dims)
        if len(axes) == 1:
            return self.emit("iota", dtype=dtype, shape=shape, dtype_=dtype, shape_=dims, axis=axes[0])
        row = self.emit("iota", dtype=dtype, shape=shape, dtype_=dtype, shape_=dims, axis=axes[0])
        slot = self.emit("iota", dtype=dtype, shape=shape, dtype_=dtype, shape_=dims, axis=axes[1])
        factor = self.constant(dtype, typing.cast(int, place.dims[axes[1]]))
        scaled = self.emit("mul", row, factor, dtype=dtype, shape=shape)
        return self.emit("add", scaled, slot, dtype=dtype, shape=shape)

    # Elementwise

    def pointwise(
        self, op: str, operands: typing.Sequence[Value], dtype: str, shape: Shape, **attributes: typing.Any
    ) -> Value:
        """An operation on single elements, of operands that it takes as they are. `shape` is the result's."""
        ready = []
        for value in operands:
            value = self.operand(value)
            if value.shape and value.shape != shape:
                value = self.repeat(value, shape)
            ready.append(value)
        scalar = all(not v.shape for v in ready)
        made = self.emit(op, *ready, dtype=dtype, shape=() if scalar else shape, **attributes)
        return self.repeat(made, shape) if scalar and shape else made


def _as_dtype(value: Scalar, dtype: str) -> Scalar:
    if dtype == "bool":
        return bool(value)
    if dtype == "f64":
        return float(value)
    if dtype in FLOATS:
        return torch.tensor(value, dtype=torch.float64).to(TORCH[dtype]).item()
    return torch.tensor(value).to(TORCH[dtype]).item()
