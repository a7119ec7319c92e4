"""The one module that knows how torch traces: Dynamo for the function, AOTAutograd for its operations.

Both are called by names that torch does not promise to keep. The tests run with the oldest and the newest torch that is supported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import re
import types
import typing

import torch
import torch._dynamo
import torch._guards
from torch._decomp import core_aten_decompositions
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.convert_frame import register_bytecode_hook

from ._conversion import is_users, place_of
from ._errors import CaptureError

#: Numbers of rows to trace with; prime, and none of them an extent that anything else has.
PRIMES = (1031, 1033, 1039, 1049, 1051, 1061)
#: A function's path may differ by these numbers of rows: a condition on the rows has to hold for all of them or for none.
TRIED_ROWS = (2, 3, 5, 7, 8, 16, 33, 64, 100, 128, 255, 256, 257, 512, 1000, 1024, 2048, 4096, 8192, 65536, 1 << 20)


@dataclasses.dataclass
class Traced:
    """A function as a graph of aten operations."""

    module: torch.fx.GraphModule
    #: For each placeholder: ("arg", position or keyword), ("bound", tensor) or ("number", None).
    sources: list[tuple[str, typing.Any]]
    rows: set[typing.Any]
    #: The argument that says how many rows there are, where no tensor of the graph does.
    counted: typing.Any
    first_result: int
    results: int
    #: What the function returned: leaves, each ("result", position), ("arg", key) or ("constant", object), and their structure.
    returned: typing.Any
    env: typing.Any

    def check_path(self) -> None:
        """Raises CaptureError if the traced path is only for some numbers of rows."""
        check_path(self.env, self.rows)


class Marker(torch.Tensor):
    """Stands for a result while the function is traced."""


def aten_backend(
    receive: typing.Callable[[torch.fx.GraphModule, typing.Sequence[typing.Any]], typing.Any],
) -> typing.Any:
    """A backend that gets a graph of core aten operations, with mutations of inputs as `copy_` at its end."""
    return aot_autograd(
        fw_compiler=receive, decompositions=_decompositions(), keep_inference_input_mutations=True
    )  # fmt: skip


def _decompositions() -> dict[typing.Any, typing.Any]:
    """torch's own, but for operations that are converted as they are: taken apart they would mean something else, or more."""
    table = dict(core_aten_decompositions())
    keep = (
        "aten::floor_divide",
        "aten::clamp",
        "aten::clamp_min",
        "aten::clamp_max",
        "aten::masked_fill",
        "aten::rsub",
        "aten::sum",
        "aten::mean",
        "aten::select_scatter",
    )
    return {op: how for op, how in table.items() if getattr(op, "name", lambda: "")().split(".")[0] not in keep}


def results_of_metadata() -> int:
    """How many results stand in front of the function's own: inputs whose change is not in the graph."""
    context = torch._guards.TracingContext.try_get()
    metadata = getattr(context, "fw_metadata", None)
    return int(getattr(metadata, "num_mutated_inp_runtime_indices", 0) or 0)


def shape_env() -> typing.Any:
    context = torch._guards.TracingContext.try_get()
    mode = getattr(context, "fake_mode", None)
    return getattr(mode, "shape_env", None)


def check_path(env: typing.Any, rows: set[typing.Any]) -> None:
    """Raises CaptureError if the traced path is only for some numbers of rows."""
    for guard in getattr(env, "guards", ()):
        symbols = guard.expr.free_symbols
        if not symbols or not symbols <= rows:
            continue
        if len(symbols) > 1:
            continue  # all of them are the rows: equalities hold
        (symbol,) = symbols
        failing = [n for n in TRIED_ROWS if guard.expr.subs(symbol, n) == False]  # noqa: E712 (sympy's)
        if failing:
            line = re.search(r"# (\S+):(\d+) in (\S+)", str(getattr(guard, "sloc", "") or ""))
            place = f"{line[1]}:{line[2]} in {line[3]}" if line else None
            condition = str(guard.expr).replace(str(symbol), "T")
            raise CaptureError(
                f"what the function does depends on the number of rows: it was traced where {condition}",
                place=place,
                help=f"capture each path by itself; with {failing[0]} rows it takes another",
            )


_STORES = ("STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR", "STORE_SLICE")
_CHANGES = {
    "__setattr__",
    "setattr",
    "append",
    "extend",
    "insert",
    "update",
    "clear",
    "setdefault",
    "add",
    "discard",
    "pop",
}


def _side_effects(code: types.CodeType) -> str | None:
    """How the code that Dynamo made changes Python's objects, if it does."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _STORES:
            return instruction.opname
        if (
            instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_CONST")
            and instruction.argval in _CHANGES
        ):
            return str(instruction.argval)
    return None


def _user_place(error: BaseException) -> str | None:
    """The user's line in an error of Dynamo's."""
    stack = getattr(error, "real_stack", None) or []
    for frame in reversed(list(stack)):
        if is_users(frame.filename):
            return f"{frame.filename}:{frame.lineno} in {frame.name}" + (f": `{frame.line}`" if frame.line else "")
    return place_of(str(error))


def trace(
    function: typing.Callable[..., typing.Any],
    args: typing.Sequence[typing.Any],
    kwargs: typing.Mapping[str, typing.Any],
    with_rows: typing.Collection[typing.Any],
) -> Traced:
    """Traces a call. `with_rows` are the arguments (positions and keywords) whose leading dim is the rows. Nothing is computed.

    Raises CaptureError where the function cannot be traced as one graph, changes Python objects, or takes another path for
    other numbers of rows.
    """
    extents = {d for a in [*args, *kwargs.values()] if isinstance(a, torch.Tensor) for d in a.shape}
    prime = next(p for p in PRIMES if p not in extents)

    def example(key: typing.Any, value: typing.Any) -> typing.Any:
        if not isinstance(value, torch.Tensor):
            return value
        shape = list(value.shape)
        strides = list(value.stride())
        if key in with_rows:
            shape[0] = prime
            if len(shape) > 1 and value.is_contiguous():
                strides = list(torch.empty(shape, device="meta").stride())
        made = torch.empty_strided(shape, strides, dtype=value.dtype, device=value.device)
        if key in with_rows:
            torch._dynamo.mark_dynamic(made, 0)
        return made

    made_args = [example(i, a) for i, a in enumerate(args)]
    made_kwargs = {k: example(k, a) for k, a in kwargs.items()}
    seen: dict[str, typing.Any] = {}
    codes: list[types.CodeType] = []

    def receive(module: torch.fx.GraphModule, inputs: typing.Sequence[typing.Any]) -> typing.Any:
        seen["module"] = module
        seen["first"] = results_of_metadata()
        seen["env"] = shape_env()
        return _never

    def backend(module: torch.fx.GraphModule, inputs: typing.Sequence[typing.Any]) -> typing.Any:
        if "module" in seen:
            raise CaptureError("the function becomes more than one graph")
        placeholders = [n for n in module.graph.nodes if n.op == "placeholder"]
        seen["sources"] = [_source(n) for n in placeholders]
        results = next(n for n in module.graph.nodes if n.op == "output").args[0]
        seen["results"] = [torch.empty(()).as_subclass(Marker) for _ in results]
        aten_backend(receive)(module, inputs)

        def stand_in(*_: typing.Any) -> list[typing.Any]:
            changed = next(filter(None, map(_side_effects, codes)), None)
            if changed:
                raise CaptureError(
                    f"the function changes Python objects ({changed}), which a kernel would not do again",
                    help="leave lists, dicts, attributes and globals alone in what is captured",
                )
            return list(seen["results"])

        return stand_in

    def entry(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        return function(*args, **kwargs)

    # A code object of its own: what Dynamo keeps of one capture stays with it.
    own = types.FunctionType(entry.__code__.replace(), entry.__globals__, entry.__name__, None, entry.__closure__)
    hook = register_bytecode_hook(lambda old, new: codes.append(new) if old is own.__code__ else None)
    try:
        with torch.no_grad(), _quiet():
            result = torch.compile(own, backend=backend, fullgraph=True, dynamic=False)(*made_args, **made_kwargs)
    except CaptureError:
        raise
    except Exception as error:
        inner = error
        while inner is not None:
            if isinstance(inner, CaptureError):
                raise inner from None
            inner = typing.cast(typing.Any, getattr(inner, "inner_exception", None) or inner.__cause__)
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        more = next((line.removeprefix("Explanation: ") for line in lines if line.startswith("Explanation:")), None)
        reason = f"torch cannot trace it as one graph: {first}" + (f" ({more})" if more else "")
        raise CaptureError(reason, place=_user_place(error)) from error
    finally:
        hook.remove()
    if "module" not in seen:
        raise CaptureError("the function calls no operation of torch on its arguments")
    if seen["first"]:
        raise CaptureError("the function changes the shape or the strides of an argument")
    named = {f"L['args'][{i}]": i for i in range(len(args))} | {f"L['kwargs']['{k}']": k for k in kwargs}
    sources: list[tuple[str, typing.Any]] = []
    for name, tensor in seen["sources"]:
        if name in named:
            sources.append(("arg", named[name]))
        elif tensor is None:
            sources.append(("number", None))
        elif re.match(r"L\['(args|kwargs)'\]", name):
            # Another call has other tensors there.
            raise CaptureError(f"a tensor inside an argument is used: {name[2:]}", help="give tensors by themselves")
        else:
            sources.append(("bound", tensor))
    module = seen["module"]
    found = [n for n in module.graph.nodes if n.op == "placeholder"]
    if len(found) != len(sources):
        raise CaptureError(
            "arguments of the function share memory, and one of them is changed", help="give tensors of their own"
        )
    rows = set()
    for node, (kind, key) in zip(found, sources):
        if kind == "arg" and key in with_rows:
            extent = node.meta["val"].shape[0]
            if not isinstance(extent, int):
                rows |= extent.node.expr.free_symbols
    # Of arguments of which only the rows are asked for, torch keeps that number.
    counted = None
    if not rows:
        numbers = (n.meta.get("val") for n, (kind, _) in zip(found, sources) if kind == "number")
        for number in numbers:
            if isinstance(number, torch.SymInt) and number.node.hint == prime:
                rows |= number.node.expr.free_symbols
                counted = next((k for k in [*range(len(args)), *kwargs] if k in with_rows), None)
    markers = {id(m): i for i, m in enumerate(seen["results"])}
    by_identity = {id(a): k for k, a in [*enumerate(made_args), *made_kwargs.items()] if isinstance(a, torch.Tensor)}

    def leaf(value: typing.Any) -> typing.Any:
        if isinstance(value, torch.Tensor):
            if id(value) in markers:
                return ("result", markers[id(value)])
            if id(value) in by_identity:
                return ("arg", by_identity[id(value)])
            return ("constant", value)
        if isinstance(value, int) and not isinstance(value, bool) and value == prime and with_rows:
            raise CaptureError("the function returns the number of rows", help="return tensors")
        return ("constant", value)

    leaves, structure = torch.utils._pytree.tree_flatten(result)
    returned = ([leaf(v) for v in leaves], structure)
    return Traced(module, sources, rows, counted, seen["first"], len(seen["results"]), returned, seen["env"])


def _never(args: typing.Any) -> typing.NoReturn:
    raise AssertionError("a graph that was only traced is run")


_never._boxed_call = True  # type: ignore[attr-defined]


def _source(node: torch.fx.Node) -> tuple[str, torch.Tensor | None]:
    """Where Dynamo has a placeholder from, and the tensor, where it is one."""
    argument = node.meta["grapharg"]
    name = argument.source.name
    name = name() if callable(name) else name
    example = argument.example
    return name, example if isinstance(example, torch.Tensor) else None


@contextlib.contextmanager
def _quiet() -> typing.Iterator[None]:
    """Without the shapes that Dynamo remembers between calls of a function."""
    config = torch._dynamo.config
    with config.patch(automatic_dynamic_shapes=False, suppress_errors=False):
        yield
