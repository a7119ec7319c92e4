"""A kernel's instructions as functions, and its launch."""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
from hsaco import Hsaco, prepare

from .control import control
from .global_memory import global_memory
from .lanes import lanes
from .machine import Sim
from .masks import masks
from .memory import Mem
from .modified import DPPK, bad, nop
from .operands import S_M0, parse_inst, parse_op
from .packed import packed
from .races import Races
from .scalar import scalar
from .scalar_alu import NOPS
from .shared_memory import shared_memory
from .words import EmuError, u32


OBJDUMP = os.environ.get("LLVM_OBJDUMP", "llvm-objdump-22")
PARTS = (control, scalar, global_memory, shared_memory, lanes, masks, packed)


def compile_inst(mn, ops, mods, pc, size, simm, W, gfx9):
    """An instruction as a function of the machine."""
    O = [parse_op(o) for o in ops]
    if NOPS.match(mn):
        return nop
    base = re.sub(r"_(e32|e64|dpp|sdwa|e64_dpp|dpp8|e32_dpp)$", "", mn)
    base = re.sub(r"_(e32|e64|dpp|e64_dpp)$", "", base)
    for part in PARTS:
        if f := part(mn, base, O, ops, mods, pc, size, simm, W, gfx9):
            return f
    return bad(mn)


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
    h: Hsaco, name, grid, block, args, dyn_lds=0, batch_waves=512, trace=None, max_inst=2_000_000_000, count=None, races=False, flags=()
):
    """count: a count.Count, told of every instruction and access; races: accesses that may come in any order are an error, but for stores
    to the buffers at the addresses flags"""
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
    races = Races(mem.t, per, L.lds, flags) if races else None
    for i in range(0, len(wgs), per):
        s = Sim(h, L, W, wgs[i : i + per], mem, prog, nv, k.denorm32, races, i)
        if races:
            races.begin()
        s.trace = trace
        if count:
            s.count = count
            s.trace = count.step
            count.begin(s)
        s.run(max_inst)
        tot += s.ninst
    STATS.update(wave_insts=tot, W=W)
    return L
