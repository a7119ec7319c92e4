"""A decoder whose layers choose experts by eager functions of torch, as engines do, and the same loop with the plug-in.

    python decoder_loop.py                                        a small one on the host, which tests run
    python decoder_loop.py --device cuda --layers 58 --rows 1 64 4096

A layer is the router's projection, the choice of experts and what is behind it (`route`), and one operation that stands for the
experts. The loop is timed with `route` eager, compiled by torch (`--compiled`), replaced by the plug-in, and left out: what the loop
costs without it. Times are of one step, µs, the best of some: of the host until all is queued, of both until the GPU is done, and of
the GPU alone, which replays a CUDA graph of the step.
"""

from __future__ import annotations

import argparse
import os
import time
import typing

import routefuse
import torch

K, GROUPS, KEPT = 8, 8, 4


def choose(logits: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best of the best groups, by score and bias; weights by the scores alone."""
    rows, experts = logits.shape
    scores = logits.float().sigmoid()
    keys = scores + bias
    by_group = keys.view(rows, GROUPS, -1).topk(2, dim=-1).values.sum(-1)
    best = by_group.topk(KEPT, dim=-1, sorted=False).indices
    kept = torch.zeros_like(by_group).scatter_(1, best, 1).bool()
    kept = kept[..., None].expand(rows, GROUPS, experts // GROUPS).reshape(rows, experts)
    ids = keys.masked_fill(~kept, float("-inf")).topk(K, dim=-1).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(-1, keepdim=True) * 2.5, ids.int()


def place(ids: torch.Tensor, table: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Where an expert is, by a table; -1 in rows that only pad the batch."""
    padding = torch.arange(ids.shape[0], device=ids.device) >= tokens
    return table[ids.long()].masked_fill(padding[:, None], -1)


def append(weights: torch.Tensor, ids: torch.Tensor, shared: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A shared expert behind the chosen ones."""
    extra = torch.full_like(ids[:, :1], shared)
    return torch.cat([weights, torch.ones_like(weights[:, :1])], -1), torch.cat([ids, extra], -1)


def route(
    logits: torch.Tensor, bias: torch.Tensor, table: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    weights, ids = choose(logits, bias)
    return append(weights, place(ids, table, tokens), bias.shape[0])


class Decoder:
    """Layers, each with the parameters of its router; nothing is learned."""

    def __init__(self, layers: int, hidden: int, experts: int, device: str) -> None:
        g = torch.Generator().manual_seed(0)
        self.dtype = torch.bfloat16
        self.layers = [
            (
                (torch.randn(hidden, experts, generator=g) * hidden**-0.5).to(device, self.dtype),
                (torch.randn(experts, generator=g) * 0.1).to(device),
                torch.randperm(experts, generator=g).int().to(device),
                (torch.randn(hidden, generator=g) * 0.02).to(device, self.dtype),
            )
            for _ in range(layers)
        ]

    def step(
        self, hidden: torch.Tensor, tokens: torch.Tensor, chooses: typing.Callable[..., typing.Any]
    ) -> torch.Tensor:
        for gate, bias, table, direction in self.layers:
            weights, _ids = chooses(hidden @ gate, bias, table, tokens)
            # The experts' place: what they would add, weighted by the first of them.
            hidden = torch.addcmul(hidden, weights[:, :1].to(self.dtype), direction)
        return hidden


Step = typing.Callable[[], torch.Tensor]


class Timed:
    """A step, ready to be timed."""

    def __init__(self, step: Step, device: str) -> None:
        self.step, self.cuda = step, device == "cuda"
        self.best: dict[str, float] = {}
        for _ in range(3):
            step()
        if self.cuda:
            self.graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize()
            with torch.cuda.graph(self.graph):
                step()
            self.graph.replay()

    def run(self) -> None:
        """Times it once more. What counts is the best."""
        self.wait()
        begin = time.perf_counter()
        self.step()
        queued = time.perf_counter() - begin
        self.wait()
        self.note("host" if self.cuda else "step", queued)
        if self.cuda:
            self.note("both", time.perf_counter() - begin)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(4):
                self.graph.replay()
            end.record()
            self.wait()
            self.note("GPU", start.elapsed_time(end) / 4e3)

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def note(self, what: str, seconds: float) -> None:
        self.best[what] = min(self.best.get(what, float("inf")), seconds * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--experts", type=int, default=256)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--runs", type=int, default=5, help="a time is the best of so many")
    parser.add_argument("--compiled", action="store_true", help="also with route compiled by torch")
    options = parser.parse_args()
    device = options.device
    torch.set_grad_enabled(False)
    decoder = Decoder(options.layers, options.hidden, options.experts, device)
    eager = route

    # As an engine's process has it: the environment names the function, and the engine loads the plug-in.
    os.environ["ROUTEFUSE_REPLACE"] = f"{__name__}.route"
    (replaced,) = routefuse.sglang.register()
    assert route is replaced

    for rows in options.rows:
        g = torch.Generator().manual_seed(rows)
        hidden = torch.randn(rows, options.hidden, generator=g).to(device, decoder.dtype)
        tokens = torch.tensor(max(rows - 1, 1), dtype=torch.int64, device=device)
        # Every layer of a step is computed in both ways, and compared; rows that tie are said to.
        replaced.compare = True
        decoder.step(hidden, tokens, route)
        replaced.compare = False
        differing = [d for d in replaced.differences if not d.endswith("ties")]
        assert not differing, differing
        assert replaced.jit.captures == 1 and not replaced.jit.refused

        fixed = eager(hidden @ decoder.layers[0][0], *decoder.layers[0][1:3], tokens)
        ways: dict[str, typing.Callable[..., typing.Any]] = {"without": lambda *_: fixed, "eager": eager}
        if options.compiled:
            ways["torch.compile"] = torch.compile(eager, dynamic=True)
        ways["plug-in"] = route
        timed = {
            way: Timed(lambda chooses=chooses: decoder.step(hidden, tokens, chooses), device)
            for way, chooses in ways.items()
        }
        # The ways take turns: what else the machine does meanwhile slows all of them.
        for _ in range(options.runs):
            for step in timed.values():
                step.run()
        for way, step in timed.items():
            said = "  ".join(f"{name} {value:9.1f} µs" for name, value in step.best.items())
            print(f"{options.layers} layers, {rows:5} rows, {way:14} {said}", flush=True)
    print(f"each layer is one kernel of {replaced.jit.kernels[(None,) * 4][0].report['before']['launches']} operations")


if __name__ == "__main__":
    main()
