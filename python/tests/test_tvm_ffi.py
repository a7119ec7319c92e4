"""Modules for TVM-FFI: loaded by that library, called with torch's tensors, equal to the kernels; and what does not fit."""

from __future__ import annotations

import os

import pytest
import routefuse

torch = pytest.importorskip("torch")
# Without a library of its own for torch before 2.10, which it would compile: it reads DLPack then.
os.environ.setdefault("TVM_FFI_DISABLE_TORCH_C_DLPACK", "1")
tvm_ffi = pytest.importorskip("tvm_ffi")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")


@pytest.fixture(scope="module")
def post(engine, tmp_path_factory):
    """The chain behind a router, as a function."""
    path = tmp_path_factory.mktemp("tvm_ffi") / "post.so"
    assert engine.export(path, routefuse.chains.graph("e_post_chain")) == "post_chain"
    return tvm_ffi.load_module(str(path))["post_chain"]


def arguments(rows):
    g = torch.Generator().manual_seed(rows)
    inputs = (
        torch.randint(0, 256, (rows, 8), generator=g, dtype=torch.int32), torch.rand(rows, 8, generator=g),
        torch.randperm(256, generator=g).int(), torch.tensor(rows - 1, dtype=torch.int32), torch.rand(rows, 1, generator=g).bfloat16(),
    )  # fmt: skip
    outputs = (
        torch.zeros(rows, 9, dtype=torch.int32), torch.zeros(rows, 9, dtype=torch.int32), torch.zeros(rows, 9),
    )  # fmt: skip
    return inputs, outputs


@pytest.mark.parametrize("rows", [1, 7, 0, 2, 4096])
def test_it_is_the_kernel(post, engine, rows):
    kernel = engine.compile(routefuse.chains.graph("e_post_chain"))
    inputs, outputs = arguments(rows)
    assert post(*inputs, *outputs) is None
    assert all(torch.equal(a, b) for a, b in zip(outputs, kernel(*inputs)))


def test_several_kernels_with_memory_between_them(engine, tmp_path):
    graph = routefuse.chains.graph("e_post_chain")
    assert engine.compile(graph, fuse=False).launches > 1
    function = engine.export(tmp_path / "apart.so", graph, name="apart", fuse=False)
    inputs, outputs = arguments(33)
    tvm_ffi.load_module(str(tmp_path / "apart.so"))[function](*inputs, *outputs)
    assert all(torch.equal(a, b) for a, b in zip(outputs, engine.compile(graph)(*inputs)))


def test_a_router(engine, tmp_path):
    """Kernels that hold a row, and may keep it in memory that a call is lent."""
    router = routefuse.models.deepseek_v3(logits="f32")
    function = engine.export(tmp_path / "router.so", router.graph, name="router")
    inputs = [torch.randn(50, 256), torch.randn(256) * 0.1]
    expected = router(*inputs)
    outputs = [torch.zeros_like(t) for t in expected]
    tvm_ffi.load_module(str(tmp_path / "router.so"))[function](*inputs, *outputs)
    assert all(torch.equal(a, b) for a, b in zip(outputs, expected))


def test_rows_that_lie_apart_and_what_is_written_in_place(engine, tmp_path):
    b = routefuse.GraphBuilder("g")
    T = b.dim("T")
    x, y = b.input("x", "f32", (T, 3), layout="rows"), b.input("y", "f32", (T, 3))
    b.output("y_out", x * 2.0 + y, alias=("in_place", y))
    b.output("n", b.rows(dtype="i64", shape=(T,)))
    function = engine.export(tmp_path / "g.so", b)
    wide, y, n = torch.arange(40.0).view(5, 8), torch.ones(5, 3), torch.zeros((), dtype=torch.int64)
    loaded = tvm_ffi.load_module(str(tmp_path / "g.so"))[function]
    loaded(wide[:, 2:5], y, n)
    assert torch.equal(y, wide[:, 2:5] * 2 + 1) and n == 5
    with pytest.raises(Exception, match="`x`, is to be f32.*rows that do not overlap.*stride 1"):
        loaded(torch.zeros(9).as_strided((5, 3), (1, 1)), y, n)
    with pytest.raises(Exception, match="`y`, is to be f32.*contiguous"):
        loaded(wide[:, 2:5], torch.zeros(3, 5).t(), n)


def test_what_does_not_fit_is_named(post):
    inputs, outputs = arguments(5)
    given = [*inputs, *outputs]

    def refused(match, *changes, error=Exception):
        args = list(given)
        for at, value in changes:
            args[at] = value
        before = [t.clone() for t in outputs]
        with pytest.raises(error, match=match):
            post(*args)
        assert all(torch.equal(a, b) for a, b in zip(outputs, before)), "something was written"

    refused("argument 0, `ids`, is to be i32.*dtype of code 0, 64 bits", (0, inputs[0].long()), error=TypeError)
    refused("`ids`, is to be i32.*rank 1", (0, inputs[0][0]), error=ValueError)
    refused("`ids`.*dim 1 is 7", (0, inputs[0][:, :7].contiguous()), error=ValueError)
    refused("`weights`.*has 4 where `T` is 5", (1, inputs[1][:4]), error=ValueError)
    refused("`weights`.*contiguous", (1, torch.rand(8, 5).t()), error=ValueError)
    refused("`map`.*no tensor", (2, 3), error=TypeError)
    refused("`packed` is written, and overlaps `ids_out`", (5, outputs[1]), error=ValueError)
    with pytest.raises(TypeError, match="takes 8 tensors, inputs and then outputs, not 7"):
        post(*given[:7])
    meta = torch.empty(5, 8, dtype=torch.int32, device="meta")
    with pytest.raises(Exception):
        post(meta, *given[1:])


def test_an_index_that_traps(engine, tmp_path):
    b = routefuse.GraphBuilder("lookup")
    T = b.dim("T")
    table, i = b.input("table", "f32", (4,)), b.input("i", "i32", (T,))
    b.output("out", b.gather(table, i, out_of_range="trap"))
    function = engine.export(tmp_path / "lookup.so", b)
    call = tvm_ffi.load_module(str(tmp_path / "lookup.so"))[function]
    table, out = torch.rand(4), torch.zeros(2)
    call(table, torch.tensor([3, 0], dtype=torch.int32), out)
    assert torch.equal(out, table[[3, 0]])
    with pytest.raises(IndexError, match="out of range"):
        call(table, torch.tensor([4, 0], dtype=torch.int32), out)


def test_what_cannot_be_exported(engine, tmp_path):
    path = tmp_path / "x.so"
    graph = routefuse.chains.graph("c_pack")
    with pytest.raises(routefuse.Error, match="RF0817.*`a b` is no name"):
        engine.export(path, graph, name="a b")
    with pytest.raises(routefuse.Error, match="RF0817.*`elf`"):
        engine.export(path, graph, form="elf")
    b = routefuse.GraphBuilder("g")
    T = b.dim("T")
    b.output("out", b.iota(dtype="i32", shape=(T, 2), axis=0))
    assert engine.export(path, b) == "g"
    b = routefuse.GraphBuilder("strided")
    T = b.dim("T")
    b.output("out", b.input("x", "f32", (T, 2), layout="strided") * 2.0)
    with pytest.raises(routefuse.Error, match="RF0817.*`x` is strided"):
        engine.export(path, b)
    b = routefuse.GraphBuilder("unsaid")
    b.dim("T")
    b.output("n", b.rows(dtype="i32", shape=("T",)))
    with pytest.raises(routefuse.Error, match="RF0206.*no input and no output has the dim `T`"):
        engine.export(path, b)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(engine, tmp_path):
    major, minor = torch.cuda.get_device_capability()
    target = f"sm_{min(10 * major + minor, 90)}"
    graph = routefuse.chains.graph("e_post_chain")
    for fuse in [True, False]:
        function = engine.export(tmp_path / f"{fuse}.so", graph, target=target, name="post", fuse=fuse)
        loaded = tvm_ffi.load_module(str(tmp_path / f"{fuse}.so"))
        loaded[function + "_prepare"](torch.cuda.current_device())
        for rows in [0, 1, 7, 4096]:
            inputs, outputs = arguments(rows)
            expected = engine.compile(graph)(*inputs)
            on_gpu = [t.cuda() for t in inputs], [t.cuda() for t in outputs]
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                loaded[function](*on_gpu[0], *on_gpu[1])
            stream.synchronize()
            assert all(torch.equal(a.cpu(), b) for a, b in zip(on_gpu[1], expected))
            if rows == 0:
                continue
            # Captured, and replayed with other values.
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                loaded[function](*on_gpu[0], *on_gpu[1])
            for t in on_gpu[1]:
                t.zero_()
            on_gpu[0][1].mul_(2.0)
            captured.replay()
            torch.cuda.synchronize()
            expected = engine.compile(graph)(inputs[0], inputs[1] * 2.0, *inputs[2:])
            assert all(torch.equal(a.cpu(), b) for a, b in zip(on_gpu[1], expected))
    with pytest.raises(ValueError, match="on a CUDA GPU"):
        loaded[function](*inputs, *outputs)
