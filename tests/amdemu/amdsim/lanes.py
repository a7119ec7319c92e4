"""Vector instructions between lanes and registers."""

from __future__ import annotations

import numpy as np

from .arithmetic import popc
from .modified import valu_generic
from .operands import ilist
from .words import M32, i64, u32, u64


def lanes(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
    return None
