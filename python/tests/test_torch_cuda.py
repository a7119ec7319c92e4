"""Kernels on an NVIDIA GPU: the host's bits, torch's streams, CUDA graphs, memory of torch's allocator, compiled models."""

from __future__ import annotations

import copy

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU"),
    pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles"),
]

from functions import CASES  # noqa: E402
from routefuse.torch import CaptureError, capture  # noqa: E402


def to(device, args):
    return tuple(a.to(device) if isinstance(a, torch.Tensor) else a for a in copy.deepcopy(args))


def tensors_of(result):
    return [] if result is None else [result] if isinstance(result, torch.Tensor) else list(result)


def same_bits(a, b):
    a, b = a.cpu().contiguous(), b.cpu().contiguous()
    if a.dtype.is_floating_point:
        kind = {4: torch.int32, 2: torch.int16}[a.element_size()]
        return torch.equal(
            torch.where(a.isnan(), torch.nan, a).view(kind), torch.where(b.isnan(), torch.nan, b).view(kind)
        )
    return torch.equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_the_gpu_has_the_hosts_bits(case, engine):
    generator = torch.Generator().manual_seed(len(case.name))
    args = case.make(16, generator)
    host = capture(case.function, *args, static=case.static, engine=engine)
    kernel = capture(case.function, *to("cuda", args), static=case.static, engine=engine)
    assert kernel.device.startswith("cuda:") and kernel.launches == case.kernels
    for rows in (16, 7, 1, 0, 2, 4096):
        args = case.make(rows, generator)
        there, here = to("cuda", args), to("cpu", args)
        made, expected = kernel(*there), host(*here)
        for a, b in [*zip(tensors_of(made), tensors_of(expected)), *zip(there, here)]:
            if isinstance(a, torch.Tensor):
                assert a.shape == b.shape and same_bits(a, b), (case.name, rows)


@pytest.fixture(scope="module")
def post(engine):
    return engine.compile(routefuse.chains.graph("e_post_chain"), device="cuda")


def arguments(rows, device="cuda"):
    g = torch.Generator().manual_seed(rows)
    args = (
        torch.randint(0, 256, (rows, 8), generator=g, dtype=torch.int32), torch.rand(rows, 8, generator=g),
        torch.randperm(256, generator=g).int(), torch.tensor(rows - 1, dtype=torch.int32), torch.rand(rows, 1, generator=g).bfloat16(),
    )  # fmt: skip
    return to(device, args)


@pytest.mark.parametrize("allocates", [False, True])
def test_a_cuda_graph_replays_it(post, engine, allocates):
    host = engine.compile(routefuse.chains.graph("e_post_chain"))
    args = arguments(33)
    out = None if allocates else tuple(torch.empty_like(t) for t in post(*args))
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        made = post(*args, out=out)
        doubled = made[2] * 2
    for seed in (34, 35):
        fresh = arguments(seed)
        for a, b in zip(args, fresh):
            a.copy_(b[:33] if b.dim() and b.shape[0] == seed else b)
        graph.replay()
        torch.cuda.synchronize()
        expected = host(*to("cpu", args))
        assert all(same_bits(a, b) for a, b in zip(made, expected))
        assert same_bits(doubled, expected[2] * 2)


def test_a_cuda_graph_draws_anew(engine):
    """The seed is drawn by torch's own operation, whose generator a replayed graph moves on."""
    x = torch.zeros(64, 8, device="cuda")
    kernel = capture(lambda x: x + torch.rand_like(x), x, random="philox", engine=engine)
    kernel(x)
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        made = kernel(x)
    drawn = []
    for _ in range(2):
        graph.replay()
        torch.cuda.synchronize()
        drawn.append(made.clone())
    assert not torch.equal(*drawn) and all(((d >= 0) & (d < 1)).all() for d in drawn)


def test_it_runs_on_the_current_stream(post, engine):
    host = engine.compile(routefuse.chains.graph("e_post_chain"))
    args = arguments(4096)
    expected = host(*to("cpu", args))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        # What a launch reads is written late on the same stream.
        late = args[0].clone()
        args[0].zero_()
        torch.cuda._sleep(20_000_000)
        args[0].copy_(late)
        made = post(*args)
        kept = [t.clone() for t in made]
    side.synchronize()
    assert all(same_bits(a, b) for a, b in zip(kept, expected))


def test_results_are_of_torchs_allocator(post):
    args = arguments(4096)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    made = post(*args)
    assert torch.cuda.memory_allocated() - before >= sum(t.numel() * t.element_size() for t in made)
    del made
    assert torch.cuda.memory_allocated() == before
    for _ in range(100):
        post(*args)
    assert torch.cuda.memory_allocated() == before


def test_several_kernels_have_a_workspace(engine):
    args = arguments(100)
    apart = engine.compile(routefuse.chains.graph("e_post_chain"), device="cuda", fuse=False)
    together = engine.compile(routefuse.chains.graph("e_post_chain"), device="cuda")
    assert apart.launches > 1
    assert all(same_bits(a, b) for a, b in zip(apart(*args), together(*args)))


def test_what_is_elsewhere_is_refused(post, engine):
    import numpy

    args = arguments(5)
    host = engine.compile(routefuse.chains.graph("e_post_chain"))
    with pytest.raises(routefuse.Error, match="RF0611"):
        post(*to("cpu", args))
    with pytest.raises(routefuse.Error, match="RF0611"):
        host(*args)
    with pytest.raises(routefuse.Error, match="RF0611"):
        post(*args[:3], args[3].cpu(), args[4])
    with pytest.raises(routefuse.Error, match="RF0611"):
        post(*args[:3], 4, args[4])
    with pytest.raises(routefuse.Error):
        post(*[numpy.zeros((5, 8), numpy.int32)] * 5)
    with pytest.raises(CaptureError, match="cpu"):
        capture(lambda a, b: a + b, args[1], args[1].cpu())


def test_nothing_is_compiled_while_a_graph_is_captured(engine):
    function = routefuse.jit(lambda a: a * 3 + 1, engine=engine)
    x = torch.ones(4, 4, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(CaptureError, match="being captured"):
        with torch.cuda.graph(graph):
            function(x)
    function.kernel(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = function(x)
    graph.replay()
    torch.cuda.synchronize()
    assert (y == 4).all()


def test_an_op_in_a_compiled_model(engine):
    pytest.importorskip("triton")

    def route(logits, bias):
        scores = logits.float().sigmoid()
        ids = (scores + bias).topk(8, dim=-1).indices
        weights = scores.gather(1, ids)
        return weights / weights.sum(-1, keepdim=True), ids.int()

    bias = torch.randn(64, device="cuda")
    op = capture(route, torch.empty(16, 64, device="cuda"), bias, engine=engine).as_op("routefuse_tests::route_cuda")
    compiled = torch.compile(lambda a, b: op(a + 1, b)[0] * 2, fullgraph=True, dynamic=True)
    for rows in (16, 5):
        logits = torch.randn(rows, 64, device="cuda")
        torch.testing.assert_close(compiled(logits, bias), route(logits + 1, bias)[0] * 2, rtol=1e-5, atol=1e-6)


def scaled_softmax(x, ids):
    """Written in place, and given: what an op says of both."""
    ids.add_(1)
    return x.softmax(-1) * 2


def test_an_op_in_graphs_that_torch_captures(engine):
    """`reduce-overhead` captures a CUDA graph for each number of rows, and replays it with other tensors."""
    pytest.importorskip("triton")
    example = torch.empty(16, 64, device="cuda"), torch.zeros(16, 8, dtype=torch.int32, device="cuda")
    op = capture(scaled_softmax, *example, engine=engine).as_op("routefuse_tests::scaled_softmax")

    def model(x, ids):
        mine = ids * 2
        return op(x + 1, mine) - 1, mine

    compiled = torch.compile(model, fullgraph=True, mode="reduce-overhead")
    for rows in (16, 16, 16, 5, 5, 5):
        x = torch.randn(rows, 64, device="cuda")
        ids = torch.arange(rows * 8, dtype=torch.int32, device="cuda").view(rows, 8)
        torch.compiler.cudagraph_mark_step_begin()
        made, expected = compiled(x, ids), ((x + 1).softmax(-1) * 2 - 1, ids * 2 + 1)
        torch.testing.assert_close(made[0], expected[0], rtol=1e-5, atol=1e-6)
        assert torch.equal(made[1], expected[1])


def test_an_op_in_a_cuda_graph(engine):
    example = torch.empty(16, 64, device="cuda"), torch.zeros(16, 8, dtype=torch.int32, device="cuda")
    op = capture(scaled_softmax, *example, engine=engine).as_op("routefuse_tests::scaled_softmax_alone")
    x, ids = torch.randn(7, 64, device="cuda"), torch.zeros(7, 8, dtype=torch.int32, device="cuda")
    op(x, ids)
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        made = op(x, ids)
    for _ in range(3):
        x.copy_(torch.randn(7, 64))
        graph.replay()
    torch.cuda.synchronize()
    torch.testing.assert_close(made, x.softmax(-1) * 2, rtol=1e-5, atol=1e-6)
    assert (ids == 4).all()


def test_streams_do_not_wait_for_each_other(post, engine):
    """One kernel on several streams at once, each with its own tensors; a stream that sleeps holds no other up."""
    host = engine.compile(routefuse.chains.graph("e_post_chain"))
    streams = [torch.cuda.Stream() for _ in range(4)]
    given = [arguments(50 + i) for i in range(len(streams))]
    torch.cuda.synchronize()
    made = []
    with torch.cuda.stream(streams[0]):
        torch.cuda._sleep(2_000_000_000)
        made.append(post(*given[0]))
    for stream, args in list(zip(streams, given))[1:]:
        with torch.cuda.stream(stream):
            made.append(post(*args))
        stream.synchronize()
    assert not streams[0].query(), "another stream waited for the one that sleeps"
    torch.cuda.synchronize()
    for results, args in zip(made, given):
        assert all(same_bits(a, b) for a, b in zip(results, host(*to("cpu", args))))
