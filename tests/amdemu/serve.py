#!/usr/bin/env python3
"""Runs kernels on request, for a stand-in of the HIP runtime: a process that lives as long as its client and shares memory with
it.

  serve.py SOCKET      listens on a Unix socket, one client after another
  serve.py --fd N      one client, on a connected socket that was inherited
  serve.py -           one client, on standard input and output

README.md has the protocol: a line for each request, a line for each answer, `ok …` or `error KIND message`. A client that
leaves takes its modules, ranges and maps with it."""

import ctypes
import json
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import amdsim
from amdsim import STATS, EmuError, Hsaco, launch
from count import Count

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
READ_WRITE, SHARED_FIXED_NOREPLACE, TOP = 3, 0x100001, 1 << 47


class Client:
    def __init__(self):
        self.maps, self.ranges, self.modules, self.made, self.budget = {}, {}, {}, 0, 200_000_000

    def close(self):
        for a in list(self.ranges):
            self.do_unregister(a)
        for a in list(self.maps):
            self.do_unmap(a)

    # every request is a method: its arguments are the line's words
    def do_hello(self):
        return "amdemu 1"

    def do_map(self, path, address, size):
        address, size = number(address), number(size)
        if address % 4096 or size < 1 or address + size > TOP:
            raise ValueError(f"no map of {size} bytes can be at {address:#x}")
        fd = os.open(path, os.O_RDWR)
        try:
            if os.fstat(fd).st_size < size:
                raise ValueError(f"{path} has {os.fstat(fd).st_size} bytes, not {size}")
            at = libc.mmap(address, size, READ_WRITE, SHARED_FIXED_NOREPLACE, fd, 0)
        finally:
            os.close(fd)
        if at != address:
            raise ValueError(f"{address:#x} is taken here: {os.strerror(ctypes.get_errno())}")
        self.maps[address] = size

    def do_unmap(self, address):
        address = number(address)
        size = self.maps[address]
        for a in [a for a in self.ranges if address <= a < address + size]:
            self.do_unregister(a)
        libc.munmap(address, size)
        del self.maps[address]

    def do_register(self, address, size, name="range"):
        address, size = number(address), number(size)
        if size < 1 or not any(a <= address and address + size <= a + n for a, n in self.maps.items()):
            raise ValueError(f"{size} bytes at {address:#x} are not in a map")
        if any(address < a + n and a < address + size for a, n in self.ranges.items()):
            raise ValueError(f"{size} bytes at {address:#x} overlap a range")
        self.ranges[address] = size
        amdsim._REG[address] = (size, name)

    def do_unregister(self, address):
        address = number(address)
        del self.ranges[address]
        del amdsim._REG[address]

    def do_load(self, image):
        try:
            h = Hsaco(image if isinstance(image, bytes) else open(image, "rb").read())
        except (OSError, ValueError):
            raise
        except Exception as e:
            raise ValueError(f"broken image: {type(e).__name__}: {e}") from None
        self.made += 1
        self.modules[self.made] = h
        return f"{self.made} {h.target}"

    def do_unload(self, module):
        del self.modules[number(module)]

    def do_kernels(self, module):
        return " ".join(self.modules[number(module)].kernels)

    def do_kernel(self, module, name):
        m = self.kernel(module, name)[1].meta
        return (
            f"threads={m.get('.max_flat_workgroup_size', 1024)} lds={m.get('.group_segment_fixed_size', 0)} scratch={m.get('.private_segment_fixed_size', 0)} vgprs={m.get('.vgpr_count', 0)} "
            f"sgprs={m.get('.sgpr_count', 0)} wave={m.get('.wavefront_size', 0)} arguments={','.join(str(a['.size']) for a in m.get('.args', []) if not a['.value_kind'].startswith('hidden_'))}"
        )

    def kernel(self, module, name):
        h = self.modules[number(module)]
        if name not in h.kernels:
            raise ValueError(f"no kernel {name}")
        return h, h.kernels[name]

    def do_budget(self, instructions):
        self.budget = number(instructions)

    def do_launch(self, module, name, gx, gy, gz, bx, by, bz, lds, *args, count=None):
        h, _ = self.kernel(module, name)
        L = launch(
            h,
            name,
            tuple(map(number, (gx, gy, gz))),
            tuple(map(number, (bx, by, bz))),
            [bytes.fromhex(a) for a in args],
            dyn_lds=number(lds),
            max_inst=self.budget,
            count=count,
        )
        return str(STATS["wave_insts"]) + (" " + json.dumps(count.report(L), separators=(",", ":")) if count else "")

    def do_count(self, module, *rest):
        return self.do_launch(module, *rest, count=Count(self.modules[number(module)]))


def number(word):
    return word if isinstance(word, int) else int(word, 0)


def kind(e):
    if isinstance(e, EmuError):
        t = str(e)
        return "memory" if "out of" in t else "stuck" if "budget" in t or "deadlock" in t else "unknown"
    return (
        "missing"
        if isinstance(e, (KeyError, OSError))
        else "value"
        if isinstance(e, (ValueError, TypeError))
        else "internal"
    )


def answer(client, words, read):
    try:
        if words[0] == "load" and words[1:] and words[1].startswith("="):
            n = number(words[1][1:])
            words = ["load", read(n)]
            if len(words[1]) != n:
                raise ValueError(f"{len(words[1])} bytes of {n} came")
        f = getattr(client, "do_" + words[0], None)
        if f is None:
            raise ValueError(f"no request {words[0]}")
        r = f(*words[1:])
        return "ok" + (f" {r}" if r else "")
    except Exception as e:
        return f"error {kind(e)} " + " ".join(
            (str(e) if isinstance(e, (EmuError, ValueError)) else f"{type(e).__name__}: {e}").split()
        )


def serve(reader, writer):
    client = Client()
    try:
        while line := reader.readline():
            words = line.decode(errors="replace").split()
            if not words:
                continue
            r = "ok" if words[0] == "quit" else answer(client, words, reader.read)
            writer.write((r + "\n").encode())
            writer.flush()
            if words[0] == "quit":
                break
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        client.close()


def main():
    if sys.argv[1] == "-":
        out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # nothing else may write between answers
        return serve(sys.stdin.buffer, out)
    if sys.argv[1] == "--fd":
        s = socket.socket(fileno=int(sys.argv[2]))
        return serve(s.makefile("rb"), s.makefile("wb"))
    s = socket.socket(socket.AF_UNIX)
    s.bind(sys.argv[1])
    s.listen()
    while True:
        c, _ = s.accept()
        with c, c.makefile("rb") as r, c.makefile("wb") as w:
            serve(r, w)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
