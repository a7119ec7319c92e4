"""What a call costs the host: the chain behind a router (8 tensors), called in every way that there is.

    python benches/host_time.py [cpu | cuda]      (µs of one call, the best of many runs of 200)

The ways take turns, so that what else a machine does meanwhile slows all of them and the best run of each is of the same quiet
moments. On a GPU the host's time is that until the call returns, with a queue that is never full. torch.compile is given the same
function, with as many launches as it makes of it.
"""

from __future__ import annotations

import sys
import time

import routefuse
import torch
from routefuse import _routefuse as native


def chain(ids, weights, table, n, shared):
    """The chain in torch, as an engine would write it."""
    rows = torch.arange(ids.shape[0], device=ids.device)
    physical = torch.where((rows >= n)[:, None], -1, table[ids.long()])
    extra = torch.where((rows >= n)[:, None], -1, torch.full_like(ids[:, :1], 256))
    ids = torch.cat([physical, extra], -1)
    weights = torch.cat([weights * 2.5, shared.float()], -1)
    bits = weights.to(torch.bfloat16).view(torch.int16).to(torch.int32) & 0xFFFF
    return (ids << 16) | bits, ids, weights


def one_run(call, device: str, calls: int = 200) -> float:
    """Seconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def measure(ways: dict, device: str, rounds: int = 60) -> dict[str, float]:
    """The best run of each way, in µs."""
    best = {name: float("inf") for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            best[name] = min(best[name], run())
    return {name: value * 1e6 for name, value in best.items()}


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    torch.set_grad_enabled(False)
    for rows in (1, 64):
        g = torch.Generator().manual_seed(1)
        args = [
            torch.randint(0, 256, (rows, 8), generator=g, dtype=torch.int32), torch.rand(rows, 8, generator=g),
            torch.randperm(256, generator=g).int(), torch.tensor(rows, dtype=torch.int32), torch.rand(rows, 1, generator=g).bfloat16(),
        ]  # fmt: skip
        args = [a.to(device) for a in args]
        if len(sys.argv) > 2:
            kernel = routefuse.load(sys.argv[2], trust="anyone", device=device)
        else:
            kernel = routefuse.compile(routefuse.chains.graph("e_post_chain"), device=device)
        out = kernel(*args)
        ways = {"kernel, out=": lambda: kernel(*args, out=out), "kernel": lambda: kernel(*args)}
        if routefuse.has_compiler:
            captured = routefuse.torch.capture(chain, *args)
            op = captured.as_op(f"routefuse_benches::chain{rows}")
            jitted = routefuse.jit(chain)
            ways |= {"captured": lambda: captured(*args), "jit": lambda: jitted(*args), "op": lambda: op(*args)}
        ways |= {"eager": lambda: chain(*args)}
        compiled = torch.compile(chain, dynamic=True)
        ways |= {"torch.compile": lambda: compiled(*args)}

        def launches() -> float:
            if device == "cuda":
                torch.cuda.synchronize()
            return kernel._time(200, *args)

        def by_attributes() -> float:
            before = native.use_attributes(True)
            try:
                return one_run(lambda: kernel(*args, out=out), device)
            finally:
                native.use_attributes(before)

        ways |= {"a call of Python": lambda: None, "torch.add, out=": lambda: torch.add(out[0], 1, out=out[0])}
        runs = {"launch alone": launches}
        for name, call in ways.items():
            try:
                for _ in range(50):
                    call()
            except Exception as error:  # a machine without a C++ compiler has no Inductor
                print(f"T={rows:<3} {name:16} {type(error).__name__}: {str(error).splitlines()[0][:80]}")
                continue
            runs[name] = lambda call=call: one_run(call, device)
        runs["by attributes"] = by_attributes
        for name, value in measure(runs, device).items():
            print(f"T={rows:<3} {name:16} {value:8.2f} µs")


if __name__ == "__main__":
    main()
