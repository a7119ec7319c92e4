"""Vector instructions with modifiers: operands from other lanes (DPP), parts of registers (SDWA), and wide ones."""

from __future__ import annotations

import re

import numpy as np

from .arithmetic import sx
from .operands import Op, ilist
from .vector_alu import BITS, NPT, as_t
from .words import EmuError, M32, i64, u16, u32


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
