"""The routers of models, and what engines do after them, as kernels.

Each preset is a function of this module, made of the compiler's own table: `deepseek_v3(eplb="static", k=8)`. Its docstring
lists its options. `names()` lists the presets, `graph(name, **options)` gives the graph alone.

Options are given as Python values: True, 8, 2.5, "static"; a pair such as `expert_parallel=(48, 3)` is written "48:3".
`docs/reference/routing.md` of the repository has the formulas and their sources.
"""

from __future__ import annotations

import functools
import typing

from . import _engines
from ._routefuse import Engine, Graph, Kernel, preset_graph
from ._routefuse import presets as _table


@functools.lru_cache(maxsize=None)
def _presets() -> dict[str, dict[str, typing.Any]]:
    return {_identifier(preset["name"]): preset for preset in _table()}


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _written(value: typing.Any) -> str:
    """An option's value as the table has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return ":".join(_written(part) for part in value)
    return str(value)


def names() -> list[str]:
    """The names of all presets, as "deepseek-v3"."""
    return [preset["name"] for preset in _presets().values()]


def options(name: str) -> dict[str, tuple[str, str]]:
    """The options that a preset has: for each its values, the default first, and a sentence."""
    return {option: (values, summary) for option, values, summary in _presets()[_identifier(name)]["options"]}


def graph(name: str, **options: typing.Any) -> Graph:
    """The graph of a preset. Raises Error: RF1001 for an unknown preset, RF1002 for an option that the model has not, RF1003
    for a value that is none of the option's, RF1004 for options that exclude each other."""
    known = _presets().get(_identifier(name))
    return preset_graph(
        known["name"] if known else name, [(option, _written(value)) for option, value in options.items()]
    )


def _make(preset: dict[str, typing.Any]) -> typing.Callable[..., Kernel]:
    def router(*, device: typing.Any = None, engine: Engine | None = None, **options: typing.Any) -> Kernel:
        return _engines.compile(graph(preset["name"], **options), device=device, engine=engine)

    router.__name__ = router.__qualname__ = _identifier(preset["name"])
    lines = "\n".join(f"    {option}: {values}\n        {summary}" for option, values, summary in preset["options"])
    router.__doc__ = (
        f"The router of {preset['models']}, as a kernel on `device`.\n\n{preset['formula']}\n\n"
        f"Its options, and their values, the default first unless the model says:\n{lines}\n\n"
        f"Source: {preset['source']}"
    )
    return router


def __getattr__(name: str) -> typing.Any:
    preset = None if name.startswith("__") else _presets().get(name)
    if preset is None:
        import difflib

        near = difflib.get_close_matches(name, _presets(), 3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: no preset is called so{hint}")
    made = globals()[name] = _make(preset)
    return made


def __dir__() -> list[str]:
    return sorted([*_presets(), "names", "options", "graph"])
