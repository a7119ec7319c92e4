"""The engine that functions of the package use where none is named."""

from __future__ import annotations

import contextlib
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
    """The kernel of a graph (a Graph, a GraphBuilder, or a graph's text), ready on `device`: "cpu", or as "cuda:0" or "hip:0".

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
    with _told(progress) as tell:
        return (engine or _engine()).compile_all(list(graphs), device=device, fuse=fuse, threads=threads, progress=tell)


def explain(graph: typing.Any, *, fuse: bool = True, engine: Engine | None = None) -> str:
    """What becomes of a graph and why, in words, without compiling it."""
    _needs_compiler("a report")
    return (engine or _engine()).explain(graph, fuse=fuse)


def tune(
    graph: typing.Any,
    *,
    device: typing.Any,
    rows: typing.Sequence[int] | None = None,
    margin: float = 0.03,
    samples: int = 15,
    limit: float = 60.0,
    seed: int = 0,
    keep: bool = True,
    fuse: bool = True,
    threads: int | None = None,
    progress: bool | typing.Callable[[int, int, str], None] = False,
    engine: Engine | None = None,
) -> dict[str, typing.Any]:
    """Measures on a GPU which shapes of schedule a graph's kernels run best with there, and keeps the answer in the engine and
    its cache: what is compiled from then on follows it. Every shape gives the same bits.

    `Engine.tune` says what the arguments and the answer are. `progress` is as that of `compile_all`.
    """
    _needs_compiler("tuning")
    with _told(progress) as tell:
        return (engine or _engine()).tune(
            graph, device=device, rows=rows, margin=margin, samples=samples, limit=limit, seed=seed, keep=keep, fuse=fuse,
            threads=threads, progress=tell,
        )  # fmt: skip


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


@contextlib.contextmanager
def _told(progress: typing.Any) -> typing.Iterator[typing.Callable[[int, int, str], None] | None]:
    """What is told of progress: a bar for True, a function, or nothing."""
    if progress is not True:
        yield progress or None
        return
    bar = _Bar()
    try:
        yield bar.show
    finally:
        bar.end()


# `engine` is a parameter's name too.
_engine = engine
