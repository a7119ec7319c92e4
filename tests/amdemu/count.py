"""What one launch costs: instructions by class, bytes and lines of memory, trips a wave waits for, a modelled time of one wave,
occupancy.

  counted(h, 'kernel', grid, block, args) -> a dictionary; README.md says what each figure is and is not.

Numbers do not depend on the machine or on how the emulator groups waves; only a kernel that spins on memory depends on its
schedule."""

from __future__ import annotations

import collections
import re

import numpy as np

import amdsim

u64 = np.uint64

CLASSES = (
    "valu",
    "dual",
    "dpp",
    "lane",
    "mul32",
    "trans",
    "matrix",
    "salu",
    "branch",
    "scalar_load",
    "vector_load",
    "vector_store",
    "atomic",
    "lds",
    "lds_lane",
    "barrier",
    "wait",
    "nop",
)
ISSUED_BY_VALU = ("valu", "dual", "dpp", "lane", "mul32", "trans", "matrix")
_RULES = [
    (re.compile(r), c)
    for r, c in (
        (r"^v_(mfma|smfmac|wmma|swmmac)", "matrix"),
        (r"^v_(readlane|readfirstlane|writelane|permlane)", "lane"),
        (r"^v_.* :: ", "dual"),
        (r"^v_\S+ .*(quad_perm:|row_\w+|wave_\w+:|dpp8:)", "dpp"),
        (r"^v_(s_)?(exp|log|rcp|rsq|sqrt|sin|cos|tanh)_", "trans"),
        (r"^v_(mul_lo_[ui]32|mul_hi_[ui]32|mad_(co_|nc_)?[ui]64|mad_u32 |mul_u64)", "mul32"),
        (r"^v_nop", "nop"),
        (r"^v_", "valu"),
        (r"^s_(buffer_)?load", "scalar_load"),
        (r"^s_c?branch|^s_(setpc|swappc|call|set_pc|swap_pc)", "branch"),
        (r"^s_wait(cnt|_)", "wait"),
        (r"^s_barrier", "barrier"),
        (r"^s_(nop|delay_alu|clause|code_end|set_inst|inst_pref|prefetch|sleep|setprio|set_vgpr_msb)", "nop"),
        (r"^s_", "salu"),
        (r"^ds_\S*(permute|swizzle)", "lds_lane"),
        (r"^ds_", "lds"),
        (r"^(global|flat|buffer)_\S*atomic", "atomic"),
        (r"^(global|flat|buffer|scratch)_\S*store", "vector_store"),
        (r"^(global|flat|buffer|scratch)_load", "vector_load"),
        (r"^(global|buffer)_", "nop"),
    )
]


def classify(text):
    return next((c for r, c in _RULES if r.match(text)), "salu")


def issue(family, W, c):
    """cycles for which an instruction of class c keeps its unit: the VALU has 16 lanes on gfx9, 32 later; transcendental and 32-bit multiplications take four times as long"""
    once = 4 if family == "cdna" else W // 32 if c in ISSUED_BY_VALU else 1
    return 4 * once if c in ("trans", "mul32") else once


# cycles until a result is there; round numbers, of which only ratios mean anything
LATENCY = {"lds": 64, "scalar_load": 200, "vector_load": 500, "vector_store": 500}
RESULT = {
    "cdna": {"trans": 16, "mul32": 16},
    "rdna": {"valu": 5, "dual": 5, "dpp": 5, "lane": 6, "trans": 10, "mul32": 8, "salu": 2},
}
_REG = re.compile(r"\b([vsa])(?:(\d+)|\[(\d+):(\d+)\])|\b(vcc|exec|m0)(?:_lo|_hi)?\b")


def _regs(text):
    r = set()
    for m in _REG.finditer(text):
        if m[5]:
            r.add(m[5])
        else:
            r.update(m[1] + str(i) for i in (range(int(m[3]), int(m[4]) + 1) if m[3] else (int(m[2]),)))
    return r


def _written(text, c):
    if c in ("vector_load", "vector_store", "atomic", "lds", "lds_lane", "scalar_load", "branch") or text.startswith(
        ("s_cmp", "s_bitcmp")
    ):
        return set()
    r = set()
    for t in text.split(" :: "):
        mn, *rest = t.split(None, 1)
        ops = amdsim.split_ops(rest[0]) if rest else []
        r |= _regs(ops[0]) if ops else set()
        if re.search(r"div_scale|_co_|v_mad_[ui]64|swap", mn) and len(ops) > 1:
            r |= _regs(ops[1])
        if mn.startswith("v_cmpx"):
            r.add("exec")
    return r


def _waits(text):
    """(queue, how many may be outstanding)"""
    r = [
        ({"vmcnt": "vm", "lgkmcnt": "lg", "vscnt": "vs"}[q], int(n))
        for q, n in re.findall(r"\b(vmcnt|lgkmcnt|vscnt)\((\d+)\)", text)
    ]
    m = re.match(r"s_waitcnt_(vmcnt|lgkmcnt|vscnt) \w+, (\w+)", text)
    if m:
        r.append(({"vmcnt": "vm", "lgkmcnt": "lg", "vscnt": "vs"}[m[1]], int(m[2], 0)))
    m = re.match(r"s_wait_(loadcnt|storecnt|dscnt|kmcnt)(_dscnt)? (\w+)", text)
    if m:
        q, n = {"loadcnt": "vm", "storecnt": "vs", "dscnt": "ds", "kmcnt": "km"}[m[1]], int(m[3], 0)
        r += [(q, n >> 8), ("ds", n & 0xFF)] if m[2] else [(q, n)]
    return r


class Wave:
    """One wave alone, issuing in order: it stalls for a register not yet written and at s_wait for memory."""

    def __init__(self, family, W, latency):
        self.family, self.W, self.latency = family, W, latency
        self.result = RESULT["cdna" if family == "cdna" else "rdna"]
        self.time, self.ready, self.stall, self.n = 0, {}, collections.Counter(), collections.Counter()
        self.queues, self.trips, self.memo = collections.defaultdict(list), {"memory": 0, "lds": 0}, {}

    def queue(self, text, c):
        if c in ("lds", "lds_lane"):
            return "ds" if self.family in ("rdna4", "gfx1250") else "lg"
        if c == "scalar_load":
            return "km" if self.family in ("rdna4", "gfx1250") else "lg"
        silent = c == "vector_store" or c == "atomic" and not re.search(r"\b(glc|sc0|th:TH_ATOMIC_RETURN)\b", text)
        return "vs" if silent and self.family != "cdna" else "vm"

    def decode(self, text, c):
        name = "lds" if c in ("lds", "lds_lane") else "vector_load" if c == "atomic" else c
        m = re.match(r"s_nop (\w+)", text)
        cycles = issue(self.family, self.W, c)
        if c == "nop":
            cycles = 0 if text.startswith("s_delay_alu") else (int(m[1], 0) + 1) * cycles if m else cycles
        return (
            _regs(text),
            _written(text, c),
            _waits(text) if c == "wait" else (),
            self.queue(text, c) if name in self.latency else None,
            self.latency.get(name),
            name,
            cycles,
        )

    def step(self, text, c):
        d = self.memo.get(text) or self.memo.setdefault(text, self.decode(text, c))
        regs, written, waits, queue, latency, name, cycles = d
        self.n[c] += 1
        for q, n in waits:
            q = self.queues[q]
            while len(q) > n:
                done, what, trip = q.pop(0)
                k = "lds" if what == "lds" else "memory"
                self.trips[k] = max(self.trips[k], trip + 1)
                if done > self.time:
                    self.stall[what] += done - self.time
                    self.time = done
        if c not in ("wait", "nop"):
            t = max((self.ready.get(r, 0) for r in regs), default=0)
            if t > self.time:
                self.stall["registers"] += t - self.time
                self.time = t
            for r in written:
                self.ready[r] = self.time + max(cycles, self.result.get(c, cycles))
            if queue:
                self.queues[queue].append((self.time + latency, name, self.trips["lds" if name == "lds" else "memory"]))
        self.time += cycles


class Count:
    """what launch() reports to: every instruction of a group of waves, every access to global memory"""

    def __init__(self, h, latency=None):
        unknown = set(latency or ()) - set(LATENCY)
        if unknown:
            raise ValueError(f"no latency {', '.join(sorted(unknown))}; there are {', '.join(LATENCY)}")
        self.h, self.latency = h, {**LATENCY, **(latency or {})}
        self.n, self.memo, self.waves, self.wave = collections.Counter(), {}, 0, None
        self.bytes, self.lines, self.seen = collections.Counter(), collections.Counter(), collections.defaultdict(list)

    def begin(self, sim):
        self.first = self.wave is None
        self.waves += sim.NW
        self.W = sim.W
        if self.first:
            self.wave = Wave(self.h.family, sim.W, self.latency)

    def step(self, sim, pc, ins):
        c = self.memo.get(ins[2]) or self.memo.setdefault(ins[2], classify(ins[2]))
        self.n[c] += sim.n
        if self.first and (sim.sel is None or sim.sel[0] == 0):
            self.wave.step(ins[2], c)

    def touch(self, what, waves, addr, nbytes):
        """one instruction's access: `what` to nbytes at each of addr, by these waves"""
        self.bytes[what] += addr.size * nbytes
        a, b = addr >> u64(6), (addr + u64(nbytes - 1)) >> u64(6)
        key = waves.astype(u64) << u64(42)
        self.lines[what] += np.unique(np.concatenate([a | key, b | key])).size
        seen = self.seen[what]
        seen.append(np.unique(np.concatenate([a, b])))
        if len(seen) > 256:
            self.seen[what] = [np.unique(np.concatenate(seen))]

    def report(self, L):
        k, f = L.kernel, self.h.family
        m, total = k.meta, sum(self.n.values())
        whats = ("scalar_load", "load", "store", "atomic")
        return {
            "waves": self.waves,
            "wave_size": self.W,
            "instructions": total,
            "without_nops": total - self.n["nop"],
            "classes": {c: self.n[c] for c in CLASSES if self.n[c]},
            "per_wave": {c: round(self.n[c] / self.waves, 2) for c in CLASSES if self.n[c]},
            "valu_cycles": sum(self.n[c] * issue(f, self.W, c) for c in ISSUED_BY_VALU),
            "memory": {
                w: {
                    "bytes": self.bytes[w],
                    "lines": self.lines[w],
                    "distinct_lines": int(np.unique(np.concatenate(self.seen[w])).size),
                }
                for w in whats
                if self.bytes[w]
            },
            "wave": {
                "instructions": sum(self.wave.n.values()),
                "without_nops": sum(self.wave.n.values()) - self.wave.n["nop"],
                "memory_trips": self.wave.trips["memory"],
                "lds_trips": self.wave.trips["lds"],
                "cycles": self.wave.time,
                "stall": dict(sorted(self.wave.stall.items())),
                "latency": self.latency,
            },
            "kernel": {
                "instructions": static(self.h, k.name),
                "vgprs": m.get(".vgpr_count"),
                "agprs": m.get(".agpr_count", 0),
                "sgprs": m.get(".sgpr_count"),
                "lds": L.lds,
                "scratch": k.scratch,
                "vgpr_spills": m.get(".vgpr_spill_count", 0),
                "sgpr_spills": m.get(".sgpr_spill_count", 0),
            },
            "occupancy": occupancy(self.h, k, L.block[0] * L.block[1] * L.block[2], L.lds, self.W),
        }


def static(h, name):
    """instructions from a kernel's entry to its last s_endpgm before the next kernel"""
    e = h.kernels[name].entry - h.base
    end = min((k.entry - h.base for k in h.kernels.values() if k.entry - h.base > e), default=1 << 60)
    d = [t for va, n, t, w in amdsim.h_dis(h) if e <= va < end]
    return max((i + 1 for i, t in enumerate(d) if t.startswith("s_endpgm")), default=len(d))


def occupancy(h, k, threads, lds, W):
    """waves of this kernel that fit on a CU (gfx9) or WGP (later) of four SIMDs, and what bounds them; limits as LLVM 22 has them"""
    up = lambda x, n: -(-x // n) * n
    if h.family == "cdna":
        total, granule, most, pool, unit, barriers = 512, 8, 8, h.max_lds, 1280 if h.mcpu == "gfx950" else 512, 16
    elif h.family == "gfx1250":
        total, granule, most, pool, unit, barriers = 1024, 16, 8, h.max_lds, 1024, 32
    else:
        large = h.mcpu in ("gfx1100", "gfx1101", "gfx1151", "gfx1200", "gfx1201", "gfx12-generic")
        half = W // 32
        total, granule, most, pool, unit, barriers = (
            (1536 if large else 1024) // half,
            (24 if large else 16) // half,
            16,
            128 << 10 if k.rsrc1 >> 29 & 1 else 64 << 10,
            512,
            32,
        )
    vgprs, sgprs = k.meta.get(".vgpr_count") or 1, k.meta.get(".sgpr_count") or 1
    a_block = -(-threads // W)
    slots = most * 4
    fit = {
        "waves": slots,
        "vgprs": min(most, total // up(vgprs, granule)) * 4,
        "lds": pool // up(lds, unit) * a_block if lds else slots,
        "blocks": barriers * a_block if a_block > 1 else slots,
    }
    if h.family == "cdna":
        fit["sgprs"] = (8 if sgprs <= 100 else 7) * 4
    limit = min(fit, key=fit.get)
    return {
        "waves": fit[limit] // a_block * a_block,
        "of": slots,
        "per": "CU" if h.family == "cdna" else "WGP",
        "limit": limit,
    }


def counted(h, name, grid, block, args, dyn_lds=0, latency=None, **kw):
    c = Count(h, latency)
    return c.report(amdsim.launch(h, name, grid, block, args, dyn_lds, count=c, **kw))
