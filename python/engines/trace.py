"""Engines' own routing functions, as they stand in the wheels, traced and compared with themselves: a table.

    python trace.py FOLDER [NAME…]     (of unpacked wheels: `scripts/engines` makes it; names choose some functions)

A function is taken out of its file with the functions and constants beside it that it names, so that nothing else of the engine has
to be importable; its decorators are left away, and flags of other platforms are off. What is traced here is the engines' code and is
not kept.
"""

from __future__ import annotations

import ast
import builtins
import copy
import pathlib
import sys
import typing
from unittest.mock import MagicMock

import routefuse
import torch
from functions import BF16, FUNCTIONS, Function
from routefuse._plugin import differences
from routefuse.torch import CaptureError, capture
from routefuse.torch._opened import tensor_fields


def extract(folder: pathlib.Path, function: Function) -> typing.Any:
    """A function out of its file. Names that it uses are those beside it, or else stand-ins that are false."""
    space: dict[str, typing.Any] = {
        "torch": torch,
        "F": torch.nn.functional,
        "Optional": typing.Optional,
        "Callable": typing.Callable,
        "Any": typing.Any,
        **function.given,
    }
    for name, file in function.elsewhere.items():
        space[name] = _taken_out(folder / file, name, dict(space))
    made = _taken_out(folder / function.file, function.name, space)
    return function.around(made) if function.around else made


def _taken_out(file: pathlib.Path, name: str, space: dict[str, typing.Any]) -> typing.Any:
    tree = ast.parse(file.read_text())
    beside: dict[str, ast.AST] = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    owner, _, name = name.rpartition(".")
    if owner:
        methods = beside[owner].body  # type: ignore[attr-defined]
        beside[name] = next(n for n in methods if isinstance(n, ast.FunctionDef) and n.name == name)
    constants = {
        t.id: n
        for n in tree.body
        if isinstance(n, (ast.Assign, ast.AnnAssign))
        for t in (n.targets if isinstance(n, ast.Assign) else [n.target])
        if isinstance(t, ast.Name) and isinstance(n.value, ast.Constant)
    }
    off = MagicMock(name="off")
    off.__bool__.return_value = False  # type: ignore[attr-defined]
    given = set(space)
    taken: list[ast.stmt] = []
    waiting = [name]
    while waiting:
        wanted = waiting.pop()
        if wanted in given or wanted in (n.name for n in taken if isinstance(n, ast.FunctionDef)):
            continue
        node = beside.get(wanted)
        if isinstance(node, ast.FunctionDef):
            plain = copy.deepcopy(node)
            plain.decorator_list = []
            # Annotations name types of the engine.
            for argument in [*plain.args.args, *plain.args.kwonlyargs, *plain.args.posonlyargs]:
                argument.annotation = None
            plain.returns = None
            taken.append(plain)
            waiting += [n.id for n in ast.walk(plain) if isinstance(n, ast.Name)]
        elif wanted in constants:
            taken.insert(0, constants[wanted])
        elif wanted not in space and not hasattr(builtins, wanted):
            space[wanted] = False if wanted.startswith("_") else off
    module = ast.Module(body=taken, type_ignores=[])
    exec(compile(ast.fix_missing_locations(module), str(file), "exec"), space)
    return space[name]


def tensors(args: typing.Iterable[typing.Any]) -> list[torch.Tensor]:
    return [a for a in args if isinstance(a, torch.Tensor)]


def inside(args: typing.Iterable[typing.Any]) -> list[torch.Tensor]:
    """The tensors of dataclasses."""
    return [getattr(a, field) for a in args for field in tensor_fields(a)]


def agree(kernel: typing.Any, function: typing.Any, case: Function) -> str:
    """How a kernel compares with its function at several numbers of rows."""
    said: list[str] = []
    for rows in (16, 7, 1, 2, 4096):
        ours = case.make(rows)
        theirs = copy.deepcopy(ours)
        made = kernel(*tensors(ours), *tensors(case.static.values()), *inside(ours))
        expected = function(*theirs, **case.static)
        if case.random:
            made, expected = ([t * 0 for t in torch.utils._pytree.tree_leaves(r)] for r in (made, expected))
        # A kernel gives a tuple where its function gives one; what it changes in place is compared too.
        said += differences((made, tensors(ours)), (expected, tensors(theirs)), case.absolute)
    if case.random and not said:
        return "equal shapes, and other random numbers"
    wrong = [s for s in said if "ties" not in s]
    if wrong and any(a.dtype == BF16 for a in tensors(case.make(1))) and all("ids and weights" in s for s in wrong):
        # Keys of 16 bits tie in many rows; where groups tie, other experts are chosen.
        return f"{wrong[0]}: keys of 16 bits"
    return wrong[0] if wrong else "equal, but for ties" if said else "equal"


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    engine = routefuse.Engine()
    kernels = wrong = tried = 0
    for case in FUNCTIONS:
        if len(sys.argv) > 2 and not any(part in case.label for part in sys.argv[2:]):
            continue
        tried += 1
        try:
            function = extract(folder, case)
            random = "philox" if case.random else "refuse"
            kernel = capture(function, *case.make(16), static=case.static, random=random, engine=engine)
        except CaptureError as error:
            print(f"{case.label:78} refused: {str(error).splitlines()[0]}")
            continue
        except (KeyError, StopIteration, FileNotFoundError) as error:
            print(f"{case.label:78} not in these versions: {error!r}")
            continue
        result = agree(kernel, function, case)
        wrong += not (result.startswith("equal") or "16 bits" in result)
        kernels += kernel.launches == 1
        before = kernel.report["before"]["launches"]
        print(f"{case.label:78} {kernel.launches} kernel of {before:3}   {result}")
    print(f"{kernels} of {tried} become one kernel each")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
