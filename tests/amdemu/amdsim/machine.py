"""The machine: registers and memory of all resident waves, and the loop over instructions."""

from __future__ import annotations

import struct

import numpy as np
from hsaco import Hsaco

from .memory import Arr
from .operands import NSREG, S_EXEC, S_TTMP, S_VCC, _inl
from .races import stamp
from .vector_alu import BITS, NPT, as_t
from .words import EmuError, M32, POISON, SCRATCH_TAG, f32, i64, u16, u32, u64


class Sim:
    def __init__(self, h: Hsaco, L, wave_size, wgs, mem, prog, nvgpr, mode, races=None, first_wg=0):
        """wgs: list of (gx,gy,gz) workgroups resident together; first_wg: the number of the first one in the grid"""
        self.h, self.L, self.W, self.mem, self.prog = h, L, wave_size, mem, prog
        lx, ly, lz = L.block
        tpw = lx * ly * lz
        wpg = (tpw + wave_size - 1) // wave_size
        self.NW = NW = wpg * len(wgs)
        self.wpg = wpg
        W = wave_size
        self.fam = h.family
        self.gfx9 = h.family == "cdna"
        self.count = None
        self.V = np.full((nvgpr[0], NW, W), POISON, u32)
        self.AC = np.full((max(nvgpr[1], 1), NW, W), POISON, u32)
        self.S = np.full((NSREG, NW), POISON, u32)
        self.SCC = np.zeros(NW, bool)
        self.PC = np.full(NW, L.kernel.entry, i64)
        self.ended = np.zeros(NW, bool)
        self.bar = np.zeros(NW, bool)
        self.sig = np.zeros(NW, bool)
        self.wg = np.repeat(np.arange(len(wgs)), wpg)
        self.races = races
        self.interval = np.zeros(NW, i64)
        self.number = (self.wg + first_wg, np.tile(np.arange(wpg), len(wgs)))
        self.stamp = stamp(*self.number, self.interval)
        self.lds = Arr(len(wgs), L.lds, "LDS", races is not None)
        self.scr = Arr(NW * W, L.kernel.scratch, "scratch")
        self.lanes = np.arange(W)
        self.bit = u64(1) << np.arange(W, dtype=u64)
        self.flush32 = (mode & 3) == 0
        self.mode = mode
        k = L.kernel
        for i, v in enumerate(L.user_sgprs):
            self.S[i] = v
        ids = np.array(wgs, dtype=u32).reshape(-1, 3)[self.wg]
        n = len(L.user_sgprs)
        if k.props & 1:
            self.S[0], self.S[1], self.S[2], self.S[3] = 0, 0, 0, SCRATCH_TAG
        if h.family in ("rdna4", "gfx1250"):
            self.S[S_TTMP + 9] = ids[:, 0]
            self.S[S_TTMP + 7] = (ids[:, 1] & 0xFFFF) | (ids[:, 2] << 16)
            self.S[S_TTMP + 6] = 0  # no clusters
        else:
            for b in range(3):
                if k.rsrc2 & (1 << (7 + b)):
                    self.S[n] = ids[:, b]
                    n += 1
            if k.rsrc2 & (1 << 10):
                self.S[n] = 0
                n += 1
            if k.rsrc2 & 1 and k.props & 1:
                self.S[n] = 0
                n += 1  # private segment wave offset (tagged V#: offset folds to 0)
        t = (np.arange(wpg * W)).reshape(wpg, W)
        act = t < tpw
        xyz = [np.tile(np.where(act, i, 0).astype(u32), (len(wgs), 1)) for i in (t % lx, t // lx % ly, t // (lx * ly))]
        if h.family == "rdna2":  # a register for each; later ones pack them
            for i in range(min(((k.rsrc2 >> 11) & 3) + 1, len(self.V))):
                self.V[i] = xyz[i]
        else:
            self.V[0] = xyz[0] | (xyz[1] << u32(10)) | (xyz[2] << u32(20))
        e = (act * self.bit).sum(1, dtype=u64)
        e = np.tile(e, len(wgs))
        self.S[S_EXEC] = (e & u64(M32)).astype(u32)
        self.S[S_EXEC + 1] = (e >> u64(32)).astype(u32)
        self.EX = np.tile(act, (len(wgs), 1))
        self.sel = None
        self.ninst = 0
        self.trace = None
        self.gm = np.zeros(NW, u32)
        self.gpr_idx = False  # gfx9's mode of indexed registers: enable bits of each wave; whether any has used it

    # --- scalar register access for the current group
    def g(self, a):
        return a if self.sel is None else a[self.sel]

    def rs(self, i):
        return self.S[i] if self.sel is None else self.S[i][self.sel]

    def ws(self, i, v):
        if self.sel is None:
            self.S[i][...] = v
        else:
            self.S[i][self.sel] = v
        if i >= S_EXEC:
            self.upd_exec()

    def upd_exec(self):
        e = self.rs64(S_EXEC) if self.W == 64 else self.rs(S_EXEC).astype(u64)
        b = (e[:, None] & self.bit) != 0
        if self.sel is None:
            self.EX = b
        else:
            self.EX[self.sel] = b
        self.x = b
        self.allx = bool(b.all())

    def rs64(self, i):
        return self.rs(i).astype(u64) | (self.rs(i + 1).astype(u64) << u64(32))

    def ws64(self, i, v):
        lo, hi = (v & u64(M32)).astype(u32), (v >> u64(32)).astype(u32)
        if self.sel is None:
            self.S[i][...] = lo
            self.S[i + 1][...] = hi
        else:
            self.S[i][self.sel] = lo
            self.S[i + 1][self.sel] = hi
        if i == S_EXEC:
            self.upd_exec()

    def wscc(self, v):
        if self.sel is None:
            self.SCC[...] = v
        else:
            self.SCC[self.sel] = v

    def group(self, sel):
        self.sel = sel
        self.x = self.EX if sel is None else self.EX[sel]
        self.allx = bool(self.x.all())
        self.n = self.NW if sel is None else len(sel)

    # --- vector registers
    def rv(self, i, acc=False):
        f = self.AC if acc else self.V
        return f[i] if self.sel is None else f[i][self.sel]

    def wv(self, i, val, x=None, acc=False):
        f = self.AC if acc else self.V
        if x is None:
            x, allx = self.x, self.allx
        else:
            allx = False
        if self.sel is None:
            if allx:
                f[i][...] = val
            else:
                np.copyto(f[i], val, where=x)
        else:
            if allx:
                f[i][self.sel] = val
            else:
                t = f[i][self.sel]
                np.copyto(t, val, where=x)
                f[i][self.sel] = t

    # --- typed scalar operand
    def sop(self, o, bits):
        k = o.k
        if k == "S":
            return self.rs64(o.i) if bits == 64 else self.rs(o.i)
        if k == "I":
            v = o.i
            return np.full(self.n, v & (2**64 - 1), u64) if bits == 64 else np.full(self.n, v & M32, u32)
        if k == "F":
            return (
                np.full(self.n, struct.unpack("<Q", struct.pack("<d", _inl(o.i)))[0], u64)
                if bits == 64
                else np.full(self.n, struct.unpack("<I", struct.pack("<f", _inl(o.i)))[0], u32)
            )
        if k == "N":
            return np.zeros(self.n, u64 if bits == 64 else u32)
        if k == "SCC":
            return self.g(self.SCC).astype(u32)
        if k == "AP":
            return np.full(self.n, (o.i << 32) if bits == 64 else o.i, u64 if bits == 64 else u32)
        if k == "VCCZ":
            return (self.mask_of_idx(S_VCC) == 0).astype(u32)
        if k == "EXECZ":
            return (self.mask_of_idx(S_EXEC) == 0).astype(u32)
        raise EmuError(f"scalar operand {o.txt}")

    def wsop(self, o, v, bits):
        if o.k == "N":
            return
        if o.k != "S":
            raise EmuError(f"scalar dst {o.txt}")
        if bits == 64:
            self.ws64(o.i, v.astype(u64))
        else:
            self.ws(o.i, v.astype(u32))

    def mask_of_idx(self, i):
        return self.rs64(i) if self.W == 64 else self.rs(i).astype(u64)

    def mask_of(self, o):
        """lane mask operand -> bool [n,W]"""
        m = self.sop(o, 64) if self.W == 64 else self.sop(o, 32).astype(u64)
        return (m[:, None] & self.bit) != 0

    def pack(self, b):
        return (
            np.ascontiguousarray(np.packbits(b, axis=1, bitorder="little"))
            .view(u64 if self.W == 64 else u32)[:, 0]
            .astype(u64)
        )

    def wmask(self, o, b):
        v = self.pack(b & self.x)
        if o.k == "N":
            return
        if self.W == 64:
            self.wsop(o, v, 64)
        else:
            self.wsop(o, v.astype(u32), 32)

    # --- typed vector operand, returns array of NPT[t], shape [n,W] or [n,1]
    def vop(self, o, t, selhi=False):
        bits = BITS[t]
        dt = NPT[t]
        k = o.k
        if k in "VA" and len(k) == 1:
            a = k == "A"
            r = self.rv(o.i, a)
            if bits == 64:
                r = r.astype(u64) | (self.rv(o.i + 1, a).astype(u64) << u64(32))
            elif bits == 16:
                r = ((r >> u32(16)) if (o.half == "h" or selhi) else (r & u32(0xFFFF))).astype(u16)
        elif k == "F":
            v = _inl(o.i)
            pk = {
                "f16": "<e",
                "b16": "<e",
                "u16": "<e",
                "i16": "<e",
                "f64": "<d",
                "b64": "<d",
                "u64": "<d",
                "i64": "<d",
            }.get(t, "<f")
            if t == "bf16":
                return np.full((self.n, 1), struct.unpack("<I", struct.pack("<f", v))[0] >> 16, u16)
            raw = struct.pack(pk, v)
            r = np.full((self.n, 1), int.from_bytes(raw, "little"), {2: u16, 4: u32, 8: u64}[len(raw)])
        elif k == "I":
            v = o.i
            if bits == 64:
                if t == "f64" and o.n == 1 and not -16 <= v <= 64 and v <= M32:
                    v = (v & M32) << 32
                r = np.full((self.n, 1), v & (2**64 - 1), u64)
            elif bits == 16:
                r = np.full((self.n, 1), ((v & M32) >> 16 if selhi else v) & 0xFFFF, u16)
            else:
                r = np.full((self.n, 1), v & M32, u32)
        else:
            r = self.sop(o, 64 if bits == 64 else 32)[:, None]
            if bits == 16:
                r = ((r >> u32(16)) if selhi else (r & u32(0xFFFF))).astype(u16)
        if o.abs or o.neg:
            sb = r.dtype.type(1 << (bits - 1))
            if o.abs:
                r = r & ~sb
            if o.neg:
                r = r ^ sb
        if r.dtype != dt:
            r = r.view(dt) if r.flags.c_contiguous else np.ascontiguousarray(r).view(dt)
        if t == "f32" and self.flush32:
            r = np.where(np.abs(r) < f32(2**-126), np.copysign(f32(0), r), r)
        return r

    def wvop(self, o, val, t, clamp=False, omod=1.0, x=None, hi=None, zerohi=False):
        """write typed result to a VGPR/AGPR"""
        if t in ("f32", "f16", "f64"):
            val = np.asarray(val)
            if omod != 1.0:
                val = val * NPT[t](omod)
            if val.dtype != NPT[t]:
                val = val.astype(NPT[t])
            if clamp:
                val = np.where(np.isnan(val), NPT[t](0), np.clip(val, NPT[t](0), NPT[t](1)))
            if t == "f32" and self.flush32:
                val = np.where(np.abs(val) < f32(2**-126), np.copysign(f32(0), val), val)
        b = as_t(np.asarray(val), t)
        a = o.k == "A"
        if o.k not in ("V", "A"):
            raise EmuError(f"vector dst {o.txt}")
        if b.dtype == u64:
            self.wv(o.i, (b & u64(M32)).astype(u32), x, a)
            self.wv(o.i + 1, (b >> u64(32)).astype(u32), x, a)
        elif b.dtype == u16:
            if hi is None:
                hi = (o.half == "h") if o.half else None
            old = self.rv(o.i, a)
            if hi:
                nv = (old & u32(0xFFFF)) | (b.astype(u32) << u32(16))
            elif zerohi and hi is None:
                nv = b.astype(u32)
            else:
                nv = (old & u32(0xFFFF0000)) | b.astype(u32)
            self.wv(o.i, nv, x, a)
        else:
            self.wv(o.i, b, x, a)

    # ---------------------------------------------------------------- run loop
    def run(self, max_inst=200_000_000):
        prog = self.prog
        it = 0
        with np.errstate(all="ignore"):
            while True:
                it += 1
                run = ~(self.ended | self.bar)
                if self.bar.any():
                    c = np.bincount(self.wg, weights=(self.ended | self.bar), minlength=self.wg[-1] + 1)
                    rel = (c == self.wpg)[self.wg] & self.bar
                    if rel.any():
                        self.bar[rel] = False
                        self.interval[rel] += 1
                        self.stamp = stamp(*self.number, self.interval)
                        run = ~(self.ended | self.bar)
                if not run.any():
                    if self.ended.all():
                        return
                    raise EmuError("deadlock: waves wait at a barrier that can not be released")
                pcs = self.PC[run]
                pc = int(pcs.min()) if it % 64 else int(pcs[(it // 64) % len(pcs)])
                m = run & (self.PC == pc)
                if m.all():
                    self.group(None)
                    other = ()
                else:
                    self.group(np.flatnonzero(m))
                    other = set(self.PC[run & ~m].tolist())
                while True:
                    ins = prog.get(pc)
                    if ins is None:
                        raise EmuError(f"no instruction at pc {pc - self.h.base:#x}")
                    self.ninst += self.n
                    if self.trace:
                        self.trace(self, pc, ins)
                    try:
                        r = ins[0](self)
                    except EmuError as e:
                        raise EmuError(f"{ins[2]}  @ {pc - self.h.base:#x}: {e}") from None
                    if r is None:
                        pc += ins[1]
                        if pc in other:
                            self.setpc(pc)
                            break
                    elif r == "br":
                        break  # closure wrote PC for every wave of the group
                    elif r == "bar":
                        self.setpc(pc + ins[1])
                        break
                    if self.ninst > max_inst:
                        raise EmuError("instruction budget exceeded (infinite loop?)")

    def setpc(self, v):
        if self.sel is None:
            self.PC[...] = v
        else:
            self.PC[self.sel] = v
