"""Captured functions against themselves run eagerly: bit for bit where nothing but rounding can differ, ids but for ties."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from functions import CASES  # noqa: E402
from routefuse.torch import capture  # noqa: E402

ROWS = (16, 7, 1, 0, 2, 4096)
VERSION = tuple(int(p) for p in torch.__version__.split("+")[0].split(".")[:2])


def ordered(x):
    """Floats as integers in their order: a difference of 1 is an ulp."""
    bits = x.contiguous().view({4: torch.int32, 2: torch.int16}[x.element_size()]).long()
    top = 1 << (8 * x.element_size() - 1)
    return torch.where(bits < 0, -top - bits, bits)


def tensors_of(result):
    if result is None:
        return []
    return [result] if isinstance(result, torch.Tensor) else list(result)


def by_id(result):
    """Each row's slots by ascending id."""
    order = result[-1].argsort(-1)
    return tuple(t.gather(-1, order) for t in result)


def compare(case, args, expected, actual):
    keys = case.keys(*args) if case.keys else None
    tied = torch.zeros(0, dtype=torch.bool)
    for e, a in zip(expected, actual):
        assert a.dtype == e.dtype and a.shape == e.shape, (case.name, a.dtype, e.dtype, a.shape, e.shape)
        if e.dtype.is_floating_point or torch.equal(e, a):
            continue
        assert keys is not None, f"{case.name}: ids differ"
        # Ids differ only in rows whose keys tie, and what they chose compares equal.
        rows = (e != a).reshape(e.shape[0], -1).any(-1)
        for row in rows.nonzero().flatten().tolist():
            ours, theirs = keys[row][a[row].long().flatten()], keys[row][e[row].long().flatten()]
            assert keys[row].unique().numel() < keys.shape[1], f"{case.name}: row {row} has no tie"
            assert torch.equal(ours.sort().values, theirs.sort().values) or "grouped" in case.name, (
                f"{case.name}: row {row}"
            )
        tied = rows
    for e, a in zip(expected, actual):
        if not e.dtype.is_floating_point:
            continue
        if tied.any() and e.shape[:1] == tied.shape:
            e, a = e[~tied], a[~tied]
        nan = e.isnan()
        assert torch.equal(nan, a.isnan()), case.name
        e, a = e[~nan], a[~nan]
        if case.absolute:
            far = (e.float() - a.float()).abs() > case.absolute
            e, a = e[far], a[far]
        most = (ordered(e) - ordered(a)).abs().max().item() if e.numel() else 0
        assert most <= case.ulp, f"{case.name}: {most} ulp, at most {case.ulp}"


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_equals_eager(case, engine):
    generator = torch.Generator().manual_seed(len(case.name))
    before = engine.counters["compiles"]
    kernel = capture(case.function, *case.make(16, generator), static=case.static, engine=engine)
    assert kernel.launches == case.kernels, kernel.explain()
    # Older versions of torch take operations apart in other ways.
    if VERSION >= (2, 14):
        assert " ".join(kernel.info["operations"]) == case.ops
    compiles = engine.counters["compiles"]
    assert compiles - before <= case.kernels
    for rows in ROWS:
        args = case.make(rows, generator)
        ours, theirs = copy.deepcopy(args), copy.deepcopy(args)
        actual = kernel(*ours)
        if rows == 0:
            # Eager may fail without rows (as `view(0, -1)` does); a kernel gives what has none.
            assert all(t.shape[0] == 0 for t in tensors_of(actual))
            continue
        expected = case.function(*theirs, **case.static)
        assert type(actual) is type(expected)
        if case.unordered:
            actual, expected = by_id(actual), by_id(expected)
        compare(case, args, tensors_of(expected), tensors_of(actual))
        # What the function changes in place is changed, and nothing else.
        compare(case, args, [t for t in theirs], [t for t in ours])
    assert engine.counters["compiles"] == compiles, "it was compiled again"


def test_there_are_enough():
    assert len(CASES) >= 60
