"""The programs of `examples/python/`, the first example of the package's page, and what the stubs say."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import pathlib
import re
import subprocess
import sys

import pytest
import routefuse

pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "python").glob("*.py"))


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    result = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=[p.stem for p in EXAMPLES])
def test_example(path):
    modules = set(re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.M))
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        pytest.skip(f"needs {missing[0]}")
    assert run(str(path))


@pytest.mark.parametrize("document", ["python/README.md", "docs/guides/python.md"])
def test_first_example_of(document):
    pytest.importorskip("numpy")
    program = re.search(r"```python\n(.*?)```", (ROOT / document).read_text(), re.S)[1]
    assert run("-c", program).startswith("(4, 8)")


def test_stubs_say_what_there_is():
    """Every class, method and function of the native module stands in its stub with the same parameters, and nothing else."""
    from routefuse import _routefuse as native

    tree = ast.parse((ROOT / "python" / "routefuse" / "_routefuse.pyi").read_text())
    stubs = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    values = {t.target.id for t in tree.body if isinstance(t, ast.AnnAssign)}
    there = {name for name in dir(native) if not name.startswith("__") or name == "__version__"}
    assert there == set(stubs) | values

    def parameters(node):
        a = node.args
        names = [p.arg for p in [*a.posonlyargs, *a.args, *([a.vararg] if a.vararg else []), *a.kwonlyargs]]
        return [n for n in names if n not in ("self", "cls")]

    for name, stub in stubs.items():
        what = getattr(native, name)
        if isinstance(stub, ast.FunctionDef):
            assert parameters(stub) == list(inspect.signature(what).parameters), name
            continue
        if name == "Error":
            continue
        said = {n.name: n for n in stub.body if isinstance(n, ast.FunctionDef)}
        public = {m for m in vars(what) if not m.startswith("__")}
        assert public == {m for m in said if not m.startswith("__")}, name
        for method in public:
            attribute = inspect.getattr_static(what, method)
            if callable(getattr(what, method)):
                expected = [p for p in inspect.signature(getattr(what, method)).parameters if p != "self"]
                assert parameters(said[method]) == expected, (name, method)
            assert attribute.__doc__ or method.startswith("_"), (name, method)
