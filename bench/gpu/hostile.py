"""Times routers on rows that their quick ways do not take, beside the same graphs by the way that no row leaves.

Where most rows allow it a router chooses by keys that are quick to make, and a row that is not such does all of it once more.
This times launches of which every row is of one kind (`routefuse bench --rows`), in the shapes that a schedule has and in the
shape that selects by rounds with votes, and writes a table of Markdown: microseconds, and what the latter takes after a stroke.

    hostile.py --routefuse PROGRAM [--model NAME …] [--out FILE]
"""

import argparse
import json
import pathlib
import subprocess
import sys

MODELS = ("deepseek-v3", "kimi-k2", "minimax-m2.5", "deepseek-v4", "qwen3-moe", "qwen3.5-397b", "gpt-oss", "mixtral",
          "deepseek-v2", "longcat-flash", "nemotron-3-super", "sinks")
WITH_POST = ("deepseek-v3", "kimi-k2", "minimax-m2.5")
KINDS = ("ordinary", "tied", "huge", "nan", "neg-inf")
EXTENTS = (1, 512, 4096, 65536)
BY_VOTES = "lanes=32 threads=128 lists_in_memory"


def times(program, model, kind, shape):
    """Microseconds of a launch by extent."""
    command = [program, "bench", "--model", model, "--no-cache", "--device", "cuda:0", "--graph-replay", "--vs", "none"]
    command += ["--dim", "T=" + ",".join(map(str, EXTENTS)), "--rows", kind, "--json"]
    command += ["--option", "post=true"] if model in WITH_POST else []
    command += ["--shape", shape] if shape else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return {row["extent"]: row["fused_us"] for row in json.loads(done.stdout)["results"]}


def table(program, models):
    """The lines of the table."""
    yield "| router | T | " + " | ".join(KINDS) + " |"
    yield "|---|---:|" + "---:|" * len(KINDS)
    for model in models:
        ours = [times(program, model, kind, None) for kind in KINDS]
        by_votes = [times(program, model, kind, BY_VOTES) for kind in KINDS]
        for extent in EXTENTS:
            cells = [f"{own[extent]:.2f} / {other[extent]:.2f}" for own, other in zip(ours, by_votes)]
            yield f"| {model if extent == EXTENTS[0] else ''} | {extent:,} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routefuse", default="routefuse", help="the program")
    parser.add_argument("--model", action="append", choices=MODELS, help="of these routers only")
    parser.add_argument("--out", type=pathlib.Path, help="a file for the table, else it is printed")
    arguments = parser.parse_args()
    lines = []
    for line in table(arguments.routefuse, arguments.model or MODELS):
        lines.append(line)
        print(line, flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
