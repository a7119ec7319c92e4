"""What a call costs the host: the chain behind a router (8 tensors), called in every way that there is.

    python benches/host_time.py [cpu | cuda]      (µs of one call, the best of nine runs of a thousand)

On a GPU the host's time is that until the call returns, with a queue that is never full. torch.compile is given the same
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


def measure(call, device: str, calls: int = 1000) -> float:
    for _ in range(calls // 4):
        call()
    best = float("inf")
    for _ in range(9):
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        for i in range(calls):
            call()
            if device == "cuda" and i % 200 == 199:
                spent = time.perf_counter()
                torch.cuda.synchronize()
                begin += time.perf_counter() - spent
        best = min(best, (time.perf_counter() - begin) / calls)
    return best * 1e6


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
            best = float("inf")
            for _ in range(20):
                best = min(best, kernel._time(200, *args))
                if device == "cuda":
                    torch.cuda.synchronize()
            return best * 1e6

        print(f"T={rows:<3} {'launch alone':16} {launches():8.2f} µs")
        print(f"T={rows:<3} {'a call of Python':16} {measure(lambda: None, device):8.2f} µs")
        print(f"T={rows:<3} {'torch.add, out=':16} {measure(lambda: torch.add(out[0], 1, out=out[0]), device):8.2f} µs")
        for name, call in ways.items():
            try:
                print(f"T={rows:<3} {name:16} {measure(call, device):8.2f} µs")
            except Exception as error:  # a machine without a C++ compiler has no Inductor
                print(f"T={rows:<3} {name:16} {type(error).__name__}: {str(error).splitlines()[0][:80]}")
        before = native.use_attributes(True)
        print(f"T={rows:<3} {'by attributes':16} {measure(lambda: kernel(*args, out=out), device):8.2f} µs")
        native.use_attributes(before)


if __name__ == "__main__":
    main()
