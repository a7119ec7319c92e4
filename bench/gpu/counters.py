#!/usr/bin/env python3
"""What the kernels of routers wait for, by ncu's counters.

For every router and number of rows: one launch by `routefuse bench` under ncu, whose clocks are fixed and whose caches are empty,
so that times are longer than those of `compare.py`. Writes OUT/counters.md.

    bench/gpu/counters.py --routefuse target/release/routefuse --out target/gpu-counters --rows 4096,65536
"""

import argparse
import csv
import datetime
import io
import pathlib
import shutil
import subprocess
import sys
import time

# Preset, and its options.
ROUTERS = [
    ("deepseek-v3", ["post=true"]),
    ("kimi-k2", ["post=true"]),
    ("minimax-m2.5", ["post=true"]),
    ("qwen3-moe", []),
    ("qwen3.5-397b", []),
    ("gpt-oss", []),
    ("mixtral", []),
    ("longcat-flash", []),
    ("deepseek-v2", []),
    ("nemotron-3-super", []),
    ("deepseek-v4", []),
    ("gemma-4", []),
    ("glm-4.5", []),
]

# The status of a run that had no time for all of it.
CUT_SHORT = 3

# Launches of the program that come before: it checks one, and warms up.
SKIPPED = 4

PEAK = ".avg.pct_of_peak_sustained_active"
STALL = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"

# A column's heading, its counter, and what a figure is divided by: 1, or the rows.
COLUMNS = [
    ("µs", "gpu__time_duration.sum", 1e3),
    ("registers", "launch__registers_per_thread", 1),
    ("warps", "sm__warps_active" + PEAK, 1),
    ("issued", "smsp__issue_active" + PEAK, 1),
    ("ALU", "sm__inst_executed_pipe_alu" + PEAK, 1),
    ("FMA", "sm__inst_executed_pipe_fma" + PEAK, 1),
    ("XU", "sm__inst_executed_pipe_xu" + PEAK, 1),
    ("LSU", "sm__inst_executed_pipe_lsu" + PEAK, 1),
    ("instructions", "smsp__inst_executed.sum", "rows"),
    ("of ALU", "sm__inst_executed_pipe_alu.sum", "rows"),
    ("of FMA", "sm__inst_executed_pipe_fma.sum", "rows"),
    ("of XU", "sm__inst_executed_pipe_xu.sum", "rows"),
    ("memory", STALL.format("long_scoreboard"), 1),
    ("busy pipe", STALL.format("math_pipe_throttle"), 1),
    ("shared memory", STALL.format("short_scoreboard"), 1),
    ("code", STALL.format("no_instruction"), 1),
    ("turn", STALL.format("not_selected"), 1),
]

TEXT = """# What routers wait for on an H100
{device}, {day}, by `gpu/run counters`: ncu's counters of one launch. ncu fixes the clocks and empties the caches, so the
times are longer than those of [`routers.md`](routers.md); what they are made of is the same.

*Warps*, *issued* and the pipes (*ALU*, *FMA*, *XU*, *LSU*) are percent of what a multiprocessor could hold or do at best. The ALU pipe takes
an instruction every second cycle, so 50 % of issued instructions may be its own. *Instructions* are those of warps for one row, and how many of
them go to a pipe. The last five columns say, for each issued instruction, how many warps waited for memory, for a busy pipe, for shared memory
or a special function, for code to be fetched, and for their turn.
"""


def counters(ncu, program, preset, options, rows, end):
    """What ncu says of one launch: figures by counter; or why it says nothing."""
    command = [ncu, "--csv", "--print-units", "base", "--kernel-name", "regex:routefuse"]
    command += ["--launch-skip", str(SKIPPED), "--launch-count", "1"]
    command += ["--metrics", ",".join(counter for _, counter, _ in COLUMNS)]
    command += [program, "bench", "--model", preset, "--vs", "none", "--device", "cuda:0", "--dim", f"T={rows}"]
    for option in options:
        command += ["--option", option]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=min(300, max(end - time.monotonic(), 1e-3)))
    except subprocess.TimeoutExpired as e:
        return None, f"it has not ended after {e.timeout:.0f} s"
    lines = [line for line in result.stdout.splitlines() if line.startswith('"')]
    if not lines:
        return None, (result.stderr or result.stdout).strip()[-400:]
    figures = {}
    for line in csv.DictReader(io.StringIO("\n".join(lines))):
        try:
            figures[line["Metric Name"]] = float(line["Metric Value"].replace(",", ""))
        except ValueError:
            # "n/a": the card or this ncu has no such counter.
            continue
    return figures, None


def shown(figure, heading):
    """A figure as the table has it."""
    if heading in ("µs", "memory", "busy pipe", "shared memory", "code", "turn"):
        return f"{figure:.1f}"
    return f"{figure:,.0f}"


def table(ncu, program, rows, only, end, lacking):
    """The lines of the table for so many rows, of routers with one of these in their names, until the time is over. A launch without
    counters is added to `lacking`."""
    headings = [heading for heading, _, _ in COLUMNS]
    yield "| router | " + " | ".join(headings) + " |"
    yield "|---|" + "---:|" * len(headings)
    for preset, options in ROUTERS:
        if not any(part in preset for part in only):
            continue
        name = preset + (", *post*" if options else "")
        figures, why = counters(ncu, program, preset, options, rows, end)
        if time.monotonic() >= end:
            return
        if figures is None:
            lacking.append(f"{name}, {rows} rows")
            print(f"{name}, {rows} rows: no counters: {why}", flush=True)
            continue
        cells = [
            shown(figures[counter] / (rows if by == "rows" else by), heading) if counter in figures else "–"
            for heading, counter, by in COLUMNS
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def device():
    """The name of the first GPU."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routefuse", required=True, help="the program")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the folder of counters.md")
    parser.add_argument("--rows", default="4096,65536", help="numbers of rows, as in 4096,65536")
    parser.add_argument("--only", default="", help="routers with one of these, A,B, in their name")
    parser.add_argument("--ncu", default="ncu", help="Nsight Compute's program")
    parser.add_argument("--seconds", type=float, default=3600, help="end what is under way after so many seconds")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    ncu = shutil.which(given.ncu) or shutil.which("/usr/local/cuda/bin/ncu")
    if ncu is None:
        parser.error(f"there is no program {given.ncu}: Nsight Compute, which comes with CUDA, has it")
    given.out.mkdir(parents=True, exist_ok=True)
    lines, routers, lacking = [TEXT.format(device=device(), day=datetime.date.today().isoformat())], 0, []
    for rows in map(int, given.rows.split(",")):
        lines += [f"## {rows:,} rows", ""]
        for line in table(ncu, given.routefuse, rows, given.only.split(","), end, lacking):
            lines.append(line)
            print(line, flush=True)
            routers += not line.startswith(("| router |", "|---"))
            # What is there is written at once.
            (given.out / "counters.md").write_text("\n".join(lines) + "\n")
        lines.append("")
    late = time.monotonic() >= end
    print(f"counters of {routers} launches" + (f", none of {len(lacking)}: {lacking[0]} …" if lacking else "")
          + (": the time is over" if late else ""))
    sys.exit(1 if lacking else CUT_SHORT if late else 0)


if __name__ == "__main__":
    main()
