"""Kernels with torch tensors: both ways of binding, memory, streams of checks."""

from __future__ import annotations

import gc
import threading

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

from routefuse import _routefuse as native  # noqa: E402


@pytest.fixture(params=["exchange", "attributes"], autouse=True)
def way(request):
    """DLPack's C exchange, where torch has it, and the attributes of a tensor, as before torch 2.10."""
    if request.param == "exchange" and not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        pytest.skip("this torch has no C exchange")
    before = native.use_attributes(request.param == "attributes")
    assert native.way() == request.param
    yield request.param
    native.use_attributes(before)


@pytest.fixture(scope="module")
def post(engine):
    return engine.compile(routefuse.chains.graph("e_post_chain"))


def arguments(rows):
    g = torch.Generator().manual_seed(rows)
    return (
        torch.randint(0, 256, (rows, 8), generator=g, dtype=torch.int32), torch.rand(rows, 8, generator=g),
        torch.randperm(256, generator=g).int(), torch.tensor(rows - 1, dtype=torch.int32), torch.rand(rows, 1, generator=g).bfloat16(),
    )  # fmt: skip


def test_results_are_numpys(post):
    for rows in (1, 16, 0, 4096):
        args = arguments(rows)
        made = post(*args)
        arrays = post(*[a.numpy() if a.dtype != torch.bfloat16 else a.view(torch.uint16).numpy() for a in args])
        for tensor, array in zip(made, arrays):
            assert tensor.is_contiguous() and not tensor.requires_grad and torch.equal(tensor, torch.from_numpy(array))


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "bfloat16",
        "float32",
    ],
)
def test_every_dtype_goes_through(engine, dtype):
    names = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "bool": "bool"}
    ours = names.get(dtype) or dtype.replace("uint", "u").replace("int", "i")
    kernel = engine.compile(
        f"route 1\ngraph @copy {{\n  dim T\n  input %x : {ours}[T, 3]\n  %y = copy %x\n  output y = %y\n}}"
    )
    x = torch.tensor([[0, 1, 2], [3, 0, 5]]).to(getattr(torch, dtype))
    y = kernel(x)
    assert y.dtype == x.dtype and y.tolist() == x.tolist()


def test_results_are_new_memory_that_is_given_back(post):
    args = arguments(64)
    first, second = post(*args), post(*args)
    pointers = {t.data_ptr() for t in (*first, *second)}
    assert len(pointers) == 6
    kept = first[1].clone()
    last = first[1]
    del first
    gc.collect()
    for _ in range(200):
        post(*args)
    assert torch.equal(last, kept), "a result lives as long as it is held, whatever became of those beside it"
    last.add_(1)
    assert not torch.equal(last, kept)


def test_memory_does_not_grow(post):
    import resource

    args = arguments(4096)
    for _ in range(50):
        post(*args)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2000):
        post(*args)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; leaked, it would be 800 MB


def test_out(post):
    args = arguments(5)
    expected = post(*args)
    out = tuple(torch.empty_like(t) for t in expected)
    made = post(*args, out=out)
    assert all(m is o and torch.equal(m, e) for m, o, e in zip(made, out, expected))
    ids, weights, table, n, shared = args
    assert torch.equal(post(map=table, n=n, ids=ids, weights=weights, shared_weights=shared)[0], expected[0])


def test_numbers_stand_for_scalars_on_the_host(post):
    ids, weights, table, _, shared = arguments(5)
    assert torch.equal(
        post(ids, weights, table, 2, shared)[1],
        post(ids, weights, table, torch.tensor(2, dtype=torch.int32), shared)[1],
    )


def test_strides(engine):
    kernel = engine.compile(
        "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 4] rows\n  %y = add %x, 1.0\n  output y = %y\n}"
    )
    wide = torch.rand(3, 6)
    assert torch.equal(kernel(wide[:, 1:5]), wide[:, 1:5] + 1)
    assert torch.equal(kernel(wide[::2, 1:5]), wide[::2, 1:5] + 1)
    one = torch.rand(1, 4).expand(3, 4)
    assert torch.equal(kernel(one), one + 1)
    with pytest.raises(routefuse.Error, match="RF0610"):
        kernel(torch.rand(4, 3).t())


def test_what_does_not_fit_is_named(post, engine):
    ids, weights, table, n, shared = good = arguments(5)

    def refused(*args, **kwargs):
        with torch.no_grad(), pytest.raises(routefuse.Error) as caught:
            post(*args, **kwargs)
        return caught.value.code, str(caught.value)

    assert refused(ids.long(), weights, table, n, shared)[0] == "RF0603"
    assert refused(ids, weights.double(), table, n, shared)[0] == "RF0603"
    assert "float64" in refused(ids, weights.double(), table, n, shared)[1]
    assert refused(ids, weights.to(torch.complex64), table, n, shared)[0] == "RF0603"
    assert refused(ids[0], weights, table, n, shared)[0] == "RF0604"
    assert refused(ids.view(1, 1, 1, 1, 1, 5, 8), weights, table, n, shared)[0] == "RF0604"
    assert refused(ids[:, :7].contiguous(), weights, table, n, shared)[0] == "RF0605"
    assert refused(ids[:4], weights, table, n, shared)[0] == "RF0606"
    assert refused(ids.t().contiguous().t(), weights, table, n, shared)[0] == "RF0610"
    assert refused(*[a.to("meta") for a in good])[0] == "RF0611"
    assert refused(ids.to("meta"), weights, table, n, shared)[0] == "RF0611"
    assert refused(ids.to_sparse(), weights, table, n, shared)[0] == "RF0611"
    assert refused(None, weights, table, n, shared)[0] == "RF0601"
    assert refused(ids.numpy(), weights, table, n, shared)[0] == "RF0611"
    out = [torch.empty_like(t) for t in post(*good)]
    assert refused(*good, out=[ids, out[1], out[2]])[0] in ("RF0605", "RF0608")
    both = torch.empty(12, 9, dtype=torch.int32)
    assert refused(*good, out=[both[:5], both[2:7], out[2]])[0] == "RF0608"
    assert refused(*good, out=[out[0].long(), out[1], out[2]])[0] == "RF0603"


def test_nothing_is_written_when_it_is_refused(post):
    ids, weights, table, n, shared = arguments(5)
    out = [torch.full((5, 9), 7, dtype=torch.int32), torch.full((5, 9), 7, dtype=torch.int32), torch.full((5, 9), 7.0)]
    with pytest.raises(routefuse.Error):
        post(ids, weights, table[:255], n, shared, out=out)
    assert all((t == 7).all() for t in out)


def test_gradients_are_refused_where_they_would_be_lost(engine):
    kernel = engine.compile(
        "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 4]\n  %y = add %x, 1.0\n  output y = %y\n}"
    )
    x = torch.rand(3, 4, requires_grad=True)
    with pytest.raises(routefuse.Error, match="requires grad"):
        kernel(x)
    with pytest.raises(routefuse.Error, match="requires grad"):
        kernel(torch.nn.Parameter(x.detach()))
    with pytest.raises(routefuse.Error, match="requires grad"):
        kernel(x.detach(), out=torch.empty(3, 4, requires_grad=True))
    both = engine.compile(
        "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 4]\n  %y = add %x, 1.0\n  %z = cast %x {dtype = i32}\n"
        "  output z = %z\n  output y = %y\n}"
    )
    wanting, ids = torch.empty(3, 4, requires_grad=True), torch.empty(3, 4, dtype=torch.int32)
    for out in ({"z": ids, "y": wanting}, {"y": wanting, "z": ids}):
        with pytest.raises(routefuse.Error, match="requires grad"):
            both(x.detach(), out=out)
    with torch.no_grad():
        assert torch.equal(kernel(torch.nn.Parameter(x.detach())), x + 1)
        assert torch.equal(kernel(x), x + 1)
    with torch.inference_mode():
        assert torch.equal(kernel(torch.ones(3, 4)), torch.full((3, 4), 2.0))
    assert torch.equal(kernel(x.detach()), x + 1)


def test_subclasses_and_fake_tensors_are_refused(post):
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Tagged(torch.Tensor):
        pass

    good = arguments(5)
    with pytest.raises(routefuse.Error, match="Tagged"):
        post(good[0].as_subclass(Tagged), *good[1:])
    mode = FakeTensorMode()
    with pytest.raises(routefuse.Error, match="FakeTensor"):
        post(*[mode.from_tensor(a) for a in good])


def test_in_place(engine):
    kernel = engine.compile(
        "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 4] rows\n  %y = add %x, 1.0\n  output y = %y rows in_place(x)\n}"
    )
    wide = torch.zeros(3, 6)
    part = wide[:, 1:5]
    assert kernel(part) is part
    assert wide.sum() == 12 and wide[:, 0].sum() == 0


def test_threads(post):
    """Each thread with tensors of its own, and one kernel; some of the launches let go of Python's lock."""
    failures = []

    def work(rows):
        try:
            args = arguments(rows)
            expected = post(*args)
            for _ in range(50):
                assert all(torch.equal(a, b) for a, b in zip(post(*args), expected))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(rows,)) for rows in (1, 7, 4096, 8192)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_sealed_engine_launches():
    engine = routefuse.Engine()
    kernel = engine.compile(routefuse.chains.graph("e_post_chain"))
    sealed = engine.seal()
    for rows in (0, 1, 5, 16, 17, 1000):
        kernel(*arguments(rows))
    sealed.check()
    assert engine.counters["compiles"] == 1
