"""Activations, gates and rotations: element by element, with a rounding after each operation."""

from __future__ import annotations

import torch

from .case import case, floats

H = 32


def hidden(dtype, width=H):
    return lambda rows, g: (floats(rows, width, dtype=dtype, generator=g, scale=4.0),)


@case(hidden(torch.bfloat16, 2 * H), "_to_copy clamp mul sigmoid", ulp=1)
def silu_clamped(x: torch.Tensor) -> torch.Tensor:
    gate, up = x.split(H, dim=-1)
    gate, up = gate.float().clamp(max=7.0), up.float().clamp(-7.0, 7.0)
    return (gate * torch.sigmoid(gate) * up).to(x.dtype)


@case(hidden(torch.float32, 2 * H), "add clamp mul sigmoid", ulp=6)
@case(hidden(torch.bfloat16, 2 * H), "add clamp mul sigmoid", name="interleaved_swiglu.bf16")
def interleaved_swiglu(x: torch.Tensor) -> torch.Tensor:
    """Gate and up column by column."""
    gate, up = x[..., ::2], x[..., 1::2]
    gate, up = gate.clamp(min=None, max=7.0), up.clamp(min=-7.0, max=7.0)
    return gate * torch.sigmoid(gate * 1.702) * (up + 1)


@case(lambda rows, g: (floats(rows, 2 * H, generator=g), torch.zeros(rows, H)), "clamp copy copy_ mul sigmoid", ulp=6)
def swiglu_into(x: torch.Tensor, out: torch.Tensor) -> None:
    gate, up = x[:, :H].clamp(max=10.0), x[:, H:].clamp(-10.0, 10.0)
    out.copy_(torch.nn.functional.silu(gate) * up)


@case(lambda rows, g: (floats(rows, 16, dtype=torch.float32, generator=g), floats(rows, 16, generator=g)), "mul")
@case(
    lambda rows, g: (
        floats(rows, 16, dtype=torch.bfloat16, generator=g),
        floats(rows, 16, dtype=torch.bfloat16, generator=g),
    ),
    "mul",
    name="head_gates.bf16",
)
def head_gates(gates: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Three factors, two of them constants."""
    return gates * (64**-0.5) * scales * 0.25


@case(lambda rows, g: (floats(rows, 16, generator=g), floats(rows, 16, 1, generator=g)), "mul")
def scaled_queries(weights: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A factor of each head, of another rank."""
    return weights.unsqueeze(-1) * scale * 0.125


@case(
    lambda rows, g: (floats(rows, 16, dtype=torch.bfloat16, generator=g), floats(rows, 16, 1, generator=g)),
    "_to_copy mul",
)
def head_gate_logits(product: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Behind a matrix product that is torch's own."""
    return product.float() * 0.25 * scale.squeeze(-1) * 64**-0.5


@case(
    lambda rows, g: (floats(rows, 4, 16, generator=g), floats(rows, 8, generator=g), floats(rows, 8, generator=g)),
    "add cat mul neg",
    name="rotate_halves",
)
@case(
    lambda rows, g: tuple(floats(*s, generator=g, dtype=torch.bfloat16) for s in ((rows, 4, 16), (rows, 8), (rows, 8))),
    "add cat mul neg",
    name="rotate_halves.bf16",
)
def rotate_halves(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """A rotary embedding whose halves are columns apart."""
    cos, sin = torch.cat([cos, cos], -1)[:, None, :], torch.cat([sin, sin], -1)[:, None, :]
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], -1) * sin


@case(
    lambda rows, g: (floats(rows, 4, 16, generator=g), floats(rows, 8, generator=g), floats(rows, 8, generator=g)),
    "add cat mul sub",
    name="rotate_pairs",
)
def rotate_pairs(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """A rotary embedding of neighbouring columns."""
    a, b = x[..., 0::2], x[..., 1::2]
    c, s = cos.unsqueeze(1), sin.unsqueeze(1)
    return torch.stack([a * c - b * s, b * c + a * s], dim=-1).flatten(-2)


@case(
    lambda rows, g: (floats(rows, 4, 16, generator=g), floats(rows, 8, generator=g), floats(rows, 8, generator=g)),
    "add copy empty_permuted mul slice_scatter sub",
)
@case(
    lambda rows, g: tuple(floats(*s, generator=g, dtype=torch.bfloat16) for s in ((rows, 4, 16), (rows, 8), (rows, 8))),
    "add copy empty_permuted mul slice_scatter sub",
    name="rotate_pairs_into.bf16",
)
def rotate_pairs_into(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """The same, every second column written by itself."""
    a, b = x[..., 0::2], x[..., 1::2]
    c, s = cos.unsqueeze(1), sin.unsqueeze(1)
    made = torch.empty_like(x)
    made[..., 0::2] = a * c - b * s
    made[..., 1::2] = b * c + a * s
    return made


@case(lambda rows, g: (floats(rows, 7, 3, generator=g), floats(rows, 2, 3, generator=g)), "copy copy_ slice_scatter")
def third_heads(x: torch.Tensor, y: torch.Tensor) -> None:
    """Every third of the dims in the middle, from the second up to the last but one, in place."""
    x[:, 1:6:3] = y


@case(hidden(torch.float32), "abs add exp exp2 expm1 log log1p log2 mul sqrt tanh", ulp=6, name="functions")
def functions(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    y = x.abs() + 0.5
    return y.log(), (y * 1e-3).log1p(), y.sqrt(), x.tanh(), x.exp(), (x * 1e-3).expm1(), torch.exp2(x), y.log2()


@case(hidden(torch.float32), "ceil floor neg reciprocal relu round sign trunc", name="roundings")
def roundings(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return x.floor(), x.ceil(), x.round(), x.trunc(), x.sign(), x.relu(), x.reciprocal(), -x


def special(rows, g):
    x = floats(rows, 8, generator=g)
    y = floats(rows, 8, generator=g)
    if rows:
        x[:, 0], x[:, 1], x[:, 2], y[:, 3], y[:, 1] = float("nan"), float("inf"), -0.0, float("nan"), float("-inf")
    return x, y


@case(special, "amax clamp eq isnan maximum minimum where", name="not_a_number")
def not_a_number(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A NaN goes through, as torch has it."""
    return (
        torch.maximum(x, y),
        torch.minimum(x, y),
        x.clamp(-1, 1),
        y.amax(-1),
        x.isnan(),
        x == x,
        torch.nan_to_num(x, nan=0.0, posinf=9.0),
    )


@case(
    lambda rows, g: (
        torch.randint(-99, 99, (rows, 8), generator=g, dtype=torch.int32),
        torch.randint(1, 9, (rows, 8), generator=g, dtype=torch.int32),
    ),
    "div floor_divide fmod remainder",
    name="integer_division",
)
def integer_division(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return a // b, a % b, torch.fmod(a, b), torch.div(a, b, rounding_mode="trunc"), a / b


@case(
    lambda rows, g: (floats(rows, 4, 6, generator=g),),
    "add constant_pad_nd flip mul repeat sub",
    name="columns_in_other_order",
)
def other_order(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return x.transpose(1, 2) * 2, x.flip(-1) + 1, torch.nn.functional.pad(x, (1, 2), value=7.0), x.repeat(1, 2, 1) - 1


@case(lambda rows, g: (floats(rows, 48, generator=g, scale=2.0),), "erf gelu mul", ulp=6, absolute=2e-6)
def error_functions(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.erf(x), torch.nn.functional.gelu(x), torch.nn.functional.gelu(x * 0.5, approximate="tanh")


@case(
    lambda rows, g: (
        floats(rows, 16, generator=g, scale=100.0),
        floats(rows, 16, generator=g) * 10.0 ** torch.randint(-20, 20, (rows, 16), generator=g),
    ),
    "div floor_divide fmod mul remainder",
)
@case(
    lambda rows, g: (
        floats(rows, 16, generator=g, dtype=torch.bfloat16, scale=100.0),
        floats(rows, 16, generator=g, dtype=torch.bfloat16),
    ),
    "div floor_divide fmod mul remainder",
    name="float_floor_division.bf16",
)
def float_floor_division(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """By tensors and numbers; a quotient may be larger than a float has digits."""
    return a // b, a % b, torch.fmod(a, b), torch.div(a, 0.7, rounding_mode="floor"), a % 0.7, (a * -1.0) % b
