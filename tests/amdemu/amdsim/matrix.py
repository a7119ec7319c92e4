"""Matrix instructions."""

from __future__ import annotations

import numpy as np

from .arithmetic import bf2f, sx
from .modified import bad
from .operands import Op, ilist
from .vector_alu import as_t
from .words import EmuError, f16, f32, f64, i64, u16, u32


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
