"""A whole graph of torch's to a graph of routefuse's."""

from __future__ import annotations

import dataclasses
import operator
import typing

import torch

from .._routefuse import Error, Graph
from . import _ops, _shapes
from ._conversion import HANDLERS, Conversion, Value
from ._errors import CaptureError
from ._shapes import ROWS, Rows, Unfit

assert _ops  # its modules register what they convert

#: Checks of data, which a kernel does not make: what they guard against is not checked any more, and noted.
ASSERTIONS = (
    "aten._assert_async", "aten._assert_scalar", "aten._assert_tensor_metadata", "aten.sym_constrain_range",
    "aten.sym_constrain_range_for_size", "aten._functional_assert_async",
)  # fmt: skip
#: Operations that give torch names, shapes and copies, and compute nothing.
BOOKKEEPING = frozenset(
    "view _unsafe_view reshape expand unsqueeze squeeze slice select clone alias detach lift_fresh_copy permute transpose t"
    " getitem scalar_tensor split split_with_sizes unbind".split()
)
#: Operations that draw random numbers.
RANDOM = ("aten.rand", "aten.rand_like", "aten.randint", "aten.randint_like", "aten.bernoulli")
_ALIASES = (
    "view",
    "slice",
    "select",
    "expand",
    "permute",
    "transpose",
    "unsqueeze",
    "squeeze",
    "alias",
    "detach",
    "t",
    "reshape",
)


@dataclasses.dataclass
class Input:
    """What a placeholder is: a name, and how its tensors lie in memory."""

    name: str
    layout: str = "contiguous"


@dataclasses.dataclass
class Converted:
    """A graph, and how it stands to the function."""

    graph: Graph
    #: For each input of the graph, the placeholder that it is; None for the one that is only there for its rows.
    inputs: list[int | None]
    #: For each result of torch's graph: ("output", position), ("input", placeholder) or ("constant", object).
    leaves: list[tuple[str, typing.Any]]
    #: Outputs whose shape torch sees otherwise: position to dims, those of rows as pairs (factor, "T").
    shapes: dict[int, list[typing.Any]]
    notes: list[str]
    #: The input of the graph that is a seed of random numbers, which each call draws.
    seed: int | None
    #: Inputs that are a row of their placeholder, and which.
    matrix_rows: dict[int, int]
    #: The operations of torch's graph, each once, but for those that compute nothing.
    operations: list[str]


def layout_of(shape: typing.Sequence[int], strides: typing.Sequence[int]) -> str:
    """The layout of a tensor: rows without gaps, rows that lie apart, or anything else."""
    expected = 1
    for d in reversed(range(len(shape))):
        if d == 0 and len(shape) > 1 and strides[0] != expected and shape[0] != 1:
            return "rows" if _at_least(strides[0], expected) else "strided"
        if shape[d] != 1 and strides[d] != expected:
            return "strided"
        expected = expected * shape[d]
    return "contiguous"


def _at_least(stride: typing.Any, least: typing.Any) -> bool:
    return not isinstance(stride, int) or not isinstance(least, int) or stride >= least


def convert(
    module: torch.fx.GraphModule,
    name: str,
    placeholders: typing.Sequence[Input | None],
    *,
    rounding: str,
    rows: typing.Iterable[typing.Any],
    counted: tuple[Input, torch.Tensor] | None = None,
    random: str = "refuse",
    outputs: typing.Sequence[str] | None = None,
    first_result: int = 0,
    results: int | None = None,
    nan: str = "last",
) -> Converted:
    """Converts a graph of aten operations. `placeholders` are its inputs in order, None for those that are no tensors; `rows`
    are the symbols that are the number of rows; `counted` is an argument that is no input of the graph, and whose
    leading extent is that number; `random` is "philox" or "refuse", `nan` "last" or "first". Raises CaptureError for what cannot be converted."""
    walk = _Walk(module, name, placeholders, rounding, frozenset(rows), counted, random, nan)
    return walk.run(outputs, first_result, results)


def _packet(node: torch.fx.Node) -> str | None:
    """The operation without its overload's name."""
    target = node.target
    return target._schema.name.replace("::", ".") if isinstance(target, torch._ops.OpOverload) else None


class _Walk:
    def __init__(
        self,
        module: torch.fx.GraphModule,
        name: str,
        placeholders: typing.Sequence[Input | None],
        rounding: str,
        rows: frozenset[typing.Any],
        counted: tuple[Input, torch.Tensor] | None,
        random: str,
        nan: str,
    ) -> None:
        self.module = module
        self.placeholders = placeholders
        self.g = Conversion(name, rounding, rows, nan)
        self.values: dict[torch.fx.Node, typing.Any] = {}
        self.nodes: list[torch.fx.Node] = []
        self.inputs: list[int | None] = []
        self.mutated: dict[int, Value] = {}
        self.position: dict[torch.fx.Node, int] = {}
        #: Of placeholders of which one row is written, and nothing else looked at: that row.
        self.matrix_row: dict[torch.fx.Node, int] = {}
        self.counted, self.random = counted, random

    def run(self, outputs: typing.Sequence[str] | None, first_result: int, results: int | None) -> Converted:
        self.declare()
        returned: typing.Any = ()
        needed = self.needed()
        for node in self.module.graph.nodes:
            self.g.node = node
            if node not in needed:
                self.leave_out(node)
            elif node.op == "call_function":
                self.values[node] = self.call(node)
            elif node.op == "get_attr":
                self.values[node] = HANDLERS["get_attr"](self.g, getattr(self.module, node.target))
            elif node.op == "output":
                returned = node.args[0]
            elif node.op != "placeholder":
                self.g.refuse(f"a node of kind {node.op}")
        if results is not None:
            returned = returned[first_result : first_result + results]
        return self.finish(list(returned), outputs)

    def needed(self) -> set[torch.fx.Node]:
        """What the results and the changed arguments are made of."""
        found: set[torch.fx.Node] = set()
        wanted = [n for n in self.module.graph.nodes if n.op in ("output", "placeholder") or _packet(n) == "aten.copy_"]
        while wanted:
            node = wanted.pop()
            if node not in found:
                found.add(node)
                wanted += node.all_input_nodes
        return found

    def leave_out(self, node: torch.fx.Node) -> None:
        packet = _packet(node)
        if packet in ASSERTIONS:
            self.g.note(f"a check of data is left out: {self.g.place() or packet}")
        elif packet is not None and typing.cast(torch._ops.OpOverload, node.target)._schema.is_mutable:
            self.g.refuse("it changes a tensor that is no argument of the function")

    # Inputs

    def declare(self) -> None:
        found = [n for n in self.module.graph.nodes if n.op == "placeholder"]
        assert len(found) == len(self.placeholders)
        tensors = [(i, n) for i, n in enumerate(found) if isinstance(n.meta.get("val"), torch.Tensor)]
        self.position = {n: i for i, n in tensors}
        has_rows = {i: any(isinstance(d, Rows) for d in self.input_shape(n)) for i, n in tensors if self.is_needed(n)}
        # An input that is only asked for its rows says how many there are, where no other does.
        needed = [i for i, n in tensors if n.users]
        if not any(has_rows.get(i) for i in needed):
            needed += [i for i, _ in tensors if has_rows.get(i) and i not in needed][:1]
        for i, node in tensors:
            if i not in needed:
                continue
            self.g.node = node
            given = self.placeholders[i]
            assert given is not None
            value = node.meta["val"]
            dtype, shape = self.g.dtype(value.dtype), self.input_shape(node)
            row = self.written_row(node, shape)
            if row is not None:
                self.matrix_row[node] = row
                shape, given = shape[1:], Input(given.name)
            if dtype == "f64":
                self.g.refuse(f"the argument `{given.name}` is of float64, which graphs lack", "give it as float32")
            dims = _shapes.layout(shape).dims
            if len(dims) != len(shape):
                self.g.refuse(
                    f"the argument `{given.name}` is {_shapes.text(shape)}", "its leading dim has to be the rows"
                )
            if ROWS in dims:
                self.g.declare_rows()
            if any(d == 0 for d in dims):
                self.g.refuse(f"the argument `{given.name}` has no elements: {_shapes.text(shape)}")
            ir = self.g.builder.input(given.name, dtype, dims, layout=given.layout if dims else "contiguous")
            made = Value(dtype, shape, ir=ir)
            made.source = i
            self.values[node] = made
            self.inputs.append(i)
        if self.counted is not None:
            given, example = self.counted
            self.g.declare_rows()
            self.g.builder.input(
                given.name, self.g.dtype(example.dtype), [ROWS, *example.shape[1:]], layout=given.layout
            )
            self.inputs.append(None)
        if self.random == "philox" and any(_packet(n) in RANDOM for n in self.module.graph.nodes):
            name = "seed"
            while any(p is not None and p.name == name for p in self.placeholders):
                name += "_"
            self.g.seed = Value("u64", (), ir=self.g.builder.input(name, "u64", ()))

    def written_row(self, node: torch.fx.Node, shape: _shapes.Shape) -> int | None:
        """The row of a matrix without rows, if the function changes this one and asks for no other: it is the input then."""
        if len(shape) < 2 or not isinstance(shape[0], int) or not any(_packet(u) == "aten.copy_" for u in node.users):
            return None
        found = set()
        for user in node.users:
            packet, args = _packet(user), user.args
            if (
                packet == "aten.copy_"
                and args[0] is node
                and _packet(typing.cast(torch.fx.Node, args[1])) == "aten.select_scatter"
            ):
                continue
            at = {"aten.select": 1, "aten.select_scatter": 2}.get(packet or "")
            if (
                at is None
                or args[0] is not node
                or node in args[1:]
                or args[at] != 0
                or not isinstance(args[at + 1], int)
            ):
                return None
            found.add(typing.cast(int, args[at + 1]) % shape[0])
        return found.pop() if len(found) == 1 else None

    def is_needed(self, node: torch.fx.Node) -> bool:
        return bool(node.users) or any(not isinstance(d, int) for d in node.meta["val"].shape)

    def input_shape(self, node: torch.fx.Node) -> _shapes.Shape:
        self.g.node = node
        return self.g.shape(node.meta["val"])

    # Nodes

    def operand(self, operand: typing.Any) -> typing.Any:
        if isinstance(operand, torch.fx.Node):
            value = operand.meta.get("val")
            if isinstance(value, (int, torch.SymInt)):
                return self.extent(value)
            if operand in self.values:
                return self.values[operand]
            return value
        if isinstance(operand, (list, tuple)):
            return [self.operand(o) for o in operand]
        return operand

    def extent(self, value: typing.Any) -> typing.Any:
        """A number that torch knows while it traces. What is neither constant nor of the rows is refused where it is used."""
        try:
            return self.g.dim(value)
        except CaptureError:
            return value

    def call(self, node: torch.fx.Node) -> typing.Any:
        target = node.target
        if target is operator.getitem and not isinstance(node.meta.get("val"), (int, torch.SymInt)):
            return self.values[typing.cast(torch.fx.Node, node.args[0])][node.args[1]]
        if not isinstance(target, torch._ops.OpOverload):
            value = node.meta.get("val")
            if isinstance(value, (bool, int, float, torch.SymInt, torch.SymFloat, torch.SymBool)):
                return value
            self.g.refuse("a function that torch did not take apart into its operations")
        packet = _packet(node)
        assert packet is not None
        full = f"{packet}.{target._overloadname}"
        if packet == "aten.copy_":
            return self.mutate(node)
        if node.args and node.args[0] in self.matrix_row:
            return self.of_matrix_row(node, packet)
        value = node.meta.get("val")
        if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)) or packet.startswith("aten.sym_"):
            return value
        handler = HANDLERS.get(full) or HANDLERS.get(packet)
        if handler is None:
            if target._schema.is_mutable:
                self.g.refuse("it changes a tensor that is no argument of the function")
            if target.namespace not in ("aten", "prims"):
                self.g.refuse("an operation of another library, of which only its implementation knows what it means")
            self.g.refuse("it has no conversion", "leave it to torch, and capture what comes before or behind it")
        args = [self.operand(a) for a in node.args]
        options = {key: self.operand(a) for key, a in node.kwargs.items()}
        try:
            made = handler(self.g, *args, **options)
        except (Error, Unfit) as problem:
            if isinstance(problem, Unfit):
                self.g.refuse(str(problem))
            raise
        except Exception as problem:  # the conversion is total: whatever was not thought of has a name and a line
            self.g.refuse(f"it is called in a way that is not converted ({type(problem).__name__}: {problem})")
        self.follow_source(packet, made)
        return made

    def of_matrix_row(self, node: torch.fx.Node, packet: str) -> Value:
        """A row of a matrix of which only that row is an input: taken out, or written back."""
        if packet == "aten.select_scatter":
            return self.operand(node.args[1])
        row = self.values[typing.cast(torch.fx.Node, node.args[0])]
        made = Value(row.dtype, row.shape, ir=row.ir)
        made.source = row.source
        return made

    def follow_source(self, packet: str, made: typing.Any) -> None:
        """Only views of an input are in its memory."""
        plain = packet.split(".")[1]
        for value in made if isinstance(made, tuple) else (made,):
            if (
                isinstance(value, Value)
                and value.source is not None
                and not plain.startswith(_ALIASES)
                and plain != "_unsafe_view"
            ):
                value.source = None

    def mutate(self, node: torch.fx.Node) -> Value:
        target = typing.cast(torch.fx.Node, node.args[0])
        if target not in self.position:
            self.g.refuse("it changes a tensor that is no argument of the function")
        into = self.values[target]
        value = self.g.repeat(self.g.cast(self.operand(node.args[1]), into.dtype), into.shape)
        self.mutated[self.position[target]] = value
        return into

    def operations(self) -> list[str]:
        targets = (n.target for n in self.values if isinstance(n.target, torch._ops.OpOverload))
        named = ("bitcast" if str(t) == "aten.view.dtype" else t._schema.name.split("::")[1] for t in targets)
        return sorted(set(named) - BOOKKEEPING)

    # Outputs

    def finish(self, returned: list[typing.Any], names: typing.Sequence[str] | None) -> Converted:
        g = self.g
        leaves: list[tuple[str, typing.Any]] = []
        shapes: dict[int, list[typing.Any]] = {}
        made = 0
        taken = {p.name for p in self.placeholders if p is not None}
        self.g.node = next(n for n in self.module.graph.nodes if n.op == "output")
        if names is not None and len(set(names)) != len(names):
            raise CaptureError(f"the outputs' names are not all different: {', '.join(names)}")
        for at, node in enumerate(returned):
            if not isinstance(node, torch.fx.Node):
                leaves.append(("constant", node))
                continue
            g.node = node
            value = self.operand(node)
            if not isinstance(value, Value):
                if isinstance(value, (int, float, bool)) or value is None:
                    leaves.append(("constant", value))
                    continue
                g.refuse("the function returns the number of rows, or a number made of it", "return tensors")
            whole = next((n for n in self.position if self.values.get(n) is value), None)
            if whole is not None:
                leaves.append(("input", self.position[whole]))
                continue
            if value.source is not None:
                g.note(f"result {at} is a copy; eager returns a view of `{self.placeholders[value.source].name}`")  # type: ignore[union-attr]
            name = names[made] if names is not None and made < len(names) else f"out{made}"
            while name in taken:
                name += "_"
            taken.add(name)
            result = g.real(g.narrow(value))
            if value.source is not None or any(
                result.ir is self.values[n].ir for n in self.position if n in self.values
            ):
                result = g.emit("copy", result, dtype=result.dtype, shape=result.shape)
            g.builder.output(name, result.ir)
            if result.dims != tuple(ROWS if d == Rows(1) else d for d in result.shape):
                shapes[made] = [(d.factor, ROWS) if isinstance(d, Rows) else d for d in result.shape]
            leaves.append(("output", made))
            made += 1
        for i, value in self.mutated.items():
            target = self.values[next(n for n, at in self.position.items() if at == i)]
            if value is target:
                continue
            ready = g.real(g.narrow(value))
            given = self.placeholders[i]
            assert given is not None
            name = f"{given.name}_out"
            while name in taken:
                name += "_"
            taken.add(name)
            g.builder.output(
                name, ready.ir, layout=given.layout if target.dims else "contiguous", alias=("in_place", target.ir)
            )
            made += 1
        if made == 0:
            raise CaptureError("the function computes nothing: there is no result, and no argument that it changes")
        try:
            graph = g.builder.finish()
        except Error as error:
            raise CaptureError(f"the graph that it becomes is not valid\n{error}") from error
        seed = len(self.inputs) if g.seed is not None else None
        matrix_rows = {self.inputs.index(self.position[node]): row for node, row in self.matrix_row.items()}
        return Converted(graph, self.inputs, leaves, shapes, g.notes, seed, matrix_rows, self.operations())
