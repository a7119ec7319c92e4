"""Captured functions against themselves run eagerly: bit for bit where nothing but rounding can differ, ids but for ties."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from functions import CASES, Ties  # noqa: E402
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
    """Bits and ids are equal, and floats within the case's bounds. Where ids differ, both must be best under the keys that tie, and the
    weights those of the ids that were chosen."""
    expected, tied = list(expected), torch.zeros(0, dtype=torch.bool)
    for e, a in zip(expected, actual):
        assert a.dtype == e.dtype and a.shape == e.shape, (case.name, a.dtype, e.dtype, a.shape, e.shape)
    integers = [i for i, e in enumerate(expected) if not e.dtype.is_floating_point]
    different = [i for i in integers if not torch.equal(expected[i], actual[i])]
    if different:
        assert case.ties is not None and different == [1], f"{case.name}: integers differ"
        ours, theirs = actual[1].long(), expected[1].long()
        keys = case.ties.keys(*args)
        tied = (ours != theirs).any(-1)
        for row in tied.nonzero().flatten().tolist():
            for whose, chosen in (("eager's", theirs[row]), ("the kernel's", ours[row])):
                allowed = case.ties.allow(keys[row], chosen, not case.unordered)
                assert allowed, f"{case.name}: row {row}: {whose} are not the best: {chosen.tolist()}"
        weights = case.ties.weights(*args, ours)
        assert weights.dtype == expected[0].dtype
        expected[0] = torch.where(tied[:, None], weights, expected[0])
    for e, a in zip(expected, actual):
        if not e.dtype.is_floating_point:
            continue
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


@pytest.mark.parametrize("case", [c for c in CASES if c.ties], ids=[c.name for c in CASES if c.ties])
def test_what_is_no_tie_is_found(case):
    """Neither another column, nor one of a group that is not the best, nor another weight passes for a tie."""
    args = case.make(64, torch.Generator().manual_seed(5))
    expected = list(case.function(*args, **case.static))
    if case.unordered:
        expected = list(by_id(expected))
    compare(case, args, expected, expected)
    keys, chosen = case.ties.keys(*args), expected[1].long()
    # The least of the chosen, or its weight, in a row: what was chosen in its place had a lesser key.
    slot = keys[0, chosen[0]].argmin().item()
    for column in set(range(keys.shape[1])) - set(chosen[0].tolist()):
        if keys[0, column] == keys[0, chosen[0, slot]]:
            continue
        other = [t.clone() for t in expected]
        other[1][0, slot] = column
        other[0][:1] = case.ties.weights(*args, other[1].long())[:1]
        if case.unordered:
            other = list(by_id(other))
        with pytest.raises(AssertionError, match="the kernel's are not the best"):
            compare(case, args, expected, other)
    other = [t.clone() for t in expected]
    other[0][0, slot] *= 1.5
    with pytest.raises(AssertionError, match="ulp"):
        compare(case, args, expected, other)


def test_equal_keys_may_be_chosen_either_way():
    """In groups of two, of which two are kept: columns 0 and 2 tie, and so do the groups of 2 and 4."""
    ties = Ties(lambda x: x, lambda x, ids: x.gather(1, ids), lambda keys: keys.view(-1, 3, 2).amax(-1), 2)
    keys = torch.tensor([3.0, 1.0, 2.0, 1.5, 2.0, 0.5])
    for chosen, allowed in (
        ([0, 2], True),
        ([0, 4], True),
        ([2, 4], False),
        ([0, 3], False),
        ([0, 0], False),
        ([2, 0], False),
    ):
        assert ties.allow(keys, torch.tensor(chosen), ordered=True) is allowed, chosen
    assert ties.allow(keys, torch.tensor([2, 0]), ordered=False)
    # Of three, the second of a group that was not taken is no candidate.
    assert ties.allow(keys, torch.tensor([0, 2, 3]), ordered=True)
    assert ties.allow(keys, torch.tensor([0, 4, 1]), ordered=True)
    assert not ties.allow(keys, torch.tensor([0, 4, 3]), ordered=True)


def test_there_are_enough():
    assert len(CASES) >= 60
