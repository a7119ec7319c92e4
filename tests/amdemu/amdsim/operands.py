"""Instructions as the disassembler writes them: operands and modifiers."""

from __future__ import annotations

import re

from .words import M32, PRIVATE_HI, SHARED_HI


class Op:
    __slots__ = ("k", "i", "n", "neg", "abs", "sext", "half", "txt")

    def __init__(self):
        self.k = None
        self.i = 0
        self.n = 1
        self.neg = self.abs = self.sext = False
        self.half = None


_REGRE = re.compile(r"^(v|s|a|ttmp)(?:(\d+)|\[(\d+)(?::(\d+))?\])(\.[lh])?$")
S_VCC, S_TTMP, S_M0, S_NULL, S_EXEC, S_XNACK, S_FLATSCR, NSREG = 106, 108, 124, 125, 126, 104, 102, 128
_SPECIAL = {
    "vcc": (S_VCC, 2),
    "vcc_lo": (S_VCC, 1),
    "vcc_hi": (S_VCC + 1, 1),
    "exec": (S_EXEC, 2),
    "exec_lo": (S_EXEC, 1),
    "exec_hi": (S_EXEC + 1, 1),
    "m0": (S_M0, 1),
    "flat_scratch": (S_FLATSCR, 2),
    "flat_scratch_lo": (S_FLATSCR, 1),
    "flat_scratch_hi": (S_FLATSCR + 1, 1),
    "xnack_mask": (S_XNACK, 2),
    "xnack_mask_lo": (S_XNACK, 1),
    "xnack_mask_hi": (S_XNACK + 1, 1),
}


def parse_op(t):
    o = Op()
    o.txt = t
    while True:
        if t.startswith("-") and len(t) > 1 and not (t[1].isdigit()):
            o.neg = not o.neg
            t = t[1:]
        elif t.startswith("neg("):
            o.neg = not o.neg
            t = t[4:-1]
        elif t.startswith("|") and t.endswith("|"):
            o.abs = True
            t = t[1:-1]
        elif t.startswith("abs("):
            o.abs = True
            t = t[4:-1]
        elif t.startswith("sext("):
            o.sext = True
            t = t[5:-1]
        elif t.startswith("lit(") or t.startswith("lit64("):
            o.n = 2 if t[3] == "6" else 1
            t = t[t.index("(") + 1 : -1]
        else:
            break
    m = _REGRE.match(t)
    if m:
        o.k = {"v": "V", "a": "A", "s": "S", "ttmp": "S"}[m[1]]
        lo = int(m[2] if m[2] is not None else m[3])
        hi = int(m[4]) if m[4] else lo
        o.i = lo + (S_TTMP if m[1] == "ttmp" else 0)
        o.n = hi - lo + 1
        o.half = m[5][1] if m[5] else None
        return o
    if t in _SPECIAL:
        o.k = "S"
        o.i, o.n = _SPECIAL[t]
        return o
    if t in ("null",):
        o.k = "N"
        return o
    if t in ("off", ""):
        o.k = "OFF"
        return o
    if t in ("scc", "src_scc"):
        o.k = "SCC"
        return o
    if t in ("src_vccz", "vccz", "src_execz", "execz"):
        o.k = t.replace("src_", "").upper()
        return o
    if t in ("src_shared_base", "shared_base"):
        o.k = "AP"
        o.i = SHARED_HI
        return o
    if t in ("src_private_base", "private_base"):
        o.k = "AP"
        o.i = PRIVATE_HI
        return o
    if t in ("src_shared_limit", "shared_limit", "src_private_limit", "private_limit"):
        o.k = "AP"
        o.i = M32
        return o
    if re.match(r"^-?(0x[0-9a-fA-F]+|\d+)$", t):
        o.k = "I"
        o.i = int(t, 0)
        return o
    if re.match(r"^-?\d+\.\d+(e[-+]?\d+)?$", t):
        o.k = "F"
        o.i = float(t)
        return o
    o.k = "X"
    return o


def split_ops(s):
    out, d, cur = [], 0, ""
    for c in s:
        if c in "[(":
            d += 1
        elif c in "])":
            d -= 1
        if c == "," and d == 0:
            out.append(cur.strip())
            cur = ""
        else:
            cur += c
    if cur.strip():
        out.append(cur.strip())
    return out


def parse_inst(text):
    text = text.strip()
    p = text.split(None, 1)
    mn = p[0]
    rest = p[1] if len(p) > 1 else ""
    chunks = split_ops(rest)
    mods = {}
    ops = []
    for ci, c in enumerate(chunks):
        toks = re.findall(r"(?:[^\s\[\(]|\[[^\]]*\]|\([^\)]*\))+", c)
        if not toks:
            continue
        first = toks[0]
        # a chunk that starts with a modifier (no operand): e.g. "s_waitcnt vmcnt(0)"
        ops.append(first)
        for t in toks[1:]:
            if ":" in t:
                k, v = t.split(":", 1)
                mods[k] = v
            else:
                mods[t] = True
    return mn, ops, mods


def ilist(v):
    return [int(x, 0) for x in v.strip("[]").split(",")]



def _inl(v):
    return 0.15915494309189532 if abs(v - 0.15915494) < 1e-7 else v
