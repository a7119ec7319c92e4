"""Instructions of LDS."""

from __future__ import annotations

import re

import numpy as np

from .accesses import atom_parse, do_atomic, flat_active, get_store, mem_load, mem_store, put_load, width
from .modified import bad
from .words import EmuError, i64, u32, u64


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


def shared_memory(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
    return None
