#!/usr/bin/env python3
"""Routefuse beside its peers, in one run on one card.

For every graph and number of rows: microseconds of one call from replays of CUDA graphs (median), and of the host. routefuse
is timed by its own program, without Python; eager PyTorch, torch.compile(dynamic=True) and hand-written kernels by this one: in
Triton and, for some routers, in CUDA, each at its best setting for the number of rows. A copy of as many bytes and an empty
kernel stand beside them. Prints a table and writes OUT/compare.md, compare.json and, where there is
matplotlib, an SVG plot of every graph. Elsewhere `tables.py` draws them of compare.json.

    bench/gpu/compare.py --routefuse target/release/routefuse --examples examples --out target/gpu-compare
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import torch

import bound
import hand_chains
from aligns import ALIGNS
from chains import CHAINS
from routers import ROUTERS
from tables import markdown, plot_all

WORKS = CHAINS + ROUTERS + ALIGNS
SAMPLES = 30
# The status of a run that had no time for all of it.
CUT_SHORT = 3


class Late(BaseException):
    """The time of the run is over. No `Exception`, so that nobody on its way takes it for a peer that fails."""


@contextlib.contextmanager
def at_most(seconds):
    """What is within is ended after so many seconds, whatever it waits for; what it has written stays. Gives a list that is not empty
    then."""
    ended = []

    def late(*_):
        raise Late

    signal.signal(signal.SIGALRM, late)
    # Again and again: where it is raised while another error is on its way, it may be lost.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 2)
    try:
        yield ended
    except Late:
        signal.setitimer(signal.ITIMER_REAL, 0)
        ended.append(seconds)
        print(f"the {seconds:.0f} s of this run are over: what is left is not compared", flush=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def replay_us(call, calls):
    """Microseconds of one call on the GPU, from replays of a CUDA graph of `calls` of them."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = [call() for _ in range(calls)]
    samples = []
    for sample in range(SAMPLES + 3):
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        before.record()
        graph.replay()
        after.record()
        after.synchronize()
        if sample >= 3:
            samples.append(before.elapsed_time(after) * 1e3 / calls)
    del kept, graph
    return statistics.median(samples)


def host_us(call, calls=50, bursts=40):
    """Microseconds of one call on the host: bursts short enough that no launch waits for room on the stream."""
    samples = []
    for burst in range(bursts + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        if burst >= 3:
            samples.append((time.perf_counter() - start) * 1e6 / calls)
    torch.cuda.synchronize()
    return statistics.median(samples)


def routefuse(program, file, extents, arguments):
    """What `routefuse bench` says of a graph, or why it says nothing."""
    values = "T=" + ",".join(map(str, extents))
    command = [program, "bench", file, "--device", "cuda:0", "--graph-replay", "--json", "--dim", values, *arguments]
    try:
        # Which is ended with this run, when its time is over.
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as e:
        return None, f"`routefuse bench` has not ended after {e.timeout} s"
    if result.returncode != 0:
        return None, result.stderr.strip()
    return json.loads(result.stdout), None


# Of works of one function with the same numbers, such as alignments of other ids, one is compiled for all.
compiled_before = {}


def compiled_of(work):
    """The work's function compiled, and how many seconds that took; none if the work is not compared with it."""
    key = getattr(work, "compiled_as", work.name)
    if key is None:
        return None, None
    if key not in compiled_before:
        torch._dynamo.reset()
        compiled = torch.compile(work.function, dynamic=True)
        start = time.perf_counter()
        compiled(*work.inputs(7))
        torch.cuda.synchronize()
        compiled_before[key] = compiled, time.perf_counter() - start
    return compiled_before[key]


def peers(work, extents, report, write):
    """Times of eager PyTorch, torch.compile and the kernels by hand; into the work's report, which is written after each extent."""
    compiled, cold = compiled_of(work)
    report["compile_cold_ms"] = cold and cold * 1e3
    for t in extents:
        row = report["rows"][str(t)]
        inputs = work.inputs(t)
        wanted = work.compared(inputs, work.function(*inputs))
        calls = {"eager": [lambda: work.function(*inputs)], **work.by_hand(inputs)}
        if compiled:
            calls["compile"] = [lambda: compiled(*inputs)]
        for name, settings in calls.items():
            best = None
            for call in settings:
                # What fails is reported, and the others go on.
                try:
                    check(wanted, work.compared(inputs, call()))
                    us = replay_us(call, 5 if t > 4096 else 20 if name == "eager" else 50)
                except Exception as e:
                    row[name + "_error"] = (str(e).splitlines() or [type(e).__name__])[0][:200]
                    continue
                if us < row.get(name + "_us", float("inf")):
                    row[name + "_us"], best = us, call
            if best and t <= 64:
                row[name + "_host_us"] = host_us(best)
        write()


def check(wanted, given):
    """Whether a peer gives what eager PyTorch does, but for rounding and for few rows in which scores nearly tie.

    Each row's elements are compared in order, since equal scores have no order of their own.
    """
    for w, g in zip(wanted, given):
        w, g = (x.float().nan_to_num().flatten(1).sort(-1).values for x in (w, g))
        differ = ~torch.isclose(w, g, rtol=1e-2, atol=1e-3).all(-1)
        if differ.float().mean() > 1e-3:
            raise ValueError(f"{differ.sum()} rows differ by up to {(w - g).abs().max():.3g}")


def ours(work, options, report):
    """The report of a work, with routefuse's own times."""
    extents = options.extents or work.extents
    rows = {t: {} for t in extents}
    said, error = routefuse(options.routefuse, str(work.path(options.examples)), extents, getattr(work, "arguments", ()))
    if said:
        report.update(cuda=said["cuda"], empty_us=said["empty_us"])
        for row in said["results"]:
            rows[row["extent"]].update(row)
    return {"name": work.name, "file": work.file, "plot": getattr(work, "plot", work.file.replace("/", "-")), "error": error,
            "compile_cold_ms": None, "cold_ms": said and said["cold_ms"], "kernels": said and said["kernels"],
            "rows": {str(t): row for t, row in rows.items()}}


def compared(work):
    """Whether the peers of a work have been measured at every number of rows, or have failed there."""
    return all("eager_us" in row or "eager_error" in row for row in work["rows"].values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routefuse", default="target/release/routefuse", help="the program")
    parser.add_argument("--examples", type=pathlib.Path, default=pathlib.Path("examples"), help="the graphs")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/gpu-compare"), help="the folder to write")
    parser.add_argument("--only", type=lambda names: names.split(","), default=[""], help="works with one of these, A,B, in their name")
    parser.add_argument("--extents", type=lambda ts: [int(t) for t in ts.split(",")], help="these numbers of rows, instead of each work's")
    parser.add_argument("--without", type=lambda names: names.split(","), default=[], help="no works with one of these, A,B, in their name")
    parser.add_argument("--seconds", type=float, default=3600, help="end what is under way after so many seconds, and write what there is")
    options = parser.parse_args()
    torch.manual_seed(0)
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    nothing = torch.empty(1, device="cuda")
    import triton
    report = {"card": torch.cuda.get_device_name(), "date": datetime.date.today().isoformat(), "torch": torch.__version__,
              "triton": triton.__version__, "triton_empty_us": replay_us(lambda: hand_chains.empty_kernel[(1,)](nothing), 50),
              "works": []}
    named = lambda work, parts: any(part in work.name for part in parts)
    chosen = [work for work in WORKS if named(work, options.only) and not named(work, options.without)]

    def write():
        # What is there is written at once: a run that is cut short leaves what it has.
        (options.out / "compare.json").write_text(json.dumps(report, indent=1) + "\n")
        (options.out / "compare.md").write_text(markdown(report))

    with at_most(options.seconds - (time.perf_counter() - begin)) as ended:
        # What nvcc takes seconds for is built beside what is measured first.
        for work in chosen:
            for of in getattr(work, "bounds", ()):
                bound.begin(*of)
        for work in chosen:
            report["works"].append(ours(work, options, report))
            write()
        print(f"routefuse: {time.perf_counter() - begin:.0f} s", flush=True)
        for work, of in zip(chosen, report["works"]):
            try:
                peers(work, options.extents or work.extents, of, write)
            except Exception as e:
                print(f"{work.name}: {type(e).__name__}: {e}", flush=True)
            print(f"{work.name}: {time.perf_counter() - begin:.0f} s", flush=True)
    write()
    try:
        plot_all(report, options.out / "plots")
    except ImportError as e:
        print(f"no plots: {e}; `tables.py {options.out / 'compare.json'}` draws them where there is matplotlib")
    print((options.out / "compare.md").read_text())
    print(f"{len(chosen)} graphs, {sum(compared(work) for work in report['works'])} of them with all their peers")
    if ended:
        sys.exit(CUT_SHORT)


if __name__ == "__main__":
    main()
