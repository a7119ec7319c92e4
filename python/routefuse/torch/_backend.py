"""`torch.compile(function, backend="routefuse")`: for trials. A whole graph becomes a kernel, or runs eagerly."""

from __future__ import annotations

import typing
import warnings

import torch

from .. import _engines
from ._capture import _graph_name
from ._convert import Input, convert, layout_of
from ._errors import CaptureError
from ._trace import aten_backend, results_of_metadata

#: Why graphs ran eagerly, by reason: a reason is said once.
_said: set[str] = set()


class EagerWarning(UserWarning):
    """A graph runs eagerly, and why."""


def backend(
    module: torch.fx.GraphModule,
    inputs: typing.Sequence[typing.Any],
    *,
    options: typing.Mapping[str, typing.Any] | None = None,
) -> typing.Any:
    """The backend "routefuse" of torch.compile. `options` may have `rounding` ("eager" or "fused") and `nan` ("last" or "first"), as
    `capture` has them, and `fallback` ("eager", or "error" to have CaptureError raised for what does not become a kernel).

    Under an outer torch.compile with another backend it is not asked at all: what is compiled there is the outer one's. Use
    `Kernel.as_op` there.
    """
    settings = {"rounding": "eager", "nan": "last", "fallback": "eager", **(options or {})}
    unknown = set(settings) - {"rounding", "nan", "fallback"}
    if unknown:
        raise CaptureError(
            f"the backend has no option {sorted(unknown)[0]!r}", help="its options are rounding, nan and fallback"
        )

    for option, values in {"rounding": ("eager", "fused"), "nan": ("last", "first"), "fallback": ("eager", "error")}.items():
        if settings[option] not in values:
            raise CaptureError(f"{option}={settings[option]!r}", help=f'it is "{values[0]}" or "{values[1]}"')

    def compile_graph(graph: torch.fx.GraphModule, examples: typing.Sequence[typing.Any]) -> typing.Any:
        try:
            return _kernel(graph, settings["rounding"], settings["nan"])
        except CaptureError as error:
            if settings["fallback"] == "error":
                raise
            if str(error) not in _said:
                _said.add(str(error))
                warnings.warn(f"a graph runs eagerly: {error}", EagerWarning, stacklevel=2)
            return _eager(graph)

    return aten_backend(compile_graph)(module, inputs)


def _eager(graph: torch.fx.GraphModule) -> typing.Callable[[list[typing.Any]], typing.Any]:
    def run(args: list[typing.Any]) -> typing.Any:
        given, args[:] = list(args), []
        return graph.forward(*given)

    run._boxed_call = True  # type: ignore[attr-defined]
    return run


def _kernel(graph: torch.fx.GraphModule, rounding: str, nan: str) -> typing.Callable[[list[typing.Any]], typing.Any]:
    if torch.is_grad_enabled() and any(
        isinstance(v := n.meta.get("val"), torch.Tensor) and v.requires_grad
        for n in graph.graph.nodes
        if n.op == "placeholder"
    ):
        raise CaptureError(
            "an argument requires grad, and a kernel has no gradient", help="compile under torch.no_grad()"
        )
    if results_of_metadata():
        raise CaptureError("the function changes the shape or the strides of an argument")
    found = [n for n in graph.graph.nodes if n.op == "placeholder"]
    tensors = [n.meta["val"] for n in found if isinstance(n.meta.get("val"), torch.Tensor)]
    # The leading dim of the first tensor is the rows. Every other number is taken as it is now, which torch guards: with another
    # one it compiles again.
    for value in tensors:
        for extent in value.shape[1:]:
            int(extent)
    rows: set[typing.Any] = set()
    for value in tensors:
        leading = value.shape[0] if value.dim() else 0
        if isinstance(leading, torch.SymInt) and not leading.node.expr.is_number:
            if rows and leading.node.expr.free_symbols != rows:
                int(leading)
            else:
                rows = set(leading.node.expr.free_symbols)
    placeholders: list[Input | None] = []
    device = tensors[0].device if tensors else None
    for node in found:
        value = node.meta.get("val")
        is_tensor = isinstance(value, torch.Tensor)
        placeholders.append(Input(node.name, layout_of(value.shape, value.stride())) if is_tensor else None)
    converted = convert(graph, _graph_name("compiled"), placeholders, rounding=rounding, rows=rows, nan=nan)
    kernel = _engines.engine().compile(converted.graph, device=device)
    parameters = [
        (p.name if p else f"number{i}", converted.inputs.index(i) if i in converted.inputs else None)
        for i, p in enumerate(placeholders)
    ]
    leaves = [("argument", value) if kind == "input" else (kind, value) for kind, value in converted.leaves]
    ready = kernel._returning(
        leaves, converted.shapes, None, {"notes": converted.notes}, False, parameters, {}, {}, converted.matrix_rows
    )

    def run(args: list[typing.Any]) -> typing.Any:
        given, args[:] = list(args), []
        return ready(*given)

    run._boxed_call = True  # type: ignore[attr-defined]
    return run
