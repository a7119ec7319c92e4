"""The engine that functions of the package use where none is named."""

from __future__ import annotations

import sys
import threading
import typing

from ._routefuse import Bundle, Engine, Error, Kernel, has_compiler

_lock = threading.Lock()
_default: Engine | None = None


def engine() -> Engine:
    """The default engine: made at its first use, with the user's own cache on disk, unless `configure` made another."""
    global _default
    with _lock:
        if _default is None:
            _default = Engine(cache=True)
        return _default


def configure(**settings: typing.Any) -> Engine:
    """Makes a new default engine, with the settings of `Engine`: cache, cache_bytes, bundles, require_signed. Kernels of the
    former one go on as before."""
    global _default
    made = Engine(**settings)
    with _lock:
        _default = made
    return made


def _needs_compiler(what: str) -> None:
    if not has_compiler:
        raise Error(
            f"{what} needs the compiler, and this build only loads bundles: install the package with the compiler"
        )


def compile(graph: typing.Any, *, device: typing.Any = None, fuse: bool = True, engine: Engine | None = None) -> Kernel:
    """The kernel of a graph (a Graph, a GraphBuilder, or a graph's text), ready on `device`: "cpu", or as "cuda:0".

    With `fuse=False` each operation is a kernel. Raises Error with the code and the place of what is wrong.
    """
    _needs_compiler("compiling")
    return (engine or _engine()).compile(graph, device=device, fuse=fuse)


def compile_all(
    graphs: typing.Iterable[typing.Any],
    *,
    device: typing.Any = None,
    fuse: bool = True,
    threads: int | None = None,
    progress: bool | typing.Callable[[int, int, str], None] = False,
    engine: Engine | None = None,
) -> list[Kernel]:
    """The kernels of many graphs, such as a model's layers; equal ones are compiled once.

    `threads` share the work. `progress=True` draws a bar on standard error; a function is called as progress(done, total,
    kernel) instead, for each variant of a kernel that became ready.
    """
    _needs_compiler("compiling")
    bar = _Bar() if progress is True else None
    tell = bar.show if bar else (progress or None)
    try:
        return (engine or _engine()).compile_all(list(graphs), device=device, fuse=fuse, threads=threads, progress=tell)
    finally:
        if bar:
            bar.end()


def explain(graph: typing.Any, *, fuse: bool = True, engine: Engine | None = None) -> str:
    """What becomes of a graph and why, in words, without compiling it."""
    _needs_compiler("a report")
    return (engine or _engine()).explain(graph, fuse=fuse)


def load(path: typing.Any, name: str | None = None, *, trust: typing.Any = None, device: typing.Any = None) -> Kernel:
    """The kernel of a bundle, ready on `device`, without a compiler. `name` may be left out where the bundle has one graph.

    A bundle is machine code of whoever made it, and loading it runs that code as this process's user: `trust` says whose may
    be run. It is "anyone" (right where the file was made here), or the file of a public key, or several. Raises Error: RF0701
    and RF0811 for a file that is no bundle, RF0812 for a graph that is not in it, RF0814 for one that is not from those.
    `Bundle(path, trust=…)` gives several kernels of one file.
    """
    return Bundle(path, trust=trust).kernel(name, device=device)


class _Bar:
    """A progress bar of one line, on a terminal; elsewhere it says nothing."""

    WIDTH = 30

    def __init__(self) -> None:
        self.drawn = False

    def show(self, done: int, total: int, kernel: str) -> None:
        if not sys.stderr.isatty():
            return
        filled = self.WIDTH * done // max(total, 1)
        bar = "█" * filled + "·" * (self.WIDTH - filled)
        sys.stderr.write(f"\r{bar} {done}/{total} {kernel[:40]:40}")
        sys.stderr.flush()
        self.drawn = True

    def end(self) -> None:
        if self.drawn:
            sys.stderr.write("\n")


# `engine` is a parameter's name too.
_engine = engine
