"""What is no kernel is refused by name: the operation, the reason, the line of the source, what would be right."""

from __future__ import annotations

import inspect

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

from routefuse.torch import CaptureError, capture  # noqa: E402

T, E = 16, 24
SEEN = []
STATE = {"calls": 0}


def x():
    return torch.zeros(T, E)


REFUSED = {
    "sort over rows": (lambda a: a.sort(0).values, "aten.sort", "over rows"),
    "sum over rows": (lambda a: a.sum(0), "aten.sum", "over rows"),
    "sum of all": (lambda a: a.sum(), "aten.sum", "over rows"),
    "softmax over rows": (lambda a: a.softmax(0), "aten._softmax", "over rows"),
    "running sum over rows": (lambda a: a.cumsum(0), "aten.cumsum", "over rows"),
    "matrix product": (lambda a: a @ torch.ones(E, 4), "aten.mm", "no `mm`"),
    "sine": (lambda a: torch.sin(a), "aten.sin", "no `sin`"),
    "double": (lambda a: a.double() * 2, "aten._to_copy", "f64"),
    "complex": (lambda a: torch.complex(a, a).abs(), "aten.complex", "conversion"),
    "random numbers": (lambda a: a + torch.rand_like(a), "aten.rand", "random numbers"),
    "random integers": (lambda a: a + torch.randint(0, 9, a.shape), "aten.randint", "random numbers"),
    "transposed": (lambda a: a.t() + 1, "aten.permute", "rows behind other dims"),
    "some rows": (lambda a: a[:4] * 2, "aten.slice", "some of the rows"),
    "one row": (lambda a: a[0] * 2, "aten.select", "over rows"),
    "rows in front repeated": (lambda a: torch.cat([a, a], 0), "aten.cat", "over rows"),
    "rows by index": (lambda a: a[torch.tensor([1, 0])] * 2, "aten.index", "by an index"),
    "rows by mask": (lambda a: a[a[:, 0] > 0], None, "depends on"),
    "nonzero": (lambda a: a.nonzero(), None, "depends on"),
    "rows written by index": (
        lambda a: a.index_put((torch.tensor([1]),), torch.tensor(1.0)),
        "aten.index_put",
        "by an index",
    ),
    "power of the number of rows": (lambda a: a * a.shape[0] ** 2, None, "computed of extents"),
    "number of rows returned": (lambda a: (a + 1, a.shape[0]), None, "number of rows"),
    "path by rows": (lambda a: a * 2 if a.shape[0] > 32 else a * 3, None, "depends on the number of rows"),
    "path by data": (lambda a: a if a.sum() > 0 else -a, None, "Data-dependent"),
    "item": (lambda a: a * a[:, 0].sum().item(), None, ""),
    "printing": (lambda a: (print(a), a * 2)[1], None, "cannot trace"),
    "list that grows": (lambda a: (SEEN.append(1), a * 2)[1], None, "changes Python objects"),
    "dict that changes": (lambda a: (STATE.__setitem__("calls", 1), a * 2)[1], None, "changes Python objects"),
    "columns by rows": (lambda a: a.topk(a.shape[0] % 3 + 1).values, None, ""),
    "strides of its own": (lambda a: a.as_strided((T, 4), (E, 2)) + 1, "aten.as_strided", "strides"),
    "i64 selection": (lambda a: a.long().topk(2).indices, "aten.topk", "i64"),
    "wide sort": (lambda a: torch.cat([a] * 20, 1).sort(-1).values, "aten.sort", "480 columns"),
    "odd power": (lambda a: a**2.5, "aten.pow", "exponent 2.5"),
    "bits of another width": (lambda a: a.view(torch.int16), None, ""),
    "variance": (lambda a: a.prod(-1), "aten.prod", "no `prod`"),
    "no operation": (lambda a: None, None, "no operation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name(name, engine):
    function, op, reason = REFUSED[name]
    with pytest.raises(CaptureError) as caught:
        capture(function, x(), engine=engine)
    error = caught.value
    assert isinstance(error, routefuse.Error)
    assert reason in error.reason, error
    if op is not None:
        assert error.op.startswith(op), error
    if op is not None or "depends" in reason or "cannot trace" in reason:
        assert error.place and "test_torch_refusals.py" in error.place, error


def route(a):
    b = a * 2
    return b.sort(0).values


def test_the_place_is_the_users_line(engine):
    line = inspect.getsourcelines(route)[1] + 2
    with pytest.raises(CaptureError) as caught:
        capture(route, x(), engine=engine)
    assert caught.value.place == f"{__file__}:{line} in route: `return b.sort(0).values`"
    assert caught.value.help and str(caught.value).endswith(f"help: {caught.value.help}")
    assert caught.value.errors[0]["context"] == "aten.sort.default"


def test_nothing_is_run_and_nothing_is_left_behind(engine):
    SEEN.clear()
    with pytest.raises(CaptureError):
        capture(REFUSED["list that grows"][0], x(), engine=engine)
    assert SEEN == []
    buffer = torch.zeros(T, E)
    capture(lambda a: a.add_(1), buffer, engine=engine)
    assert buffer.sum() == 0


def test_examples_that_are_none(engine):
    class Tagged(torch.Tensor):
        pass

    def one(a, b=None):
        return a + 1

    for examples, reason in [
        ((), "not what `one` takes"),
        ((1,), "no tensor"),
        ((x().as_subclass(Tagged),), "Tagged"),
        ((x().to("meta"),), "meta"),
        ((x().to_sparse(),), "sparse"),
        ((x(), x().to("meta")), "meta"),
        ((x().double(),), "float64"),
        ((x(), [x()]), "`b` holds tensors"),
    ]:
        with pytest.raises(CaptureError, match=reason):
            capture(one, *examples, engine=engine)
    with pytest.raises(CaptureError, match="no tensor argument `c`"):
        capture(one, x(), rows=["c"], engine=engine)
    with pytest.raises(CaptureError, match="no rows"):
        capture(one, torch.tensor(1.0), rows=["a"], engine=engine)
    with pytest.raises(CaptureError, match="rounding"):
        capture(one, x(), rounding="no", engine=engine)
    with pytest.raises(CaptureError, match="all different"):
        capture(lambda a: (a + 1, a + 2), x(), outputs=["y", "y"], engine=engine)


def test_counts_are_integers_of_an_argument(engine):
    ids = torch.zeros(T, 2, dtype=torch.int64)

    def count(ids, counts):
        counts.scatter_add_(0, ids.flatten(), torch.ones_like(ids, dtype=counts.dtype).flatten())

    with pytest.raises(CaptureError, match="integers of 32 or 64 bits"):
        capture(count, ids, torch.zeros(E), engine=engine)
    with pytest.raises(CaptureError, match="no argument of one dim"):
        capture(
            lambda ids: torch.zeros(E, dtype=torch.int32).scatter_add(
                0, ids.flatten(), torch.ones_like(ids, dtype=torch.int32).flatten()
            ),
            ids,
            engine=engine,
        )


def test_tensors_inside_objects_are_refused(engine):
    class Info:
        def __init__(self):
            self.table = torch.zeros(E)

    with pytest.raises(CaptureError, match="inside an argument"):
        capture(lambda a, info: a + info.table, x(), Info(), engine=engine)


def test_what_nothing_is_made_of_is_left_out(engine):
    def checked(a):
        torch._assert_async((a == a).all())
        a.sort(0)
        return a + 1

    kernel = capture(checked, x(), engine=engine)
    assert kernel(torch.ones(2, E)).sum() == 4 * E and all("left out" in note for note in kernel.info["notes"])
