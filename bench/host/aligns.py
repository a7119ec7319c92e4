"""Alignments on the host beside a plain counting sort in C and PyTorch's way, in one process and on one thread.

    routefuse compile bench/gpu/graphs/align-256.route --target host -o out
    python bench/host/aligns.py out

It needs numpy and a C compiler; without torch its column is left out. What is timed of routefuse is the machine code that `compile`
wrote, called as the manifest says, so a debug build of the program serves as well. All outputs are compared, of every peer.
`scripts/bench-host` does both.
"""

import argparse
import ctypes
import functools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "examples" / "manifest"))
import launch  # noqa: E402: it says what a manifest means

try:
    import torch
except ImportError:
    torch = None


class Alignment(ctypes.Structure):
    _fields_ = [("ids", ctypes.c_void_p), ("items", ctypes.c_int64), ("bins", ctypes.c_int32), ("block", ctypes.c_int32),
                ("sorted", ctypes.c_void_p), ("places", ctypes.c_int64), ("experts", ctypes.c_void_p), ("blocks", ctypes.c_int64),
                ("total", ctypes.c_void_p)]


class Kernel(ctypes.Structure):
    _fields_ = [("entry", ctypes.c_void_p), ("slots", ctypes.c_void_p), ("rows", ctypes.c_uint64), ("scratch", ctypes.c_void_p)]


def built(folder):
    """The C file as a library."""
    library = pathlib.Path(folder) / "counting_sort.so"
    command = ["cc", "-O3", "-march=native", "-shared", "-fPIC", str(HERE / "counting_sort.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(library))
    library.time_kernels.restype = library.time_counting_sort.restype = ctypes.c_double
    return library


class Recorder(launch.Host):
    """Keeps what a launch would call, and calls it once, so that its results can be looked at."""

    def __init__(self, folder):
        super().__init__(folder)
        self.kernels, self.names = [], []

    def launch(self, kernel, variant, slots, extents, rows):
        how = variant["launch"]
        code = ctypes.CDLL(str((self.folder / variant["file"]).resolve()))
        entry = ctypes.cast(getattr(code, variant["entry"]), ctypes.c_void_p).value
        scratch = self.upload(np.zeros(how["scratch_bytes"], np.uint8)) if how["scratch_bytes"] else None
        memory = (ctypes.c_uint64 * len(slots))(*slots)
        self.kept += [code, memory]
        self.kernels.append(Kernel(entry, ctypes.addressof(memory), rows, scratch))
        self.names.append(kernel["name"])
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p)(entry)
        call(ctypes.addressof(memory), 0, rows, scratch)


def recorded(folder, inputs, extents):
    """The outputs of the kernels that `compile` wrote, and the kernels as the clock takes them."""
    recorder = Recorder(folder)
    host, launch.Host = launch.Host, lambda _: recorder
    try:
        return launch.run(folder, "host", None, inputs, dict(extents)), recorder
    finally:
        launch.Host = host


def torch_way(ids, experts, block, places, blocks):
    """The same outputs by PyTorch's operations."""
    flat = ids.flatten().long()
    items = flat.numel()
    count = torch.bincount(flat, minlength=experts)
    padded = (count + block - 1) // block * block
    ends = padded.cumsum(0)
    order = flat.sort(stable=True).indices
    expert = flat[order]
    place = torch.arange(items) + (ends - padded - (count.cumsum(0) - count))[expert]
    laid = torch.full((places,), items, dtype=torch.int32)
    laid[place] = order.to(torch.int32)
    first = torch.arange(blocks) * block
    owners = torch.searchsorted(ends, first, right=True)
    return laid, torch.where(first < ends[-1], owners, -1).to(torch.int32), ends[-1:].to(torch.int32)


def least(clocks, seconds):
    """The least time of each of the clocks, which take turns for so long: whoever else uses the machine is in the way of all."""
    best = [float("inf")] * len(clocks)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for i, clock in enumerate(clocks):
            best[i] = min(best[i], clock())
    return best


def time_call(function, times):
    begin = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - begin) / times * 1e6


def chosen(kind, rows, k, experts, rng):
    """Ids: distinct in a row, the same of which half are nobody's, all of one expert, or as skewed as words of a text are."""
    if kind == "random":
        return np.argsort(rng.random((rows, experts)), axis=1)[:, :k].astype(np.int32)
    if kind == "half":
        return np.where(rng.random((rows, k)) < 0.5, chosen("random", rows, k, experts, rng), -1).astype(np.int32)
    if kind == "one":
        return np.full((rows, k), experts // 2, np.int32)
    weights = 1 / np.arange(1, experts + 1)
    return rng.choice(experts, size=(rows, k), p=weights / weights.sum()).astype(np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="what `routefuse compile -o` was given")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 64, 512, 4096, 65536])
    parser.add_argument("--experts", type=int, default=256)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--ids", choices=["random", "half", "one", "zipf"], default="random")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each number of rows")
    parser.add_argument("--kernels", action="store_true", help="the time of each kernel as well")
    args = parser.parse_args()
    # PyTorch's operations want ids that are there.
    beside_torch = torch is not None and args.ids != "half"
    if beside_torch:
        torch.set_num_threads(1)
    manifest = json.loads((args.folder / "manifest.json").read_text())
    ids_of = next(a for a in manifest["arguments"] if a["role"] == "input")
    rng = np.random.default_rng(0)
    print(f"{manifest['graph']}, {args.experts} experts, blocks of {args.block}, ids: {args.ids}; µs, the least of many, one thread")
    print(f"{'rows':>8} {'routefuse':>10} {'C':>8} {'ratio':>6} {'torch':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        library = built(folder)
        for rows in args.rows:
            ids = chosen(args.ids, rows, ids_of["shape"][1], args.experts, rng)
            outputs, recorder = recorded(args.folder, {ids_of["name"]: ids}, {})
            laid, owners, total = outputs.values()
            of_c = [np.empty_like(x) for x in (laid, owners, total)]
            alignment = Alignment(ids.ctypes.data, ids.size, args.experts, args.block, of_c[0].ctypes.data, laid.size,
                                  of_c[1].ctypes.data, owners.size, of_c[2].ctypes.data)
            kernels = (Kernel * len(recorder.kernels))(*recorder.kernels)
            times = max(1, 200_000 // max(ids.size, 1))
            clocks = [lambda: library.time_kernels(kernels, len(kernels), times),
                      lambda: library.time_counting_sort(ctypes.byref(alignment), times)]
            peers = [of_c]
            if beside_torch:
                by_torch = functools.partial(torch_way, torch.from_numpy(ids), args.experts, args.block, laid.size, owners.size)
                peers.append([x.numpy() for x in by_torch()])
                clocks.append(lambda: time_call(by_torch, max(1, times // 100)))
            if args.kernels:
                each = [(Kernel * 1)(k) for k in recorder.kernels]
                clocks += [functools.partial(library.time_kernels, k, 1, times) for k in each]
            best = least(clocks, args.seconds)
            for peer in peers:
                if not all(np.array_equal(a, b) for a, b in zip((laid, owners, total), peer)):
                    sys.exit(f"{rows} rows: the outputs differ")
            ours, c = best[:2]
            line = f"{rows:>8} {ours:>10.2f} {c:>8.2f} {ours / c:>6.2f}"
            if beside_torch:
                line += f" {best[2]:>9.1f} {best[2] / ours:>6.1f}"
            print(line)
            if args.kernels:
                for name, of_kernel in zip(recorder.names, best[-len(recorder.kernels):]):
                    print(f"{'':>8} {of_kernel:>10.2f} {name}")


if __name__ == "__main__":
    main()
