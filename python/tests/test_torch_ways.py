"""The ways in: capture with its options, jit, ops, the backend; and what they have in common."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

from functions import CASES  # noqa: E402
from routefuse.torch import CaptureError, EagerWarning, as_op, capture  # noqa: E402

E, K = 64, 8


def route(logits, bias, k=K):
    scores = logits.float().sigmoid()
    ids = (scores + bias).topk(k, dim=-1).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(-1, keepdim=True), ids.int()


def inputs(rows, dtype=torch.float32):
    g = torch.Generator().manual_seed(rows)
    return torch.randn(rows, E, generator=g).to(dtype), torch.randn(E, generator=g)


def close(made, expected):
    for a, b in zip(made, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.is_floating_point:
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        else:
            assert torch.equal(a, b)


# capture


def test_names_and_numbers(engine):
    kernel = capture(route, *inputs(16), static={"k": 4}, outputs=["weights", "ids"], name="router", engine=engine)
    assert kernel.name == "router" and kernel.parameters == ["logits", "bias"] and kernel.launches == 1
    assert [o["name"] for o in kernel.outputs] == ["weights", "ids"] and kernel.outputs[0]["shape"] == ["T", 4]
    assert kernel.info["static"] == {"k": 4} and kernel.info["rows"] == ["logits"]
    assert kernel.report["captured"]["function"] == "route"
    logits, bias = inputs(5)
    close(kernel(bias=bias, logits=logits), route(logits, bias, 4))
    close(capture(route, *inputs(16), 4, engine=engine)(logits, bias), route(logits, bias, 4))
    with pytest.raises(routefuse.Error, match="RF0602"):
        kernel(logits, bias, logits)
    with pytest.raises(routefuse.Error, match="RF0601"):
        kernel(logits)


def test_structures_come_back(engine):
    def nested(a):
        return {"sum": a + 1, "rest": [a * 2, None, "text"], "same": a}

    kernel = capture(nested, torch.zeros(7, 3), engine=engine)
    a = torch.ones(5, 3)
    made = kernel(a)
    assert made["same"] is a and made["rest"][1:] == [None, "text"] and (made["sum"] == 2).all()
    assert isinstance(capture(lambda a: a + 1, a, engine=engine)(a), torch.Tensor)
    assert isinstance(capture(lambda a: (a + 1,), a, engine=engine)(a), tuple)
    assert isinstance(capture(lambda a: [a + 1], a, engine=engine)(a), list)


def test_as_many_rows_as_experts(engine):
    """With as many rows as another dim has, what has rows is found by what makes sense."""
    kernel = capture(route, torch.zeros(E, E), torch.zeros(E), engine=engine)
    assert kernel.info["rows"] == ["logits"]
    close(kernel(*inputs(5)), route(*inputs(5)))
    assert capture(lambda a, b: a + b, torch.zeros(8, 8), torch.zeros(8, 8), engine=engine).info["rows"] == ["a", "b"]
    table = capture(
        lambda ids, table: table[ids.long()], torch.zeros(8, 2, dtype=torch.int32), torch.zeros(8), engine=engine
    )
    assert table.info["rows"] == ["ids"]
    assert capture(lambda a, b: a + b, torch.zeros(8, 8), torch.zeros(8), rows=["a"], engine=engine).info["rows"] == [
        "a"
    ]
    fixed = capture(lambda a: a.sum(0), torch.zeros(8, 4), rows=None, engine=engine)
    assert fixed(torch.ones(8, 4)).tolist() == [8.0] * 4
    with pytest.raises(routefuse.Error, match="RF0605"):
        fixed(torch.ones(9, 4))


def test_modules_and_their_parameters(engine):
    class Router(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.randn(E))
            self.register_buffer("table", torch.randperm(E).int())

        def forward(self, logits):
            weights, ids = route(logits, self.bias)
            return weights, self.table[ids]

    router = Router()
    logits, _ = inputs(16)
    kernel = capture(router, logits, engine=engine)
    assert kernel.parameters == ["logits"]
    close(kernel(logits), router(logits))
    with torch.no_grad():
        router.bias.add_(torch.randn(E))
        router.table.copy_(torch.randperm(E).int())
    close(kernel(logits), router(logits))
    close(capture(router.forward, logits, engine=engine)(logits), router(logits))


def test_rounding_is_eagers_or_fused(engine):
    def chain(a):
        return ((a * 1.1 + 0.3) * a - 0.7).sigmoid()

    a = torch.randn(64, 32, generator=torch.Generator().manual_seed(1)).bfloat16()
    eager, fused = (capture(chain, a, rounding=r, engine=engine)(a) for r in ("eager", "fused"))
    assert (eager.float() - chain(a).float()).abs().max() <= 2**-8
    exact = chain(a.double())
    assert (fused.double() - exact).abs().mean() < (eager.double() - exact).abs().mean()


def test_numbers_that_each_call_gives(engine):
    def scaled(a, factor, first: int = 0):
        return (a * factor + first).to(a.dtype)

    before = engine.counters["compiles"]
    kernel = capture(scaled, torch.zeros(7, 4), 2.0, static={"first": 1}, scalars=["factor", "first"], engine=engine)
    assert kernel.parameters == ["a", "factor", "first"]
    a = torch.rand(5, 4)
    for factor, first in ((2.0, 1), (0.1, -3), (1e30, 0)):
        assert torch.equal(kernel(a, factor, first), scaled(a, factor, first))
    assert engine.counters["compiles"] - before == 1
    half = capture(scaled, torch.zeros(7, 4).bfloat16(), 2.0, scalars=["factor"], engine=engine)
    assert torch.equal(half(a.bfloat16(), 0.1), scaled(a.bfloat16(), 0.1))
    for wrong in ("a", "b"):
        with pytest.raises(CaptureError, match="is no number"):
            capture(scaled, a, 2.0, scalars=[wrong], engine=engine)


@pytest.mark.parametrize("name", [c.name for c in CASES if c.name.endswith("16")])
def test_fused_rounding_is_near(name, engine):
    case = next(c for c in CASES if c.name == name)
    kernel = capture(
        case.function,
        *case.make(16, torch.Generator().manual_seed(1)),
        static=case.static,
        rounding="fused",
        engine=engine,
    )
    args = case.make(64, torch.Generator().manual_seed(2))
    made, expected = kernel(*args), case.function(*args, **case.static)
    for a, b in zip(
        made if isinstance(made, tuple) else [made], expected if isinstance(expected, tuple) else [expected]
    ):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.is_floating_point and "grouped" not in name and case.ties is None:
            torch.testing.assert_close(a.float(), b.float(), rtol=4e-2, atol=4e-2)


def test_a_nan_is_the_largest_where_that_is_asked_for(engine):
    """torch's order, in rows with a NaN and without: what is chosen, its columns, its mask, the sum of the two best."""

    def select(x):
        values, ids = x.topk(3)
        kept = torch.zeros_like(x).scatter_(1, ids, 1.0)
        two = x.view(x.shape[0], 2, 8).topk(2, dim=-1).values.sum(-1)
        least, by_value = x.topk(3, largest=False), x.sort(-1, descending=True)
        extremes = *x.max(-1), *x.min(-1), x.argmax(-1), x.argmin(-1)
        return values, ids, kept, two, least.values, least.indices, by_value.values, x.sort(-1).values, *extremes

    for dtype in (torch.float32, torch.bfloat16):
        # Every number once in a row, so that nothing ties.
        x = torch.rand(64, 16, generator=torch.Generator().manual_seed(4)).argsort(-1).to(dtype) - 5
        x[::2, 3] = float("nan")
        x[1, 4], x[2, 5] = float("inf"), -float("inf")
        kernel = capture(select, x, nan="first", engine=engine)
        assert kernel.launches == 1 and kernel.info["nan"] == "first"
        for a, b in zip(kernel(x), select(x)):
            assert torch.equal(a.nan_to_num(nan=-99.0), b.nan_to_num(nan=-99.0)), (dtype, a, b)
        # By default it is the least.
        assert not capture(lambda x: x.topk(3).values, x, engine=engine)(x).isnan().any()
    jitted = routefuse.jit(lambda x: x.argmax(-1), nan="first", engine=engine)
    assert (jitted(x)[::2] == 3).all()
    compiled = torch.compile(
        lambda x: x.argmax(-1),
        backend=routefuse.torch.backend,
        options={"nan": "first", "fallback": "error"},
        dynamic=True,
    )
    with torch.no_grad():
        assert (compiled(x)[::2] == 3).all()
    with pytest.raises(CaptureError, match="last"):
        capture(select, x, nan="middle", engine=engine)


def test_unused_and_repeated_arguments(engine):
    kernel = capture(lambda a, unused, b: a + b, torch.zeros(4, 2), torch.zeros(3), torch.zeros(4, 2), engine=engine)
    a = torch.ones(5, 2)
    assert torch.equal(kernel(a, torch.zeros(9, 9), a), a + a)


def test_wrapped_functions(engine):
    compiled = torch.compile(route)
    close(capture(compiled, *inputs(16), engine=engine)(*inputs(5)), route(*inputs(5)))


def test_save_and_load(engine, tmp_path):
    capture(route, *inputs(16), engine=engine).save(tmp_path / "route.rfb")
    close(routefuse.load(tmp_path / "route.rfb", trust="anyone")(*inputs(5)), route(*inputs(5)))


# jit


def test_jit_captures_each_kind_once(engine):
    @routefuse.jit(rows="T", engine=engine)
    def routed(logits, bias, k=4):
        return route(logits, bias, k)

    for rows in (16, 7, 1, 2, 4096, 64):
        close(routed(*inputs(rows)), route(*inputs(rows), 4))
    assert routed.captures == 1 and routed.__name__ == "routed"
    close(routed(*inputs(5), k=2), route(*inputs(5), 2))
    close(routed(*inputs(5, torch.bfloat16)), route(*inputs(5, torch.bfloat16), 4))
    close(routed(*inputs(7), k=2), route(*inputs(7), 2))
    close(routed(*inputs(9)), route(*inputs(9), 4))
    assert routed.captures == 3
    logits, bias = inputs(8)
    wide = torch.cat([logits, logits], 1)[:, :E]
    close(routed(wide, bias), route(logits, bias, 4))
    close(routed(wide[:3], bias), route(logits[:3], bias, 4))
    assert routed.captures == 4
    assert routed.kernel(*inputs(3)) in routed.kernels[(None, None)] and routed.captures == 4


def test_jit_tells_constants_apart_that_are_equal(engine):
    @routefuse.jit(engine=engine)
    def scaled(x, factors):
        return x * factors[0]

    x = torch.ones(3, 4, dtype=torch.int32)
    assert scaled(x, (2,)).dtype == torch.int32 and scaled(x, (2.0,)).dtype == torch.float32


def test_jit_falls_back_or_fails(engine):
    def over_rows(a):
        return a - a.mean(0)

    a = torch.rand(5, 3)
    with pytest.raises(CaptureError, match="over rows"):
        routefuse.jit(over_rows, engine=engine)(a)
    eager = routefuse.jit(over_rows, fallback="eager", engine=engine)
    assert torch.equal(eager(a), over_rows(a)) and torch.equal(eager(a), over_rows(a))
    assert len(eager.refused) == 1 and eager.captures == 0
    with pytest.raises(CaptureError, match="fallback"):
        routefuse.jit(over_rows, fallback="none")


def test_jit_of_a_method(engine):
    class Gate:
        @routefuse.jit(engine=engine)
        def scale(self, a):
            return a * 2 + 1

    gate, a = Gate(), torch.rand(5, 3)
    assert torch.equal(gate.scale(a), a * 2 + 1)


@dataclasses.dataclass
class Placement:
    """Where experts are, as an engine hands it around."""

    algorithm: str
    table: torch.Tensor | None
    experts: int
    counts: torch.Tensor | None = None


def placed(ids, info: Placement | None, valid=None):
    if info is None:
        return ids
    physical = info.table[ids.long()] if info.algorithm == "static" else info.table[ids.long()] + 1
    if info.counts is not None:
        physical = physical % info.counts[ids.long()]
    return physical if valid is None else torch.where(torch.arange(ids.shape[0])[:, None] >= valid, -1, physical)


def test_tensors_of_a_dataclass_are_arguments(engine):
    ids = torch.tensor([[0, 2], [1, 1], [2, 0]], dtype=torch.int32)
    table, counts = torch.tensor([5, 6, 7]), torch.tensor([1, 2, 3])
    info = Placement("static", table, 3, counts)
    kernel = capture(placed, ids, info, static={"valid": torch.tensor(2)}, engine=engine)
    assert kernel.parameters == ["ids", "valid", "info.table", "info.counts"]
    assert torch.equal(kernel(ids, torch.tensor(1), table, counts), placed(ids, info, torch.tensor(1)))
    jitted = routefuse.jit(placed, fallback="eager", engine=engine)
    for given in (
        info,
        Placement("static", table + 1, 3),
        Placement("dynamic", table, 3),
        None,
        Placement("static", counts, 3),
    ):
        assert torch.equal(jitted(ids, given), placed(ids, given))
        assert torch.equal(jitted(ids, info=given), placed(ids, given))
    # With counts, without, and the other algorithm, each by position and by keyword; without a placement nothing is computed.
    assert jitted.captures == 6 and len(jitted.refused) == 2


def test_an_argument_may_be_asked_for_its_rows_alone(engine):
    """torch keeps the number then, and not the tensor."""

    def numbers(hidden, k: int):
        return torch.arange(hidden.shape[0] * k, dtype=torch.int32).view(hidden.shape[0], k)

    kernel = capture(numbers, torch.zeros(16, 4), 3, engine=engine)
    assert kernel.parameters == ["hidden"] and kernel.info["rows"] == ["hidden"]
    for rows in (16, 1, 5, 0):
        hidden = torch.zeros(rows, 4)
        assert torch.equal(kernel(hidden), numbers(hidden, 3))


def test_one_row_of_a_matrix_is_changed_in_place(engine):
    """Counts of a layer, in a buffer of all layers: the row is the kernel's input."""

    def record(ids, counts):
        ids = ids.flatten()
        there = (ids >= 0) & (ids < 12)
        counts[-2].scatter_add_(0, ids.masked_fill(~there, 0).long(), there.int())

    kernel = capture(
        record, torch.zeros(16, 4, dtype=torch.int32), torch.zeros(3, 12, dtype=torch.int32), engine=engine
    )
    assert kernel.inputs[1]["shape"] == [12] and kernel.inputs[1]["matrix_row"] == 1 and kernel.launches == 1
    g = torch.Generator().manual_seed(1)
    for rows, buffer in (
        (5, torch.zeros(3, 12, dtype=torch.int32)),
        (4096, torch.zeros(5, 20, dtype=torch.int32)[:3, :12]),
    ):
        ids = torch.randint(-2, 14, (rows, 4), generator=g, dtype=torch.int32)
        ours, theirs = buffer.clone(memory_format=torch.preserve_format), buffer.clone()
        kernel(ids, ours)
        record(ids, theirs)
        assert torch.equal(ours, theirs) and ours[1].sum() > 0
    with pytest.raises(routefuse.Error, match="RF0605.*row 1 of it"):
        kernel(ids, torch.zeros(1, 12, dtype=torch.int32))
    with pytest.raises(routefuse.Error, match="RF0605"):
        kernel(ids, torch.zeros(3, 11, dtype=torch.int32))

    def two_rows(ids, counts):
        record(ids, counts)
        return counts[0] + 1

    with pytest.raises(CaptureError):
        capture(two_rows, torch.zeros(16, 4, dtype=torch.int32), torch.zeros(3, 12, dtype=torch.int32), engine=engine)

    def overwritten(x, rows):
        rows[2] = rows[2] * 2 + x

    kernel = capture(overwritten, torch.zeros(4), torch.zeros(3, 4), rows=None, engine=engine)
    ours = torch.arange(12.0).reshape(3, 4)
    kernel(torch.ones(4), ours)
    assert ours.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [17, 19, 21, 23]]


# ops


def test_an_op_is_one_node_of_an_outer_graph(engine):
    kernel = capture(route, *inputs(16), engine=engine)
    op = kernel.as_op("routefuse_tests::route")
    close(op(*inputs(5)), route(*inputs(5)))
    torch.library.opcheck(op.overload, inputs(5), test_utils=("test_schema", "test_faketensor"))

    def model(logits, bias):
        weights, ids = op(logits * 1.5, bias)
        return weights * 2, ids + 1

    graphs = []

    def look(module, _):
        graphs.append([str(n.target) for n in module.graph.nodes if n.op == "call_function"])
        return module

    compiled = torch.compile(model, backend=look, fullgraph=True, dynamic=True)
    for rows in (16, 7, 1, 2):
        weights, ids = route(inputs(rows)[0] * 1.5, inputs(rows)[1])
        close(compiled(*inputs(rows)), (weights * 2, ids + 1))
    assert any("routefuse_tests.route" in target for target in graphs[0])
    with pytest.raises(routefuse.Error, match="already"):
        kernel.as_op("routefuse_tests::route")
    for name in ("route", "a::b c", "::x"):
        with pytest.raises(routefuse.Error, match="no name"):
            as_op(kernel, name)


def test_an_op_under_inductor(engine):
    import shutil

    if not shutil.which("g++"):
        pytest.skip("Inductor needs a C++ compiler")
    op = capture(route, *inputs(16), engine=engine).as_op("routefuse_tests::route_inductor")
    compiled = torch.compile(lambda a, b: op(a + 1, b)[0] * 2, fullgraph=True, dynamic=True)
    for rows in (16, 5):
        logits, bias = inputs(rows)
        torch.testing.assert_close(compiled(logits, bias), route(logits + 1, bias)[0] * 2, rtol=1e-5, atol=1e-6)


def test_an_op_that_writes(engine):
    def mask(ids, valid):
        ids[torch.arange(ids.shape[0]) >= valid] = -1
        return ids

    kernel = capture(mask, torch.zeros(16, 4, dtype=torch.int32), torch.tensor(3), engine=engine)
    op = kernel.as_op("routefuse_tests::mask")
    assert "Tensor(a!)" in str(op.overload._schema)
    ids = torch.ones(5, 4, dtype=torch.int32)
    assert op(ids, torch.tensor(3)) is ids and ids.sum() == 12 - 8

    def model(ids, valid):
        op(ids, valid)
        return ids * 2

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    ids = torch.ones(6, 4, dtype=torch.int32)
    assert compiled(ids, torch.tensor(2)).sum() == 2 * (8 - 16) and ids.sum() == 8 - 16


# the backend


def test_the_backend_is_found_by_name_or_by_function(engine):
    from routefuse.torch import backend

    torch._dynamo.reset()
    calls = routefuse.engine().counters
    compiled = torch.compile(lambda a, b: route(a, b), backend=backend, dynamic=True)
    for rows in (16, 7, 5):
        close(compiled(*inputs(rows)), route(*inputs(rows)))
    assert routefuse.engine().counters["loads"] > calls["loads"]


def test_the_backend_runs_eagerly_what_is_no_kernel():
    from routefuse.torch import backend

    torch._dynamo.reset()
    a = torch.rand(5, 3)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        compiled = torch.compile(lambda a: a - a.mean(0), backend=backend, dynamic=True)
        torch.testing.assert_close(compiled(a), a - a.mean(0))
    assert [w for w in said if w.category is EagerWarning and "over rows" in str(w.message)]
    torch._dynamo.reset()
    with pytest.raises(Exception, match="over rows"):
        torch.compile(lambda a: a * 2 - a.mean(0), backend=backend, dynamic=True, options={"fallback": "error"})(a)
    torch._dynamo.reset()
    with pytest.raises(Exception, match="no option"):
        torch.compile(lambda a: a * 2, backend=backend, options={"speed": 1})(a)


def test_the_backend_changes_what_the_function_changes():
    from routefuse.torch import backend

    def step(seen, ids):
        seen += (ids == 3).to(seen.dtype)
        return seen.view(-1), ids

    torch._dynamo.reset()
    compiled = torch.compile(step, backend=backend)
    seen, ids = torch.zeros(4, 2, dtype=torch.int64), torch.full((4, 2), 3)
    flat, same = compiled(seen, ids)
    assert seen.sum() == 8 and flat.data_ptr() == seen.data_ptr() and same is ids
