"""Times routers on rows that their quick ways do not take, beside the same graphs by the way that no row leaves.

Where most rows allow it a router chooses by keys that are quick to make, and a row that is not such does all of it once more.
This times launches of which every row is of one kind (`routefuse bench --rows`), in the shapes that a schedule has and in the
shape that selects by rounds with votes, and writes a table of Markdown: microseconds, and what the latter takes after a stroke.

    hostile.py --routefuse PROGRAM [--model NAME …] [--out FILE] [--seconds NUMBER]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

MODELS = ("deepseek-v3", "kimi-k2", "minimax-m2.5", "deepseek-v4", "qwen3-moe", "qwen3.5-397b", "gpt-oss", "mixtral",
          "deepseek-v2", "longcat-flash", "nemotron-3-super", "sinks")
WITH_POST = ("deepseek-v3", "kimi-k2", "minimax-m2.5")
KINDS = ("ordinary", "tied", "huge", "nan", "neg-inf")
EXTENTS = (1, 512, 4096, 65536)
# The status of a run that had no time for all of it.
CUT_SHORT = 3
BY_VOTES = "lanes=32 threads=128 lists_in_memory"


class Late(Exception):
    """The time of the run is over."""


class Refused(Exception):
    """The program does not time a router."""


def times(program, model, kind, shape, end):
    """Microseconds of a launch by extent."""
    command = [program, "bench", "--model", model, "--no-cache", "--device", "cuda:0", "--graph-replay", "--vs", "none"]
    command += ["--dim", "T=" + ",".join(map(str, EXTENTS)), "--rows", kind, "--json"]
    command += ["--option", "post=true"] if model in WITH_POST else []
    command += ["--shape", shape] if shape else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=max(end - time.monotonic(), 1e-3))
    except subprocess.TimeoutExpired:
        raise Late from None
    if done.returncode:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")
    return {row["extent"]: row["fused_us"] for row in json.loads(done.stdout)["results"]}


def table(program, models, end, refused):
    """The lines of the table, until its time is over. A router that is not timed has none, and is added to `refused`."""
    yield "| router | T | " + " | ".join(KINDS) + " |"
    yield "|---|---:|" + "---:|" * len(KINDS)
    for model in models:
        try:
            ours = [times(program, model, kind, None, end) for kind in KINDS]
            by_votes = [times(program, model, kind, BY_VOTES, end) for kind in KINDS]
        except Refused as e:
            refused.append(model)
            print(f"FAILED {model}: {e}", flush=True)
            continue
        for extent in EXTENTS:
            cells = [f"{own[extent]:.2f} / {other[extent]:.2f}" for own, other in zip(ours, by_votes)]
            yield f"| {model if extent == EXTENTS[0] else ''} | {extent:,} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routefuse", default="routefuse", help="the program")
    parser.add_argument("--model", action="append", choices=MODELS, help="of these routers only")
    parser.add_argument("--out", type=pathlib.Path, help="a file for the table, else it is printed")
    parser.add_argument("--seconds", type=float, default=3600, help="end what is under way after so many seconds")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    lines, models, late, refused = [], arguments.model or MODELS, False, []
    try:
        for line in table(arguments.routefuse, models, end, refused):
            lines.append(line)
            print(line, flush=True)
            # What is there is written at once.
            if arguments.out:
                arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except Late:
        late = True
    print(f"{(len(lines) - 2) // len(EXTENTS)} of {len(models)} routers" + (": the time is over" if late else ""))
    sys.exit(1 if refused else CUT_SHORT if late else 0)


if __name__ == "__main__":
    main()
