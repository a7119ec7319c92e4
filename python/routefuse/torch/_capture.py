"""Functions of torch as kernels."""

from __future__ import annotations

import functools
import inspect
import itertools
import typing

import torch

from .. import _engines
from .._routefuse import Engine, Error, Kernel
from ._convert import Input, convert, layout_of
from ._errors import CaptureError
from ._opened import Opened, constant_fields, rebuilding, tensor_fields
from ._trace import Traced, trace

#: How many ways of telling rows from other dims are tried.
MOST_GUESSES = 16


def capture(
    function: typing.Callable[..., typing.Any],
    *examples: typing.Any,
    rows: str | typing.Collection[str] | None = "T",
    static: typing.Mapping[str, typing.Any] | None = None,
    scalars: typing.Collection[str] = (),
    rounding: str = "eager",
    nan: str = "last",
    random: str = "refuse",
    generator: torch.Generator | None = None,
    outputs: typing.Sequence[str] | None = None,
    name: str | None = None,
    engine: Engine | None = None,
) -> Kernel:
    """The kernel of a function of torch, traced once and compiled for every number of rows.

    `examples` are arguments as the function takes them: of tensors only dtype, shape, strides and device matter, and nothing is
    computed. Arguments that are no tensors, and those of `static` (by name), are constants of the kernel. The kernel takes the
    tensors among the arguments, in their order or by name, and returns what the function returns; an argument that the function
    changes in place is changed in place. The tensors of an argument that is a dataclass come last, by names as "info.table".

    `rows` says which tensors have a row for each token in their leading dim: the names of these arguments, or None for no such
    dim. With "T", those whose leading extent is that of the first tensor; where that is ambiguous (as many rows as experts), the
    one reading under which the function makes sense is found by trying.

    `scalars` names numbers that each call gives anew: on the host as Python numbers, on a GPU as tensors of rank 0 there, float32
    or int64. The function gets such tensors in their place.

    With `rounding="eager"` 16-bit floats are rounded after each operation, as eager torch does; with "fused" where they reach
    memory. `outputs` names the results that are new, `name` the graph.

    With `nan="first"` a selection (`topk`, `sort`, `max` and `min` of a dim, `argmax` and `argmin`) takes a NaN as torch does, which
    is the largest to it; with "last" a NaN is chosen where nothing else is left.

    Random numbers are refused unless `random="philox"`: then each call draws a seed from torch's generator on the device (or
    from `generator`), and the kernel makes of it numbers that are distributed as torch's are, and are others.

    Where torch means something else than routefuse, `docs/guides/python.md` has the list. Raises CaptureError for a function that does
    not become a kernel, with the operation, the reason and the line of its source.
    """
    arguments = _Arguments(function, examples, dict(static or {}), scalars)
    if rounding not in ("eager", "fused"):
        raise CaptureError(f"rounding={rounding!r}", help='it is "eager" or "fused"')
    if nan not in ("last", "first"):
        raise CaptureError(f"nan={nan!r}", help='it is "last" or "first"')
    if random not in ("refuse", "philox"):
        raise CaptureError(f"random={random!r}", help='it is "refuse" or "philox"')
    options = _Options(rounding, nan, random, generator, outputs, name, engine)
    failure: CaptureError | None = None
    for with_rows in itertools.islice(arguments.guesses(rows), MOST_GUESSES):
        try:
            traced = trace(arguments.function, arguments.args, arguments.kwargs, with_rows)
            return _kernel(arguments, traced, with_rows, options)
        except CaptureError as error:
            # The first reading is the plain one; its reason is the one to tell.
            failure = failure or error
    assert failure is not None
    raise failure


class _Options(typing.NamedTuple):
    """What `capture` is asked for, besides the arguments."""

    rounding: str
    nan: str
    random: str
    generator: torch.Generator | None
    outputs: typing.Sequence[str] | None
    name: str | None
    engine: Engine | None


class _Arguments:
    """The arguments of a call, by position and by keyword, with the names that the function has for them."""

    def __init__(
        self,
        function: typing.Callable[..., typing.Any],
        examples: tuple[typing.Any, ...],
        static: dict[str, typing.Any],
        scalars: typing.Collection[str] = (),
    ) -> None:
        self.args = list(examples)
        self.kwargs = static
        self.called = _name_of(function)
        self.names: dict[typing.Any, str] = {key: key for key in static}
        try:
            # A module's own signature takes anything.
            signature = inspect.signature(function.forward if isinstance(function, torch.nn.Module) else function)
            bound = signature.bind(*examples, **static)
        except TypeError as error:
            raise CaptureError(f"the examples are not what `{self.called}` takes: {error}") from None
        except ValueError:
            signature = bound = None
        position = 0
        for parameter in signature.parameters.values() if signature and bound else ():
            if parameter.kind is parameter.VAR_POSITIONAL:
                for i in range(len(bound.arguments.get(parameter.name, ()))):
                    self.names[position] = f"{parameter.name}{i}"
                    position += 1
            elif position < len(examples) and parameter.kind in (
                parameter.POSITIONAL_ONLY,
                parameter.POSITIONAL_OR_KEYWORD,
            ):
                self.names[position] = parameter.name
                position += 1
        for i in range(position, len(examples)):
            self.names[i] = f"arg{i}"
        self.make_scalars(scalars)
        self.function = self.open(function)
        self.tensors = [(k, v) for k, v in [*enumerate(self.args), *self.kwargs.items()] if isinstance(v, torch.Tensor)]
        if not self.tensors:
            raise CaptureError(f"`{self.called}` is given no tensor", help="give an example of each tensor")
        for key, value in [*enumerate(self.args), *self.kwargs.items()]:
            inside = () if isinstance(value, torch.Tensor) else torch.utils._pytree.tree_leaves(value)
            if any(isinstance(leaf, torch.Tensor) for leaf in inside):
                raise CaptureError(f"the argument `{self.names[key]}` holds tensors", help="give tensors by themselves")
        for key, tensor in self.tensors:
            self.check(self.names[key], tensor)

    def open(self, function: typing.Callable[..., typing.Any]) -> typing.Callable[..., typing.Any]:
        """Arguments that are dataclasses are taken apart: the function of what they are made of."""
        opened: dict[typing.Any, Opened] = {}
        for key, value in [*enumerate(self.args), *self.kwargs.items()]:
            fields = tensor_fields(value)
            if not fields:
                continue
            names = {field: f"{self.names[key]}.{field}" for field in fields}
            opened[key] = Opened(type(value), constant_fields(value), names)
            for field, name in names.items():
                self.kwargs[name], self.names[name] = getattr(value, field), name
            if isinstance(key, int):
                self.args[key] = None
            else:
                self.kwargs[key] = None
        return rebuilding(function, opened) if opened else function

    def make_scalars(self, scalars: typing.Collection[str]) -> None:
        """Numbers as tensors of rank 0."""
        given = [*enumerate(self.args), *self.kwargs.items()]
        device = next((v.device for _, v in given if isinstance(v, torch.Tensor)), None)
        keys = {self.names[k]: (k, v) for k, v in given}
        for name in scalars:
            key, value = keys.get(name, (None, None))
            if not isinstance(value, (bool, int, float)):
                numbers = [n for n, (_, v) in keys.items() if isinstance(v, (bool, int, float))]
                raise CaptureError(
                    f"the argument `{name}` is no number", help=f"the numbers are {', '.join(numbers) or 'none'}"
                )
            dtype = (
                torch.float32 if isinstance(value, float) else torch.bool if isinstance(value, bool) else torch.int64
            )
            made = torch.tensor(value, dtype=dtype, device=device)
            if isinstance(key, int):
                self.args[key] = made
            else:
                self.kwargs[typing.cast(str, key)] = made

    def check(self, name: str, tensor: torch.Tensor) -> None:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            raise CaptureError(f"the example `{name}` is a {type(tensor).__name__}", help="give a plain tensor")
        first = self.tensors[0][1]
        if tensor.device != first.device:
            message = (
                f"the example `{name}` is on {tensor.device}, and `{self.names[self.tensors[0][0]]}` on {first.device}"
            )
            raise CaptureError(message, help="give all on the device on which the kernel is to run")
        if tensor.device.type not in ("cpu", "cuda"):
            raise CaptureError(
                f"the example `{name}` is on {tensor.device}", help="give it on the CPU or on an NVIDIA GPU"
            )
        if tensor.layout is not torch.strided:
            raise CaptureError(f"the example `{name}` is of {tensor.layout}", help="give a dense tensor")

    def guesses(self, rows: str | typing.Collection[str] | None) -> typing.Iterator[frozenset[typing.Any]]:
        """The arguments with rows, in the order in which readings are tried."""
        if rows is None:
            yield frozenset()
            return
        keys = {self.names[k]: k for k, _ in self.tensors}
        if not isinstance(rows, str):
            unknown = [n for n in rows if n not in keys]
            if unknown:
                raise CaptureError(f"there is no tensor argument `{unknown[0]}`", help=f"they are {', '.join(keys)}")
            chosen = frozenset(keys[n] for n in rows)
            flat = next((n for n in rows if not dict(self.tensors)[keys[n]].dim()), None)
            if flat is not None:
                raise CaptureError(f"the argument `{flat}` has no dims, and so no rows")
            yield chosen
            return
        first = next(((k, t) for k, t in self.tensors if t.dim()), None)
        if first is None:
            yield frozenset()
            return
        extent = first[1].shape[0]
        like = [k for k, t in self.tensors if t.dim() and t.shape[0] == extent]
        # Those of one dim, as a bias, are the likeliest to have that extent by chance; then those of several.
        doubtful = sorted((k for k in like if k != first[0]), key=lambda k: dict(self.tensors)[k].dim())
        for n in range(len(doubtful) + 1):
            for left_out in itertools.combinations(doubtful, n):
                yield frozenset(k for k in like if k not in left_out)


def _name_of(function: typing.Any) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def _graph_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_." else "_" for c in name) or "captured"


def _kernel(arguments: _Arguments, traced: Traced, with_rows: frozenset[typing.Any], options: _Options) -> Kernel:
    examples = dict(arguments.tensors)
    placeholders: list[Input | None] = []
    names = set(arguments.names.values())
    for kind, key in traced.sources:
        if kind == "arg":
            tensor = examples[key]
            placeholders.append(Input(arguments.names[key], layout_of(tensor.shape, tensor.stride())))
        elif kind == "bound":
            own = f"bound{len(placeholders)}"
            while own in names:
                own += "_"
            placeholders.append(Input(own, layout_of(key.shape, key.stride())))
        else:
            placeholders.append(None)
    counted = None
    if traced.counted is not None:
        example = examples[traced.counted]
        counted = Input(arguments.names[traced.counted], layout_of(example.shape, example.stride())), example
    converted = convert(
        traced.module,
        _graph_name(options.name or arguments.called),
        placeholders,
        rounding=options.rounding,
        rows=traced.rows,
        counted=counted,
        random=options.random,
        nan=options.nan,
        outputs=options.outputs,
        first_result=traced.first_result,
        results=traced.results,
    )
    # Last, because what cannot be converted is the plainer reason.
    traced.check_path()
    device = arguments.tensors[0][1].device
    kernel = (options.engine or _engines.engine()).compile(converted.graph, device=device)
    inputs = {placeholder: position for position, placeholder in enumerate(converted.inputs)}
    of_argument: dict[typing.Any, int | None] = {
        key: i for i, (kind, key) in enumerate(traced.sources) if kind == "arg"
    }
    if traced.counted is not None:
        of_argument[traced.counted] = None
    parameters = [(arguments.names[k], inputs.get(of_argument.get(k, -1))) for k, _ in arguments.tensors]
    bound = {inputs[i]: key.detach() for i, (kind, key) in enumerate(traced.sources) if kind == "bound" and i in inputs}
    positions = [k for k, _ in arguments.tensors]

    def leaf(what: tuple[str, typing.Any]) -> tuple[str, typing.Any]:
        kind, value = what
        if kind == "result":
            kind, value = converted.leaves[value]
            if kind == "input":
                source, key = traced.sources[value]
                return ("argument", positions.index(key)) if source == "arg" else ("constant", key)
        elif kind == "arg":
            return ("argument", positions.index(value))
        return (kind, value)

    flat, structure = traced.returned
    leaves = [leaf(what) for what in flat]
    plain = (
        isinstance(structure.type, type) and structure.type is tuple and all(c.is_leaf() for c in _children(structure))
    )
    single = structure.is_leaf()
    unflatten = None if plain or single else functools.partial(_unflatten, structure)
    info = {
        "function": arguments.called,
        "parameters": [name for name, _ in parameters],
        "rows": [arguments.names[k] for k in positions if k in with_rows],
        "static": {arguments.names.get(k, str(k)): v for k, v in _constants(arguments)},
        "rounding": options.rounding,
        "nan": options.nan,
        "random": options.random,
        "operations": converted.operations,
        "notes": converted.notes,
    }
    drawn = {} if converted.seed is None else {converted.seed: _seeds(device, options.generator)}
    rows = converted.matrix_rows
    return kernel._returning(leaves, converted.shapes, unflatten, info, single, parameters, bound, drawn, rows)


def _seeds(device: torch.device, generator: torch.Generator | None) -> typing.Callable[[], torch.Tensor]:
    """What draws a seed for each call, on the device: a CUDA graph that is replayed draws anew."""

    def draw() -> torch.Tensor:
        seed = torch.randint(0, (1 << 63) - 1, (), dtype=torch.int64, device=device, generator=generator)
        return seed.view(torch.uint64)

    return draw


def _children(structure: typing.Any) -> list[typing.Any]:
    children = getattr(structure, "children", None)
    children = children() if callable(children) else children
    return list(children if children is not None else structure.children_specs)


def _constants(arguments: _Arguments) -> typing.Iterator[tuple[typing.Any, typing.Any]]:
    for key, value in [*enumerate(arguments.args), *arguments.kwargs.items()]:
        if not isinstance(value, torch.Tensor):
            yield key, value


def _unflatten(structure: typing.Any, leaves: list[typing.Any]) -> typing.Any:
    return torch.utils._pytree.tree_unflatten(leaves, structure)


#: Nearly every call is given nothing but tensors.
_PLAIN = {torch.Tensor}
# What an argument does not fit by: another kernel of the function may fit.
_MISFITS = frozenset({"RF0603", "RF0604", "RF0605", "RF0606", "RF0610", "RF0611"})


class Jit:
    """A function that is captured at its first call with arguments of each kind: see `jit`."""

    def __init__(
        self,
        function: typing.Callable[..., typing.Any],
        rows: str | typing.Collection[str] | None,
        fallback: str,
        rounding: str,
        engine: Engine | None,
        random: str = "refuse",
        nan: str = "last",
    ) -> None:
        if fallback not in ("error", "eager"):
            raise CaptureError(f"fallback={fallback!r}", help='it is "error" or "eager"')
        self.function = function
        self.rows, self.fallback, self.rounding, self.engine = rows, fallback, rounding, engine
        self.random, self.nan = random, nan
        #: Kernels by the arguments that are no tensors, the latest used first.
        self.kernels: dict[typing.Any, list[Kernel]] = {}
        #: Why calls of a kind are run eagerly.
        self.refused: dict[typing.Any, CaptureError] = {}
        functools.update_wrapper(self, function)

    @property
    def captures(self) -> int:
        """How many kernels there are."""
        return sum(map(len, self.kernels.values()))

    def kernel(self, *args: typing.Any, **kwargs: typing.Any) -> Kernel:
        """The kernel for arguments like these, captured if it is not there: before a CUDA graph is captured, say."""
        key, tensors = self._split(args, kwargs)
        for kernel in self.kernels.get(key, ()):
            if self._fits(kernel, tensors):
                return kernel
        return self._capture(key, args, kwargs)

    def _split(
        self, args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]
    ) -> tuple[typing.Any, typing.Sequence[torch.Tensor]]:
        if not kwargs and set(map(type, args)) == _PLAIN:
            return (None,) * len(args), args
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        inside: list[torch.Tensor] = []
        key: list[typing.Any] = [None if isinstance(a, torch.Tensor) else _constant(a, inside) for a in args]
        for name, a in kwargs.items():
            if isinstance(a, torch.Tensor):
                tensors.append(a)
                key.append((name, None))
            else:
                key.append((name, _constant(a, inside)))
        return tuple(key), tensors + inside

    def _fits(self, kernel: Kernel, tensors: typing.Sequence[torch.Tensor]) -> bool:
        return _kind(tensors, kernel) == kernel.info.get("kind")

    def _capture(self, key: typing.Any, args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]) -> Kernel:
        tensors = self._split(args, kwargs)[1]
        if tensors and tensors[0].is_cuda and torch.cuda.is_current_stream_capturing():
            raise CaptureError(
                f"`{self.__name__}` has no kernel for these arguments, and a CUDA graph is being captured",
                help="call it once with such arguments before, or its method `kernel`",
            )
        made = capture(
            self.function,
            *args,
            rows=self.rows,
            static=kwargs,
            rounding=self.rounding,
            nan=self.nan,
            random=self.random,
            engine=self.engine,
        )
        made.info["kind"] = _kind(tensors, made)
        self.kernels.setdefault(key, []).insert(0, made)
        return made

    def __call__(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        key, tensors = self._split(args, kwargs)
        known = self.kernels.get(key)
        if known:
            try:
                return known[0](*tensors)
            except Error as error:
                if error.code not in _MISFITS:
                    raise
        for at, kernel in enumerate(known or ()):
            if self._fits(kernel, tensors):
                assert known is not None
                known.insert(0, known.pop(at))
                return kernel(*tensors)
        kind = (key, tuple((t.dtype, t.shape[1:], t.stride()[1:], t.device) for t in tensors))
        if kind in self.refused:
            return self.function(*args, **kwargs)
        try:
            kernel = self._capture(key, args, kwargs)
        except CaptureError as error:
            if self.fallback == "error":
                raise
            self.refused[kind] = error
            return self.function(*args, **kwargs)
        return kernel(*tensors)

    def __get__(self, instance: typing.Any, owner: typing.Any = None) -> typing.Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<routefuse.jit of {self.__name__}: {self.captures} kernels>"


def _constant(value: typing.Any, inside: list[torch.Tensor]) -> typing.Any:
    """What an argument that is no tensor is known by. The tensors inside a dataclass are added to those of the call."""
    fields = tensor_fields(value)
    if not fields:
        return type(value), _hashable(value)
    inside += [getattr(value, field) for field in fields]
    constants = constant_fields(value)
    return type(value), tuple(fields), tuple((name, type(held), _hashable(held)) for name, held in constants.items())


def _hashable(value: typing.Any) -> typing.Any:
    """What tells a constant from every other one: `2` and `2.0` are equal, and so are `0.0` and `-0.0`."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return tuple((type(v), _hashable(v)) for v in value)
    if isinstance(value, dict):
        return tuple((k, type(v), _hashable(v)) for k, v in value.items())
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _kind(tensors: typing.Sequence[torch.Tensor], kernel: Kernel) -> tuple[typing.Any, ...]:
    """All of the tensors that a kernel is for, but their rows."""
    with_rows = set(kernel.info["rows"])
    names = kernel.info["parameters"]
    return tuple(
        (t.dtype, tuple(t.shape[1:] if name in with_rows else t.shape), layout_of(t.shape, t.stride()), t.device)
        for t, name in zip(tensors, names)
    )


def jit(
    function: typing.Callable[..., typing.Any] | None = None,
    *,
    rows: str | typing.Collection[str] | None = "T",
    fallback: str = "error",
    rounding: str = "eager",
    nan: str = "last",
    random: str = "refuse",
    engine: Engine | None = None,
) -> typing.Any:
    """A decorator: the function is captured at its first call with arguments of each kind, and its kernel called from then on.

    Of one kind are arguments of equal dtypes, devices, inner extents and layouts, and equal values where they are no tensors.
    With `fallback="eager"` a function that does not become a kernel is called as it is; `.refused` has the reasons. With "error"
    that raises CaptureError. `.kernel(*args)` captures without calling. The other arguments are those of `capture`.
    """
    if function is None:
        options = {"rows": rows, "fallback": fallback, "rounding": rounding, "nan": nan, "random": random}
        return functools.partial(jit, engine=engine, **options)
    return Jit(function, rows, fallback, rounding, engine, random, nan)
