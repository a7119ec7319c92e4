#!/usr/bin/env python3
"""Routefuse beside its peers, in one run on one card.

For every graph and number of rows: microseconds of one call from replays of CUDA graphs (median), and of the host. routefuse
is timed by its own program, without Python; eager PyTorch, torch.compile(dynamic=True) and hand-written kernels by this one: in
Triton and, for some routers, in CUDA, each at its best setting for the number of rows. A copy of as many bytes and an empty
kernel stand beside them. Prints a table and writes OUT/compare.md, compare.json and an SVG
plot of every graph.

    bench/gpu/compare.py --routefuse target/release/routefuse --examples examples --out target/gpu-compare
"""

import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import time

import torch

import hand_chains
from aligns import ALIGNS
from chains import CHAINS
from routers import ROUTERS

WORKS = CHAINS + ROUTERS + ALIGNS
SAMPLES = 30


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


def routefuse(program, file, extents):
    """What `routefuse bench` says of a graph, or why it says nothing."""
    values = "T=" + ",".join(map(str, extents))
    command = [program, "bench", file, "--device", "cuda:0", "--graph-replay", "--json", "--dim", values]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        return None, result.stderr.strip()
    return json.loads(result.stdout), None


def peers(work, extents, rows):
    """Times of eager PyTorch, torch.compile and the kernels by hand; into `rows` by extent."""
    torch._dynamo.reset()
    compiled = torch.compile(work.function, dynamic=True)
    start = time.perf_counter()
    compiled(*work.inputs(7))
    torch.cuda.synchronize()
    cold = time.perf_counter() - start
    for t in extents:
        inputs = work.inputs(t)
        wanted = work.compared(inputs, work.function(*inputs))
        calls = {"eager": [lambda: work.function(*inputs)], "compile": [lambda: compiled(*inputs)], **work.by_hand(inputs)}
        for name, settings in calls.items():
            best = None
            for call in settings:
                # What fails is reported, and the others go on.
                try:
                    check(wanted, work.compared(inputs, call()))
                    us = replay_us(call, 5 if t > 4096 else 20 if name == "eager" else 50)
                except Exception as e:
                    rows[t][name + "_error"] = (str(e).splitlines() or [type(e).__name__])[0][:200]
                    continue
                if us < rows[t].get(name + "_us", float("inf")):
                    rows[t][name + "_us"], best = us, call
            if best and t <= 64:
                rows[t][name + "_host_us"] = host_us(best)
    return cold


def check(wanted, given):
    """Whether a peer gives what eager PyTorch does, but for rounding and for few rows in which scores nearly tie.

    Each row's elements are compared in order, since equal scores have no order of their own.
    """
    for w, g in zip(wanted, given):
        w, g = (x.float().nan_to_num().flatten(1).sort(-1).values for x in (w, g))
        differ = ~torch.isclose(w, g, rtol=1e-2, atol=1e-3).all(-1)
        if differ.float().mean() > 1e-3:
            raise ValueError(f"{differ.sum()} rows differ by up to {(w - g).abs().max():.3g}")


def shown(x):
    return "–" if x is None else f"{x:.2f}" if x < 1000 else f"{x:.0f}"


def markdown(report):
    """The report as tables."""
    lines = [f"{report['card']}, driver for {report.get('cuda', '?')}, {report['date']}; torch {report['torch']}, "
             f"triton {report['triton']}. Microseconds of one call, medians of replays of CUDA graphs; *dependent*: "
             f"programmatic dependent launch in a chain of calls. An empty kernel takes {shown(report.get('empty_us'))} "
             f"(Triton's {shown(report['triton_empty_us'])}).", ""]
    for work in report["works"]:
        lines += [f"### {work['name']} (`{work['file']}`)", ""]
        if work["error"]:
            lines += [f"routefuse: {work['error'].splitlines()[0]}", ""]
        lines += ["| T | routefuse | dependent | unfused | torch.compile | eager | Triton | CUDA | approximate | copy | of copy | "
                  "of torch.compile | of the best |", "|---:|" + "---:|" * 12]
        for t, row in work["rows"].items():
            us = row.get("fused_us")
            part = f"{row['copy_us'] / us:.0%}" if us and row.get("copy_us") else "–"
            ratio = f"{us / row['compile_us']:.2f}" if us and row.get("compile_us") else "–"
            # The best peer of exact scores or not; what is approximate throughout is a bound and no peer.
            others = [row[key] for key in ("compile_us", "eager_us", "triton_us", "exact_us") if row.get(key)]
            best = f"{us / min(others):.2f}" if us and others else "–"
            cells = [shown(row.get(key)) for key in ("fused_us", "dependent_us", "unfused_us", "compile_us", "eager_us",
                                                     "triton_us", "exact_us", "approximate_us", "copy_us")]
            lines.append(f"| {int(t):,} | {' | '.join(cells)} | {part} | {ratio} | {best} |")
        lines.append("")
    lines += ["### Host", "", "Microseconds of the host for one call at T = 1; *driver*: the bare call of the driver for the same kernel "
              "and arguments without rows, in turn with it; *above it*: the median of what the two differ by.", "",
              "| graph | routefuse | driver | above it | torch.compile | eager | Triton | cold, ms | torch.compile cold, ms |",
              "|---|" + "---:|" * 8]
    for work in report["works"]:
        row = work["rows"].get("1", {})
        ours, bare = row.get("host_us"), row.get("driver_us")
        above = shown(row.get("above_driver_us"))
        cells = [shown(ours), shown(bare), above] + [shown(row.get(k)) for k in ("compile_host_us", "eager_host_us", "triton_host_us")]
        cells += [shown(work.get("cold_ms")), shown(work["compile_cold_ms"])]
        lines.append(f"| {work['name']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


SERIES = [("fused_us", "routefuse", "#c0392b"), ("dependent_us", "routefuse, dependent", "#e67e22"),
          ("compile_us", "torch.compile", "#2980b9"), ("eager_us", "eager", "#7f8c8d"), ("triton_us", "Triton", "#27ae60"),
          ("exact_us", "CUDA by hand", "#8e44ad"),
          ("copy_us", "copy of as many bytes", "#000000")]


def svg(work, path):
    """Microseconds against T, both logarithmic."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["svg.hashsalt"] = "none", work["name"]
    import matplotlib.pyplot as plot
    figure, axes = plot.subplots(figsize=(7, 4.2))
    for key, label, colour in SERIES:
        points = [(int(t), row[key]) for t, row in work["rows"].items() if row.get(key)]
        if points:
            style = "--" if key == "copy_us" else "-"
            axes.plot(*zip(*points), style, marker="o", markersize=3, label=label, color=colour)
    axes.set(xscale="log", yscale="log", xlabel="T", ylabel="µs", title=work["name"])
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routefuse", default="target/release/routefuse", help="the program")
    parser.add_argument("--examples", type=pathlib.Path, default=pathlib.Path("examples"), help="the graphs")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/gpu-compare"), help="the folder to write")
    parser.add_argument("--only", type=lambda names: names.split(","), default=[""], help="works with one of these, A,B, in their name")
    parser.add_argument("--seconds", type=float, default=3600, help="start no work after so many seconds")
    options = parser.parse_args()
    torch.manual_seed(0)
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    nothing = torch.empty(1, device="cuda")
    import triton
    report = {"card": torch.cuda.get_device_name(), "date": datetime.date.today().isoformat(), "torch": torch.__version__,
              "triton": triton.__version__, "triton_empty_us": replay_us(lambda: hand_chains.empty_kernel[(1,)](nothing), 50),
              "works": []}
    for work in WORKS:
        chosen = any(part in work.name for part in options.only)
        if not chosen or time.perf_counter() - begin > options.seconds:
            continue
        extents = work.extents
        rows = {t: {} for t in extents}
        ours, error = routefuse(options.routefuse, str(work.path(options.examples)), extents)
        if ours:
            report.update(cuda=ours["cuda"], empty_us=ours["empty_us"])
            for row in ours["results"]:
                rows[row["extent"]].update(row)
        cold = peers(work, extents, rows)
        report["works"].append({"name": work.name, "file": work.file, "error": error, "compile_cold_ms": cold * 1e3,
                                "cold_ms": ours and ours["cold_ms"], "kernels": ours and ours["kernels"],
                                "rows": {str(t): row for t, row in rows.items()}})
        # What is there is written at once: a run that is cut short leaves what it has.
        (options.out / "compare.json").write_text(json.dumps(report, indent=1) + "\n")
        (options.out / "compare.md").write_text(markdown(report))
        print(f"{work.name}: {time.perf_counter() - begin:.0f} s", flush=True)
    plots = options.out / "plots"
    plots.mkdir(exist_ok=True)
    try:
        for work in report["works"]:
            svg(work, plots / (work["file"].replace("/", "-") + ".svg"))
    except ImportError as e:
        print(f"no plots: {e}")
    print((options.out / "compare.md").read_text())


if __name__ == "__main__":
    main()
