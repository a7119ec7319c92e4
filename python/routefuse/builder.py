"""Graphs built op by op.

    b = routefuse.GraphBuilder("remap")
    T = b.dim("T")
    ids, table = b.input("ids", "i32", (T, 8)), b.input("map", "i32", (256,))
    b.output("out", b.gather(table, ids, out_of_range="pass"))
    kernel = routefuse.compile(b)

Every operation of `docs/reference/ir.md` is a method of its name, with the operands by position and the attributes by keyword; a name
that Python has for itself has an underscore behind it (`and_`, `or_`, `not_`). Numbers may stand for operands beside a value.
The operators of Python mean the operations that they look like. Types are inferred, and checked, by `finish`.
"""

from __future__ import annotations

import re
import sys
import typing

from ._routefuse import Error, Graph

_NAME = re.compile(r"[A-Za-z0-9_.]+\Z")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


def _quoted(name: str, plain: re.Pattern[str]) -> str:
    if plain.match(name):
        return name
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
            c, c if c.isprintable() else f"\\u{{{ord(c):x}}}"
        )
        for c in name
    )
    return f'"{escaped}"'


def _number(value: typing.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != value:
            return "nan"
        if value in (float("inf"), float("-inf")):
            return "inf" if value > 0 else "-inf"
    return repr(value)


class Value:
    """A value of a graph that is being built. Operators make operations; `value.name` is its name."""

    __slots__ = ("builder", "name")
    __hash__ = object.__hash__

    def __init__(self, builder: GraphBuilder, name: str) -> None:
        self.builder = builder
        self.name = name

    def __repr__(self) -> str:
        return f"%{self.name}"

    def _op(self, op: str, *operands: typing.Any) -> Value:
        return self.builder.op(op, *operands)

    def __add__(self, other: typing.Any) -> Value:
        return self._op("add", self, other)

    def __radd__(self, other: typing.Any) -> Value:
        return self._op("add", other, self)

    def __sub__(self, other: typing.Any) -> Value:
        return self._op("sub", self, other)

    def __rsub__(self, other: typing.Any) -> Value:
        return self._op("sub", other, self)

    def __mul__(self, other: typing.Any) -> Value:
        return self._op("mul", self, other)

    def __rmul__(self, other: typing.Any) -> Value:
        return self._op("mul", other, self)

    def __truediv__(self, other: typing.Any) -> Value:
        return self._op("div", self, other)

    def __floordiv__(self, other: typing.Any) -> Value:
        return self._op("div_floor", self, other)

    def __mod__(self, other: typing.Any) -> Value:
        return self._op("rem_floor", self, other)

    def __and__(self, other: typing.Any) -> Value:
        return self._op("and", self, other)

    def __or__(self, other: typing.Any) -> Value:
        return self._op("or", self, other)

    def __xor__(self, other: typing.Any) -> Value:
        return self._op("xor", self, other)

    def __lshift__(self, other: typing.Any) -> Value:
        return self._op("shl", self, other)

    def __rshift__(self, other: typing.Any) -> Value:
        return self._op("shr", self, other)

    def __neg__(self) -> Value:
        return self._op("neg", self)

    def __abs__(self) -> Value:
        return self._op("abs", self)

    def __invert__(self) -> Value:
        return self._op("not", self)

    def __lt__(self, other: typing.Any) -> Value:
        return self._op("lt", self, other)

    def __le__(self, other: typing.Any) -> Value:
        return self._op("le", self, other)

    def __gt__(self, other: typing.Any) -> Value:
        return self._op("gt", self, other)

    def __ge__(self, other: typing.Any) -> Value:
        return self._op("ge", self, other)

    def __eq__(self, other: object) -> Value:  # type: ignore[override]
        return self._op("eq", self, other)

    def __ne__(self, other: object) -> Value:  # type: ignore[override]
        return self._op("ne", self, other)

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no value while the graph is built: choose by `select`, not by `if`")


class Dim(str):
    """A dim without a fixed extent."""


class GraphBuilder:
    """Builds a graph. `finish()` verifies it; `routefuse.compile` takes the builder as it is."""

    def __init__(self, name: str) -> None:
        self._lines: list[str] = []
        self._places: list[str | None] = []
        self._names: set[str] = set()
        self._values = 0
        self._write("route 1")
        self._write(f"graph @{_quoted(name, _NAME)} {{")

    def _write(self, line: str, place: str | None = None) -> None:
        self._lines.append(line)
        self._places.append(place if place is not None else _place())

    def dim(self, name: str = "T") -> Dim:
        """Declares a dim whose extent each launch has of its own. Only the leading dim of a tensor may be one."""
        self._write(f"dim {_quoted(name, _WORD)}")
        return Dim(name)

    def input(
        self, name: str, dtype: str, shape: typing.Sequence[int | str] = (), *, layout: str = "contiguous"
    ) -> Value:
        """Declares an input. `layout` is "contiguous", "rows" (a row stride of the launch's own) or "strided"."""
        self._names.add(name)
        suffix = "" if layout == "contiguous" else f" {layout}"
        self._write(f"input %{_quoted(name, _NAME)} : {dtype}{_shape(shape)}{suffix}")
        return Value(self, name)

    def output(
        self, name: str, value: Value, *, layout: str = "contiguous", alias: tuple[str, Value] | None = None
    ) -> None:
        """Declares an output. `alias` is a pair as ("in_place", input): also "donates" and "guarded"."""
        suffix = "" if layout == "contiguous" else f" {layout}"
        if alias is not None:
            suffix += f" {alias[0]}({_quoted(alias[1].name, _WORD)})"
        self._write(f"output {_quoted(name, _WORD)} = %{_quoted(value.name, _NAME)}{suffix}")

    def const(self, dtype: str, value: typing.Any) -> Value:
        """A scalar."""
        return self.op("const", dtype=dtype, value=value)

    def op(
        self,
        op: str,
        /,
        *operands: typing.Any,
        name: str | None = None,
        place: str | None = None,
        **attributes: typing.Any,
    ) -> Value:
        """Any operation. `name` names its result; `place` is where errors say that it stands, the calling line if not given."""
        written = []
        for operand in operands:
            if isinstance(operand, Value):
                if operand.builder is not self:
                    raise Error(f"{operand!r} is a value of another graph")
                written.append(f"%{_quoted(operand.name, _NAME)}")
            elif isinstance(operand, (bool, int, float)):
                written.append(_number(operand))
            else:
                raise Error(
                    f"`{op}` is given a {type(operand).__name__}: an operand is a value of the graph, or a number"
                )
        if name is None:
            name = f"v{self._values}"
            while name in self._names:
                self._values += 1
                name = f"v{self._values}"
            self._values += 1
        self._names.add(name)
        attached = ", ".join(f"{key} = {_attribute(value)}" for key, value in attributes.items())
        line = f"%{_quoted(name, _NAME)} = {op} {', '.join(written)}".rstrip()
        self._write(f"{line} {{{attached}}}" if attached else line, place)
        return Value(self, name)

    def __getattr__(self, name: str) -> typing.Callable[..., Value]:
        if name.startswith("_"):
            raise AttributeError(name)
        op = name.removesuffix("_")
        return lambda *operands, **attributes: self.op(op, *operands, **attributes)

    @property
    def text(self) -> str:
        """The graph's text, as it stands, unverified."""
        return "\n".join([*self._lines, "}"]) + "\n"

    def finish(self) -> Graph:
        """The verified graph. Raises Error with all that is wrong, and the lines of Python that it was built by."""
        try:
            return Graph.parse(self.text)
        except Error as error:
            said = []
            for one in error.errors:
                line = one["line"]
                one["place"] = self._places[line - 1] if line and line <= len(self._places) else None
                written = f"\n  in: {self._lines[line - 1]}" if line and line <= len(self._lines) else ""
                at = f"\n  at: {one['place']}" if one["place"] else ""
                helps = f"\n  help: {one['help']}" if one["help"] else ""
                said.append(f"{one['code']}: {one['message']}{at}{written}{helps}")
            raised = Error("\n".join(said))
            raised.code, raised.errors = error.code, error.errors
            raise raised from None


def _shape(shape: typing.Sequence[int | str]) -> str:
    return "[" + ", ".join(str(d) if isinstance(d, int) else _quoted(str(d), _WORD) for d in shape) + "]"


def _attribute(value: typing.Any) -> str:
    if isinstance(value, (tuple, list)):
        if len(value) == 2 and value[0] == "fill":
            return f"fill({_number(value[1])})"
        return _shape(value)
    return value if isinstance(value, str) else _number(value)


def _place() -> str | None:
    """The line of Python outside this module that is being run."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else None
