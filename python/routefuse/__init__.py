"""routefuse: the small tensor programs of Mixture-of-Experts inference as fused kernels.

    kernel = routefuse.compile(graph)              # a graph: text, Graph or GraphBuilder
    kernel = routefuse.models.deepseek_v3(...)     # the router of a model, with what follows it
    kernel = routefuse.load("model.rfb", trust=…)  # a finished kernel, without a compiler
    kernel = routefuse.torch.capture(fn, *inputs)  # a function of torch

    outputs = kernel(*inputs)                      # torch tensors, or numpy arrays on the host

`docs/guides/python.md` of the repository goes through all of it.
"""

from __future__ import annotations

import importlib
import typing

from . import _routefuse
from ._engines import compile, compile_all, configure, engine, explain, load, tune
from ._routefuse import Bundle, Engine, Error, Kernel, Sealed, __version__, generate_key, has_compiler

if has_compiler:
    from ._routefuse import Graph
    from .builder import GraphBuilder, Value

__all__ = [
    "Bundle",
    "Engine",
    "Error",
    "Graph",
    "GraphBuilder",
    "Kernel",
    "Sealed",
    "Value",
    "__version__",
    "chains",
    "compile",
    "compile_all",
    "configure",
    "engine",
    "explain",
    "generate_key",
    "has_compiler",
    "jit",
    "load",
    "models",
    "torch",
    "tune",
]

# Imported when they are first asked for: `torch` takes a second, and the tables of models are long.
_LAZY = ("models", "chains", "torch", "sglang", "vllm")


#: What the build without the compiler has not.
_COMPILER = (*_LAZY, "jit", "Graph", "GraphBuilder", "Value")


def __getattr__(name: str) -> typing.Any:
    if name in _COMPILER and not has_compiler:
        raise Error(
            f"routefuse.{name} needs the compiler, and this build only loads bundles: install the package with the compiler"
        )
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name == "jit":
        return importlib.import_module(".torch", __name__).jit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


del _routefuse
