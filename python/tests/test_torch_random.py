"""Random numbers: refused by default; by Philox of a seed that each call draws where that is asked for."""

from __future__ import annotations

import pytest
import routefuse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

from routefuse.torch import CaptureError, capture  # noqa: E402


def noisy(x):
    return (
        x + torch.rand_like(x),
        torch.randint(0, 10, x.shape, device=x.device),
        torch.randint(-3, 1 << 20, x.shape[:1]),
    )


def test_the_numbers_are_the_seeds(engine):
    """Against the operation itself: the stream is the operation's number, the position the element's."""
    kernel = capture(noisy, torch.zeros(16, 5), random="philox", engine=engine)
    assert kernel.launches == 1 and kernel.parameters == ["x"]
    words = engine.compile("""route 1
graph @words {
  dim T
  input %x : f32[T, 5]
  input %seed : u64[]
  %row = iota {dtype = u64, shape = [T, 5], axis = 0}
  %column = iota {dtype = u64, shape = [T, 5], axis = 1}
  %first = mul %row, 5
  %position = add %first, %column
  %a = philox %seed, 0, %position
  %b = philox %seed, 1, %position
  %rows = iota {dtype = u64, shape = [T], axis = 0}
  %c = philox %seed, 2, %rows
  output a = %a
  output b = %b
  output c = %c
}""")
    for rows in (1, 7, 4096):
        x = torch.zeros(rows, 5)
        torch.manual_seed(rows)
        floats, digits, wide = kernel(x)
        torch.manual_seed(rows)
        seed = torch.randint(0, (1 << 63) - 1, (), dtype=torch.int64)
        a, b, c = (w.long() for w in words(x, seed.view(torch.uint64)))
        assert torch.equal(floats, (a >> 8) * 2.0**-24) and torch.equal(digits, b % 10)
        assert torch.equal(wide, c % ((1 << 20) + 3) - 3)


def test_each_call_draws(engine):
    kernel = capture(noisy, torch.zeros(16, 5), random="philox", engine=engine)
    x = torch.zeros(1024, 5)
    torch.manual_seed(3)
    first, second = kernel(x)[0], kernel(x)[0]
    torch.manual_seed(3)
    assert not torch.equal(first, second) and torch.equal(first, kernel(x)[0])
    assert torch.all((first >= 0) & (first < 1)) and abs(first.mean() - 0.5) < 0.02
    assert kernel(x)[1].unique().tolist() == list(range(10))


def test_a_generator_of_ones_own(engine):
    generator = torch.Generator().manual_seed(9)
    kernel = capture(noisy, torch.zeros(16, 5), random="philox", generator=generator, engine=engine)
    x = torch.zeros(8, 5)
    state = torch.random.get_rng_state()
    first = kernel(x)[0]
    assert torch.equal(state, torch.random.get_rng_state()), "torch's own generator is left alone"
    generator.manual_seed(9)
    assert torch.equal(first, kernel(x)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_below_one(engine, dtype):
    kernel = capture(torch.rand_like, torch.zeros(16, 5, dtype=dtype), random="philox", engine=engine)
    made = kernel(torch.zeros(4096, 5, dtype=dtype))
    assert made.dtype == dtype and made.max() < 1 and made.min() >= 0 and abs(made.float().mean() - 0.5) < 0.02


def test_chances(engine):
    kernel = capture(lambda x: torch.bernoulli(x), torch.zeros(16, 5), random="philox", engine=engine)
    chance = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).expand(8192, 5).contiguous()
    assert (kernel(chance).mean(0) - chance[0]).abs().max() < 0.03


def test_an_op_draws_too(engine):
    op = capture(lambda x: x + torch.rand_like(x), torch.zeros(16, 5), random="philox", engine=engine).as_op(
        "routefuse_tests::noisy"
    )
    assert torch.Tag.nondeterministic_seeded in op.overload.tags
    x = torch.zeros(7, 5)
    assert not torch.equal(op(x), op(x))


def test_what_is_not_taken(engine):
    with pytest.raises(CaptureError, match="random=.philox"):
        capture(noisy, torch.zeros(16, 5), engine=engine)
    with pytest.raises(CaptureError, match="neither whole nor evenly"):
        capture(lambda x: x + torch.randn_like(x), torch.zeros(16, 5), random="philox", engine=engine)
    with pytest.raises(CaptureError, match="random='mersenne'"):
        capture(noisy, torch.zeros(16, 5), random="mersenne", engine=engine)
    with pytest.raises(CaptureError, match="32 bits"):
        capture(
            lambda x: x.long() + torch.randint(0, 1 << 40, x.shape), torch.zeros(16, 5), random="philox", engine=engine
        )
