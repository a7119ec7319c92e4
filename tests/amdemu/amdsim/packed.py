"""Packed vector instructions, dot products, and all that tables describe."""

from __future__ import annotations

import re

import numpy as np

from .arithmetic import bf2f, fma32, sx
from .matrix import mfma, wmma
from .modified import bad, valu_generic
from .operands import Op, ilist
from .vector_alu import A, NPT, as_t
from .words import EmuError, f16, f32, f64, i64, u16, u32


def packed(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
    return None
