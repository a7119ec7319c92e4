#!/usr/bin/env python3
"""Tables and plots of what compare.py measured, made of its compare.json: without a GPU and without PyTorch.

    bench/gpu/tables.py compare.json --out FOLDER                     compare.md, and an SVG plot of every graph
    bench/gpu/tables.py compare.json --out FOLDER --page aligns TITLE aligns.md and aligns.json, and the plots that the page names
"""

import argparse
import json
import pathlib


def shown(x):
    return "–" if x is None else f"{x:.2f}" if x < 1000 else f"{x:.0f}"


# What a table may have, and of which only that is shown which a work has.
COLUMNS = [("routefuse", "fused_us"), ("dependent", "dependent_us"), ("unfused", "unfused_us"), ("torch.compile", "compile_us"),
           ("eager", "eager_us"), ("Triton", "triton_us"), ("CUDA", "exact_us"), ("approximate", "approximate_us"), ("copy", "copy_us")]


def path(work):
    """The file of a work's graph in the repository."""
    folder = "bench/gpu" if work["file"].startswith("graphs/") else "examples"
    return f"{folder}/{work['file']}.route"


def markdown(report, title=None):
    """The report as tables; under a title, as a page that names the plots beside it."""
    heading = "##" if title else "###"
    lines = [f"# {title}"] if title else []
    lines += [f"{report['card']}, driver for {report.get('cuda', '?')}, {report['date']}; torch {report['torch']}, "
             f"triton {report['triton']}. Microseconds of one call, medians of replays of CUDA graphs; *dependent*: "
             f"programmatic dependent launch in a chain of calls. An empty kernel takes {shown(report.get('empty_us'))} "
             f"(Triton's {shown(report['triton_empty_us'])}).", ""]
    if title:
        lines += ["*Triton* and *CUDA* are by hand (`bench/gpu/hand_aligns.py`, `bench/gpu/hand_routers.py`, `bench/gpu/bound/`), each at its "
                  "best setting for the number of rows. *Of copy* is the time of a copy of as many bytes as a part of routefuse's, and *of "
                  "the best* is routefuse's as a part of the best peer's. Where a peer has no figure, it has no such graph, or it failed.", ""]
    for work in report["works"]:
        plot = f"; plot: [`{plot_name(work)}.svg`]({plot_name(work)}.svg)" if title else ""
        lines += [f"{heading} {work['name']}", f"`{path(work)}`{plot}", ""]
        if work["error"]:
            lines += [f"routefuse: {work['error'].splitlines()[0]}", ""]
        columns = [(label, key) for label, key in COLUMNS if any(row.get(key) for row in work["rows"].values())]
        lines += [f"| T | {' | '.join(label for label, _ in columns)} | of copy | of torch.compile | of the best |",
                  "|---:|" + "---:|" * (len(columns) + 3)]
        failed = []
        for t, row in work["rows"].items():
            us = row.get("fused_us")
            part = f"{row['copy_us'] / us:.0%}" if us and row.get("copy_us") else "–"
            ratio = f"{us / row['compile_us']:.2f}" if us and row.get("compile_us") else "–"
            # The best peer of exact scores or not; what is approximate throughout is a bound and no peer.
            others = [row[key] for key in ("compile_us", "eager_us", "triton_us", "exact_us") if row.get(key)]
            best = f"{us / min(others):.2f}" if us and others else "–"
            cells = [shown(row.get(key)) for _, key in columns]
            lines.append(f"| {int(t):,} | {' | '.join(cells)} | {part} | {ratio} | {best} |")
            failed += [f"{label} at T = {int(t):,}: {row[key[:-3] + '_error']}" for label, key in COLUMNS
                       if not row.get(key) and row.get(key[:-3] + "_error")]
        if failed:
            lines += ["", "Without a figure: " + "; ".join(failed) + "."]
        lines.append("")
    lines += [f"{heading} Host", "", "Microseconds of the host for one call at T = 1; *driver*: the bare call of the driver for the same kernel "
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


def plot_name(work):
    """The name of a work's plot, without its ending."""
    return work.get("plot") or work["file"].replace("/", "-")


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


def plot_all(report, folder):
    """Writes a plot of every work. Without matplotlib this is an ImportError."""
    folder.mkdir(parents=True, exist_ok=True)
    for work in report["works"]:
        svg(work, folder / f"{plot_name(work)}.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=pathlib.Path, help="compare.json")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write")
    parser.add_argument("--page", nargs=2, metavar=("NAME", "TITLE"), help="write NAME.md as a page with this title")
    options = parser.parse_args()
    report = json.loads(options.report.read_text())
    name, title = options.page or ("compare", None)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.md").write_text(markdown(report, title))
    if title:
        (options.out / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    plot_all(report, options.out)


if __name__ == "__main__":
    main()
