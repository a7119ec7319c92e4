"""Functions of an inference engine, replaced by kernels of themselves.

An engine loads this package by an entry point of its own (`routefuse.sglang`, `routefuse.vllm`). Nothing is replaced unless the
environment names it:

    ROUTEFUSE_REPLACE=all                          every function that is known of the engine
    ROUTEFUSE_REPLACE=biased_topk_impl,my.module.f  some of them, by name, or any function by its dotted name
    ROUTEFUSE_COMPARE=1                            runs both, and says where they differ; ties are told apart
    ROUTEFUSE_RANDOM=philox                        takes random numbers from a seed of torch's generator
    ROUTEFUSE_FALLBACK=error                       raises for what does not become a kernel, instead of running it as it was

A function that is replaced is captured at its first call with arguments of each kind (`routefuse.jit`), and called as it was
where it does not become a kernel, and while an outer torch.compile traces it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import logging
import os
import sys
import typing

from ._routefuse import Error

log = logging.getLogger("routefuse")


@dataclasses.dataclass(frozen=True)
class Engine:
    """An inference engine, and which of its functions are known to become kernels."""

    package: str
    #: The first version that was looked at, and the first after the last.
    versions: tuple[tuple[int, ...], tuple[int, ...]]
    #: Functions by their dotted names.
    functions: tuple[str, ...]

    def version(self) -> tuple[int, ...] | None:
        try:
            text = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None
        return tuple(int(part) for part in text.split("+")[0].split(".") if part.isdigit())

    def check(self) -> None:
        version = self.version()
        first, end = self.versions
        if version is not None and not first <= version < end:
            said = ".".join(map(str, version))
            log.warning(
                "%s %s is not a version that was looked at (%s up to %s): what is replaced is compared by name alone",
                self.package, said, ".".join(map(str, first)), ".".join(map(str, end)),
            )  # fmt: skip

    def named(self, wanted: str) -> list[str]:
        """The dotted names of what is asked for. Raises Error for a name that is neither known nor dotted."""
        names: list[str] = []
        for name in (part.strip() for part in wanted.split(",") if part.strip()):
            if name == "all":
                names += self.functions
            elif "." in name:
                names.append(name)
            else:
                found = [f for f in self.functions if f.rsplit(".", 1)[1] == name]
                if not found:
                    known = ", ".join(f.rsplit(".", 1)[1] for f in self.functions)
                    raise Error(
                        f"ROUTEFUSE_REPLACE: no function of {self.package} is known as {name!r}; they are {known}, or any dotted name"
                    )
                names += found
        return list(dict.fromkeys(names))


class Replaced:
    """A function in the place of another, which it calls where there is no kernel."""

    def __init__(
        self, original: typing.Callable[..., typing.Any], compare: bool, fallback: str, random: str = "refuse"
    ) -> None:
        from .torch import Jit

        self.original = original
        self.compare = compare
        # What an engine compiled by itself is captured as it was written.
        plain = getattr(original, "_torchdynamo_orig_callable", original)
        self.jit = Jit(plain, "T", fallback, "eager", None, random)
        self.calls = 0
        self.differences: list[str] = []
        functools.update_wrapper(self, plain)

    def __call__(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        import torch

        if torch.compiler.is_compiling():
            return self.original(*args, **kwargs)
        self.calls += 1
        if not self.compare:
            return self.jit(*args, **kwargs)
        import copy

        copied = copy.deepcopy((args, kwargs))
        theirs = self.original(*copied[0], **copied[1])
        ours = self.jit(*args, **kwargs)
        # What a function changes in place is a result too.
        for difference in differences((ours, args, kwargs), (theirs, *copied)):
            self.differences.append(difference)
            log.warning("%s: %s", self.__name__, difference)
        return ours


#: By how much floats may differ that were computed in another order, of 16 bits and of 32.
TOLERANCES = {2: 2e-2, 4: 1e-5}


def differences(ours: typing.Any, theirs: typing.Any, absolute: float = 1e-6) -> list[str]:
    """Where two results differ, in words: rows in which ids differ, and the most by which floats do in the other rows.

    Rows in which both have the same weights but other ids are ties: the ids were chosen among equal keys. Without weights nothing
    is called a tie. Where any tensor is of 16-bit floats, floats differ by what one rounding of those makes."""
    import torch

    ours, theirs = (
        [t for t in torch.utils._pytree.tree_leaves(r) if isinstance(t, torch.Tensor)] for r in (ours, theirs)
    )
    if len(ours) != len(theirs):
        return [f"{len(ours)} tensors instead of {len(theirs)}"]
    said = []
    rows = next((t.shape[0] for t in ours if t.dim()), 0)
    other_ids = torch.zeros(rows, dtype=torch.bool)
    other_floats = torch.zeros(rows, dtype=torch.bool)
    worst, has_weights = 0.0, False
    tolerance = TOLERANCES[
        min((t.element_size() for t in ours if t.dtype.is_floating_point and t.element_size() in TOLERANCES), default=4)
    ]
    for a, b in zip(ours, theirs):
        if a.shape != b.shape or a.dtype != b.dtype:
            said.append(f"{a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}")
            continue
        by_row = a.dim() > 0 and a.shape[0] == rows
        if not a.dtype.is_floating_point:
            if by_row:
                # Slots may come in another order where an engine sorts nothing.
                ordered = [t.reshape(rows, -1).long().sort(-1).values for t in (a, b)]
                other_ids |= (ordered[0] != ordered[1]).any(-1).cpu()
            elif not torch.equal(a, b):
                said.append("other integers")
            continue
        has_weights |= by_row
        a, b = (t.reshape(rows if by_row else 1, -1).float().sort(-1).values for t in (a, b))
        far = ~torch.isclose(a, b, rtol=tolerance, atol=absolute, equal_nan=True).all(-1).cpu()
        if not far.any():
            continue
        if by_row:
            other_floats |= far
            worst = max(worst, (a - b).abs().nan_to_num().max().item())
        else:
            said.append("other floats in a tensor without rows")
    ties = int((other_ids & ~other_floats).sum())
    if ties:
        said.append(
            f"other ids with equal weights in {ties} of {rows} rows: ties"
            if has_weights
            else f"other ids in {ties} of {rows} rows"
        )
    if (other_ids & other_floats).any():
        said.append(f"other ids and weights in {int((other_ids & other_floats).sum())} of {rows} rows")
    if (other_floats & ~other_ids).any():
        said.append(f"other floats in {int((other_floats & ~other_ids).sum())} of {rows} rows, by {worst:g} at most")
    return said


def replace(dotted: str, *, compare: bool = False, fallback: str = "eager", random: str = "refuse") -> Replaced:
    """Puts a kernel of a function in its place, in its module and wherever it was imported to by name. Raises Error if there is no
    such function."""
    module_name, _, name = dotted.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise Error(f"ROUTEFUSE_REPLACE: {dotted}: {error}") from None
    original = getattr(module, name, None)
    if not callable(original):
        raise Error(f"ROUTEFUSE_REPLACE: {module_name} has no function {name}")
    if isinstance(original, Replaced):
        return original
    made = Replaced(original, compare, fallback, random)
    for other in list(sys.modules.values()):
        for key, value in list(getattr(other, "__dict__", {}).items()):
            if value is original:
                setattr(other, key, made)
    return made


def register(engine: Engine) -> list[Replaced]:
    """What the entry points call: replaces what the environment names."""
    wanted = os.environ.get("ROUTEFUSE_REPLACE", "")
    if not wanted:
        return []
    engine.check()
    compare = os.environ.get("ROUTEFUSE_COMPARE", "") not in ("", "0")
    fallback = os.environ.get("ROUTEFUSE_FALLBACK") or "eager"
    if fallback not in ("eager", "error"):
        raise Error(f"ROUTEFUSE_FALLBACK={fallback}: it is eager or error")
    random = os.environ.get("ROUTEFUSE_RANDOM") or "refuse"
    if random not in ("refuse", "philox"):
        raise Error(f"ROUTEFUSE_RANDOM={random}: it is refuse or philox")
    made = []
    for dotted in engine.named(wanted):
        try:
            made.append(replace(dotted, compare=compare, fallback=fallback, random=random))
        except Error as error:
            # A known function that this version has no more is no reason to end a server; one that was asked for by name is.
            if wanted.strip() != "all":
                raise
            log.warning("%s", error)
    log.info("replaced by kernels: %s", ", ".join(r.__name__ for r in made) or "nothing")
    return made
