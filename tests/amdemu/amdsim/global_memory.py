"""Loads, stores and atomics of global memory and scratch, scalar loads too."""

from __future__ import annotations

import re

import numpy as np

from .accesses import addr_of, atom_parse, do_atomic, flat_active, get_store, ld_value, mem_load, mem_store, put_load, width
from .modified import bad
from .races import LOAD
from .words import EmuError, SCRATCH_TAG, i64, u32, u64, u8


def global_memory(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
                    if s.races:
                        s.races.global_access(LOAD, a[ok], nb, s.g(s.stamp)[ok])
                    r[ok] = v if kind == "d" else ld_value(v, kind, bits)[:, None]
            else:
                a = s.rs64(O[1].i) + off.astype(u64)
                if kind == "d":
                    a = a & ~u64(3)
                if s.count:
                    s.count.touch("scalar_load", np.arange(s.n), a, nb)
                r = s.mem.load(a, nb, mn)
                if s.races:
                    s.races.global_access(LOAD, a, nb, s.g(s.stamp))
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
    return None
