"""Branches, barriers, traps and mode registers."""

from __future__ import annotations

import re

import numpy as np

from .modified import bad, nop
from .operands import S_EXEC, S_VCC
from .words import EmuError, i64, u32, u64


def control(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
    """The instruction as a function of the machine, or none if it is not of these."""
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
    return None
