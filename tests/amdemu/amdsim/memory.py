"""Memory, every access to which is checked."""

from __future__ import annotations

import ctypes

import numpy as np
from hsaco import DevBuf as _DevBuf

from .words import EmuError, POISON, i64, u32, u64, u8


_REG: dict[int, tuple[int, str]] = {}


class DevBuf(_DevBuf):
    def __init__(self, nbytes, fill=None, align=256, name="buf"):
        super().__init__(nbytes, fill, align)
        _REG[self.addr] = (nbytes, name)

    def __del__(self):
        _REG.pop(getattr(self, "addr", 0), None)

    @staticmethod
    def of(arr, align=256, name="buf"):
        arr = np.ascontiguousarray(arr)
        d = DevBuf(arr.nbytes, align=align, name=name)
        ctypes.memmove(d.addr, arr.ctypes.data, arr.nbytes)
        return d


class Mem:
    BASE = 0x1000

    def __init__(self, extra):
        t = sorted([(a, n, nm) for a, (n, nm) in _REG.items()] + extra)
        self.t = t
        self.start = np.array([x[0] for x in t], dtype=u64)
        self.end = np.array([x[0] + x[1] for x in t], dtype=u64)
        n = (1 << 47) - 0x2000
        self.m8 = np.ctypeslib.as_array((ctypes.c_uint8 * n).from_address(self.BASE))
        self.m32 = np.ctypeslib.as_array((ctypes.c_uint32 * (n // 4)).from_address(self.BASE))

    def check(self, addr, size, what):
        if addr.size == 0:
            return
        i = np.searchsorted(self.start, addr, side="right").astype(i64) - 1
        ok = (i >= 0) & (addr + u64(size) <= self.end[np.maximum(i, 0)])
        if not ok.all():
            b = np.flatnonzero(~ok)[0]
            a = int(addr[b])
            near = [(hex(s), n, nm) for s, n, nm in self.t if s - 4096 <= a <= s + n + 4096]
            raise EmuError(
                f"{what}: {int((~ok).sum())} lanes out of bounds, first address {a:#x} size {size}; near regions {near}"
            )

    def load(self, addr, nbytes, what="load"):
        """addr u64[k] -> uint8[k, nbytes] or uint32[k, nbytes/4]"""
        self.check(addr, nbytes, what)
        a = (addr - u64(self.BASE)).astype(i64)
        if nbytes % 4 == 0 and not (addr & u64(3)).any():
            a >>= 2
            return self.m32[a][:, None] if nbytes == 4 else self.m32[a[:, None] + np.arange(nbytes // 4)]
        r = self.m8[a[:, None] + np.arange(nbytes)]
        return r.view(u32) if nbytes % 4 == 0 else r

    def store(self, addr, data, what="store"):
        nbytes = data.shape[1] * data.itemsize
        self.check(addr, nbytes, what)
        a = (addr - u64(self.BASE)).astype(i64)
        if data.dtype == u32 and not (addr & u64(3)).any():
            a >>= 2
            if nbytes == 4:
                self.m32[a] = data[:, 0]
            else:
                self.m32[a[:, None] + np.arange(nbytes // 4)] = data
        else:
            data = np.ascontiguousarray(data).view(u8)
            self.m8[a[:, None] + np.arange(nbytes)] = data


class Arr:
    """LDS / scratch: a flat byte array addressed by (row, offset)."""

    def __init__(self, rows, size, name, poisoned=False):
        self.size, self.name = size, name
        self.b = np.full((rows * size + 19) // 4, POISON if poisoned else 0, u32).view(u8)

    def _ix(self, row, off, n):
        if off.size and (((off.astype(i64) + n) > self.size) | (off.astype(i64) < 0)).any():
            raise EmuError(f"{self.name} access out of range: offset {off.max()}+{n} > {self.size}")
        return (row.astype(i64) * self.size + off.astype(i64))[:, None] + np.arange(n)

    def load(self, row, off, n):
        r = self.b[self._ix(row, off, n)]
        return r.view(u32) if n % 4 == 0 else r

    def store(self, row, off, data):
        d = np.ascontiguousarray(data).view(u8)
        self.b[self._ix(row, off, d.shape[1])] = d
