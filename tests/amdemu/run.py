#!/usr/bin/env python3
"""Runs one kernel of a code object (HSACO) on the CPU.

  run.py SPEC.json        '-' reads the specification from standard input

SPEC: {"hsaco": "k.hsaco", "kernel": "name", "grid": [workgroups x, y, z], "block": [x, y, z], "dynamic_lds": 0,
       "races": true,                      accesses that may come in any order are an error
       "count": true,                      what the launch costs is printed too; {"lds": 128, …} sets latencies (count.py)
       "args": [{"buffer": "in.bin"},      a device buffer with this file's bytes
                {"buffer": "out.bin", "size": 4096, "fill": 165, "out": true},
                                           size bytes of fill; out: written back to the file afterwards
                {"buffer": "x.bin", "offset": 4},   the pointer passed is 4 bytes into the buffer
                {"buffer": "e.bin", "flag": true},  several waves may store the same to it: those are no races
                {"same": 0, "offset": 0},  the buffer of argument 0 again (aliasing)
                {"i32": 5}, {"i64": 5}, {"u32": 5}, {"f32": 1.5}, {"null": true}]}
Prints {"ok": true, "instructions": …, "counts": {…}}, or {"ok": false, "error": "…"} and exits with 1: an access outside every
buffer, an unknown instruction, no progress. Needs numpy and llvm-objdump (LLVM_OBJDUMP names it; llvm-objdump-22 if not)."""

import ctypes
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import numpy as np

from amdsim import STATS, DevBuf, Hsaco, launch
from count import Count


def main():
    spec = json.load(sys.stdin if sys.argv[1] == "-" else open(sys.argv[1]))
    buffers, args, outs, flags = {}, [], [], []
    for n, a in enumerate(spec["args"]):
        if "buffer" in a:
            if "size" in a:
                data = np.full(a["size"], a.get("fill", 0xA5), dtype=np.uint8)
            else:
                data = np.fromfile(a["buffer"], dtype=np.uint8)
            b = DevBuf(max(1, data.nbytes), name=f"arg{n}:{a['buffer']}")
            if data.nbytes:
                ctypes.memmove(b.addr, data.ctypes.data, data.nbytes)
            buffers[n] = b
            if a.get("flag"):
                flags.append(b.addr)
            if a.get("out"):
                outs.append((a["buffer"], b, data.nbytes))
            args.append(b if not a.get("offset") else struct.pack("<Q", b.addr + a["offset"]))
        elif "same" in a:
            args.append(struct.pack("<Q", buffers[a["same"]].addr + a.get("offset", 0)))
        elif "i32" in a:
            args.append(struct.pack("<i", a["i32"]))
        elif "u32" in a:
            args.append(struct.pack("<I", a["u32"]))
        elif "i64" in a:
            args.append(struct.pack("<q", a["i64"]))
        elif "f32" in a:
            args.append(struct.pack("<f", a["f32"]))
        elif a.get("null"):
            args.append(struct.pack("<Q", 0))
        else:
            raise SystemExit(f"argument {n}: unknown kind {a}")
    try:
        h, want = Hsaco(spec["hsaco"]), spec.get("count")
        count = Count(h, want if isinstance(want, dict) else None) if want or want == {} else None
        r = launch(
            h,
            spec["kernel"],
            tuple(spec["grid"]),
            tuple(spec["block"]),
            args,
            dyn_lds=spec.get("dynamic_lds", 0),
            count=count,
            races=spec.get("races", False),
            flags=flags,
        )
    except Exception as e:
        print(json.dumps({"ok": False, "error": f"{type(e).__name__}: {e}"}))
        return 1
    for path, b, n in outs:
        np.ctypeslib.as_array((ctypes.c_uint8 * n).from_address(b.addr)).tofile(path) if n else open(path, "wb").close()
    print(
        json.dumps({"ok": True, "instructions": STATS["wave_insts"], **({"counts": count.report(r)} if count else {})})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
