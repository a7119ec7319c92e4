"""Executes kernels of PTX: a specification in JSON a line on standard input, in the form of the AMD emulator's, and an answer a line.

{"hsaco": the PTX, "args": [{"buffer": file, "offset": bytes, "out": written}, {"same": position, "offset": bytes}, {"i64": number}, …],
 "grid": [blocks, 1, 1], "block": [threads, 1, 1], "shared": bytes} → {"ok": true}, or {"ok": false, "error": why}"""

import json
import sys

import numpy as np

import text
from arithmetic import Unimplemented
from machine import Machine

# Where the first buffer lies, and how far apart they are at least.
BASE, GUARD = 1 << 20, 4096


class Memory:
    """Buffers, with room between them that nobody may reach."""

    def __init__(self):
        self.buffers, self.bytes = [], np.zeros(BASE, np.uint8)

    def add(self, content, written):
        start = -(-len(self.bytes) // GUARD) * GUARD + GUARD
        self.bytes = np.concatenate([self.bytes, np.zeros(start - len(self.bytes), np.uint8), np.frombuffer(content, np.uint8)])
        self.buffers.append((start, len(content), written))
        return start

    def places(self, at, size, write):
        inside = np.zeros(len(at), bool)
        for start, length, written in self.buffers:
            inside |= (at >= start) & (at + size <= start + length) & (written or not write)
        if not inside.all():
            what = "a store" if write else "a load"
            raise RuntimeError(f"{what} of {size} bytes at {int(at[~inside][0]):#x}, outside of every buffer for it: {self.buffers}")
        if (at % size).any():
            raise RuntimeError(f"an access of {size} bytes at {int(at[at % size != 0][0]):#x}")
        return at


def run(spec):
    program = text.parse(open(spec["hsaco"]).read())
    memory, starts, arguments, files = Memory(), {}, [], []
    for position, argument in enumerate(spec["args"]):
        if "i64" in argument:
            arguments.append(argument["i64"] & (1 << 64) - 1)
            continue
        if "buffer" in argument:
            with open(argument["buffer"], "rb") as file:
                starts[position] = memory.add(file.read(), argument["out"])
            files.append((argument["buffer"], argument["out"], memory.buffers[-1]))
        arguments.append(starts[argument.get("same", position)] + argument["offset"])
    machine = Machine(program, memory, spec["grid"][0], spec["block"][0], arguments, spec.get("shared", 0))
    machine.run()
    for path, written, (start, length, _) in files:
        if written:
            memory.bytes[start : start + length].tofile(path)


for line in sys.stdin:
    try:
        run(json.loads(line))
        answer = {"ok": True}
    except Unimplemented as error:
        answer = {"ok": False, "error": f": unimplemented: {error}"}
    except RuntimeError as error:
        answer = {"ok": False, "error": str(error)}
    print(json.dumps(answer), flush=True)
