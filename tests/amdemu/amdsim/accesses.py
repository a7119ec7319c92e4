"""Loads, stores and atomics: widths, addresses, and what they do to memory."""

from __future__ import annotations

import re
import struct

import numpy as np

from .arithmetic import bf2f, f2bf, maxnum, minnum, sx
from .races import ATOMIC, LOAD, STORE
from .words import EmuError, M32, PRIVATE_HI, SHARED_HI, f16, f32, f64, i32, i64, u16, u32, u64, u8


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


def ordered(s, kind, space, addr, fs, nbytes):
    """Tells who looks for races of an access."""
    own = s.g(s.stamp)[fs // s.W]
    if space == "global":
        s.races.global_access(kind, addr, nbytes, own)
    else:
        s.races.lds_access(kind, s.g(s.wg)[fs // s.W], addr, nbytes, own)


def mem_load(s, space, addr, fs, nbytes):
    row = lambda: s.g(s.wg)[fs // s.W]
    lrow = lambda: (np.arange(s.NW) if s.sel is None else s.sel)[fs // s.W] * s.W + fs % s.W
    if space == "global":
        if s.count:
            s.count.touch("load", fs // s.W, addr, nbytes)
        loaded = s.mem.load(addr, nbytes)
        if s.races:
            ordered(s, LOAD, space, addr, fs, nbytes)
        return loaded
    if space == "scratch":
        return s.scr.load(lrow(), addr, nbytes)
    if space == "lds":
        loaded = s.lds.load(row(), addr, nbytes)
        if s.races:
            ordered(s, LOAD, space, addr, fs, nbytes)
        return loaded
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
        s.mem.store(addr, data)
        if s.races:
            ordered(s, STORE, space, addr, fs, data.shape[1] * data.itemsize)
        return
    if space == "scratch":
        return s.scr.store((np.arange(s.NW) if s.sel is None else s.sel)[fs // s.W] * s.W + fs % s.W, addr, data)
    if space == "lds":
        s.lds.store(s.g(s.wg)[fs // s.W], addr, data)
        if s.races:
            ordered(s, STORE, space, addr, fs, data.shape[1] * data.itemsize)
        return
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
    races, s.races = s.races, None
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
    s.count, s.races = count, races
    if races:
        near = addr >> u64(32) if space == "flat" else None
        if near is not None and (near == SHARED_HI).any():
            raise EmuError("an atomic operation of LDS by flat addresses, of which no races are looked for")
        ordered(s, ATOMIC, "lds" if space == "lds" else "global", addr, fs, nb)
    return old


def flat_active(s):
    return np.flatnonzero(s.x.ravel())
