#!/usr/bin/env python3
"""Everything that is to be seen on a GPU, in one command that ends in time.

Each part is a command of `run`, with a share of the seconds. A part that has not ended when its share is over is ended, and what
it has written until then stays. A part that ends early leaves its time to those behind it. What a part needs and the machine has not, it
is skipped for, by name; with REQUIRE_GPU=1 that is a failure. The folder OUT has the log of each part (`suite.txt`), what the part itself
writes (`bench-aligns/compare.json`), `all.json`, and the table that is printed at the end, `all.md`.

    gpu/run all                                          everything, in 560 s
    gpu/run all --parts suite,replays,foreign,sanitize   these, in as much time
    gpu/run all --parts bench-aligns,bench-routers --seconds 280
"""

import argparse
import concurrent.futures
import ctypes
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

# What the suite, and whatever runs it, ends with where there was no time for all of it.
CUT_SHORT = 3
# Seconds between asking a part to end and ending it.
GRACE = 5


@dataclasses.dataclass
class Part:
    """A command of `run`. `share` of the seconds is its own, none where it runs beside the part in front of it."""

    name: str
    command: list
    share: float
    #: What it needs of the machine, by the names of `LACKING`.
    needs: tuple = ("driver",)
    #: How it is told when to stop by itself: an argument, or a variable of the environment.
    limit: str = "--seconds"


ROUTERS = "DeepSeek-V3,Kimi,MiniMax,Qwen,gpt-oss,Mixtral"
PARTS = [
    # While the suite runs, nvcc builds what the comparisons want.
    Part("bounds", ["bounds"], 0, ("driver", "nvcc", "torch"), ""),
    Part("suite", ["test", "--replays", "0"], 170),
    Part("replays", ["test", "--only", "_counted"], 0),
    Part("foreign", ["foreign"], 0, ("driver", "numpy"), ""),
    Part("sanitize", ["sanitize"], 160, ("driver", "compute-sanitizer"), "LIMIT"),
    Part("bench-aligns", ["bench", "--only", "align"], 65, ("driver", "torch")),
    Part("bench-routers", ["bench", "--only", ROUTERS, "--without", "align"], 75, ("driver", "torch")),
    Part("hostile", ["hostile"], 45),
    Part("counters", ["counters"], 45, ("driver", "ncu")),
]


def has_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def has_program(name):
    return bool(shutil.which(name) or shutil.which(f"/usr/local/cuda/bin/{name}"))


def has_module(name):
    # Not imported: that takes time which no part would have. A module that is broken fails, and says why.
    return importlib.util.find_spec(name) is not None


# What a part may need: whether it is there, and what to say where it is not.
LACKING = {
    "driver": (has_driver, "there is no NVIDIA driver"),
    "nvcc": (lambda: has_program("nvcc"), "there is no nvcc"),
    "compute-sanitizer": (lambda: has_program("compute-sanitizer"), "there is no compute-sanitizer"),
    "ncu": (lambda: has_program("ncu"), "there is no ncu"),
    "torch": (lambda: has_module("torch"), f"{sys.executable} has no PyTorch"),
    "numpy": (lambda: has_module("numpy"), f"{sys.executable} has no numpy"),
}


def why_failed(lines):
    """The first check that failed, or else what a program said when it panicked; None where neither is in a log."""
    for line in lines:
        if line.startswith("FAILED "):
            return line
    for line, said in zip(lines, lines[1:]):
        if line.startswith("thread ") and " panicked at " in line:
            return f"panicked: {said}"
    return None


class Running:
    """A part that has begun."""

    def __init__(self, part, run, out, end):
        self.part, self.begin, self.end = part, time.monotonic(), end
        self.log = out / f"{part.name}.txt"
        seconds = max(1, int(end - self.begin - GRACE))
        environment = dict(os.environ, OUT=str(out / part.name), BOUNDS=str(out / "bounds"), PYTHON=sys.executable)
        command = [run, *part.command]
        if part.limit.startswith("--"):
            command += [part.limit, str(seconds)]
        elif part.limit:
            environment[part.limit] = str(seconds)
        with open(self.log, "wb") as log:
            # A group of its own, so that what it starts is ended with it.
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                                            start_new_session=True)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def wait(self):
        """The result: passed, failed, or cut short; ended when its time is over."""
        ended = ""
        try:
            status = self.process.wait(max(0, self.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                pass
            ended = f"cut short after {self.end - self.begin:.0f} s"
        finally:
            # Whatever it has left behind.
            self.signal(signal.SIGKILL)
            self.process.wait()
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        failed = why_failed(lines)
        last = lines[-1] if lines else ""
        if failed or not ended and status not in (0, CUT_SHORT):
            result = "FAILED"
        elif ended or status == CUT_SHORT:
            result = ended or "cut short"
        elif re.search(r"(^| )skipped: ", last):
            result = "skipped"
        else:
            result = "passed"
        return {"part": self.part.name, "seconds": round(time.monotonic() - self.begin, 1), "result": result, "says": failed or last,
                "log": self.log.name}


def chosen(names):
    """The parts of these names, in their own order; all where none is named."""
    unknown = [name for name in names if name not in [part.name for part in PARTS]]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(unknown)}; there are {', '.join(p.name for p in PARTS)}")
    return [part for part in PARTS if part.name in names] if names else PARTS


def groups(parts):
    """Parts that run at once: one with a share, and those beside it, which stand before or behind it."""
    together, before = [], []
    for part in parts:
        if part.share:
            together.append([*before, part])
            before = []
        elif together:
            together[-1].append(part)
        else:
            before.append(part)
    return together + [before] if before else together


def table(results):
    # The last line of a log may have anything in it.
    says = lambda result: re.sub(r"\s+", " ", result["says"]).replace("|", "\\|")[:160]
    lines = [f"| {r['part']} | {r['seconds']:.0f} | {r['result']} | {says(r)} |" for r in results]
    return "\n".join(["| part | seconds | result | |", "|---|---:|---|---|", *lines]) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="run all", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=str(pathlib.Path(__file__).parent.parent / "run"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=560, help="how long all of it may take (560)")
    parser.add_argument("--parts", type=lambda names: chosen(names.split(",")), default=PARTS,
                        help="these parts, A,B, of " + ", ".join(part.name for part in PARTS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(os.environ.get("OUT", "gpu-all")),
                        help="the folder to write (gpu-all, or OUT)")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    required = os.environ.get("REQUIRE_GPU", "0") not in ("", "0")
    begin, results, began = time.monotonic(), [], []

    def end_all(number, _):
        """Whoever ends this run ends its parts, which are groups of their own."""
        for one in began:
            one.signal(signal.SIGKILL)
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_all)

    def note(result):
        results.append(result)
        print(f"{time.monotonic() - begin:4.0f} s: {result['part']}: {result['result']}: {result['says']}", flush=True)
        # At once: whoever ends this run has what there is.
        (out / "all.json").write_text(json.dumps(results, indent=1) + "\n")
        (out / "all.md").write_text(table(results))

    is_there = {}
    def lacks(part):
        for need in part.needs:
            if need not in is_there:
                is_there[need] = LACKING[need][0]()
            if not is_there[need]:
                return LACKING[need][1]
        return None

    together = groups(options.parts)
    whole = sum(part.share for group in together for part in group) or 1
    share_before = 0
    for group in together:
        share_before += sum(part.share for part in group)
        # Of parts that have no share of their own there is all the time.
        end = begin + options.seconds * ((share_before or whole) / whole) - GRACE
        running = []
        for part in group:
            why = lacks(part)
            if why:
                note({"part": part.name, "seconds": 0.0, "result": "FAILED" if required else "skipped", "says": why, "log": None})
            else:
                running.append(Running(part, options.run, out, end))
                began.append(running[-1])
        with concurrent.futures.ThreadPoolExecutor(len(PARTS)) as waiting:
            for done in concurrent.futures.as_completed([waiting.submit(one.wait) for one in running]):
                note(done.result())
    print()
    print(table(results), end="")
    print(f"{out}: {time.monotonic() - begin:.0f} s")
    sys.exit(1 if any(r["result"] == "FAILED" for r in results) else 0)


if __name__ == "__main__":
    main()
