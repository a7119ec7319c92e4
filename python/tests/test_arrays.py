"""Kernels with numpy arrays, in and out."""

from __future__ import annotations

import pytest
import routefuse

pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")
numpy = pytest.importorskip("numpy")

DTYPES = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32",
    "u64": "uint64", "f16": "float16", "f32": "float32",
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_through(engine, dtype):
    kernel = engine.compile(
        f"route 1\ngraph @copy {{\n  dim T\n  input %x : {dtype}[T, 3]\n  %y = copy %x\n  output y = %y\n}}"
    )
    x = numpy.arange(6).reshape(2, 3).astype(DTYPES[dtype])
    y = kernel(x)
    assert y.dtype == x.dtype and numpy.array_equal(x, y) and y is not x
    wrong = x.astype("float64")
    with pytest.raises(routefuse.Error, match="RF0603.*`x`|RF0603.*input"):
        kernel(wrong)


def test_bf16_is_its_bits(engine):
    kernel = engine.compile(
        "route 1\ngraph @c {\n  dim T\n  input %x : bf16[T]\n  %y = cast %x {dtype = f32}\n  output y = %y\n  output z = %x\n}"
    )
    y, z = kernel(numpy.array([0x3F80, 0x4000], numpy.uint16))
    assert y.tolist() == [1.0, 2.0] and z.dtype.itemsize == 2


@pytest.fixture(scope="module")
def kernel(engine):
    return engine.compile("""route 1
graph @g {
  dim T
  input %x : f32[T, 4]
  input %scale : f32[]
  input %n : i32[]
  %y = mul %x, %scale
  %m = mask_rows %y, %n {fill = -1.0}
  output y = %y
  output masked = %m
}""")


def test_names_numbers_and_out(kernel):
    x = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)
    made = kernel(n=2, x=x, scale=0.5)
    assert numpy.array_equal(made.y, x / 2) and (made.masked[2] == -1).all() and type(made).__name__ == "g"
    assert numpy.array_equal(kernel(x, numpy.float32(2), numpy.array(3, numpy.int32))[1], x * 2)
    out = numpy.empty_like(x), numpy.empty_like(x)
    again = kernel(x, 3.0, 1, out=out)
    assert again[0] is out[0] and numpy.array_equal(out[0], x * 3)
    named = {"masked": numpy.empty_like(x), "y": numpy.empty_like(x)}
    assert kernel(x, 3.0, 1, out=named)[1] is named["masked"]
    assert kernel(x[:0], 1.0, 0)[0].shape == (0, 4)


def test_what_does_not_fit_is_named(kernel):
    x = numpy.zeros((3, 4), numpy.float32)

    def code(*args, **kwargs):
        with pytest.raises(routefuse.Error) as caught:
            kernel(*args, **kwargs)
        assert "help:" in str(caught.value)
        return caught.value.code, str(caught.value)

    assert code(x, 1.0)[0] == "RF0601" and "`n`" in code(x, 1.0)[1]
    assert code(x, 1.0, 1, x)[0] == "RF0602"
    assert code(x, 1.0, 1, m=3)[0] == "RF0602"
    assert code(x, 1.0, 1, x=x)[0] == "RF0602"
    assert code(x.astype(numpy.int32), 1.0, 1)[0] == "RF0603"
    assert code(x, 1.0, 1 << 40)[0] == "RF0603"
    assert code(x[0], 1.0, 1)[0] == "RF0604"
    assert code(x[:, :3], 1.0, 1)[0] == "RF0605"
    assert code(x.T.copy().T, 1.0, 1)[0] in ("RF0610", "RF0605")
    assert code(x, 1.0, 1, out=x)[0] == "RF0601"
    assert code(x, 1.0, 1, out=(x, x, x))[0] == "RF0602"
    assert code(x, 1.0, 1, out={"y": x})[0] == "RF0601"
    assert code(x, 1.0, 1, out={"y": x, "masked": x.copy(), "z": x})[0] == "RF0602"
    assert code(x, 1.0, 1, out=(x, x.copy()))[0] == "RF0608"
    assert code(x, 1.0, 1, out=(numpy.zeros((2, 4), numpy.float32), x.copy()))[0] == "RF0606"
    assert code([1.0], 1.0, 1)[0] == "RF0601"
    assert code(x, "1.0", 1)[0] == "RF0601"
    fixed = x.copy()
    fixed.flags.writeable = False
    assert code(x, 1.0, 1, out=(fixed, x.copy()))[0] == "RF0612"
    assert kernel(fixed, 1.0, 1)[0].shape == (3, 4)
    assert code(numpy.frombuffer(bytes(49), numpy.uint8)[1:].view(numpy.float32).reshape(3, 4), 1.0, 1)[0] == "RF0609"
    wide = numpy.zeros((3, 5), [("a", numpy.float32), ("b", numpy.uint8)])["a"][:, :4]
    assert code(wide, 1.0, 1)[0] == "RF0610"
    assert code(x[::-1], 1.0, 1)[0] == "RF0610"
    assert code(x.byteswap().view(x.dtype.newbyteorder()), 1.0, 1)[0] == "RF0603"


def test_in_place_and_rows_apart(engine):
    kernel = engine.compile("""route 1
graph @g {
  dim T
  input %x : i32[T, 4] rows
  %y = add %x, 1
  output y = %y rows in_place(x)
}""")
    wide = numpy.zeros((3, 6), numpy.int32)
    assert kernel(wide[:, 1:5]) is not None
    assert (wide[:, 1:5] == 1).all() and (wide[:, [0, 5]] == 0).all()
    fixed = wide.copy()
    fixed.flags.writeable = False
    with pytest.raises(routefuse.Error, match="RF0612"):
        kernel(fixed[:, 1:5])


def test_dims_that_no_input_has(engine):
    kernel = engine.compile(
        "route 1\ngraph @g {\n  dim T\n  %y = iota {dtype = i32, shape = [T, 2], axis = 0}\n  output y = %y\n}"
    )
    assert kernel(dims={"T": 3}).tolist() == [[0, 0], [1, 1], [2, 2]]
    with pytest.raises(routefuse.Error, match="dims="):
        kernel()


def test_a_trap_is_raised(engine):
    kernel = engine.compile("""route 1
graph @g {
  dim T
  input %t : i32[4]
  input %i : i32[T]
  %y = gather %t, %i {out_of_range = trap}
  output y = %y
}""")
    table = numpy.arange(4, dtype=numpy.int32)
    assert kernel(table, numpy.array([3, 0], numpy.int32)).tolist() == [3, 0]
    with pytest.raises(routefuse.Error, match="out of range"):
        kernel(table, numpy.array([4], numpy.int32))


def test_several_kernels_and_large_tensors(engine):
    """A workspace between kernels, and a launch that lets go of Python's lock."""
    kernel = engine.compile(routefuse.chains.graph("e_post_chain"), fuse=False)
    fused = engine.compile(routefuse.chains.graph("e_post_chain"))
    assert kernel.launches > 1
    rows = 4096
    rng = numpy.random.default_rng(1)
    args = (
        rng.integers(0, 256, (rows, 8), dtype=numpy.int32), rng.random((rows, 8), dtype=numpy.float32),
        rng.permutation(256).astype(numpy.int32), numpy.int32(rows - 5), numpy.full((rows, 1), 0x3F80, numpy.uint16),
    )  # fmt: skip
    for a, b in zip(kernel(*args), fused(*args)):
        assert numpy.array_equal(a, b)


def test_scalars_of_numpy_are_numbers(engine):
    """Each by its value: what their interface points to is gone with the answer."""
    kernel = engine.compile("""route 1
graph @g {
  dim T
  input %x : f32[T, 2]
  input %a : f32[]
  input %b : f32[]
  %wide_a = broadcast %a {shape = [T, 2]}
  %wide_b = broadcast %b {shape = [T, 2]}
  %y = mul %x, %wide_a
  %z = mul %x, %wide_b
  output y = %y
  output z = %z
}""")
    y, z = kernel(numpy.ones((3, 2), numpy.float32), numpy.float32(2), numpy.float32(3))
    assert (y == 2).all() and (z == 3).all()


def test_a_number_that_is_written(engine):
    kernel = engine.compile("""route 1
graph @g {
  input %a : i32[]
  %y = add %a, 1
  output y = %y in_place(a)
}""")
    given = numpy.array(5, numpy.int32)
    assert kernel(given) == 6 and given == 6
    for number in (5, numpy.int32(5)):
        with pytest.raises(routefuse.Error, match="RF0612"):
            kernel(number)
    with pytest.raises(routefuse.Error, match="RF0603"):
        engine.compile("route 1\ngraph @g {\n  input %a : i32[]\n  %y = add %a, 1\n  output y = %y\n}")(1.5)


BOUNDED = """route 1
graph @bounded {
  dim T
  dim C >= min(16 * T, 4 * T + 48)
  input %ids : i32[T, 4]
  %t = iota {dtype = i32, shape = [T, 4], axis = 0}
  %counts = bin_count %ids {bins = 16}
  %starts = bin_starts %counts {align = 4}
  %none = const {dtype = i32, value = -1}
  %sorted = bin_scatter %t, %ids, %starts, %none {shape = [C]}
  output sorted = %sorted
  output counts = %counts
}"""


def test_outputs_are_as_large_as_their_bound_says(engine):
    kernel = engine.compile(BOUNDED)
    ids = numpy.zeros((5, 4), numpy.int32)
    made = kernel(ids)
    places = [token for token in range(5) for _ in range(4)] + [-1] * 48
    assert made.sorted.tolist() == places and made.counts[0] == 20
    assert kernel(ids, dims={"C": 70}).sorted.tolist() == [*places, -1, -1]
    assert kernel(ids[:0]).sorted.shape == (0,)
    # What is given may be larger, and not smaller.
    out = numpy.empty(100, numpy.int32), numpy.empty(16, numpy.int32)
    kernel(ids, out=out)
    assert out[0].tolist() == places + [-1] * 32
    with pytest.raises(routefuse.Error, match="RF0607.*`C` of `bounded` is 67, and must be at least 68"):
        kernel(ids, out=(numpy.empty(67, numpy.int32), out[1]))


def test_a_preset_lays_out_its_items(engine):
    kernel = engine.compile(routefuse.models.graph("mixtral", align="vllm", align_block=16, logits="f32"))
    logits = numpy.zeros((3, 8), numpy.float32)
    logits[:, 5] = 1
    out = kernel(logits)
    # All choose expert 5, and the lowest of the others.
    assert out.num_tokens_post_pad.tolist() == [32]
    assert out.expert_ids.tolist() == [0, 5, -1, -1, -1, -1]
    assert out.sorted_token_ids.tolist() == [1, 3, 5] + [6] * 13 + [0, 2, 4] + [6] * 77
