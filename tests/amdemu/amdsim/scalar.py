"""Scalar instructions, and those that index registers."""

from __future__ import annotations

import re

import numpy as np

from .operands import Op, S_M0, parse_op
from .scalar_alu import SA
from .words import EmuError, i64, u32


def scalar(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
    return None
