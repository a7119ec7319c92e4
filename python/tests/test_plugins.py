"""The plug-ins of engines: what the environment names is replaced, and nothing else; a stand-in for an engine."""

from __future__ import annotations

import importlib
import logging
import sys
import types

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

from routefuse import _plugin  # noqa: E402
from routefuse.torch import CaptureError  # noqa: E402

SOURCE = """
import torch

def select(logits, k: int):
    weights, ids = logits.softmax(-1).topk(k, dim=-1)
    return weights / weights.sum(-1, keepdim=True), ids.int()

@torch.compile(dynamic=True)
def compiled_select(logits):
    return select(logits, 2)

def centred(x):
    return x - x.mean(0)

def shuffled(ids):
    return ids + torch.randint(0, 4, ids.shape, dtype=ids.dtype)

def mask(ids, first: int):
    ids.masked_fill_(ids >= first, -1)
"""


@pytest.fixture
def engine_module(monkeypatch):
    """A module of an engine, and one that imported a function of it by name."""
    package = types.ModuleType("stand_in_engine")
    package.__path__ = []
    module, user = types.ModuleType("stand_in_engine.topk"), types.ModuleType("stand_in_engine.user")
    import linecache

    lines = SOURCE.splitlines(keepends=True)
    linecache.cache["stand_in_topk.py"] = (len(SOURCE), None, lines, "stand_in_topk.py")
    exec(compile(SOURCE, "stand_in_topk.py", "exec"), module.__dict__)
    user.select = module.select
    for m in (package, module, user):
        monkeypatch.setitem(sys.modules, m.__name__, m)
    for name in ("ROUTEFUSE_REPLACE", "ROUTEFUSE_COMPARE", "ROUTEFUSE_FALLBACK", "ROUTEFUSE_RANDOM"):
        monkeypatch.delenv(name, raising=False)
    return module


ENGINE = _plugin.Engine(
    "stand-in", ((1,), (2,)), ("stand_in_engine.topk.select", "stand_in_engine.topk.compiled_select")
)


def test_nothing_is_replaced_unless_it_is_named(engine_module):
    before = engine_module.select
    assert _plugin.register(ENGINE) == [] and engine_module.select is before
    from routefuse import sglang, vllm

    assert sglang.register() == [] and vllm.register() == []
    assert len(sglang.SGLANG.functions) >= 10 and len(vllm.VLLM.functions) >= 4


def test_what_is_named_is_replaced_everywhere(engine_module, monkeypatch):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "select")
    original = engine_module.select
    (made,) = _plugin.register(ENGINE)
    assert engine_module.select is made and sys.modules["stand_in_engine.user"].select is made
    assert made.original is original and made.__name__ == "select"
    x = torch.randn(5, 16)
    for a, b in zip(made(x, 4), original(x, 4)):
        torch.testing.assert_close(a, b)
    assert made.jit.captures == 1 and made.calls == 1
    assert _plugin.register(ENGINE) == [made], "a second time changes nothing"


def test_compiled_functions_are_taken_as_they_were_written(engine_module, monkeypatch):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "all")
    made = _plugin.register(ENGINE)
    assert [r.__name__ for r in made] == ["select", "compiled_select"]
    x = torch.randn(5, 16)
    weights, ids = engine_module.compiled_select(x)
    assert ids.shape == (5, 2) and made[1].jit.captures == 1


def test_what_is_no_kernel_runs_as_it_was_or_fails(engine_module, monkeypatch):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "stand_in_engine.topk.centred")
    (made,) = _plugin.register(ENGINE)
    x = torch.rand(4, 3)
    torch.testing.assert_close(engine_module.centred(x), x - x.mean(0))
    assert made.jit.refused
    monkeypatch.setenv("ROUTEFUSE_FALLBACK", "error")
    strict = _plugin.Replaced(made.original, False, "error")
    with pytest.raises(CaptureError, match="over rows"):
        strict(x)


def test_random_numbers_are_taken_where_the_environment_says_so(engine_module, monkeypatch):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "stand_in_engine.topk.shuffled")
    monkeypatch.setenv("ROUTEFUSE_RANDOM", "philox")
    (made,) = _plugin.register(ENGINE)
    drawn = made(torch.zeros(64, 4, dtype=torch.int32))
    assert drawn.unique().tolist() == [0, 1, 2, 3] and made.jit.captures == 1
    monkeypatch.setenv("ROUTEFUSE_RANDOM", "mersenne")
    with pytest.raises(routefuse.Error, match="refuse or philox"):
        _plugin.register(ENGINE)
    monkeypatch.setenv("ROUTEFUSE_FALLBACK", "eagre")
    with pytest.raises(routefuse.Error, match="eager or error"):
        _plugin.register(ENGINE)


def test_both_are_compared(engine_module, monkeypatch, caplog):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "select")
    monkeypatch.setenv("ROUTEFUSE_COMPARE", "1")
    (made,) = _plugin.register(ENGINE)
    made(torch.randn(50, 16), 4)
    assert made.differences == []
    with caplog.at_level(logging.WARNING, "routefuse"):
        # A kernel of another function, in its place, that takes other ones of equal keys.
        made.jit = lambda x, k: tuple(t if t.is_floating_point() else t + k for t in made.original(x, k))
        made(torch.zeros(5, 16), 4)
    assert made.differences == ["other ids with equal weights in 5 of 5 rows: ties"]


def test_what_is_changed_in_place_is_compared(engine_module, monkeypatch):
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "stand_in_engine.topk.mask")
    monkeypatch.setenv("ROUTEFUSE_COMPARE", "1")
    (made,) = _plugin.register(ENGINE)
    ids = torch.arange(12).reshape(3, 4)
    assert made(ids, 9) is None and ids[2].tolist() == [8, -1, -1, -1] and made.differences == []
    # A kernel of another function, in its place.
    made.jit = lambda ids, first: engine_module.mask.original(ids, first - 1)
    made(torch.arange(12).reshape(3, 4), 9)
    assert made.differences == ["other ids in 1 of 3 rows"]


def test_differences_are_told_apart():
    weights, ids = torch.tensor([[0.6, 0.4], [0.7, 0.3]]), torch.tensor([[1, 2], [3, 4]])
    assert _plugin.differences((weights, ids), (weights, ids)) == []
    assert _plugin.differences((weights, ids), (weights.flip(-1), ids.flip(-1))) == []
    tied = _plugin.differences((weights, ids), (weights, torch.tensor([[1, 5], [3, 4]])))
    assert tied == ["other ids with equal weights in 1 of 2 rows: ties"]
    wrong = _plugin.differences(
        (weights, ids), (torch.tensor([[0.6, 0.4], [0.5, 0.5]]), torch.tensor([[1, 2], [3, 9]]))
    )
    assert wrong == ["other ids and weights in 1 of 2 rows"]
    floats = _plugin.differences(weights, weights + torch.tensor([[0.0, 0.0], [0.1, 0.0]]))
    assert len(floats) == 1 and floats[0].startswith("other floats in 1 of 2 rows, by 0.1")
    assert "instead of" in _plugin.differences(ids, ids.int())[0]
    assert _plugin.differences((weights, None, 3), (weights, None, 4)) == []
    assert _plugin.differences((weights, ids), weights) == ["2 tensors instead of 1"]
    assert _plugin.differences((weights, {"scale": torch.tensor(1.0)}), (weights, {"scale": torch.tensor(2.0)})) == [
        "other floats in a tensor without rows"
    ]


def test_names_that_are_not_there(engine_module, monkeypatch):
    for wanted, said in [
        ("selec", "known as"),
        ("stand_in_engine.topk.selec", "no function"),
        ("not_there.f", "not_there"),
    ]:
        monkeypatch.setenv("ROUTEFUSE_REPLACE", wanted)
        with pytest.raises(routefuse.Error, match=said):
            _plugin.register(ENGINE)
    gone = _plugin.Engine("stand-in", ((1,), (2,)), ("stand_in_engine.topk.gone",))
    monkeypatch.setenv("ROUTEFUSE_REPLACE", "all")
    assert _plugin.register(gone) == []


def test_other_versions_are_said(monkeypatch, caplog):
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "2.5.1+cu130")
    with caplog.at_level(logging.WARNING, "routefuse"):
        ENGINE.check()
    assert "2.5.1 is not a version that was looked at" in caplog.text.replace("(2, 5, 1)", "2.5.1")
