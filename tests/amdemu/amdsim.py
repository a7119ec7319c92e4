"""A functional emulator of AMD code objects: what each instruction does, over all resident waves at once with numpy.

It is written from AMD's public guides to the instruction sets and from LLVM's guide to the AMDGPU back end. `llvm-objdump`
decodes, so that one table of meanings serves gfx90a, gfx942 and gfx950 (64 lanes a wave), gfx103x, gfx11xx and gfx12xx (32 or
64). Every access to global memory is checked against the registered buffers, every access to LDS and scratch against its
allocation.

  h = Hsaco(path); launch(h, 'kernel', grid_in_workgroups, block, [DevBuf|int|float|bytes, ...])
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hsaco import DevBuf as _DevBuf
from hsaco import Hsaco, prepare

OBJDUMP = os.environ.get("LLVM_OBJDUMP", "llvm-objdump-22")
u8, u16, u32, u64, i8, i16, i32, i64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64
f16, f32, f64 = np.float16, np.float32, np.float64
M32 = 0xFFFFFFFF
SHARED_HI, PRIVATE_HI = 0x00010000, 0x00020000
SCRATCH_TAG = 0x5C5C5C5C
POISON = int(os.environ.get("AMDSIM_POISON", "0xA5C3E17B"), 0)  # initial content of every VGPR/SGPR/LDS/scratch byte


class EmuError(Exception):
    pass


# ------------------------------------------------------------------ memory regions (bounds-checked host memory)
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

    def __init__(self, rows, size, name):
        self.size, self.name = size, name
        self.b = np.zeros(rows * size + 16, u8)

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


# ------------------------------------------------------------------ numeric helpers
def fma_ro(a, b, c):
    """a*b+c of float32/float16 inputs as float64 rounded to odd => a following cast to f32/f16/bf16 is correctly rounded."""
    a, b, c = a.astype(f64), b.astype(f64), c.astype(f64)
    p = a * b  # exact for f32 inputs (48 bits)
    s = p + c
    bb = s - p
    e = (p - (s - bb)) + (c - bb)  # TwoSum error
    bits = s.view(i64) if s.flags.c_contiguous else np.ascontiguousarray(s).view(i64)
    fix = (e != 0) & np.isfinite(s) & ((bits & 1) == 0)
    if fix.any():
        up = (e > 0) == (s > 0)  # magnitude grows when error has the sign of the sum
        nb = np.where(up, bits + 1, bits - 1)
        z = s == 0
        s = np.where(fix & ~z, nb.view(f64), s)
    return s


def fma32(a, b, c):
    return fma_ro(*np.broadcast_arrays(a, b, c)).astype(f32)


_libm = ctypes.CDLL("libm.so.6")
_libm.fma.restype = ctypes.c_double
_libm.fma.argtypes = [ctypes.c_double] * 3
_fma64 = np.frompyfunc(lambda a, b, c: _libm.fma(float(a), float(b), float(c)), 3, 1)


def fma64(a, b, c):
    return _fma64(a, b, c).astype(f64)


def bf2f(x):
    return (x.astype(u32) << u32(16)).view(f32)


def f2bf(x):
    x = np.ascontiguousarray(x, dtype=f32)
    b = x.view(u32)
    r = ((b.astype(u64) + 0x7FFF + ((b >> u32(16)) & u32(1))) >> u64(16)).astype(u32)
    return np.where(np.isnan(x), (b >> u32(16)) | u32(0x40), r).astype(u16)


def d2bf(d):
    """float64 (rounded to odd) -> bf16"""
    f = d.astype(f32)
    back = f.astype(f64)  # f32 rounding then fix to odd in f32 before bf16 rounding
    b = np.ascontiguousarray(f).view(u32).astype(i64)
    inexact = (back != d) & np.isfinite(d) & np.isfinite(f)
    up = np.abs(back) < np.abs(d)
    bo = np.where(inexact & ((b & 1) == 0), np.where(up, b + 1, b - 1), b).astype(u32)
    return f2bf(bo.view(f32))


def maxnum(a, b):
    r = np.fmax(a, b)
    return np.where((a == b), np.where(np.signbit(a), b, a), r)


def minnum(a, b):
    r = np.fmin(a, b)
    return np.where((a == b), np.where(np.signbit(a), a, b), r)


def cvt_int(x, lo, hi, dt):
    d = np.trunc(x.astype(f64))
    d = np.where(np.isnan(d), 0.0, np.clip(d, float(lo), float(hi)))
    if dt in (u64, i64):
        return np.array([int(v) for v in d.ravel()], dtype=object).clip(lo, hi).astype(dt).reshape(d.shape)
    return d.astype(i64).astype(dt)


def rtz16(x):
    x = np.ascontiguousarray(x, dtype=f32)
    h = x.astype(f16)
    back = h.astype(f32)
    over = np.abs(back) > np.abs(x)
    hb = np.ascontiguousarray(h).view(u16)
    hb = np.where(over & ~np.isnan(x), hb - 1, hb)
    return np.where(np.isinf(h) & np.isfinite(x), (hb & 0x8000) | 0x7BFF, hb).astype(u16)


def popc(x):
    x = x.astype(u64)
    n = np.zeros(x.shape, u32)
    for k in range(0, 64, 16):
        n += _POP16[((x >> u64(k)) & u64(0xFFFF)).astype(i64)]
    return n


_POP16 = np.array([bin(i).count("1") for i in range(65536)], dtype=u32)


def ffbl(x, w):  # find first set from lsb, -1 if none
    x = x.astype(u64)
    low = x & (~x + u64(1))
    return np.where(x == 0, M32, popc(low - u64(1))).astype(u32)


def ffbh(x, w):  # count leading zeros, -1 if zero
    x = x.astype(u64)
    y = x.copy()
    for s in (1, 2, 4, 8, 16, 32):
        y |= y >> u64(s)
    return np.where(x == 0, M32, w - popc(y)).astype(u32)


def brev32(x):
    x = x.astype(u32)
    for s, m in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        x = ((x >> u32(s)) & u32(m)) | ((x & u32(m)) << u32(s))
    return (x >> u32(16)) | (x << u32(16))


def sx(x, n):
    s = 32 - n
    return (x.astype(u32) << u32(s)).view(i32) >> s


def perm_b32(a, b, s):
    src = (a.astype(u64) << u64(32)) | b.astype(u64)
    r = np.zeros(np.broadcast(a, b, s).shape, u32)
    for i in range(4):
        k = (s >> u32(8 * i)) & u32(0xFF)
        v = ((src >> (np.minimum(k, 7).astype(u64) * u64(8))) & u64(0xFF)).astype(u32)
        sg = lambda bit: np.where((src >> u64(bit)) & u64(1), 0xFF, 0).astype(u32)
        v = np.where(
            k >= 13,
            u32(0xFF),
            np.where(
                k == 12,
                u32(0),
                np.where(
                    k == 11, sg(63), np.where(k == 10, sg(47), np.where(k == 9, sg(31), np.where(k == 8, sg(15), v)))
                ),
            ),
        )
        r |= v << u32(8 * i)
    return r


# ------------------------------------------------------------------ operand parsing
class Op:
    __slots__ = ("k", "i", "n", "neg", "abs", "sext", "half", "txt")

    def __init__(self):
        self.k = None
        self.i = 0
        self.n = 1
        self.neg = self.abs = self.sext = False
        self.half = None


_REGRE = re.compile(r"^(v|s|a|ttmp)(?:(\d+)|\[(\d+)(?::(\d+))?\])(\.[lh])?$")
S_VCC, S_TTMP, S_M0, S_NULL, S_EXEC, S_XNACK, S_FLATSCR, NSREG = 106, 108, 124, 125, 126, 104, 102, 128
_SPECIAL = {
    "vcc": (S_VCC, 2),
    "vcc_lo": (S_VCC, 1),
    "vcc_hi": (S_VCC + 1, 1),
    "exec": (S_EXEC, 2),
    "exec_lo": (S_EXEC, 1),
    "exec_hi": (S_EXEC + 1, 1),
    "m0": (S_M0, 1),
    "flat_scratch": (S_FLATSCR, 2),
    "flat_scratch_lo": (S_FLATSCR, 1),
    "flat_scratch_hi": (S_FLATSCR + 1, 1),
    "xnack_mask": (S_XNACK, 2),
    "xnack_mask_lo": (S_XNACK, 1),
    "xnack_mask_hi": (S_XNACK + 1, 1),
}


def parse_op(t):
    o = Op()
    o.txt = t
    while True:
        if t.startswith("-") and len(t) > 1 and not (t[1].isdigit()):
            o.neg = not o.neg
            t = t[1:]
        elif t.startswith("neg("):
            o.neg = not o.neg
            t = t[4:-1]
        elif t.startswith("|") and t.endswith("|"):
            o.abs = True
            t = t[1:-1]
        elif t.startswith("abs("):
            o.abs = True
            t = t[4:-1]
        elif t.startswith("sext("):
            o.sext = True
            t = t[5:-1]
        elif t.startswith("lit(") or t.startswith("lit64("):
            o.n = 2 if t[3] == "6" else 1
            t = t[t.index("(") + 1 : -1]
        else:
            break
    m = _REGRE.match(t)
    if m:
        o.k = {"v": "V", "a": "A", "s": "S", "ttmp": "S"}[m[1]]
        lo = int(m[2] if m[2] is not None else m[3])
        hi = int(m[4]) if m[4] else lo
        o.i = lo + (S_TTMP if m[1] == "ttmp" else 0)
        o.n = hi - lo + 1
        o.half = m[5][1] if m[5] else None
        return o
    if t in _SPECIAL:
        o.k = "S"
        o.i, o.n = _SPECIAL[t]
        return o
    if t in ("null",):
        o.k = "N"
        return o
    if t in ("off", ""):
        o.k = "OFF"
        return o
    if t in ("scc", "src_scc"):
        o.k = "SCC"
        return o
    if t in ("src_vccz", "vccz", "src_execz", "execz"):
        o.k = t.replace("src_", "").upper()
        return o
    if t in ("src_shared_base", "shared_base"):
        o.k = "AP"
        o.i = SHARED_HI
        return o
    if t in ("src_private_base", "private_base"):
        o.k = "AP"
        o.i = PRIVATE_HI
        return o
    if t in ("src_shared_limit", "shared_limit", "src_private_limit", "private_limit"):
        o.k = "AP"
        o.i = M32
        return o
    if re.match(r"^-?(0x[0-9a-fA-F]+|\d+)$", t):
        o.k = "I"
        o.i = int(t, 0)
        return o
    if re.match(r"^-?\d+\.\d+(e[-+]?\d+)?$", t):
        o.k = "F"
        o.i = float(t)
        return o
    o.k = "X"
    return o


def split_ops(s):
    out, d, cur = [], 0, ""
    for c in s:
        if c in "[(":
            d += 1
        elif c in "])":
            d -= 1
        if c == "," and d == 0:
            out.append(cur.strip())
            cur = ""
        else:
            cur += c
    if cur.strip():
        out.append(cur.strip())
    return out


def parse_inst(text):
    text = text.strip()
    p = text.split(None, 1)
    mn = p[0]
    rest = p[1] if len(p) > 1 else ""
    chunks = split_ops(rest)
    mods = {}
    ops = []
    for ci, c in enumerate(chunks):
        toks = re.findall(r"(?:[^\s\[\(]|\[[^\]]*\]|\([^\)]*\))+", c)
        if not toks:
            continue
        first = toks[0]
        # a chunk that starts with a modifier (no operand): e.g. "s_waitcnt vmcnt(0)"
        ops.append(first)
        for t in toks[1:]:
            if ":" in t:
                k, v = t.split(":", 1)
                mods[k] = v
            else:
                mods[t] = True
    return mn, ops, mods


def ilist(v):
    return [int(x, 0) for x in v.strip("[]").split(",")]


# ------------------------------------------------------------------ ALU semantics:  name -> (dst type, src types, fn)
A: dict[str, tuple] = {}


def T(names, dst, srcs, fn):
    for n in names.split():
        A[n] = (dst, srcs.split(), fn)


w32 = lambda x: x.astype(u32)


T("v_mov_b32 v_mov_b16", "b32", "b32", lambda a: a)
A["v_mov_b16"] = ("b16", ["b16"], lambda a: a)
T("v_mov_b64", "b64", "b64", lambda a: a)
T("v_not_b32", "b32", "b32", lambda a: ~a)
T("v_not_b16", "b16", "b16", lambda a: ~a)
T("v_bfrev_b32", "b32", "b32", brev32)
T("v_ffbh_u32 v_clz_i32_u32", "b32", "u32", lambda a: ffbh(a, 32))
T("v_ffbl_b32 v_ctz_i32_b32", "b32", "u32", lambda a: ffbl(a, 32))
T(
    "v_ffbh_i32 v_cls_i32",
    "b32",
    "i32",
    lambda a: np.where(
        (a == 0) | (a == -1), M32, ffbh(w32(np.where(a < 0, ~a, a).view(u32) if True else a), 32)
    ).astype(u32),
)
T("v_bcnt_u32_b32", "b32", "u32 u32", lambda a, b: popc(a) + b)
for t in ("f32", "f16", "f64"):
    T(f"v_add_{t}", t, f"{t} {t}", lambda a, b: a + b)
    T(f"v_sub_{t}", t, f"{t} {t}", lambda a, b: a - b)
    T(f"v_subrev_{t}", t, f"{t} {t}", lambda a, b: b - a)
    T(f"v_mul_{t}", t, f"{t} {t}", lambda a, b: a * b)
    T(f"v_max_{t} v_max_num_{t}", t, f"{t} {t}", maxnum)
    T(f"v_min_{t} v_min_num_{t}", t, f"{t} {t}", minnum)
    T(f"v_maximum_{t}", t, f"{t} {t}", lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, maxnum(a, b)))
    T(f"v_minimum_{t}", t, f"{t} {t}", lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, minnum(a, b)))
    T(f"v_trunc_{t}", t, t, np.trunc)
    T(f"v_ceil_{t}", t, t, np.ceil)
    T(f"v_floor_{t}", t, t, np.floor)
    T(f"v_rndne_{t}", t, t, np.rint)
    T(f"v_sqrt_{t}", t, t, lambda a: np.sqrt(a.astype(f64)))
    T(f"v_rcp_{t} v_rcp_iflag_{t}", t, t, lambda a: 1.0 / a.astype(f64))
    T(f"v_rsq_{t}", t, t, lambda a: 1.0 / np.sqrt(a.astype(f64)))
    T(f"v_exp_{t}", t, t, lambda a: np.exp2(a.astype(f64)))
    T(f"v_log_{t}", t, t, lambda a: np.log2(a.astype(f64)))
    T(f"v_sin_{t}", t, t, lambda a: np.sin(a.astype(f64) * 2 * np.pi))
    T(f"v_cos_{t}", t, t, lambda a: np.cos(a.astype(f64) * 2 * np.pi))
    T(f"v_max3_{t} v_max3_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: maxnum(maxnum(a, b), c))
    T(f"v_min3_{t} v_min3_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: minnum(minnum(a, b), c))
    T(f"v_maxmin_{t} v_maxmin_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: minnum(maxnum(a, b), c))
    T(f"v_minmax_{t} v_minmax_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: maxnum(minnum(a, b), c))
    T(
        f"v_med3_{t} v_med3_num_{t}",
        t,
        f"{t} {t} {t}",
        lambda a, b, c: np.where(
            np.isnan(a) | np.isnan(b) | np.isnan(c),
            minnum(minnum(a, b), c),
            maxnum(minnum(a, b), minnum(maxnum(a, b), c)),
        ),
    )
    T(
        f"v_fract_{t}",
        t,
        t,
        lambda a: np.minimum(
            a - np.floor(a), {f32: f32(1 - 2**-24), f16: f16(1 - 2**-11), f64: f64(1 - 2**-53)}[a.dtype.type]
        ),
    )
    T(f"v_frexp_mant_{t}", t, t, lambda a: np.frexp(a)[0])
T("v_frexp_exp_i32_f32", "i32", "f32", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
T("v_frexp_exp_i32_f64", "i32", "f64", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
T("v_frexp_exp_i16_f16", "i16", "f16", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
_ld = lambda a, b: np.ldexp(a.astype(f64), np.clip(b.astype(i64), -5000, 5000).astype(i32))
T("v_ldexp_f32", "f32", "f32 i32", _ld)
T("v_ldexp_f64", "f64", "f64 i32", _ld)
T("v_ldexp_f16", "f16", "f16 i16", _ld)
T("v_fma_f32", "f32", "f32 f32 f32", fma32)
T("v_mad_f32", "f32", "f32 f32 f32", lambda a, b, c: a * b + c)
T("v_fma_f16", "f16", "f16 f16 f16", lambda a, b, c: fma_ro(*np.broadcast_arrays(a, b, c)).astype(f16))
T("v_fma_f64", "f64", "f64 f64 f64", fma64)
T("v_mul_legacy_f32 v_mul_dx9_zero_f32", "f32", "f32 f32", lambda a, b: np.where((a == 0) | (b == 0), f32(0), a * b))
# conversions
T("v_cvt_f32_i32", "f32", "i32", lambda a: a.astype(f32))
T("v_cvt_f32_u32", "f32", "u32", lambda a: a.astype(f32))
T("v_cvt_f64_i32", "f64", "i32", lambda a: a.astype(f64))
T("v_cvt_f64_u32", "f64", "u32", lambda a: a.astype(f64))
T("v_cvt_f64_f32", "f64", "f32", lambda a: a.astype(f64))
T("v_cvt_f32_f64", "f32", "f64", lambda a: a.astype(f32))
T("v_cvt_f16_f32", "f16", "f32", lambda a: a.astype(f16))
T("v_cvt_f32_f16", "f32", "f16", lambda a: a.astype(f32))
T("v_cvt_f16_u16", "f16", "u16", lambda a: a.astype(f16))
T("v_cvt_f16_i16", "f16", "i16", lambda a: a.astype(f16))
T("v_cvt_u16_f16", "u16", "f16", lambda a: cvt_int(a, 0, 65535, u16))
T("v_cvt_i16_f16", "i16", "f16", lambda a: cvt_int(a, -32768, 32767, i16))
for t in ("f32", "f64"):
    T(f"v_cvt_u32_{t}", "u32", t, lambda a: cvt_int(a, 0, M32, u32))
    T(f"v_cvt_i32_{t}", "i32", t, lambda a: cvt_int(a, -(2**31), 2**31 - 1, i32))
T("v_cvt_flr_i32_f32 v_cvt_floor_i32_f32", "i32", "f32", lambda a: cvt_int(np.floor(a), -(2**31), 2**31 - 1, i32))
T(
    "v_cvt_rpi_i32_f32 v_cvt_nearest_i32_f32",
    "i32",
    "f32",
    lambda a: cvt_int(np.floor(a + f32(0.5)), -(2**31), 2**31 - 1, i32),
)
for k in range(4):
    T(f"v_cvt_f32_ubyte{k}", "f32", "u32", lambda a, k=k: ((a >> u32(8 * k)) & u32(0xFF)).astype(f32))
T("v_cvt_i32_i16", "i32", "i16", lambda a: a.astype(i32))
T("v_cvt_u32_u16", "u32", "u16", lambda a: a.astype(u32))
T("v_cvt_pk_bf16_f32", "b32", "f32 f32", lambda a, b: f2bf(a).astype(u32) | (f2bf(b).astype(u32) << u32(16)))
T(
    "v_cvt_pkrtz_f16_f32 v_cvt_pk_rtz_f16_f32",
    "b32",
    "f32 f32",
    lambda a, b: rtz16(a).astype(u32) | (rtz16(b).astype(u32) << u32(16)),
)
T(
    "v_cvt_pk_f16_f32",
    "b32",
    "f32 f32",
    lambda a, b: (
        np.ascontiguousarray(a.astype(f16)).view(u16).astype(u32)
        | (np.ascontiguousarray(b.astype(f16)).view(u16).astype(u32) << u32(16))
    ),
)
T("v_cvt_pk_u16_u32", "b32", "u32 u32", lambda a, b: np.minimum(a, 0xFFFF) | (np.minimum(b, 0xFFFF) << u32(16)))
T(
    "v_cvt_pk_i16_i32",
    "b32",
    "i32 i32",
    lambda a, b: (
        (np.clip(a, -32768, 32767).astype(u32) & u32(0xFFFF)) | (np.clip(b, -32768, 32767).astype(u32) << u32(16))
    ),
)
T("v_pack_b32_f16", "b32", "b16 b16", lambda a, b: a.astype(u32) | (b.astype(u32) << u32(16)))
T(
    "v_cvt_pk_u8_f32",
    "b32",
    "f32 u32 u32",
    lambda a, b, c: (
        (c & ~(u32(0xFF) << ((b & u32(3)) * u32(8)))) | (cvt_int(np.rint(a), 0, 255, u32) << ((b & u32(3)) * u32(8)))
    ),
)
# integer
T("v_add_u32 v_add_nc_u32 v_add_i32 v_add_nc_i32", "u32", "u32 u32", lambda a, b: a + b)
T("v_sub_u32 v_sub_nc_u32 v_sub_i32 v_sub_nc_i32", "u32", "u32 u32", lambda a, b: a - b)
T("v_subrev_u32 v_subrev_nc_u32", "u32", "u32 u32", lambda a, b: b - a)
for t in ("u16", "i16"):
    T(f"v_add_{t} v_add_nc_{t}", t, f"{t} {t}", lambda a, b: a + b)
    T(f"v_sub_{t} v_sub_nc_{t}", t, f"{t} {t}", lambda a, b: a - b)
    T(f"v_subrev_{t}", t, f"{t} {t}", lambda a, b: b - a)
    T(f"v_mad_{t}", t, f"{t} {t} {t}", lambda a, b, c: a * b + c)
T("v_mad_legacy_u16", "u16", "u16 u16 u16", lambda a, b, c: a * b + c)
T("v_mad_legacy_i16", "i16", "i16 i16 i16", lambda a, b, c: a * b + c)
T("v_mul_lo_u16", "u16", "u16 u16", lambda a, b: a * b)
T("v_mul_lo_u32 v_mul_lo_i32", "u32", "u32 u32", lambda a, b: a * b)
T("v_mul_hi_u32", "u32", "u32 u32", lambda a, b: ((a.astype(u64) * b.astype(u64)) >> u64(32)).astype(u32))
T("v_mul_hi_i32", "u32", "i32 i32", lambda a, b: ((a.astype(i64) * b.astype(i64)) >> 32).astype(u32))
_u24 = lambda a: a & u32(0xFFFFFF)
_i24 = lambda a: (a.astype(u32) << u32(8)).view(i32).astype(i64) >> 8
T("v_mul_u32_u24", "u32", "u32 u32", lambda a, b: _u24(a) * _u24(b))
T("v_mul_hi_u32_u24", "u32", "u32 u32", lambda a, b: ((_u24(a).astype(u64) * _u24(b)) >> u64(32)).astype(u32))
T("v_mul_i32_i24", "u32", "u32 u32", lambda a, b: (_i24(a) * _i24(b)).astype(u32))
T("v_mul_hi_i32_i24", "u32", "u32 u32", lambda a, b: ((_i24(a) * _i24(b)) >> 32).astype(u32))
T("v_mad_u32_u24", "u32", "u32 u32 u32", lambda a, b, c: _u24(a) * _u24(b) + c)
T("v_mad_i32_i24", "u32", "u32 u32 u32", lambda a, b, c: (_i24(a) * _i24(b)).astype(u32) + c)
T("v_mad_u32_u16", "u32", "u16 u16 u32", lambda a, b, c: a.astype(u32) * b.astype(u32) + c)
T("v_mad_i32_i16", "u32", "i16 i16 u32", lambda a, b, c: (a.astype(i32) * b.astype(i32)).astype(u32) + c)
for t in ("u32", "i32", "u16", "i16"):
    T(f"v_max_{t}", t, f"{t} {t}", np.maximum)
    T(f"v_min_{t}", t, f"{t} {t}", np.minimum)
    T(f"v_max3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.maximum(a, b), c))
    T(f"v_min3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.minimum(np.minimum(a, b), c))
    T(f"v_med3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)))
    T(f"v_maxmin_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.minimum(np.maximum(a, b), c))
    T(f"v_minmax_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.minimum(a, b), c))
for t in ("b32", "b16"):
    T(f"v_and_{t}", t, f"{t} {t}", lambda a, b: a & b)
    T(f"v_or_{t}", t, f"{t} {t}", lambda a, b: a | b)
    T(f"v_xor_{t}", t, f"{t} {t}", lambda a, b: a ^ b)
T("v_xnor_b32", "b32", "b32 b32", lambda a, b: ~(a ^ b))
_s = lambda n, m, d: (n & d(m)).astype(d)
T("v_lshlrev_b32", "b32", "u32 u32", lambda a, b: b << (a & u32(31)))
T("v_lshrrev_b32", "b32", "u32 u32", lambda a, b: b >> (a & u32(31)))
T("v_ashrrev_i32", "i32", "u32 i32", lambda a, b: b >> (a & u32(31)).astype(i32))
T("v_lshlrev_b16", "b16", "u16 u16", lambda a, b: b << (a & u16(15)))
T("v_lshrrev_b16", "b16", "u16 u16", lambda a, b: b >> (a & u16(15)))
T("v_ashrrev_i16", "i16", "u16 i16", lambda a, b: b >> (a & u16(15)).astype(i16))
T("v_lshlrev_b64", "b64", "u32 u64", lambda a, b: b << (a & u32(63)).astype(u64))
T("v_lshrrev_b64", "b64", "u32 u64", lambda a, b: b >> (a & u32(63)).astype(u64))
T("v_ashrrev_i64", "i64", "u32 i64", lambda a, b: b >> (a & u32(63)).astype(i64))
T("v_lshl_or_b32", "b32", "u32 u32 u32", lambda a, b, c: (a << (b & u32(31))) | c)
T("v_lshl_add_u32", "u32", "u32 u32 u32", lambda a, b, c: (a << (b & u32(31))) + c)
T("v_add_lshl_u32", "u32", "u32 u32 u32", lambda a, b, c: (a + b) << (c & u32(31)))
T("v_and_or_b32", "b32", "u32 u32 u32", lambda a, b, c: (a & b) | c)
T("v_lshl_add_u64", "u64", "u64 u32 u64", lambda a, b, c: (a << (b & u32(7)).astype(u64)) + c)
T("v_or3_b32", "b32", "u32 u32 u32", lambda a, b, c: a | b | c)
T("v_xor3_b32", "b32", "u32 u32 u32", lambda a, b, c: a ^ b ^ c)
T("v_add3_u32", "u32", "u32 u32 u32", lambda a, b, c: a + b + c)
T("v_xad_u32", "u32", "u32 u32 u32", lambda a, b, c: (a ^ b) + c)
T("v_bfi_b32", "b32", "u32 u32 u32", lambda a, b, c: (a & b) | (~a & c))
T("v_perm_b32", "b32", "u32 u32 u32", perm_b32)
T("v_bfm_b32", "b32", "u32 u32", lambda a, b: ((u32(1) << (a & u32(31))) - u32(1)) << (b & u32(31)))
T(
    "v_bfe_u32",
    "u32",
    "u32 u32 u32",
    lambda a, b, c: ((a >> (b & u32(31))).astype(u64) & ((u64(1) << (c & u32(31)).astype(u64)) - u64(1))).astype(u32),
)


def _bfei(a, b, c):
    b = (b & u32(31)).astype(i64)
    c = (c & u32(31)).astype(i64)
    v = (a.astype(i64) >> b) & ((i64(1) << c) - 1)
    return np.where(c == 0, 0, (v ^ (i64(1) << np.maximum(c - 1, 0))) - (i64(1) << np.maximum(c - 1, 0))).astype(i32)


T("v_bfe_i32", "i32", "i32 u32 u32", _bfei)
T(
    "v_alignbit_b32",
    "b32",
    "u32 u32 u32",
    lambda a, b, c: (((a.astype(u64) << u64(32)) | b) >> (c & u32(31)).astype(u64)).astype(u32),
)
T(
    "v_alignbyte_b32",
    "b32",
    "u32 u32 u32",
    lambda a, b, c: (((a.astype(u64) << u64(32)) | b) >> (u64(8) * (c & u32(3)).astype(u64))).astype(u32),
)
T(
    "v_sad_u8",
    "u32",
    "u32 u32 u32",
    lambda a, b, c: (
        c
        + sum(
            np.abs(((a >> u32(8 * k)) & u32(255)).astype(i32) - ((b >> u32(8 * k)) & u32(255)).astype(i32)).astype(u32)
            for k in range(4)
        )
    ),
)
T("v_sad_u32", "u32", "u32 u32 u32", lambda a, b, c: np.maximum(a, b) - np.minimum(a, b) + c)
for op, fn in (("add_u64", lambda a, b: a + b), ("sub_u64", lambda a, b: a - b), ("mul_u64", lambda a, b: a * b)):
    T(f"v_{op}", "u64", "u64 u64", fn)
# gfx1250
T("v_add_nc_u64", "u64", "u64 u64", lambda a, b: a + b)
T("v_sub_nc_u64", "u64", "u64 u64", lambda a, b: a - b)
T("v_mad_u32", "u32", "u32 u32 u32", lambda a, b, c: a * b + c)
T("v_mad_nc_u64_u32", "u64", "u32 u32 u64", lambda a, b, c: a.astype(u64) * b.astype(u64) + c)
T("v_mad_nc_i64_i32", "u64", "i32 i32 u64", lambda a, b, c: (a.astype(i64) * b.astype(i64)).view(u64) + c)
for t in ("u64", "i64"):
    T(f"v_max_{t}", t, f"{t} {t}", np.maximum)
    T(f"v_min_{t}", t, f"{t} {t}", np.minimum)
T("v_cvt_f32_bf16", "f32", "bf16", bf2f)


def _dot(ts, n, sgn):
    def f(a, b, c):
        w = 32 // n
        r = c.astype(i64) if sgn else c.astype(u64)
        for k in range(n):
            x, y = (a >> u32(w * k)) & u32((1 << w) - 1), (b >> u32(w * k)) & u32((1 << w) - 1)
            r = r + (sx(x, w).astype(i64) * sx(y, w).astype(i64) if sgn else x.astype(u64) * y.astype(u64))
        return r.astype(u32)

    return f


T("v_dot4_u32_u8", "u32", "u32 u32 u32", _dot("u8", 4, False))
T("v_dot8_u32_u4", "u32", "u32 u32 u32", _dot("u4", 8, False))
T("v_dot4_i32_i8", "u32", "u32 u32 i32", _dot("i8", 4, True))
T("v_dot8_i32_i4", "u32", "u32 u32 i32", _dot("i4", 8, True))
# legacy aliases
for a_, b_ in (("v_ashr_i32", "v_ashrrev_i32"),):
    pass

CMP = {
    "lt": np.less,
    "eq": np.equal,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "ne": np.not_equal,
    "lg": lambda a, b: (a < b) | (a > b),
    "neq": lambda a, b: ~(a == b),
    "o": lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    "u": lambda a, b: np.isnan(a) | np.isnan(b),
    "nge": lambda a, b: ~(a >= b),
    "nlg": lambda a, b: ~((a < b) | (a > b)),
    "ngt": lambda a, b: ~(a > b),
    "nle": lambda a, b: ~(a <= b),
    "nlt": lambda a, b: ~(a < b),
    "f": lambda a, b: np.zeros(np.broadcast(a, b).shape, bool),
    "t": lambda a, b: np.ones(np.broadcast(a, b).shape, bool),
    "tru": lambda a, b: np.ones(np.broadcast(a, b).shape, bool),
}
NPT = {
    "f32": f32,
    "f16": f16,
    "f64": f64,
    "u32": u32,
    "i32": i32,
    "b32": u32,
    "u16": u16,
    "i16": i16,
    "b16": u16,
    "u64": u64,
    "i64": i64,
    "b64": u64,
    "bf16": u16,
}
BITS = {k: np.dtype(v).itemsize * 8 for k, v in NPT.items()}


def as_t(x, t):
    """dst value -> unsigned integer array of its width"""
    dt = NPT[t]
    if x.dtype != dt:
        x = x.astype(dt)
    return np.ascontiguousarray(x).view({16: u16, 32: u32, 64: u64}[BITS[t]])


def fclass(x, t):
    nan = np.isnan(x)
    b = np.ascontiguousarray(x).view({"f32": u32, "f16": u16, "f64": u64}[t])
    qb = {"f32": 1 << 22, "f16": 1 << 9, "f64": 1 << 51}[t]
    tiny = np.finfo(NPT[t]).tiny
    neg = np.signbit(x)
    q = (b & b.dtype.type(qb)) != 0
    ax = np.abs(x)
    den = (ax > 0) & (ax < tiny)
    nrm = (ax >= tiny) & np.isfinite(x)
    return (
        np.where(nan & ~q, 1, 0)
        | np.where(nan & q, 2, 0)
        | np.where(np.isinf(x) & neg, 4, 0)
        | np.where(nrm & neg, 8, 0)
        | np.where(den & neg, 16, 0)
        | np.where((x == 0) & neg, 32, 0)
        | np.where((x == 0) & ~neg, 64, 0)
        | np.where(den & ~neg, 128, 0)
        | np.where(nrm & ~neg, 256, 0)
        | np.where(np.isinf(x) & ~neg, 512, 0)
    )


# ------------------------------------------------------------------ the machine
class Sim:
    def __init__(self, h: Hsaco, L, wave_size, wgs, mem, prog, nvgpr, mode):
        """wgs: list of (gx,gy,gz) workgroups resident together"""
        self.h, self.L, self.W, self.mem, self.prog = h, L, wave_size, mem, prog
        lx, ly, lz = L.block
        tpw = lx * ly * lz
        wpg = (tpw + wave_size - 1) // wave_size
        self.NW = NW = wpg * len(wgs)
        self.wpg = wpg
        W = wave_size
        self.fam = h.family
        self.gfx9 = h.family == "cdna"
        self.count = None
        self.V = np.full((nvgpr[0], NW, W), POISON, u32)
        self.AC = np.full((max(nvgpr[1], 1), NW, W), POISON, u32)
        self.S = np.full((NSREG, NW), POISON, u32)
        self.SCC = np.zeros(NW, bool)
        self.PC = np.full(NW, L.kernel.entry, i64)
        self.ended = np.zeros(NW, bool)
        self.bar = np.zeros(NW, bool)
        self.sig = np.zeros(NW, bool)
        self.wg = np.repeat(np.arange(len(wgs)), wpg)
        self.lds = Arr(len(wgs), L.lds, "LDS")
        self.scr = Arr(NW * W, L.kernel.scratch, "scratch")
        self.lanes = np.arange(W)
        self.bit = u64(1) << np.arange(W, dtype=u64)
        self.flush32 = (mode & 3) == 0
        self.mode = mode
        k = L.kernel
        for i, v in enumerate(L.user_sgprs):
            self.S[i] = v
        ids = np.array(wgs, dtype=u32).reshape(-1, 3)[self.wg]
        n = len(L.user_sgprs)
        if k.props & 1:
            self.S[0], self.S[1], self.S[2], self.S[3] = 0, 0, 0, SCRATCH_TAG
        if h.family in ("rdna4", "gfx1250"):
            self.S[S_TTMP + 9] = ids[:, 0]
            self.S[S_TTMP + 7] = (ids[:, 1] & 0xFFFF) | (ids[:, 2] << 16)
            self.S[S_TTMP + 6] = 0  # no clusters
        else:
            for b in range(3):
                if k.rsrc2 & (1 << (7 + b)):
                    self.S[n] = ids[:, b]
                    n += 1
            if k.rsrc2 & (1 << 10):
                self.S[n] = 0
                n += 1
            if k.rsrc2 & 1 and k.props & 1:
                self.S[n] = 0
                n += 1  # private segment wave offset (tagged V#: offset folds to 0)
        t = (np.arange(wpg * W)).reshape(wpg, W)
        act = t < tpw
        xyz = [np.tile(np.where(act, i, 0).astype(u32), (len(wgs), 1)) for i in (t % lx, t // lx % ly, t // (lx * ly))]
        if h.family == "rdna2":  # a register for each; later ones pack them
            for i in range(min(((k.rsrc2 >> 11) & 3) + 1, len(self.V))):
                self.V[i] = xyz[i]
        else:
            self.V[0] = xyz[0] | (xyz[1] << u32(10)) | (xyz[2] << u32(20))
        e = (act * self.bit).sum(1, dtype=u64)
        e = np.tile(e, len(wgs))
        self.S[S_EXEC] = (e & u64(M32)).astype(u32)
        self.S[S_EXEC + 1] = (e >> u64(32)).astype(u32)
        self.EX = np.tile(act, (len(wgs), 1))
        self.sel = None
        self.ninst = 0
        self.trace = None
        self.gm = np.zeros(NW, u32)
        self.gpr_idx = False  # gfx9's mode of indexed registers: enable bits of each wave; whether any has used it

    # --- scalar register access for the current group
    def g(self, a):
        return a if self.sel is None else a[self.sel]

    def rs(self, i):
        return self.S[i] if self.sel is None else self.S[i][self.sel]

    def ws(self, i, v):
        if self.sel is None:
            self.S[i][...] = v
        else:
            self.S[i][self.sel] = v
        if i >= S_EXEC:
            self.upd_exec()

    def upd_exec(self):
        e = self.rs64(S_EXEC) if self.W == 64 else self.rs(S_EXEC).astype(u64)
        b = (e[:, None] & self.bit) != 0
        if self.sel is None:
            self.EX = b
        else:
            self.EX[self.sel] = b
        self.x = b
        self.allx = bool(b.all())

    def rs64(self, i):
        return self.rs(i).astype(u64) | (self.rs(i + 1).astype(u64) << u64(32))

    def ws64(self, i, v):
        lo, hi = (v & u64(M32)).astype(u32), (v >> u64(32)).astype(u32)
        if self.sel is None:
            self.S[i][...] = lo
            self.S[i + 1][...] = hi
        else:
            self.S[i][self.sel] = lo
            self.S[i + 1][self.sel] = hi
        if i == S_EXEC:
            self.upd_exec()

    def wscc(self, v):
        if self.sel is None:
            self.SCC[...] = v
        else:
            self.SCC[self.sel] = v

    def group(self, sel):
        self.sel = sel
        self.x = self.EX if sel is None else self.EX[sel]
        self.allx = bool(self.x.all())
        self.n = self.NW if sel is None else len(sel)

    # --- vector registers
    def rv(self, i, acc=False):
        f = self.AC if acc else self.V
        return f[i] if self.sel is None else f[i][self.sel]

    def wv(self, i, val, x=None, acc=False):
        f = self.AC if acc else self.V
        if x is None:
            x, allx = self.x, self.allx
        else:
            allx = False
        if self.sel is None:
            if allx:
                f[i][...] = val
            else:
                np.copyto(f[i], val, where=x)
        else:
            if allx:
                f[i][self.sel] = val
            else:
                t = f[i][self.sel]
                np.copyto(t, val, where=x)
                f[i][self.sel] = t

    # --- typed scalar operand
    def sop(self, o, bits):
        k = o.k
        if k == "S":
            return self.rs64(o.i) if bits == 64 else self.rs(o.i)
        if k == "I":
            v = o.i
            return np.full(self.n, v & (2**64 - 1), u64) if bits == 64 else np.full(self.n, v & M32, u32)
        if k == "F":
            return (
                np.full(self.n, struct.unpack("<Q", struct.pack("<d", _inl(o.i)))[0], u64)
                if bits == 64
                else np.full(self.n, struct.unpack("<I", struct.pack("<f", _inl(o.i)))[0], u32)
            )
        if k == "N":
            return np.zeros(self.n, u64 if bits == 64 else u32)
        if k == "SCC":
            return self.g(self.SCC).astype(u32)
        if k == "AP":
            return np.full(self.n, (o.i << 32) if bits == 64 else o.i, u64 if bits == 64 else u32)
        if k == "VCCZ":
            return (self.mask_of_idx(S_VCC) == 0).astype(u32)
        if k == "EXECZ":
            return (self.mask_of_idx(S_EXEC) == 0).astype(u32)
        raise EmuError(f"scalar operand {o.txt}")

    def wsop(self, o, v, bits):
        if o.k == "N":
            return
        if o.k != "S":
            raise EmuError(f"scalar dst {o.txt}")
        if bits == 64:
            self.ws64(o.i, v.astype(u64))
        else:
            self.ws(o.i, v.astype(u32))

    def mask_of_idx(self, i):
        return self.rs64(i) if self.W == 64 else self.rs(i).astype(u64)

    def mask_of(self, o):
        """lane mask operand -> bool [n,W]"""
        m = self.sop(o, 64) if self.W == 64 else self.sop(o, 32).astype(u64)
        return (m[:, None] & self.bit) != 0

    def pack(self, b):
        return (
            np.ascontiguousarray(np.packbits(b, axis=1, bitorder="little"))
            .view(u64 if self.W == 64 else u32)[:, 0]
            .astype(u64)
        )

    def wmask(self, o, b):
        v = self.pack(b & self.x)
        if o.k == "N":
            return
        if self.W == 64:
            self.wsop(o, v, 64)
        else:
            self.wsop(o, v.astype(u32), 32)

    # --- typed vector operand, returns array of NPT[t], shape [n,W] or [n,1]
    def vop(self, o, t, selhi=False):
        bits = BITS[t]
        dt = NPT[t]
        k = o.k
        if k in "VA" and len(k) == 1:
            a = k == "A"
            r = self.rv(o.i, a)
            if bits == 64:
                r = r.astype(u64) | (self.rv(o.i + 1, a).astype(u64) << u64(32))
            elif bits == 16:
                r = ((r >> u32(16)) if (o.half == "h" or selhi) else (r & u32(0xFFFF))).astype(u16)
        elif k == "F":
            v = _inl(o.i)
            pk = {
                "f16": "<e",
                "b16": "<e",
                "u16": "<e",
                "i16": "<e",
                "f64": "<d",
                "b64": "<d",
                "u64": "<d",
                "i64": "<d",
            }.get(t, "<f")
            if t == "bf16":
                return np.full((self.n, 1), struct.unpack("<I", struct.pack("<f", v))[0] >> 16, u16)
            raw = struct.pack(pk, v)
            r = np.full((self.n, 1), int.from_bytes(raw, "little"), {2: u16, 4: u32, 8: u64}[len(raw)])
        elif k == "I":
            v = o.i
            if bits == 64:
                if t == "f64" and o.n == 1 and not -16 <= v <= 64 and v <= M32:
                    v = (v & M32) << 32
                r = np.full((self.n, 1), v & (2**64 - 1), u64)
            elif bits == 16:
                r = np.full((self.n, 1), ((v & M32) >> 16 if selhi else v) & 0xFFFF, u16)
            else:
                r = np.full((self.n, 1), v & M32, u32)
        else:
            r = self.sop(o, 64 if bits == 64 else 32)[:, None]
            if bits == 16:
                r = ((r >> u32(16)) if selhi else (r & u32(0xFFFF))).astype(u16)
        if o.abs or o.neg:
            sb = r.dtype.type(1 << (bits - 1))
            if o.abs:
                r = r & ~sb
            if o.neg:
                r = r ^ sb
        if r.dtype != dt:
            r = r.view(dt) if r.flags.c_contiguous else np.ascontiguousarray(r).view(dt)
        if t == "f32" and self.flush32:
            r = np.where(np.abs(r) < f32(2**-126), np.copysign(f32(0), r), r)
        return r

    def wvop(self, o, val, t, clamp=False, omod=1.0, x=None, hi=None, zerohi=False):
        """write typed result to a VGPR/AGPR"""
        if t in ("f32", "f16", "f64"):
            val = np.asarray(val)
            if omod != 1.0:
                val = val * NPT[t](omod)
            if val.dtype != NPT[t]:
                val = val.astype(NPT[t])
            if clamp:
                val = np.where(np.isnan(val), NPT[t](0), np.clip(val, NPT[t](0), NPT[t](1)))
            if t == "f32" and self.flush32:
                val = np.where(np.abs(val) < f32(2**-126), np.copysign(f32(0), val), val)
        b = as_t(np.asarray(val), t)
        a = o.k == "A"
        if o.k not in ("V", "A"):
            raise EmuError(f"vector dst {o.txt}")
        if b.dtype == u64:
            self.wv(o.i, (b & u64(M32)).astype(u32), x, a)
            self.wv(o.i + 1, (b >> u64(32)).astype(u32), x, a)
        elif b.dtype == u16:
            if hi is None:
                hi = (o.half == "h") if o.half else None
            old = self.rv(o.i, a)
            if hi:
                nv = (old & u32(0xFFFF)) | (b.astype(u32) << u32(16))
            elif zerohi and hi is None:
                nv = b.astype(u32)
            else:
                nv = (old & u32(0xFFFF0000)) | b.astype(u32)
            self.wv(o.i, nv, x, a)
        else:
            self.wv(o.i, b, x, a)

    # ---------------------------------------------------------------- run loop
    def run(self, max_inst=200_000_000):
        prog = self.prog
        it = 0
        with np.errstate(all="ignore"):
            while True:
                it += 1
                run = ~(self.ended | self.bar)
                if self.bar.any():
                    c = np.bincount(self.wg, weights=(self.ended | self.bar), minlength=self.wg[-1] + 1)
                    rel = (c == self.wpg)[self.wg] & self.bar
                    if rel.any():
                        self.bar[rel] = False
                        run = ~(self.ended | self.bar)
                if not run.any():
                    if self.ended.all():
                        return
                    raise EmuError("deadlock: waves wait at a barrier that can not be released")
                pcs = self.PC[run]
                pc = int(pcs.min()) if it % 64 else int(pcs[(it // 64) % len(pcs)])
                m = run & (self.PC == pc)
                if m.all():
                    self.group(None)
                    other = ()
                else:
                    self.group(np.flatnonzero(m))
                    other = set(self.PC[run & ~m].tolist())
                while True:
                    ins = prog.get(pc)
                    if ins is None:
                        raise EmuError(f"no instruction at pc {pc - self.h.base:#x}")
                    self.ninst += self.n
                    if self.trace:
                        self.trace(self, pc, ins)
                    try:
                        r = ins[0](self)
                    except EmuError as e:
                        raise EmuError(f"{ins[2]}  @ {pc - self.h.base:#x}: {e}") from None
                    if r is None:
                        pc += ins[1]
                        if pc in other:
                            self.setpc(pc)
                            break
                    elif r == "br":
                        break  # closure wrote PC for every wave of the group
                    elif r == "bar":
                        self.setpc(pc + ins[1])
                        break
                    if self.ninst > max_inst:
                        raise EmuError("instruction budget exceeded (infinite loop?)")

    def setpc(self, v):
        if self.sel is None:
            self.PC[...] = v
        else:
            self.PC[self.sel] = v


def _inl(v):
    return 0.15915494309189532 if abs(v - 0.15915494) < 1e-7 else v


# ------------------------------------------------------------------ decode: text -> closure
DPPK = (
    "quad_perm",
    "row_shl",
    "row_shr",
    "row_ror",
    "row_mirror",
    "row_half_mirror",
    "row_bcast",
    "wave_shl",
    "wave_shr",
    "wave_rol",
    "wave_ror",
    "row_share",
    "row_xmask",
    "row_newbcast",
    "dpp8",
)


def dpp_map(mods, W):
    l = np.arange(W)
    r16, p = l // 16 * 16, l % 16
    ok = np.ones(W, bool)
    src = l.copy()
    if "dpp8" in mods:
        sel = np.array(ilist(mods["dpp8"]))
        return l // 8 * 8 + sel[l % 8], ok
    if "quad_perm" in mods:
        q = np.array(ilist(mods["quad_perm"]))
        src = l // 4 * 4 + q[l % 4]
    elif "row_shl" in mods:
        n = int(mods["row_shl"], 0)
        src = l + n
        ok = p + n < 16
    elif "row_shr" in mods:
        n = int(mods["row_shr"], 0)
        src = l - n
        ok = p - n >= 0
    elif "row_ror" in mods:
        n = int(mods["row_ror"], 0)
        src = r16 + (p - n) % 16
    elif "row_mirror" in mods:
        src = r16 + 15 - p
    elif "row_half_mirror" in mods:
        src = l // 8 * 8 + 7 - l % 8
    elif "row_bcast" in mods:
        n = int(mods["row_bcast"], 0)
        if n == 15:
            src = r16 - 1
            ok = l >= 16
        else:
            src = np.full(W, 31)
            ok = l >= 32
    elif "wave_shl" in mods:
        src = l + 1
        ok = l < W - 1
    elif "wave_shr" in mods:
        src = l - 1
        ok = l > 0
    elif "wave_rol" in mods:
        src = (l + 1) % W
    elif "wave_ror" in mods:
        src = (l - 1) % W
    elif "row_share" in mods or "row_newbcast" in mods:
        src = r16 + int(mods.get("row_share", mods.get("row_newbcast")), 0)
    elif "row_xmask" in mods:
        src = r16 + (p ^ int(mods["row_xmask"], 0))
    return np.where(ok, src, 0), ok


def sdwa_sel(v, sel, sext):
    v = v.astype(u32)
    if sel == "DWORD" or sel is None:
        return v
    w, i = (8, int(sel[-1])) if sel.startswith("BYTE") else (16, int(sel[-1]))
    r = (v >> u32(w * i)) & u32((1 << w) - 1)
    return sx(r, w).view(u32) if sext else r


def sdwa_dst(old, v, sel, unused):
    if sel == "DWORD" or sel is None:
        return v
    w, i = (8, int(sel[-1])) if sel.startswith("BYTE") else (16, int(sel[-1]))
    m = u32(((1 << w) - 1) << (w * i))
    f = (v << u32(w * i)) & m
    if unused == "UNUSED_PRESERVE":
        return (old & ~m) | f
    if unused == "UNUSED_SEXT":
        return np.where(
            (v >> u32(w - 1)) & u32(1), f | ~u32((1 << (w * (i + 1))) - 1 if w * (i + 1) < 32 else M32), f
        ).astype(u32)
    return f


def valu_generic(mn, dst, srcs, mods, t, st, fn, ops3=False):
    """one VALU op with all modifiers; returns closure"""
    clamp, omod = (
        bool(mods.get("clamp")),
        {"2": 2.0, "4": 4.0}.get(mods.get("mul"), 0.5 if mods.get("div") == "2" else 1.0),
    )
    opsel = ilist(mods["op_sel"]) if "op_sel" in mods else [0] * 4
    dpp = any(k in mods for k in DPPK)
    sdwa = any(k in mods for k in ("src0_sel", "dst_sel", "src1_sel"))
    if sdwa:
        s0s, s1s, ds, du = mods.get("src0_sel"), mods.get("src1_sel"), mods.get("dst_sel"), mods.get("dst_unused")
    if dpp:
        rm, bm = int(mods.get("row_mask", "0xf"), 0), int(mods.get("bank_mask", "0xf"), 0)
        bc = "bound_ctrl" in mods
        fi = "fi" in mods
    sat = clamp and t in ("u32", "i32", "u16", "i16", "b32")
    if sat:
        signed = mn.endswith(("_i32", "_i16"))
        nb = BITS[t]
        if not re.match(r"v_(add|sub|subrev|mad)_", mn):
            return bad(f"integer clamp on {mn}")

    def f(s):
        xs = None
        args = []
        for i, (o, ty) in enumerate(zip(srcs, st)):
            if sdwa:
                base = Op()
                base.k, base.i, base.n, base.half, base.txt = o.k, o.i, o.n, None, o.txt
                v = sdwa_sel(s.vop(base, "b32"), s0s if i == 0 else s1s if i == 1 else None, o.sext)
                if BITS[ty] == 16:
                    v = v.astype(u16)
                if o.abs:
                    v = v & ~v.dtype.type(1 << (BITS[ty] - 1))
                if o.neg:
                    v = v ^ v.dtype.type(1 << (BITS[ty] - 1))
                a = np.ascontiguousarray(v).view(NPT[ty])
            else:
                a = s.vop(o, ty, selhi=bool(opsel[i]) if i < len(opsel) and BITS[ty] == 16 else False)
            if dpp and i == 0:
                src, ok = dpp_map(mods, s.W)
                a = np.broadcast_to(a, (s.n, s.W))[:, src]
                act = (
                    s.x[:, src] | fi
                )  # a disabled source lane reads 0 when fi=0 (bound_ctrl) / makes the write not happen
                ok2 = ok & act
                a = np.where(ok2, a, a.dtype.type(0))
                l = s.lanes
                en = ((rm >> (l // 16 % 4)) & 1).astype(bool) & ((bm >> (l % 16 // 4)) & 1).astype(bool)
                if "dpp8" in mods:
                    en = np.ones(s.W, bool)
                    xs = s.x
                else:
                    xs = s.x & en & (ok2 if not bc else True)
            args.append(a)
        if sat:
            wide = [a.astype(i64) for a in args]
            r = fn_wide(mn, wide)
            lo, hi_ = (-(1 << (nb - 1)), (1 << (nb - 1)) - 1) if signed else (0, (1 << nb) - 1)
            if signed:
                r = fn_wide(mn, [np.where(w >= (1 << (nb - 1)), w - (1 << nb), w) for w in wide])
            r = np.clip(r, lo, hi_).astype(i64).astype({16: u16, 32: u32}[nb])
        else:
            r = fn(*args)
        if sdwa and ds != "DWORD" and ds is not None:
            b = as_t(np.asarray(r), t).astype(u32)
            s.wv(dst.i, np.broadcast_to(sdwa_dst(s.rv(dst.i), b, ds, du), (s.n, s.W)))
            return
        hi = None
        if BITS[t] == 16:
            if "op_sel" in mods and len(opsel) > len(st):
                hi = bool(opsel[len(st)]) or None
            if hi is None and dst.half is None and "op_sel" in mods and not s.gfx9:
                hi = False
        s.wvop(dst, r, t, clamp and not sat, omod, xs, hi, zerohi=s.gfx9 and not ops3)

    return f


def fn_wide(mn, a):
    if mn.startswith("v_add"):
        return a[0] + a[1]
    if mn.startswith("v_subrev"):
        return a[1] - a[0]
    if mn.startswith("v_sub"):
        return a[0] - a[1]
    return a[0] * a[1] + a[2]


def bad(msg):
    def f(s):
        raise EmuError("unimplemented: " + msg)

    f.bad = msg
    return f


def nop(s):
    return None


NOPS = re.compile(
    r"^(s_nop|s_waitcnt\w*|s_wait_\w+|s_delay_alu|s_clause|s_set_inst_prefetch_distance|s_inst_prefetch|s_sleep|s_sleep_var|s_setprio|s_sendmsg|s_icache_inv|s_dcache_\w+|s_code_end|s_version|s_wakeup|s_incperflevel|s_decperflevel|s_ttracedata\w*|"
    r"buffer_gl[01]_inv|buffer_wbl2|buffer_inv|buffer_wbinvl1\w*|buffer_invl2|global_inv|global_wb|global_wbinv|s_round_mode_dummy|s_prefetch_\w+|s_singleuse_vdst|s_sethalt_dummy|v_nop|ds_nop|s_setkill_dummy|s_alloc_vgpr|s_barrier_leave|s_buffer_prefetch_data)$"
)

# scalar ALU: name -> (dst bits, [src bits], fn(sim,*args)->(res,scc|None))
SA: dict[str, tuple] = {}


def TS(names, d, srcs, fn):
    for n in names.split():
        SA[n] = (d, srcs, fn)


nz = lambda r: (r, r != 0)
for w, dt in ((32, u32), (64, u64)):
    TS(f"s_mov_b{w}", w, [w], lambda s, a: (a, None))
    TS(f"s_not_b{w}", w, [w], lambda s, a: nz(~a))
    TS(f"s_and_b{w}", w, [w, w], lambda s, a, b: nz(a & b))
    TS(f"s_or_b{w}", w, [w, w], lambda s, a, b: nz(a | b))
    TS(f"s_xor_b{w}", w, [w, w], lambda s, a, b: nz(a ^ b))
    TS(f"s_andn2_b{w} s_and_not1_b{w}", w, [w, w], lambda s, a, b: nz(a & ~b))
    TS(f"s_orn2_b{w} s_or_not1_b{w}", w, [w, w], lambda s, a, b: nz(a | ~b))
    TS(f"s_nand_b{w}", w, [w, w], lambda s, a, b: nz(~(a & b)))
    TS(f"s_nor_b{w}", w, [w, w], lambda s, a, b: nz(~(a | b)))
    TS(f"s_xnor_b{w}", w, [w, w], lambda s, a, b: nz(~(a ^ b)))
    TS(f"s_lshl_b{w}", w, [w, 32], lambda s, a, b, w=w: nz(a << (b & u32(w - 1)).astype(a.dtype)))
    TS(f"s_lshr_b{w}", w, [w, 32], lambda s, a, b, w=w: nz(a >> (b & u32(w - 1)).astype(a.dtype)))
    TS(
        f"s_ashr_i{w}",
        w,
        [w, 32],
        lambda s, a, b, w=w: nz(
            (a.view({32: i32, 64: i64}[w]) >> (b & u32(w - 1)).astype({32: i32, 64: i64}[w])).view(a.dtype)
        ),
    )
    TS(f"s_cselect_b{w}", w, [w, w], lambda s, a, b: (np.where(s.g(s.SCC), a, b), None))
    TS(
        f"s_brev_b{w}",
        w,
        [w],
        lambda s, a, w=w: (
            brev32(a)
            if w == 32
            else (brev32((a & u64(M32)).astype(u32)).astype(u64) << u64(32))
            | brev32((a >> u64(32)).astype(u32)).astype(u64),
            None,
        ),
    )
    TS(f"s_bcnt1_i32_b{w}", 32, [w], lambda s, a: nz(popc(a)))
    TS(f"s_bcnt0_i32_b{w}", 32, [w], lambda s, a, w=w: nz(u32(w) - popc(a)))
    TS(f"s_ff1_i32_b{w} s_ctz_i32_b{w}", 32, [w], lambda s, a, w=w: (ffbl(a, w), None))
    TS(f"s_flbit_i32_b{w} s_clz_i32_u{w}", 32, [w], lambda s, a, w=w: (ffbh(a, w), None))
    TS(
        f"s_bitset0_b{w}",
        w,
        [32, "d"],
        lambda s, a, d, w=w: (d & ~(d.dtype.type(1) << (a & u32(w - 1)).astype(d.dtype)), None),
    )
    TS(
        f"s_bitset1_b{w}",
        w,
        [32, "d"],
        lambda s, a, d, w=w: (d | (d.dtype.type(1) << (a & u32(w - 1)).astype(d.dtype)), None),
    )
    TS(
        f"s_bfm_b{w}",
        w,
        [32, 32],
        lambda s, a, b, w=w, dt=dt: (
            ((dt(1) << (a & u32(w - 1)).astype(dt)) - dt(1)) << (b & u32(w - 1)).astype(dt),
            None,
        ),
    )
    TS(f"s_wqm_b{w}", w, [w], lambda s, a, w=w: nz(_wqm(a, w)))
    TS(f"s_cmov_b{w}", w, [w, "d"], lambda s, a, d: (np.where(s.g(s.SCC), a, d), None))

    def _bfe(s, a, b, w=w, sg=False):
        off, n = (b & u32(w - 1)).astype(u64), np.minimum((b >> u32(16)) & u32(0x7F), w).astype(u64)
        v = (a.astype(u64) >> off) & np.where(n >= 64, u64(2**64 - 1), (u64(1) << n) - u64(1))
        if sg:
            sb = np.where(n == 0, u64(0), u64(1) << (np.maximum(n, 1) - u64(1)))
            v = np.where(n == 0, u64(0), (v ^ sb) - sb)
        return nz(v.astype(a.dtype))

    TS(f"s_bfe_u{w}", w, [w, 32], _bfe)
    TS(f"s_bfe_i{w}", w, [w, 32], lambda s, a, b, f=_bfe: f(s, a, b, sg=True))
    for c, fn in (
        ("eq", np.equal),
        ("lg", np.not_equal),
        ("gt", np.greater),
        ("ge", np.greater_equal),
        ("lt", np.less),
        ("le", np.less_equal),
    ):
        TS(f"s_cmp_{c}_u{w}", None, [w, w], lambda s, a, b, fn=fn: (None, fn(a, b)))
        if w == 32:
            TS(
                f"s_cmp_{c}_i32 s_cmpk_{c}_i32",
                None,
                [32, 32],
                lambda s, a, b, fn=fn: (None, fn(a.view(i32), b.view(i32))),
            )
            TS(f"s_cmpk_{c}_u32", None, [32, 32], lambda s, a, b, fn=fn: (None, fn(a, b & u32(0xFFFF))))
    TS(
        f"s_bitcmp0_b{w}",
        None,
        [w, 32],
        lambda s, a, b, w=w: (None, ((a >> (b & u32(w - 1)).astype(a.dtype)) & a.dtype.type(1)) == 0),
    )
    TS(
        f"s_bitcmp1_b{w}",
        None,
        [w, 32],
        lambda s, a, b, w=w: (None, ((a >> (b & u32(w - 1)).astype(a.dtype)) & a.dtype.type(1)) != 0),
    )


def _wqm(a, w):
    r = a | (a >> a.dtype.type(1))
    r = r | (r >> a.dtype.type(2))
    m = a.dtype.type(int("1" * (w // 4), 16))
    r = r & m
    return r * a.dtype.type(15)


_ov = lambda r, a, b, sub: (((a ^ b) & (a ^ r)) >> u32(31)) != 0 if sub else ((~(a ^ b) & (a ^ r)) >> u32(31)) != 0
TS("s_add_u32 s_add_co_u32", 32, [32, 32], lambda s, a, b: (a + b, (a + b) < a))
TS("s_sub_u32 s_sub_co_u32", 32, [32, 32], lambda s, a, b: (a - b, b > a))
TS("s_add_i32 s_add_co_i32", 32, [32, 32], lambda s, a, b: (a + b, _ov(a + b, a, b, False)))
TS("s_sub_i32 s_sub_co_i32", 32, [32, 32], lambda s, a, b: (a - b, _ov(a - b, a, b, True)))


def _addc(s, a, b):
    r = a.astype(u64) + b + s.g(s.SCC)
    return (r & u64(M32)).astype(u32), r > M32


def _subb(s, a, b):
    r = a.astype(i64) - b - s.g(s.SCC)
    return r.astype(u32), r < 0


TS("s_addc_u32 s_add_co_ci_u32", 32, [32, 32], _addc)
TS("s_subb_u32 s_sub_co_ci_u32", 32, [32, 32], _subb)
TS("s_mul_i32", 32, [32, 32], lambda s, a, b: (a * b, None))
TS("s_mul_hi_u32", 32, [32, 32], lambda s, a, b: ((a.astype(u64) * b >> u64(32)).astype(u32), None))
TS("s_mul_hi_i32", 32, [32, 32], lambda s, a, b: ((a.view(i32).astype(i64) * b.view(i32) >> 32).astype(u32), None))
TS("s_add_u64 s_add_nc_u64", 64, [64, 64], lambda s, a, b: (a + b, None))
TS("s_sub_u64 s_sub_nc_u64", 64, [64, 64], lambda s, a, b: (a - b, None))
TS("s_mul_u64", 64, [64, 64], lambda s, a, b: (a * b, None))
for n in (1, 2, 3, 4):
    TS(
        f"s_lshl{n}_add_u32",
        32,
        [32, 32],
        lambda s, a, b, n=n: ((a << u32(n)) + b, ((a.astype(u64) << u64(n)) + b) > M32),
    )
TS("s_min_u32", 32, [32, 32], lambda s, a, b: (np.minimum(a, b), a < b))
TS("s_max_u32", 32, [32, 32], lambda s, a, b: (np.maximum(a, b), a > b))
TS(
    "s_min_i32",
    32,
    [32, 32],
    lambda s, a, b: (np.minimum(a.view(i32), b.view(i32)).view(u32), a.view(i32) < b.view(i32)),
)
TS(
    "s_max_i32",
    32,
    [32, 32],
    lambda s, a, b: (np.maximum(a.view(i32), b.view(i32)).view(u32), a.view(i32) > b.view(i32)),
)
TS("s_sext_i32_i8", 32, [32], lambda s, a: (sx(a, 8).view(u32), None))
TS("s_sext_i32_i16", 32, [32], lambda s, a: (sx(a, 16).view(u32), None))
TS("s_abs_i32", 32, [32], lambda s, a: nz(np.abs(a.view(i32)).view(u32)))
TS("s_absdiff_i32", 32, [32, 32], lambda s, a, b: nz(np.abs((a - b).view(i32)).view(u32)))
TS(
    "s_flbit_i32 s_cls_i32",
    32,
    [32],
    lambda s, a: (np.where((a == 0) | (a == M32), M32, ffbh(np.where(a >> u32(31), ~a, a), 32)).astype(u32), None),
)
TS("s_pack_ll_b32_b16", 32, [32, 32], lambda s, a, b: ((a & u32(0xFFFF)) | (b << u32(16)), None))
TS("s_pack_lh_b32_b16", 32, [32, 32], lambda s, a, b: ((a & u32(0xFFFF)) | (b & u32(0xFFFF0000)), None))
TS("s_pack_hh_b32_b16", 32, [32, 32], lambda s, a, b: ((a >> u32(16)) | (b & u32(0xFFFF0000)), None))
TS("s_pack_hl_b32_b16", 32, [32, 32], lambda s, a, b: ((a >> u32(16)) | (b << u32(16)), None))
TS("s_movk_i32", 32, [32], lambda s, a: (sx(a, 16).view(u32), None))
TS("s_cmovk_i32", 32, [32, "d"], lambda s, a, d: (np.where(s.g(s.SCC), sx(a, 16).view(u32), d), None))
TS(
    "s_addk_i32 s_addk_co_i32",
    32,
    [32, "d"],
    lambda s, a, d: (d + sx(a, 16).view(u32), _ov(d + sx(a, 16).view(u32), d, sx(a, 16).view(u32), False)),
)
TS("s_mulk_i32", 32, [32, "d"], lambda s, a, d: (d * sx(a, 16).view(u32), None))


def _sf(vn, n):
    def f(s, *a):
        _, st, fn = A[vn]
        r = fn(*[np.ascontiguousarray(x).view(NPT[t]) for x, t in zip(a, st)])
        return as_t(np.asarray(r), A[vn][0]).astype(u32), None

    return f


for vn in (
    "add_f32",
    "sub_f32",
    "mul_f32",
    "min_f32",
    "max_f32",
    "min_num_f32",
    "max_num_f32",
    "trunc_f32",
    "ceil_f32",
    "floor_f32",
    "rndne_f32",
    "cvt_f32_i32",
    "cvt_f32_u32",
    "cvt_i32_f32",
    "cvt_u32_f32",
    "cvt_pk_rtz_f16_f32",
):
    TS("s_" + vn, 32, [32] * len(A["v_" + vn][1]), _sf("v_" + vn, 0))
TS(
    "s_fmac_f32",
    32,
    [32, 32, "d"],
    lambda s, a, b, d: (fma32(a.view(f32), b.view(f32), np.ascontiguousarray(d).view(f32)).view(u32), None),
)
TS("s_fmaak_f32", 32, [32, 32, 32], lambda s, a, b, d: (fma32(a.view(f32), b.view(f32), d.view(f32)).view(u32), None))
TS("s_fmamk_f32", 32, [32, 32, 32], lambda s, a, k, b: (fma32(a.view(f32), k.view(f32), b.view(f32)).view(u32), None))
for c, fn in CMP.items():
    TS(
        f"s_cmp_{c}_f32",
        None,
        [32, 32],
        lambda s, a, b, fn=fn: (None, fn(np.ascontiguousarray(a).view(f32), np.ascontiguousarray(b).view(f32))),
    )

WIDTH = {
    "u8": ("z", 8),
    "i8": ("s", 8),
    "ubyte": ("z", 8),
    "sbyte": ("s", 8),
    "u16": ("z", 16),
    "i16": ("s", 16),
    "ushort": ("z", 16),
    "sshort": ("s", 16),
    "short": ("z", 16),
    "byte": ("z", 8),
    "b8": ("z", 8),
    "b16": ("z", 16),
    "dword": ("d", 32),
    "dwordx2": ("d", 64),
    "dwordx3": ("d", 96),
    "dwordx4": ("d", 128),
    "dwordx8": ("d", 256),
    "dwordx16": ("d", 512),
    "b32": ("d", 32),
    "b64": ("d", 64),
    "b96": ("d", 96),
    "b128": ("d", 128),
    "b256": ("d", 256),
    "b512": ("d", 512),
}


def width(sfx):
    """returns (kind, bits, d16: None|'lo'|'hi')"""
    d16 = None
    for a, b in (("d16_hi_", "hi"), ("d16_", "lo")):
        if sfx.startswith(a):
            d16 = b
            sfx = sfx[len(a) :]
    for a, b in (("_d16_hi", "hi"), ("_d16", "lo")):
        if sfx.endswith(a):
            d16 = b
            sfx = sfx[: -len(a)]
    if sfx not in WIDTH:
        return None
    k, n = WIDTH[sfx]
    return k, n, d16


def ld_value(raw, k, bits):
    """uint8[k,n] -> u32[k]"""
    v = raw[:, 0].astype(u32) if bits == 8 else raw[:, 0].astype(u32) | (raw[:, 1].astype(u32) << u32(8))
    return sx(v, bits).view(u32) if k == "s" else v


def put_load(s, dst, flatsel, raw, k, bits, d16):
    """scatter loaded values into VGPRs for the selected (wave,lane) flat positions"""
    acc = dst.k == "A"

    def put(reg, vals):
        full = np.zeros(s.n * s.W, u32)
        full[flatsel] = vals
        x = np.zeros(s.n * s.W, bool)
        x[flatsel] = True
        s.wv(reg, full.reshape(s.n, s.W), x.reshape(s.n, s.W), acc)

    if k == "d":
        for i in range(bits // 32):
            put(dst.i + i, raw[:, i])
    else:
        v = ld_value(raw, k, bits)
        if d16 is None and dst.half is None:
            put(dst.i, v)
        else:
            hi = d16 == "hi" or dst.half == "h"
            old = s.rv(dst.i, acc).ravel()[flatsel]
            put(dst.i, (old & u32(0xFFFF)) | (v << u32(16)) if hi else (old & u32(0xFFFF0000)) | (v & u32(0xFFFF)))


def get_store(s, src, flatsel, k, bits, d16):
    acc = src.k == "A"
    if k == "d":
        return np.stack([s.rv(src.i + i, acc).ravel()[flatsel] for i in range(bits // 32)], 1)
    v = s.rv(src.i, acc).ravel()[flatsel]
    if d16 == "hi" or src.half == "h":
        v = v >> u32(16)
    return np.ascontiguousarray(v)[:, None].view(u8)[:, : bits // 8]


def vmem_space(s, addr, fs):
    """split flat addresses: returns masks (global, lds, scratch)"""
    hi = (addr >> u64(32)).astype(u32)
    return hi == SHARED_HI, hi == PRIVATE_HI


def mem_load(s, space, addr, fs, nbytes):
    row = lambda: s.g(s.wg)[fs // s.W]
    lrow = lambda: (np.arange(s.NW) if s.sel is None else s.sel)[fs // s.W] * s.W + fs % s.W
    if space == "global":
        if s.count:
            s.count.touch("load", fs // s.W, addr, nbytes)
        return s.mem.load(addr, nbytes)
    if space == "scratch":
        return s.scr.load(lrow(), addr, nbytes)
    if space == "lds":
        return s.lds.load(row(), addr, nbytes)
    out = np.zeros((len(addr), nbytes), u8)
    sh, pr = vmem_space(s, addr, fs)
    gl = ~(sh | pr)
    for m, sp in ((gl, "global"), (sh, "lds"), (pr, "scratch")):
        if m.any():
            a = addr[m] if sp == "global" else addr[m] & u64(M32)
            out[m] = np.ascontiguousarray(mem_load(s, sp, a, fs[m], nbytes)).view(u8)
    return out.view(u32) if nbytes % 4 == 0 else out


def mem_store(s, space, addr, fs, data):
    if space == "global":
        if s.count:
            s.count.touch("store", fs // s.W, addr, data.shape[1] * data.itemsize)
        return s.mem.store(addr, data)
    if space == "scratch":
        return s.scr.store((np.arange(s.NW) if s.sel is None else s.sel)[fs // s.W] * s.W + fs % s.W, addr, data)
    if space == "lds":
        return s.lds.store(s.g(s.wg)[fs // s.W], addr, data)
    sh, pr = vmem_space(s, addr, fs)
    gl = ~(sh | pr)
    for m, sp in ((gl, "global"), (sh, "lds"), (pr, "scratch")):
        if m.any():
            mem_store(s, sp, addr[m] if sp == "global" else addr[m] & u64(M32), fs[m], data[m])


def addr_of(s, space, vaddr, saddr, off, fs, scale=1):
    """flat lane positions fs -> u64 addresses; scale: what a register's offset is multiplied by (gfx1250's scale_offset)"""
    if space == "scratch":
        a = np.full(len(fs), off, i64)
        if vaddr.k == "V":
            a = a + s.rv(vaddr.i).ravel()[fs].astype(i64) * scale
        if saddr is not None and saddr.k not in ("OFF", "N"):
            a = a + s.sop(saddr, 32).astype(i32).astype(i64)[fs // s.W]
        return a.astype(u64)
    if saddr is not None and saddr.k not in ("OFF", "N"):
        a = s.sop(saddr, 64)[fs // s.W]
        if vaddr.k == "V":
            v = s.rv(vaddr.i).ravel()[fs]
            a = a + (
                (v.view(i32).astype(i64) * scale).view(u64) if s.fam == "gfx1250" else v.astype(u64)
            )  # signed from gfx1250 on
    else:
        a = s.rv(vaddr.i).ravel()[fs].astype(u64) | (s.rv(vaddr.i + 1).ravel()[fs].astype(u64) << u64(32))
    return a + u64(off & (2**64 - 1))


ATOM = {
    "add": lambda o, d: o + d,
    "sub": lambda o, d: o - d,
    "rsub": lambda o, d: d - o,
    "and": lambda o, d: o & d,
    "or": lambda o, d: o | d,
    "xor": lambda o, d: o ^ d,
    "swap": lambda o, d: d,
    "smin": min,
    "smax": max,
    "umin": min,
    "umax": max,
    "inc": lambda o, d: 0 if o >= d else o + 1,
    "dec": lambda o, d: d if o == 0 or o > d else o - 1,
    "sub_clamp": lambda o, d: max(o - d, 0),
    "cond_sub": lambda o, d: o - d if o >= d else o,
}


def atom_parse(op):
    """'add_u32' / 'fadd'/ 'pk_add_bf16' / 'smax_x2' -> (fn(old_int,*data_int)->new_int, bits, ncmp)"""
    n = op.replace("_rtn", "")
    m = re.match(r"^(cmpswap|cmpst|cmpstore)(_b32|_b64|_x2|_f32|_f64)?$", n)
    if m:
        return "cas", 64 if m[2] in ("_b64", "_x2", "_f64") else 32
    if n in ("swap", "swap_b32", "wrxchg_b32", "storexchg_b32", "exchange"):
        return ATOM["swap"], 32
    if n in ("swap_x2", "swap_b64", "wrxchg_b64", "storexchg_b64"):
        return ATOM["swap"], 64
    fl = {"f32": ("<f", 32, f32), "f64": ("<d", 64, f64)}
    m = re.match(r"^(?:f)?(add|min|max|min_num|max_num)_(f32|f64)$", n)
    if m:
        pk, bits, dt = fl[m[2]]
        o = m[1].split("_")[0]

        def f(a, b):
            x, y = (
                struct.unpack(pk, a.to_bytes(bits // 8, "little"))[0],
                struct.unpack(pk, b.to_bytes(bits // 8, "little"))[0],
            )
            r = dt(x) + dt(y) if o == "add" else (minnum if o == "min" else maxnum)(dt(x), dt(y))
            return int.from_bytes(struct.pack(pk, float(r)), "little")

        return f, bits
    m = re.match(r"^pk_add_(f16|bf16)$", n)
    if m:

        def f(a, b, bf=m[1] == "bf16"):
            A_, B_ = np.array([a], u32).view(u16), np.array([b], u32).view(u16)
            r = f2bf(bf2f(A_) + bf2f(B_)) if bf else (A_.view(f16) + B_.view(f16)).view(u16)
            return int(np.ascontiguousarray(r).view(u32)[0])

        return f, 32
    m = re.match(
        r"^(add|sub|rsub|and|or|xor|smin|smax|umin|umax|min|max|inc|dec|sub_clamp|cond_sub)(?:_(u32|i32|b32|u64|i64|b64|x2))?$",
        n,
    )
    if not m:
        return None
    o, t = m[1], m[2] or "u32"
    bits = 64 if t in ("u64", "i64", "b64", "x2") else 32
    if o in ("min", "max"):
        o = ("s" if t.startswith("i") else "u") + o
    mask = (1 << bits) - 1
    fn = ATOM[o]
    if o in ("smin", "smax"):
        sg = lambda v: v - (1 << bits) if v >> (bits - 1) else v
        return (lambda a, b: fn(sg(a), sg(b)) & mask), bits
    return (lambda a, b: fn(a, b) & mask), bits


def do_atomic(s, space, fn, bits, addr, fs, data, cmp):
    nb = bits // 8
    old = np.zeros((len(fs), bits // 32), u32)
    count, s.count = s.count, None  # counted as one access
    if count and space != "lds":
        count.touch("atomic", fs // s.W, addr, nb)
    for j in range(len(fs)):  # lane order; one at a time => always a legal interleaving
        a = addr[j : j + 1]
        f_ = fs[j : j + 1]
        o = mem_load(s, space, a, f_, nb)
        old[j] = o[0]
        oi = int.from_bytes(np.ascontiguousarray(o[0]).tobytes(), "little")
        d = int.from_bytes(np.ascontiguousarray(data[j]).tobytes(), "little")
        if fn == "cas":
            n = d if oi == int.from_bytes(np.ascontiguousarray(cmp[j]).tobytes(), "little") else oi
        else:
            n = fn(oi, d)
        mem_store(s, space, a, f_, np.frombuffer(n.to_bytes(nb, "little"), u32).reshape(1, -1))
    s.count = count
    return old


def flat_active(s):
    return np.flatnonzero(s.x.ravel())


def compile_inst(mn, ops, mods, pc, size, simm, W, gfx9):
    O = [parse_op(o) for o in ops]
    if NOPS.match(mn):
        return nop
    base = re.sub(r"_(e32|e64|dpp|sdwa|e64_dpp|dpp8|e32_dpp)$", "", mn)
    base = re.sub(r"_(e32|e64|dpp|e64_dpp)$", "", base)
    # ---------------- SOPP / control
    if base == "s_endpgm" or base == "s_endpgm_saved":

        def f(s):
            if s.sel is None:
                s.ended[...] = True
            else:
                s.ended[s.sel] = True
            return "br"

        return f
    if base in (
        "s_branch",
        "s_cbranch_scc0",
        "s_cbranch_scc1",
        "s_cbranch_vccz",
        "s_cbranch_vccnz",
        "s_cbranch_execz",
        "s_cbranch_execnz",
    ):
        tgt, nxt = pc + size + 4 * simm, pc + size

        def f(s):
            if base == "s_branch":
                c = np.ones(s.n, bool)
            elif "scc" in base:
                c = s.g(s.SCC) == (base[-1] == "1")
            else:
                m = s.mask_of_idx(S_VCC if "vcc" in base else S_EXEC)
                c = (m != 0) if base.endswith("nz") else (m == 0)
            if not c.any():
                return None
            s.setpc(np.where(c, tgt, nxt))
            return "br"

        return f
    if base == "s_barrier" or base == "s_barrier_wait":

        def f(s):
            if s.sel is None:
                s.bar[...] = True
            else:
                s.bar[s.sel] = True
            return "bar"

        return f
    if base in ("s_barrier_signal",):
        return nop
    if base == "s_trap":
        return bad("s_trap executed")
    if base == "s_set_vgpr_msb":
        return nop if simm & 0xFF == 0 else bad(f"registers above v255: {mn} {simm:#x}")
    if base in ("s_getpc_b64", "s_get_pc_i64"):
        return lambda s: s.wsop(O[0], np.full(s.n, pc + size, u64), 64)
    if base in ("s_setpc_b64", "s_set_pc_i64"):

        def f(s):
            s.setpc(s.sop(O[0], 64).astype(i64))
            return "br"

        return f
    if base in ("s_swappc_b64", "s_swap_pc_i64"):

        def f(s):
            t = s.sop(O[1], 64).astype(i64)
            s.wsop(O[0], np.full(s.n, pc + size, u64), 64)
            s.setpc(t)
            return "br"

        return f
    if base in ("s_call_b64", "s_call_i64"):

        def f(s):
            s.wsop(O[0], np.full(s.n, pc + size, u64), 64)
            s.setpc(pc + size + 4 * simm)
            return "br"

        return f
    if base in ("s_getreg_b32",):
        m = re.search(r"HW_REG_(?:WAVE_)?(\w+)(?:,\s*(\d+),\s*(\d+))?", ops[1])
        if not m or m[1] not in ("MODE", "IB_STS2"):
            return bad("reading " + ops[1])
        lo, ln = (int(m[2]), int(m[3])) if m[2] else (0, 32)
        return lambda s: s.wsop(
            O[0],
            np.full(s.n, (getattr(s, "hwmode", s.hw_mode0()) if m[1] == "MODE" else 0) >> lo & ((1 << ln) - 1), u32),
            32,
        )  # IB_STS2: no clusters
    if base in ("s_setreg_b32", "s_setreg_imm32_b32"):
        if "MODE" not in ops[0]:
            return nop
        m = re.search(r"HW_REG_(?:WAVE_)?MODE(?:,\s*(\d+),\s*(\d+))?", ops[0])
        lo, ln = (int(m[1]), int(m[2])) if m[1] else (0, 32)

        def f(s):
            v = int(s.sop(O[1], 32)[0])
            mk = ((1 << ln) - 1) << lo
            s.hwmode = (getattr(s, "hwmode", s.hw_mode0()) & ~mk) | ((v << lo) & mk)
            s.flush32 = ((s.hwmode >> 4) & 3) == 0
            if s.hwmode & 0xF:
                raise EmuError("non-default rounding mode")

        return f
    if base == "s_denorm_mode":

        def f(s):
            s.flush32 = (simm & 3) == 0

        return f
    if base == "s_round_mode":
        return nop if (simm & 0xF) == 0 else bad("rounding mode")
    if base in ("s_memtime", "s_memrealtime", "s_get_shader_cycles_u64") or base.startswith("s_sendmsg_rtn"):
        return lambda s: s.wsop(O[0], np.full(s.n, s.ninst, u64), 64 if O[0].n == 2 else 32)
    # ---------------- saveexec / wrexec
    m = re.match(r"^s_(\w+)_(saveexec|wrexec)_b(32|64)$", base)
    if m:
        w = int(m[3])
        o_ = m[1]
        FN = {
            "and": lambda a, e: a & e,
            "or": lambda a, e: a | e,
            "xor": lambda a, e: a ^ e,
            "andn2": lambda a, e: a & ~e,
            "and_not1": lambda a, e: a & ~e,
            "andn1": lambda a, e: ~a & e,
            "and_not0": lambda a, e: ~a & e,
            "orn2": lambda a, e: a | ~e,
            "or_not1": lambda a, e: a | ~e,
            "orn1": lambda a, e: ~a | e,
            "or_not0": lambda a, e: ~a | e,
            "nand": lambda a, e: ~(a & e),
            "nor": lambda a, e: ~(a | e),
            "xnor": lambda a, e: ~(a ^ e),
        }[o_]
        ex = parse_op("exec" if w == 64 else "exec_lo")

        def f(s):
            a, e = s.sop(O[1], w), s.sop(ex, w).copy()
            r = FN(a, e)
            s.wsop(O[0], r if m[2] == "wrexec" else e, w)
            s.wsop(ex, r, w)
            s.wscc(r != 0)

        return f
    # ---------------- SALU
    if base in SA:
        d, srcs, fn = SA[base]
        k = 1 if d else 0

        def f(s):
            a, j = [], k
            for sb in srcs:
                if sb == "d":
                    a.append(s.sop(O[0], d).copy())
                else:
                    a.append(s.sop(O[j], sb))
                    j += 1
            r, c = fn(s, *a)
            if d:
                s.wsop(O[0], np.asarray(r), d)
            if c is not None:
                s.wscc(c)

        return f
    m = re.match(r"^s_(movrels|movreld)_b(32|64)$", base)
    if m:
        w = int(m[2])

        def f(s):
            off = s.rs(S_M0)
            u = np.unique(off)
            if len(u) != 1:
                raise EmuError("divergent movrel")
            a, b = Op(), Op()
            a.k = b.k = "S"
            a.i, b.i = (
                O[0].i + (int(u[0]) if m[1] == "movreld" else 0),
                O[1].i + (int(u[0]) if m[1] == "movrels" else 0),
            )
            a.txt = b.txt = ""
            s.wsop(a, s.sop(b if O[1].k == "S" else O[1], w), w)

        return f
    if base in ("s_set_gpr_idx_on", "s_set_gpr_idx_idx", "s_set_gpr_idx_off", "s_set_gpr_idx_mode"):
        bits = sum(b for n, b in (("SRC0", 1), ("SRC1", 2), ("SRC2", 4), ("DST", 8)) if n in str(ops)) | 16

        def f(s):
            s.gpr_idx = True
            if base.endswith(("_on", "_mode", "_off")):
                s.gm[slice(None) if s.sel is None else s.sel] = 0 if base.endswith("_off") else bits
            if base.endswith(("_on", "_idx")):
                s.ws(S_M0, (s.rs(S_M0) & u32(0xFFFFFF00)) | (s.sop(O[0], 32) & u32(0xFF)))

        return f
    if base in ("v_movrels_b32", "v_movreld_b32", "v_movrelsd_b32"):
        rels, reld = "rels" in base, base.endswith(("reld_b32", "relsd_b32"))

        def f(s):
            m0 = s.rs(S_M0).astype(i64)
            wi = np.arange(s.NW) if s.sel is None else s.sel
            if m0.max() >= len(s.V) - max(O[0].i if reld else 0, O[1].i if rels else 0):
                raise EmuError(f"register index {m0.max()} leaves the registers")
            val = s.V[O[1].i + m0, wi] if (rels and O[1].k == "V") else np.broadcast_to(s.vop(O[1], "b32"), (s.n, s.W))
            if not reld:
                s.wv(O[0].i, val)
            else:
                t = s.V[O[0].i + m0, wi]
                np.copyto(t, val, where=s.x)
                s.V[O[0].i + m0, wi] = t

        return f
    # ---------------- SMEM
    m = re.match(r"^s_(buffer_)?load_(\w+)$", base)
    if m and width(m[2]):
        kind, bits, _ = width(m[2])
        nb = bits // 8

        def f(s):
            off = np.full(s.n, int(mods.get("offset", "0"), 0), i64)
            o = O[2]
            if o.k == "I":
                off = off + o.i
            elif o.k == "S":
                off = off + s.sop(o, 32).astype(i64) * (nb if "scale_offset" in mods else 1)
            if m[1]:
                lo, hi, nr = s.rs(O[1].i), s.rs(O[1].i + 1), s.rs(O[1].i + 2)
                b = lo.astype(u64) | ((hi & u32(0xFFFF)).astype(u64) << u64(32))
                ok = off + nb <= nr.astype(i64)
                a = b + off.astype(u64)
                r = np.zeros((s.n, max(bits // 32, 1)), u32)
                if ok.any():
                    if s.count:
                        s.count.touch("scalar_load", np.flatnonzero(ok), a[ok], nb)
                    v = s.mem.load(a[ok], nb, mn)
                    r[ok] = v if kind == "d" else ld_value(v, kind, bits)[:, None]
            else:
                a = s.rs64(O[1].i) + off.astype(u64)
                if kind == "d":
                    a = a & ~u64(3)
                if s.count:
                    s.count.touch("scalar_load", np.arange(s.n), a, nb)
                r = s.mem.load(a, nb, mn)
                if kind != "d":
                    r = ld_value(r, kind, bits)[:, None]
            for i in range(r.shape[1]):
                s.ws(O[0].i + i, r[:, i])

        return f
    # ---------------- VMEM flat/global/scratch
    m = re.match(r"^(flat|global|scratch)_(load|store)_(\w+)$", base)
    if m and width(m[3]):
        space = {"flat": "flat", "global": "global", "scratch": "scratch"}[m[1]]
        kind, bits, d16 = width(m[3])
        nb = bits // 8
        off = int(mods.get("offset", "0"), 0)
        ld = m[2] == "load"
        va, sa = (O[1] if ld else O[0]), (O[2] if len(O) > 2 else None)
        if "lds" in mods:
            return bad("load to LDS")
        scale = nb if "scale_offset" in mods else 1

        def f(s):
            fs = flat_active(s)
            if not len(fs):
                return
            a = addr_of(s, space, va, sa, off, fs, scale)
            if ld:
                put_load(s, O[0], fs, mem_load(s, space, a, fs, nb), kind, bits, d16)
            else:
                mem_store(s, space, a, fs, get_store(s, O[1], fs, kind, bits, d16))

        return f
    m = re.match(r"^(flat|global)_atomic_(\w+)$", base)
    if m and (ap := atom_parse({"fadd": "add_f32"}.get(m[2], m[2]))):
        fn, bits = ap
        space = m[1]
        off = int(mods.get("offset", "0"), 0)
        nd = bits // 32
        # a returning form has a VGPR destination first:  vdst, vaddr, vdata, saddr|off   vs   vaddr, vdata, saddr|off
        nsrc = len(O) - (1 if (m[1] == "global") else 0)
        rtn = nsrc == 3
        va, vd, sa = (O[1], O[2], O[3] if len(O) > 3 else None) if rtn else (O[0], O[1], O[2] if len(O) > 2 else None)

        def f(s):
            fs = flat_active(s)
            if not len(fs):
                return
            a = addr_of(s, space, va, sa, off, fs, bits // 8 if "scale_offset" in mods else 1)
            d = np.stack([s.rv(vd.i + i, vd.k == "A").ravel()[fs] for i in range(nd)], 1)
            c = np.stack([s.rv(vd.i + nd + i).ravel()[fs] for i in range(nd)], 1) if fn == "cas" else None
            old = do_atomic(s, space, fn, bits, a, fs, d, c)
            if rtn:
                put_load(s, O[0], fs, old, "d", bits, None)

        return f
    # ---------------- MUBUF
    m = re.match(r"^buffer_(load|store|atomic)_(\w+)$", base)
    if (
        m
        and "format" not in base
        and (m[1] == "atomic" and atom_parse({"fadd": "add_f32"}.get(m[2], m[2])) or m[1] != "atomic" and width(m[2]))
    ):
        ld = m[1] == "load"
        at = m[1] == "atomic"
        if at:
            fn, bits = atom_parse({"fadd": "add_f32"}.get(m[2], m[2]))
            kind, d16 = "d", None
            rtn = any(k in mods for k in ("glc", "sc0")) or "TH_ATOMIC_RETURN" in str(mods.get("th", ""))
        else:
            kind, bits, d16 = width(m[2])
        nb = bits // 8
        off = int(mods.get("offset", "0"), 0)
        offen, idxen = "offen" in mods, "idxen" in mods
        if "lds" in mods:
            return bad("buffer load to LDS")

        def f(s):
            if s.fam == "gfx1250":
                raise EmuError("buffer descriptors of gfx1250")
            fs = flat_active(s)
            if not len(fs):
                return
            wi = fs // s.W
            d = [s.rs(O[2].i + i)[wi] for i in range(4)]
            so = s.sop(O[3], 32)[wi].astype(i64)
            va = O[1]
            vo = np.full(len(fs), off, i64)
            ix = np.zeros(len(fs), i64)
            j = va.i
            if idxen:
                ix = s.rv(j).ravel()[fs].astype(i64)
                j += 1
            if offen:
                vo = vo + s.rv(j).ravel()[fs].astype(i64)
            if (d[3] == SCRATCH_TAG).all():  # the wave's swizzled private segment
                a = (so // s.W + vo).astype(u64)
                if ld:
                    put_load(s, O[0], fs, mem_load(s, "scratch", a, fs, nb), kind, bits, d16)
                else:
                    mem_store(s, "scratch", a, fs, get_store(s, O[0], fs, kind, bits, d16))
                return
            b = d[0].astype(u64) | ((d[1] & u32(0xFFFF)).astype(u64) << u64(32))
            stride = ((d[1] >> u32(16)) & u32(0x3FFF)).astype(i64)
            nr = d[2].astype(i64)
            ok = np.where(stride == 0, vo + nb <= nr, ix < nr) & (vo >= 0)
            a = b + (so + vo + ix * stride).astype(u64)
            if ld:
                r = np.zeros((len(fs), nb // 4 if kind == "d" else nb), u32 if kind == "d" else u8)
                if ok.any():
                    r[ok] = mem_load(s, "global", a[ok], fs[ok], nb)
                put_load(s, O[0], fs, r, kind, bits, d16)
            elif at:
                o_ = fs[ok]
                dd = np.stack([s.rv(O[0].i + i).ravel()[o_] for i in range(bits // 32)], 1)
                c = (
                    np.stack([s.rv(O[0].i + bits // 32 + i).ravel()[o_] for i in range(bits // 32)], 1)
                    if fn == "cas"
                    else None
                )
                old = do_atomic(s, "global", fn, bits, a[ok], o_, dd, c)
                if rtn:
                    put_load(s, O[0], o_, old, "d", bits, None)
            elif ok.any():
                mem_store(s, "global", a[ok], fs[ok], get_store(s, O[0], fs[ok], kind, bits, d16))

        return f
    # ---------------- DS
    if base.startswith("ds_"):
        nm = base[3:]
        off = 0 if "swizzle(" in mods.get("offset", "0") else int(mods.get("offset", "0"), 0)
        o0, o1 = int(mods.get("offset0", "0"), 0), int(mods.get("offset1", "0"), 0)
        if "gds" in mods:
            return bad("gds")
        if nm in ("bpermute_b32", "permute_b32"):

            def f(s):
                idx = ((s.rv(O[1].i) + u32(off)) >> u32(2)).astype(i64)
                d = s.rv(O[2].i)
                x = s.x
                idx = idx % s.W if s.gfx9 or s.W == 32 else idx % 32 + (s.lanes & 32)
                if nm[0] == "b":
                    r = np.where(np.take_along_axis(x, idx, 1), np.take_along_axis(d, idx, 1), u32(0))
                    s.wv(O[0].i, r)
                else:
                    r = np.zeros((s.n, s.W), u32)
                    w_, l_ = np.nonzero(x)
                    r[w_, idx[w_, l_]] = d[w_, l_]
                    s.wv(O[0].i, r)

            return f
        if nm == "swizzle_b32":
            t = mods.get("offset", "0")

            def f(s):
                l = s.lanes
                d = s.rv(O[1].i)
                if t.startswith("swizzle("):
                    src = swz_map(t, s.W)
                else:
                    v = int(t, 0)
                    if v & 0x8000:
                        src = l // 4 * 4 + ((v >> (2 * (l % 4))) & 3)
                    else:
                        src = (l & ~31) | ((((l & 31) & (v & 31)) | ((v >> 5) & 31)) ^ ((v >> 10) & 31))
                s.wv(O[0].i, np.where(s.x[:, src], d[:, src], u32(0)))

            return f
        m = re.match(r"^(?:read|load)_([a-z]*\d+(?:_d16(?:_hi)?)?)$", nm)
        if m and width(m[1]):
            kind, bits, d16 = width(m[1])

            def f(s):
                fs = flat_active(s)
                if len(fs):
                    put_load(
                        s,
                        O[0],
                        fs,
                        mem_load(s, "lds", (s.rv(O[1].i).ravel()[fs] + u32(off)).astype(u64), fs, bits // 8),
                        kind,
                        bits,
                        d16,
                    )

            return f
        m = re.match(r"^(?:write|store)_([a-z]*\d+(?:_d16_hi)?)$", nm)
        if m and width(m[1]):
            kind, bits, d16 = width(m[1])

            def f(s):
                fs = flat_active(s)
                if len(fs):
                    mem_store(
                        s,
                        "lds",
                        (s.rv(O[0].i).ravel()[fs] + u32(off)).astype(u64),
                        fs,
                        get_store(s, O[1], fs, kind, bits, d16),
                    )

            return f
        m = re.match(r"^(read2|load_2addr|write2|store_2addr)(st64|_stride64)?_b(32|64)$", nm)
        if m:
            nb = int(m[3]) // 8
            st = nb * (64 if m[2] else 1)
            rd = m[1] in ("read2", "load_2addr")

            def f(s):
                fs = flat_active(s)
                if not len(fs):
                    return
                av = s.rv(O[1 if rd else 0].i).ravel()[fs]
                for j, oo in enumerate((o0, o1)):
                    a = (av + u32(oo * st)).astype(u64)
                    if rd:
                        if j == 0:
                            r0 = mem_load(s, "lds", a, fs, nb)
                        else:
                            put_load(
                                s, O[0], fs, np.concatenate([r0, mem_load(s, "lds", a, fs, nb)], 1), "d", nb * 16, None
                            )
                    else:
                        mem_store(s, "lds", a, fs, get_store(s, O[1 + j], fs, "d", nb * 8, None))

            return f
        if ap := atom_parse(nm):
            fn, bits = ap
            nd = bits // 32
            rtn = "_rtn" in nm
            k = 1 if rtn else 0

            def f(s):
                fs = flat_active(s)
                if not len(fs):
                    return
                d = np.stack([s.rv(O[k + 1].i + i).ravel()[fs] for i in range(nd)], 1)
                c = None
                if fn == "cas":
                    e = np.stack([s.rv(O[k + 2].i + i).ravel()[fs] for i in range(nd)], 1)
                    d, c = (
                        (d, e) if "cmpstore" in nm else (e, d)
                    )  # ds_cmpst: data0=compare data1=new ; ds_cmpstore: data0=new data1=compare
                old = do_atomic(s, "lds", fn, bits, (s.rv(O[k].i).ravel()[fs] + u32(off)).astype(u64), fs, d, c)
                if rtn:
                    put_load(s, O[0], fs, old, "d", bits, None)

            return f
        return bad(mn)
    # ---------------- VALU specials
    if base in ("v_readfirstlane_b32", "v_readlane_b32"):

        def f(s):
            if base == "v_readlane_b32":
                l = s.sop(O[2], 32).astype(i64) % s.W
            else:
                l = np.where(s.x.any(1), s.x.argmax(1), 0)
            d = s.vop(O[1], "b32")
            d = np.broadcast_to(d, (s.n, s.W))
            s.wsop(O[0], d[np.arange(s.n), l], 32)

        return f
    if base == "v_writelane_b32":

        def f(s):
            l = s.sop(O[2], 32).astype(i64) % s.W
            x = np.zeros((s.n, s.W), bool)
            x[np.arange(s.n), l] = True
            s.wv(O[0].i, np.broadcast_to(s.sop(O[1], 32)[:, None], (s.n, s.W)), x)

        return f
    if base in ("v_permlane16_b32", "v_permlanex16_b32"):
        ops_ = ilist(mods["op_sel"]) if "op_sel" in mods else [0, 0]

        def f(s):
            sel = s.sop(O[2], 32).astype(u64) | (s.sop(O[3], 32).astype(u64) << u64(32))
            l = np.arange(s.W)
            k = ((sel[:, None] >> ((l % 16) * 4).astype(u64)) & u64(15)).astype(i64)
            rb = l // 16 * 16
            rb = rb ^ 16 if "x16" in base else rb
            src = rb + k
            d = np.broadcast_to(s.vop(O[1], "b32"), (s.n, s.W))
            a = np.take_along_axis(s.x, src, 1)
            v = np.take_along_axis(d, src, 1)
            if ops_[0]:
                s.wv(O[0].i, v)  # FI
            elif len(ops_) > 1 and ops_[1]:
                s.wv(O[0].i, np.where(a, v, u32(0)))
            else:
                s.wv(O[0].i, v, s.x & a)

        return f
    if base in ("v_permlane16_var_b32", "v_permlanex16_var_b32"):

        def f(s):
            l = np.arange(s.W)
            k = (s.rv(O[2].i) & u32(15)).astype(i64)
            rb = l // 16 * 16
            rb = rb ^ 16 if "x16" in base else rb
            src = rb + k
            d = s.rv(O[1].i)
            s.wv(O[0].i, np.take_along_axis(d, src, 1), s.x & np.take_along_axis(s.x, src, 1))

        return f
    if base == "v_permlane64_b32":
        return lambda s: s.wv(O[0].i, s.rv(O[1].i)[:, np.arange(s.W) ^ 32] if s.W == 64 else s.rv(O[1].i))
    if base in ("v_permlane32_swap_b32", "v_permlane16_swap_b32"):

        def f(s):
            a, b = s.rv(O[0].i).copy(), s.rv(O[1].i).copy()
            l = np.arange(s.W)
            h = 32 if "32" in base[10:13] else 16
            odd = (l // h) % 2 == 1  # odd rows of vdst swap with even rows of vsrc
            na, nb_ = a.copy(), b.copy()
            na[:, odd] = b[:, l[odd] - h]
            nb_[:, ~odd] = a[:, l[~odd] + h]
            s.wv(O[0].i, na)
            s.wv(O[1].i, nb_)

        return f
    if base in ("v_bitop3_b32", "v_bitop3_b16"):
        tt = int(mods.pop("bitop3", "0"), 0)
        t = base[-3:]

        def fn(a, b, c):
            r = 0
            for k in range(8):
                if (tt >> k) & 1:
                    r = r | ((a if k & 4 else ~a) & (b if k & 2 else ~b) & (c if k & 1 else ~c))
            return r if tt else a & ~a

        return valu_generic(base, O[0], O[1:4], mods, t, [t] * 3, fn, True)
    if base == "v_bitop2_b32":  # of VOPD: bitop3 whose third source is 0
        tt = int(mods.pop("bitop3", "0"), 0)

        def fn(a, b):
            r = a & ~a
            for k in (0, 2, 4, 6):
                if (tt >> k) & 1:
                    r = r | ((a if k & 4 else ~a) & (b if k & 2 else ~b))
            return r

        return valu_generic(base, O[0], O[1:3], mods, "b32", ["b32"] * 2, fn)
    if base in ("v_swap_b32",):

        def f(s):
            a, b = s.rv(O[0].i).copy(), s.rv(O[1].i).copy()
            s.wv(O[0].i, b)
            s.wv(O[1].i, a)

        return f
    if base == "v_swap_b16":

        def f(s):
            a, b = s.vop(O[0], "b16").copy(), s.vop(O[1], "b16").copy()
            s.wvop(O[0], b, "b16")
            s.wvop(O[1], a, "b16")

        return f
    if base in ("v_accvgpr_read_b32", "v_accvgpr_write_b32", "v_accvgpr_mov_b32"):
        return lambda s: s.wvop(O[0], np.broadcast_to(s.vop(O[1], "b32"), (s.n, s.W)), "b32")
    if base in ("v_mbcnt_lo_u32_b32", "v_mbcnt_hi_u32_b32"):

        def f(s):
            l = np.arange(s.W)
            lo = base == "v_mbcnt_lo_u32_b32"
            th = np.array(
                [(((1 << min(int(i), 32)) - 1) if lo else ((1 << max(int(i) - 32, 0)) - 1)) & M32 for i in l], u32
            )
            s.wv(O[0].i, popc(s.vop(O[1], "b32") & th) + s.vop(O[2], "b32"))

        return f
    if base == "v_cndmask_b32" or base == "v_cndmask_b16":
        t = "b" + base[-2:]
        cm = O[3] if len(O) > 3 else parse_op("vcc" if W == 64 else "vcc_lo")
        inner = {}

        def fn(a, b):
            return np.where(inner["m"], b, a)

        g = valu_generic(base, O[0], O[1:3], mods, t, [t, t], fn, True)

        def f(s):
            inner["m"] = s.mask_of(cm)
            g(s)

        return f
    m = re.match(r"^v_(add|sub|subrev)(?:(c|b|brev)?_co|_co_ci)_u32$", base) or re.match(
        r"^v_(addc|subb|subbrev)_co_u32$", base
    )
    if m:
        nm = base
        ci = "_ci_" in nm or nm.startswith(("v_addc_", "v_subb_", "v_subbrev_"))
        kind = "subrev" if "rev" in nm else "sub" if "sub" in nm else "add"
        cin = (O[4] if len(O) > 4 else parse_op("vcc" if W == 64 else "vcc_lo")) if ci else None
        st = {}

        def fn(a, b):
            a, b = a.astype(i64), b.astype(i64)
            c = st["c"] if ci else 0
            r = a + b + c if kind == "add" else (a - b - c if kind == "sub" else b - a - c)
            st["co"] = (r > M32) | (r < 0)
            return (r & M32).astype(u32)

        md = {k: v for k, v in mods.items() if k != "clamp"}
        if "clamp" in mods:
            return bad("carry op with clamp")
        g = valu_generic(base, O[0], O[2:4], md, "u32", ["u32", "u32"], fn)

        def f(s):
            if ci:
                st["c"] = s.mask_of(cin).astype(i64)
            g(s)
            s.wmask(O[1], np.broadcast_to(st["co"], (s.n, s.W)))

        return f
    m = re.match(r"^v_cmp(x)?_class_(f32|f16|f64)$", base)
    if m or re.match(r"^v_cmp(x)?_(\w+)_([uifb]\d+)$", base):
        if m:
            cx, cname, t = m[1], "class", m[2]
        else:
            mm = re.match(r"^v_cmp(x)?_(\w+)_([uifb]\d+)$", base)
            cx, cname, t = mm[1], mm[2], mm[3]
        has_dst = len(O) == 3 or not cx
        dst = O[0] if has_dst and len(O) == 3 else None
        srcs = O[1:3] if len(O) == 3 else O[0:2]
        if dst is None and not cx:
            dst = parse_op("vcc" if W == 64 else "vcc_lo")
        if cname != "class" and cname not in CMP:
            return bad(mn)
        res = {}

        def fn(a, b):
            r = (fclass(a, t) & b.astype(i64)) != 0 if cname == "class" else CMP[cname](a, b)
            res["r"] = r
            return np.zeros((1, 1), u32)

        cap = Op()
        cap.k = "V"
        cap.i = 0
        cap.n = 1
        cap.txt = "?"

        class Cap:  # run the generic operand path but capture instead of writing
            pass

        opsel = ilist(mods["op_sel"]) if "op_sel" in mods else [0] * 4

        def f(s):
            ty = [t, "u32" if cname == "class" else t]
            if cname == "class" and t == "f16":
                ty[1] = "u16"
            if any(k in mods for k in ("src0_sel", "src1_sel")):
                a = []
                for i, o in enumerate(srcs):
                    bs = Op()
                    bs.k, bs.i, bs.n, bs.txt = o.k, o.i, o.n, o.txt
                    v = sdwa_sel(s.vop(bs, "b32"), mods.get(f"src{i}_sel"), o.sext)
                    v = v.astype(u16) if BITS[ty[i]] == 16 else v
                    if o.abs:
                        v = v & ~v.dtype.type(1 << (BITS[ty[i]] - 1))
                    if o.neg:
                        v = v ^ v.dtype.type(1 << (BITS[ty[i]] - 1))
                    a.append(np.ascontiguousarray(v).view(NPT[ty[i]]))
            else:
                a = [s.vop(o, tt, bool(opsel[i]) and BITS[tt] == 16) for i, (o, tt) in enumerate(zip(srcs, ty))]
            if any(k in mods for k in DPPK):
                src, ok = dpp_map(mods, s.W)
                act = s.x[:, src] | ("fi" in mods)
                a[0] = np.where(ok & act, np.broadcast_to(a[0], (s.n, s.W))[:, src], a[0].dtype.type(0))
            fn(*a)
            r = np.broadcast_to(res["r"], (s.n, s.W))
            if dst is not None:
                s.wmask(dst, r)
            if cx:
                v = s.pack(r & s.x)
                if s.W == 64:
                    s.ws64(S_EXEC, v)
                else:
                    s.ws(S_EXEC, v.astype(u32))

        return f
    if base in ("v_mad_u64_u32", "v_mad_i64_i32", "v_mad_co_u64_u32", "v_mad_co_i64_i32"):
        sg = "i64" in base

        def f(s):
            a, b, c = s.vop(O[2], "i32" if sg else "u32"), s.vop(O[3], "i32" if sg else "u32"), s.vop(O[4], "u64")
            p = (a.astype(i64) * b.astype(i64)).view(u64) if sg else a.astype(u64) * b.astype(u64)
            r = p + c
            s.wvop(O[0], np.broadcast_to(r, (s.n, s.W)), "u64")
            if O[1].k == "S":
                s.wmask(O[1], np.broadcast_to(r < c, (s.n, s.W)))

        return f
    if base in ("v_div_scale_f32", "v_div_scale_f64"):
        t = base[-3:]
        dt = NPT[t]
        EMAX, MINE, SC = (96, -126 + 23, 64) if t == "f32" else (768, -1022 + 52, 128)

        def f(s):
            a, b, c = [
                np.broadcast_to(s.vop(o, t), (s.n, s.W)) for o in O[2:5]
            ]  # a = numerator or denominator, b = denominator, c = numerator
            ex = lambda v: np.where(v == 0, -5000, np.frexp(v)[1] - 1)
            q = ex(c) - ex(b)
            vcc = np.zeros(a.shape, bool)
            r = a.copy()
            tiny = np.finfo(dt).tiny
            isden = lambda v: (v != 0) & (np.abs(v) < tiny)
            z = (b == 0) | (c == 0)
            up = dt(2.0**SC) if t == "f32" else dt(2.0**SC)
            big = q >= EMAX
            bd = isden(b)
            rcpden = np.zeros(a.shape, bool)
            qden = np.abs(c.astype(np.longdouble) / b) < tiny
            same_b, same_c = (a == b), (a == c)
            conds = [z, big, bd, rcpden & qden, rcpden, qden, np.abs(c) < dt(2.0) ** MINE]
            done = np.zeros(a.shape, bool)
            for i, cd in enumerate(conds):
                k = cd & ~done
                done |= cd
                if not k.any():
                    continue
                if i == 0:
                    r = np.where(k, dt(np.nan), r)
                elif i == 1:
                    vcc |= k
                    r = np.where(k & same_b, a * up, r)
                elif i == 2:
                    r = np.where(k, a * up, r)
                elif i == 3:
                    vcc |= k
                    r = np.where(k & same_b, a * up, r)
                elif i == 4:
                    r = np.where(k, a / up, r)
                elif i == 5:
                    vcc |= k
                    r = np.where(k & same_c, a * up, r)
                else:
                    r = np.where(k, a * up, r)
            s.wvop(O[0], r, t)
            s.wmask(O[1], vcc)

        return f
    if base in ("v_div_fmas_f32", "v_div_fmas_f64"):
        t = base[-3:]

        def f(s):
            a, b, c = [np.broadcast_to(s.vop(o, t), (s.n, s.W)) for o in O[1:4]]
            v = s.mask_of(parse_op("vcc" if s.W == 64 else "vcc_lo"))
            # the compensating scale is 2^+64 or 2^-64 (f64: 2^+-128), chosen by the exponent of the quotient estimate, one rounding at the end
            up = np.frexp(c)[1] - 1 > 0
            k = 64 if t == "f32" else 128
            sc = np.where(up, 2.0**k, 2.0**-k)
            r = fma_ro(a, b, c) if t == "f32" else fma64(a, b, c)
            if t == "f32":
                r = np.where(v, r * sc, r)
            elif v.any():
                from fractions import Fraction as Fr

                r = r.copy()
                xa, xb, xc, xs = a[v], b[v], c[v], sc[v]
                o_ = r[v]
                for j in range(len(o_)):
                    if np.isfinite([xa[j], xb[j], xc[j]]).all():
                        try:
                            o_[j] = float((Fr(float(xa[j])) * Fr(float(xb[j])) + Fr(float(xc[j]))) * Fr(float(xs[j])))
                        except OverflowError:
                            o_[j] *= xs[j]
                    else:
                        o_[j] *= xs[j]
                r[v] = o_
            s.wvop(O[0], r.astype(NPT[t]), t)

        return f
    if base in ("v_div_fixup_f32", "v_div_fixup_f64", "v_div_fixup_f16"):
        t = base[-3:]
        dt = NPT[t]

        def f(s):
            q, d, n = [np.broadcast_to(s.vop(o, t), (s.n, s.W)) for o in O[1:4]]
            sg = np.signbit(d) ^ np.signbit(n)
            r = np.where(sg, -np.abs(q), np.abs(q))
            inf = np.where(sg, dt(-np.inf), dt(np.inf))
            zero = np.where(sg, dt(-0.0), dt(0.0))
            r = np.where(np.isnan(q), inf, r)
            r = np.where((d == 0) | np.isinf(n), inf, r)
            r = np.where(np.isinf(d) | ((n == 0) & (d != 0)), zero, r)
            r = np.where(((d == 0) & (n == 0)) | (np.isinf(d) & np.isinf(n)), dt(np.nan), r)
            r = np.where(np.isnan(d), d, r)
            r = np.where(np.isnan(n), n, r)
            s.wvop(O[0], r.astype(dt), t, bool(mods.get("clamp")))

        return f
    m = re.match(r"^v_(fmac|mac|pk_fmac)_(f32|f16|f64|legacy_f32|dx9_zero_f32)$", base)
    if m and m[1] != "pk_fmac":
        t = m[2][-3:]
        fn = A[f"v_fma_{t}"][2] if m[1] == "fmac" else (lambda a, b, c: a * b + c)
        return valu_generic(base, O[0], [O[1], O[2], O[0]], mods, t, [t] * 3, fn)
    m = re.match(r"^v_(fmaak|fmamk|madak|madmk)_(f32|f16|f64)$", base)
    if m:
        t = m[2]
        fn = A[f"v_fma_{t}"][2] if m[1].startswith("fma") else (lambda a, b, c: a * b + c)
        return valu_generic(base, O[0], [O[1], O[2], O[3]], mods, t, [t] * 3, fn)
    m = re.match(r"^v_(fma|mad)_mix(lo|hi)?_(f32|f16|bf16|f32_bf16)$", base)
    if m:
        os_, oh, bf = ilist(mods.get("op_sel", "[0,0,0]")), ilist(mods.get("op_sel_hi", "[0,0,0]")), "bf16" in m[3]

        def f(s):
            a = [
                (
                    (bf2f(s.vop(o, "bf16", bool(os_[i]))) if bf else s.vop(o, "f16", bool(os_[i])).astype(f32))
                    if oh[i]
                    else s.vop(o, "f32")
                )
                for i, o in enumerate(O[1:4])
            ]
            r = fma32(*a)
            if m[2] and bf:
                s.wvop(O[0], f2bf(np.clip(r, 0, 1) if mods.get("clamp") else r), "b16", hi=m[2] == "hi")
            elif m[2]:
                s.wvop(O[0], r.astype(f16), "f16", bool(mods.get("clamp")), hi=m[2] == "hi")
            else:
                s.wvop(O[0], r, "f32", bool(mods.get("clamp")))

        return f
    # ---------------- packed
    m = re.match(r"^v_pk_(\w+?)_(f16|u16|i16|b16|bf16)$", base)
    if m and (("v_%s_%s" % (m[1], m[2])) in A or m[1] in ("fma", "fmac", "minimum3", "maximum3") or m[2] == "bf16"):
        t = m[2]
        nm = f"v_{m[1]}_{t}"
        n = len(O) - 1
        os_, oh = ilist(mods.get("op_sel", "[0,0,0]")), ilist(mods.get("op_sel_hi", "[1,1,1]"))
        nl, nh = ilist(mods.get("neg_lo", "[0,0,0]")), ilist(mods.get("neg_hi", "[0,0,0]"))
        if m[1] == "fmac":
            st, fn, srcs = ["f16"] * 3, A["v_fma_f16"][2], [O[1], O[2], O[0]]
        elif nm in A:
            _, st, fn = A[nm]
            srcs = O[1:]
        else:
            return bad(mn)

        def f(s):
            out = []
            for half, sel, ng in ((0, os_, nl), (1, oh, nh)):
                a = []
                for i, (o, ty) in enumerate(zip(srcs, st)):
                    if o.k in ("F",):
                        v = s.vop(o, ty) if not sel[i] else np.zeros((s.n, 1), NPT[ty])
                    else:
                        v = s.vop(o, ty, bool(sel[i]))
                    if ng[i]:
                        v = np.ascontiguousarray(np.ascontiguousarray(v).view(u16) ^ u16(0x8000)).view(NPT[ty])
                    a.append(v)
                r = np.asarray(fn(*a))
                if t == "f16":
                    r = r.astype(f16)
                    if mods.get("clamp"):
                        r = np.where(np.isnan(r), f16(0), np.clip(r, f16(0), f16(1))).astype(f16)
                elif mods.get("clamp"):
                    raise EmuError("packed integer clamp")
                out.append(np.broadcast_to(as_t(r, t), (s.n, s.W)).astype(u32))
            s.wvop(O[0], out[0] | (out[1] << u32(16)), "b32")

        return f
    m = re.match(r"^v_pk_(add|mul|fma|mov)_(f32|b32)$", base)
    if m:
        n = len(O) - 1
        os_, oh = ilist(mods.get("op_sel", "[0,0,0]")), ilist(mods.get("op_sel_hi", "[1,1,1]"))
        nl, nh = ilist(mods.get("neg_lo", "[0,0,0]")), ilist(mods.get("neg_hi", "[0,0,0]"))

        def get(s, o, hi, ng):
            if hi and o.k == "S" and s.fam == "gfx1250":
                raise EmuError(f"{mn}: the high half of a scalar")
            if o.k in ("V", "A", "S"):
                p = Op()
                p.k, p.i, p.n, p.txt = o.k, o.i + (1 if hi else 0), 1, o.txt
                v = s.vop(p, "f32")
            else:
                v = s.vop(o, "f32")
            return -v if ng else v

        fn = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "fma": fma32}.get(m[1])

        def f(s):
            if m[1] == "mov":
                lo, hi = get(s, O[1], os_[0], 0).view(u32), get(s, O[2], os_[1], 0).view(u32)
                lo, hi = np.broadcast_to(lo, (s.n, s.W)).copy(), np.broadcast_to(hi, (s.n, s.W)).copy()
                s.wv(O[0].i, lo, None, O[0].k == "A")
                s.wv(O[0].i + 1, hi, None, O[0].k == "A")
                return
            r = [fn(*[get(s, o, sel[i], ng[i]) for i, o in enumerate(O[1:])]) for sel, ng in ((os_, nl), (oh, nh))]
            for j in (0, 1):
                v = r[j]
                if mods.get("clamp"):
                    v = np.clip(v, f32(0), f32(1))
                s.wv(O[0].i + j, as_t(np.broadcast_to(v, (s.n, s.W)), "f32"), None, O[0].k == "A")

        return f
    # ---------------- dot / matrix
    m = re.match(r"^v_dot2c?_(f32)_(f16|bf16)$", base)
    if m:
        c = "dot2c" in base
        os_, oh = ilist(mods.get("op_sel", "[0,0,0]")), ilist(mods.get("op_sel_hi", "[1,1,1]"))

        def f(s):
            cv = (lambda x: bf2f(x)) if m[2] == "bf16" else (lambda x: x.view(f16).astype(f32))
            h = lambda o, b: cv(np.ascontiguousarray(s.vop(o, "u16", bool(b))))
            acc = s.vop(O[0] if c else O[3], "f32").astype(f64)
            r = acc + h(O[1], os_[0]).astype(f64) * h(O[2], os_[1]) + h(O[1], oh[0]).astype(f64) * h(O[2], oh[1])
            s.wvop(O[0], np.broadcast_to(r.astype(f32), (s.n, s.W)), "f32")

        return f
    m = re.match(r"^v_(dot4|dot8)_i32_iu[84]$", base)
    if m:
        n = 4 if m[1] == "dot4" else 8
        w = 32 // n
        ng = ilist(mods.get("neg_lo", "[0,0,0]"))

        def f(s):
            a, b, c = s.vop(O[1], "u32"), s.vop(O[2], "u32"), s.vop(O[3], "i32").astype(i64)
            mk = u32((1 << w) - 1)
            e = lambda v, k, g: (sx((v >> u32(w * k)) & mk, w) if g else ((v >> u32(w * k)) & mk)).astype(i64)
            s.wvop(
                O[0],
                np.broadcast_to((c + sum(e(a, k, ng[0]) * e(b, k, ng[1]) for k in range(n))).astype(u32), (s.n, s.W)),
                "u32",
            )

        return f
    m = re.match(r"^v_dot4c_i32_i8$", base)
    if m:
        return valu_generic(base, O[0], [O[1], O[2], O[0]], mods, "u32", ["u32", "u32", "i32"], A["v_dot4_i32_i8"][2])
    m = re.match(r"^v_mfma_(f32|i32|f64)_(16x16|32x32)x(\d+)_?(f16|bf16|bf16_1k|f32|i8|f64)$", base)
    if m:
        return mfma(m, O, mods, mn)
    m = re.match(r"^v_wmma_(f32|f16|i32)_16x16x16_(f16|bf16|iu8)$", base)
    if m:
        return wmma(m, O, mods, mn)
    if base in A:
        t, st, fn = A[base]
        if len(O) - 1 != len(st):
            return bad(f"{mn}: {len(O) - 1} operands, table has {len(st)}")
        return valu_generic(base, O[0], O[1:], mods, t, st, fn, len(st) == 3 and "legacy" not in base)
    return bad(mn)


def swz_map(t, W):
    l = np.arange(W)
    a = [x.strip() for x in t[8:-1].split(",")]
    if a[0] == "SWAP":
        return l ^ int(a[1])
    if a[0] == "REVERSE":
        return l ^ (int(a[1]) - 1)
    if a[0] == "BROADCAST":
        n = int(a[1])
        return l // n * n + int(a[2])
    if a[0] == "QUAD_PERM":
        q = np.array([int(x) for x in a[1:5]])
        return l // 4 * 4 + q[l % 4]
    if a[0] == "BITMASK_PERM":
        b = a[1].strip('"')
        r = np.zeros(W, int)
        for i, c in enumerate(b):
            k = 4 - i
            bit = (l >> k) & 1
            r |= {"0": bit * 0, "1": bit * 0 + 1, "p": bit, "i": 1 - bit}[c] << k
        return (l & ~31) | r
    raise EmuError(t)


def _elems(s, o, n, ty):
    """n packed elements per lane -> float64/int64 [n_w, W, n]"""
    out = []
    for e in range(n):
        if ty == "f64":
            out.append(s.vop(_o(o, 2 * e, 2), "f64"))
        elif ty == "f32":
            out.append(s.vop(_o(o, e), "f32").astype(f64))
        elif ty in ("f16", "bf16"):
            v = (s.vop(_o(o, e // 2), "u32") >> u32(16 * (e % 2))) & u32(0xFFFF)
            out.append((bf2f(v) if ty == "bf16" else v.astype(u16).view(f16)).astype(f64))
        else:
            out.append(
                sx((s.vop(_o(o, e // 4), "u32") >> u32(8 * (e % 4))) & u32(0xFF), 8).astype(i64)
                if ty == "i8"
                else ((s.vop(_o(o, e // 4), "u32") >> u32(8 * (e % 4))) & u32(0xFF)).astype(i64)
            )
    return np.stack([np.broadcast_to(v, (s.n, s.W)) for v in out], -1)


def _o(o, i, n=1):
    if o.k not in ("V", "A"):
        return o
    p = Op()
    p.k, p.i, p.n, p.txt = o.k, o.i + i, n, o.txt
    return p


def mfma(m, O, mods, mn):
    td, K, ty = m[1], int(m[3]), m[4].replace("_1k", "")
    M = int(m[2][:2])
    if any(k in mods for k in ("cbsz", "abid", "blgp")):
        return bad(mn + " with cbsz/abid/blgp")
    nb = 64 // M
    epl = K // nb
    ndst = M * M // 64
    if epl == 0 or K % nb:
        return bad(mn)
    l = np.arange(64)
    if td == "f64":
        rowf = lambda r: 4 * r + l // 16
    else:
        rowf = (lambda r: 4 * (l // 16) + r) if M == 16 else (lambda r: 8 * (r // 4) + 4 * (l // 32) + r % 4)

    def f(s):
        a, b = _elems(s, O[1], epl, ty), _elems(s, O[2], epl, ty)  # [n,64,epl] : row/col = l%M, k = (l//M)*epl+e
        Am = a.reshape(s.n, nb, M, epl).transpose(0, 2, 1, 3).reshape(s.n, M, K)
        Bm = b.reshape(s.n, nb, M, epl).transpose(0, 2, 1, 3).reshape(s.n, M, K)
        D = np.einsum("nik,njk->nij", Am, Bm)
        for r in range(ndst):
            if td == "f64":
                c = s.vop(_o(O[3], 2 * r, 2), "f64")
                v = D[:, rowf(r), l % M] + c
                s.wvop(_o(O[0], 2 * r, 2), v, "f64")
            elif td == "i32":
                c = s.vop(_o(O[3], r), "i32").astype(i64)
                res = (D[:, rowf(r), l % M] + c).astype(u32)
                s.wv(O[0].i + r, res, np.ones_like(s.x), O[0].k == "A")
            else:
                c = s.vop(_o(O[3], r), "f32").astype(f64)
                s.wv(O[0].i + r, as_t((D[:, rowf(r), l % M] + c).astype(f32), "f32"), np.ones_like(s.x), O[0].k == "A")

    def g(s):
        if O[0].k == O[3].k and O[0].i != O[3].i and O[3].k in "VA":
            pass
        f(s)

    return g


def wmma(m, O, mods, mn):
    td, ty = m[1], m[2]
    if any(k in mods for k in ("neg_lo", "neg_hi", "op_sel", "op_sel_hi", "clamp")) and ty != "iu8":
        return bad(mn + " with modifiers")
    ng = ilist(mods.get("neg_lo", "[0,0,0]"))

    def f(s):
        if s.W != 32:
            raise EmuError("wave64 wmma")
        l = np.arange(32)
        g12 = s.fam == "rdna4"
        ea = _elems(s, O[1], 8 if g12 else 16, ty if ty != "iu8" else ("i8" if ng[0] else "u8"))
        eb = _elems(s, O[2], 8 if g12 else 16, ty if ty != "iu8" else ("i8" if ng[1] else "u8"))
        if g12:
            Am, Bm = [e.reshape(s.n, 2, 16, 8).transpose(0, 2, 1, 3).reshape(s.n, 16, 16) for e in (ea, eb)]
        else:
            Am, Bm = ea[:, :16], eb[:, :16]
        D = np.einsum("nik,njk->nij", Am, Bm)
        for r in range(8):
            row = (r + 8 * (l // 16)) if g12 else (2 * r + l // 16)
            if td == "f32":
                s.wv(
                    O[0].i + r,
                    as_t((D[:, row, l % 16] + s.vop(_o(O[3], r), "f32")).astype(f32), "f32"),
                    np.ones_like(s.x),
                )
            elif td == "i32":
                s.wv(O[0].i + r, (D[:, row, l % 16] + s.vop(_o(O[3], r), "i32")).astype(u32), np.ones_like(s.x))
            else:
                raise EmuError("wmma f16 accumulate")

    return f


# ------------------------------------------------------------------ program + launch
def disassemble(h: Hsaco):
    """-> list of (va, nbytes, text) for .text through llvm-objdump"""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".hsaco") as t:
        t.write(h.data)
        t.flush()
        out = subprocess.run(
            [OBJDUMP, "-d", "--disassemble-zeroes", t.name], capture_output=True, text=True, check=True
        ).stdout
    res = []
    for line in out.splitlines():
        m = re.match(r"^\s+(.*?)\s*//\s*([0-9A-Fa-f]+):((?:\s[0-9A-Fa-f]{8})+)", line)
        if m:
            w = m[3].split()
            res.append((int(m[2], 16), 4 * len(w), m[1], int(w[0], 16)))
    return res


def program(h: Hsaco, W):
    if getattr(h, "_prog", None) and h._prog[0] == W:
        return h._prog[1:]
    prog, nv, na = {}, 1, 0
    gfx9 = h.family == "cdna"
    for va, n, text, w0 in h_dis(h):
        for m in re.finditer(r"\b([va])(?:(\d+)|\[(\d+):(\d+)\])", text):
            hi = int(m[2] or m[4])
            if m[1] == "v":
                nv = max(nv, hi + 1)
            else:
                na = max(na, hi + 1)
        simm = w0 & 0xFFFF
        simm -= (simm & 0x8000) << 1
        pc = h.base + va
        prog[pc] = [_lazy(text, pc, n, simm, W, gfx9), n, text]
    h._prog = (W, prog, (nv + 1, na + 1))
    return prog, (nv + 1, na + 1)


def h_dis(h):
    if not hasattr(h, "_dis"):
        h._dis = disassemble(h)
    return h._dis


def _lazy(text, pc, n, simm, W, gfx9):
    cell = []

    def f(s):
        if not cell:
            cell.append(_compile_text(text, pc, n, simm, W, gfx9))
        return cell[0](s)

    return f


# Under s_set_gpr_idx_on, M0[7:0] is added to the numbers of a VALU's vector registers, by role. Waves of one index run the instruction with its
# registers renamed; what the manual forbids or leaves open there is an error.
NO_IDX = re.compile(r"_(sdwa|dpp)$|^v_(swap|mfma|smfmac|accvgpr|mac_|fmac|pk_fmac|mad[am]k|fma[am]k|dot\dc)")


def _renamed(mn, ops, bits, idx):
    ops = list(ops)
    sdst = 2 if re.search(r"_co_|div_scale|v_mad_[ui]64", mn) else 1

    def move(o):
        r = re.match(r"^([-|]*|neg\(|abs\()v(?:(\d+)|\[(\d+):(\d+)\])(.*)$", o)
        if not r:
            return o
        return f"{r[1]}v{int(r[2]) + idx}{r[5]}" if r[2] else f"{r[1]}v[{int(r[3]) + idx}:{int(r[4]) + idx}]{r[5]}"

    if bits & 8:
        ops[0] = move(ops[0])
    for k, o in enumerate(ops[sdst:]):
        if bits >> k & 1:
            ops[sdst + k] = move(o)
    return ops


def _indexed(f, mn, ops, mods, pc, n, simm, W):
    cache = {}

    def g(s):
        if not s.gpr_idx:
            return f(s)
        gm = s.g(s.gm)
        if not gm.any():
            return f(s)
        if NO_IDX.search(mn) or mods and any(k in mods for k in DPPK):
            raise EmuError(f"{mn} with indexed registers")
        key = np.where(gm, (gm << u32(8)) | (s.rs(S_M0) & u32(0xFF)), 0)
        waves = np.arange(s.NW) if s.sel is None else s.sel
        whole = s.sel
        for k in np.unique(key):
            c = cache.get(k)
            if c is None:
                o = _renamed(mn, ops, int(k) >> 8, int(k) & 0xFF) if k else ops
                top = max(
                    [int(m[1] or m[2]) for t in o for m in re.finditer(r"\bv(?:(\d+)|\[\d+:(\d+)\])", t)], default=0
                )
                c = cache[k] = (
                    compile_inst(mn, o, mods, pc, n, simm, W, True)
                    if top < len(s.V)
                    else bad(f"register v{top} is beyond the last")
                )
            try:
                s.group(waves[key == k])
                c(s)
            finally:
                s.group(whole)

    return g


def _compile_text(text, pc, n, simm, W, gfx9):
    if " :: " in text:  # VOPD: both halves read their sources before either writes
        fs = []
        for p in text.split(" :: "):
            mn, ops, mods = parse_inst(p)
            fs.append(compile_inst(mn.replace("v_dual_", "v_"), ops, mods, pc, n, simm, W, gfx9))

        def f(s):
            buf = []
            wv = Sim.wv
            s.wv = lambda i, val, x=None, acc=False: buf.append((i, np.array(val), x, acc))
            try:
                for g in fs:
                    g(s)
            finally:
                del s.wv
            for i, v, x, a in buf:
                wv(s, i, np.broadcast_to(v, (s.n, s.W)), x, a)

        return f
    if text.startswith("<") or not re.match(r"^[a-z]", text):
        return bad("undecodable " + text)
    mn, ops, mods = parse_inst(text)
    f = compile_inst(mn, ops, dict(mods), pc, n, simm, W, gfx9)
    return _indexed(f, mn, ops, mods, pc, n, simm, W) if gfx9 and mn.startswith("v_") and not hasattr(f, "bad") else f


Sim.hw_mode0 = lambda s: (s.mode & 3) << 4 | 0xC0

STATS = {}


def launch(
    h: Hsaco, name, grid, block, args, dyn_lds=0, batch_waves=512, trace=None, max_inst=2_000_000_000, count=None
):
    """count: a count.Count, told of every instruction and access"""
    L = prepare(h, name, grid, block, args, dyn_lds)
    k = L.kernel
    W = 32 if h.family != "cdna" and k.wave32 else 64
    if (k.rsrc1 >> 12) & 0xF:
        raise EmuError("non-default rounding mode in the kernel's descriptor")
    if h.family == "cdna" and k.preload & 0x7F:
        k = L.kernel = type(k)(**{**k.__dict__, "entry": k.entry + 256})
    prog, nv = program(h, W)
    extra = [(h.base, h.size, "code object"), *[(b.addr, b.n, "launch state") for b in L.keep]]
    mem = Mem(extra)
    lx, ly, lz = L.block
    wpg = (lx * ly * lz + W - 1) // W
    wgs = [(x, y, z) for z in range(L.grid[2]) for y in range(L.grid[1]) for x in range(L.grid[0])]
    per = max(1, batch_waves // wpg)
    tot = 0
    for i in range(0, len(wgs), per):
        s = Sim(h, L, W, wgs[i : i + per], mem, prog, nv, k.denorm32)
        s.trace = trace
        if count:
            s.count = count
            s.trace = count.step
            count.begin(s)
        s.run(max_inst)
        tot += s.ninst
    STATS.update(wave_insts=tot, W=W)
    return L
