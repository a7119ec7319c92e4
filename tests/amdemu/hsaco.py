"""Pure-Python HSACO (AMDGPU code object v4/v5/v6) loader + AMDHSA dispatch state.  No third-party imports.
Written from the public LLVM "User Guide for AMDGPU Backend" (kernel descriptor / initial kernel execution state)."""

from __future__ import annotations

import ctypes
import mmap
import struct
from dataclasses import dataclass, field


# ---- mini msgpack (enough for NT_AMDGPU_METADATA) ----
def _mp(b, o=0):
    t = b[o]
    o += 1
    if t <= 0x7F:
        return t, o
    if t >= 0xE0:
        return t - 256, o
    if 0x80 <= t <= 0x8F or t in (0xDE, 0xDF):
        if t <= 0x8F:
            n = t & 15
        elif t == 0xDE:
            n, o = struct.unpack_from(">H", b, o)[0], o + 2
        else:
            n, o = struct.unpack_from(">I", b, o)[0], o + 4
        d = {}
        for _ in range(n):
            k, o = _mp(b, o)
            v, o = _mp(b, o)
            d[k] = v
        return d, o
    if 0x90 <= t <= 0x9F or t in (0xDC, 0xDD):
        if t <= 0x9F:
            n = t & 15
        elif t == 0xDC:
            n, o = struct.unpack_from(">H", b, o)[0], o + 2
        else:
            n, o = struct.unpack_from(">I", b, o)[0], o + 4
        l = []
        for _ in range(n):
            v, o = _mp(b, o)
            l.append(v)
        return l, o
    if 0xA0 <= t <= 0xBF or t in (0xD9, 0xDA, 0xDB):
        if t <= 0xBF:
            n = t & 31
        elif t == 0xD9:
            n, o = b[o], o + 1
        elif t == 0xDA:
            n, o = struct.unpack_from(">H", b, o)[0], o + 2
        else:
            n, o = struct.unpack_from(">I", b, o)[0], o + 4
        return b[o : o + n].decode(), o + n
    fx = {
        0xCA: ">f",
        0xCB: ">d",
        0xCC: ">B",
        0xCD: ">H",
        0xCE: ">I",
        0xCF: ">Q",
        0xD0: ">b",
        0xD1: ">h",
        0xD2: ">i",
        0xD3: ">q",
    }
    if t in fx:
        return struct.unpack_from(fx[t], b, o)[0], o + struct.calcsize(fx[t])
    if t == 0xC0:
        return None, o
    if t == 0xC2:
        return False, o
    if t == 0xC3:
        return True, o
    raise ValueError(f"msgpack {t:#x}")


# EF_AMDGPU_MACH -> (mcpu, family).  family is what the ISA emulator wants to know.
MACH = {
    0x03F: ("gfx90a", "cdna"),
    0x04C: ("gfx942", "cdna"),
    0x04F: ("gfx950", "cdna"),
    0x05F: ("gfx9-4-generic", "cdna"),
    0x036: ("gfx1030", "rdna2"),
    0x037: ("gfx1031", "rdna2"),
    0x038: ("gfx1032", "rdna2"),
    0x039: ("gfx1033", "rdna2"),
    0x03E: ("gfx1034", "rdna2"),
    0x03D: ("gfx1035", "rdna2"),
    0x045: ("gfx1036", "rdna2"),
    0x053: ("gfx10-3-generic", "rdna2"),
    0x041: ("gfx1100", "rdna3"),
    0x046: ("gfx1101", "rdna3"),
    0x047: ("gfx1102", "rdna3"),
    0x044: ("gfx1103", "rdna3"),
    0x043: ("gfx1150", "rdna3"),
    0x04A: ("gfx1151", "rdna3"),
    0x055: ("gfx1152", "rdna3"),
    0x058: ("gfx1153", "rdna3"),
    0x054: ("gfx11-generic", "rdna3"),
    0x048: ("gfx1200", "rdna4"),
    0x04E: ("gfx1201", "rdna4"),
    0x059: ("gfx12-generic", "rdna4"),
    0x049: ("gfx1250", "gfx1250"),
    0x05A: ("gfx1251", "gfx1250"),
}


@dataclass
class Kernel:
    name: str
    kd_addr: int
    entry: int
    lds: int
    scratch: int
    kernarg_size: int
    rsrc1: int
    rsrc2: int
    rsrc3: int
    props: int
    preload: int
    meta: dict = field(default_factory=dict)

    @property
    def wave32(self):
        return bool(self.props & (1 << 10))

    @property
    def denorm32(self):
        return (self.rsrc1 >> 16) & 3  # 3 = preserve f32 denormals, 0 = flush

    @property
    def denorm16_64(self):
        return (self.rsrc1 >> 18) & 3


class Hsaco:
    def __init__(self, data: bytes):
        if isinstance(data, str):
            data = open(data, "rb").read()
        self.data = data
        if len(data) < 64 or data[:4] != b"\x7fELF" or data[4] != 2:
            raise ValueError("not ELF64")
        (self.e_type, self.e_machine, _, _, phoff, shoff, flags, _, phes, phn, shes, shn, shstr) = struct.unpack_from(
            "<HHIQQQIHHHHHH", data, 16
        )
        if self.e_machine != 224:
            raise ValueError(f"e_machine {self.e_machine} is not EM_AMDGPU")
        if self.e_type != 3:
            raise ValueError("link it first: ld.lld -shared")
        if (flags & 0xFF) not in MACH:
            raise ValueError(f"processor {flags & 0xFF:#x} is not one that can be run")
        self.mach = flags & 0xFF
        self.mcpu, self.family = MACH[self.mach]
        ph = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * phes) for i in range(phn)]
        hi = max(p[3] + p[6] for p in ph if p[0] == 1)
        hi = (hi + 0xFFF) & ~0xFFF
        # trailing slack so that an instruction fetch near the end of .text stays mapped
        self.mem = mmap.mmap(-1, hi + 0x2000, mmap.MAP_ANON | mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.mem))
        self.size = hi
        dyn = None
        for t, fl, off, va, pa, fsz, msz, al in ph:
            if t == 1:
                self.mem[va : va + fsz] = data[off : off + fsz]
            elif t == 2:
                dyn = (off, fsz)
            elif t == 4:
                self._note(off, fsz)
        d = {}
        for i in range(dyn[1] // 16):
            tag, val = struct.unpack_from("<QQ", data, dyn[0] + i * 16)
            if tag == 0:
                break
            d[tag] = val
        # As the loader takes it, from the header and not from the metadata: gfx942:sramecc+
        settings = {2: "-", 3: "+"}
        self.target = self.mcpu + "".join(
            f":{name}{settings[flags >> shift & 3]}"
            for name, shift in (("sramecc", 10), ("xnack", 8))
            if flags >> shift & 3 in settings
        )
        self._dynsyms(d)
        self._relocs(d)
        # full symbol table when it is not stripped, else dynsym is enough (.kd symbols are dynamic)
        self.kernels = {}
        for n, v in self.syms.items():
            if not n.endswith(".kd"):
                continue
            kd = bytes(self.mem[v : v + 64])
            lds, scr, ka = struct.unpack_from("<III", kd, 0)
            (ent,) = struct.unpack_from("<q", kd, 16)
            r3, r1, r2, pr, pl = struct.unpack_from("<IIIHH", kd, 44)
            nm = n[:-3]
            m = next((k for k in self.meta.get("amdhsa.kernels", []) if k.get(".symbol") == n), {})
            self.kernels[nm] = Kernel(nm, self.base + v, self.base + v + ent, lds, scr, ka, r1, r2, r3, pr, pl, m)

    @property
    def max_lds(self):
        return {"gfx950": 160, "gfx1250": 320, "gfx1251": 320}.get(self.mcpu, 64) << 10  # bytes a workgroup may have

    meta: dict = {}

    def _note(self, off, sz):
        o = off
        while o < off + sz:
            nsz, dsz, ty = struct.unpack_from("<III", self.data, o)
            o += 12
            name = self.data[o : o + nsz].rstrip(b"\0")
            o += (nsz + 3) & ~3
            if name == b"AMDGPU" and ty == 32:
                self.meta = _mp(self.data[o : o + dsz])[0]
            o += (dsz + 3) & ~3

    def _dynsyms(self, d):
        # number of dynamic symbols from DT_GNU_HASH is awkward; use DT_HASH (lld emits both for amdgpu) else scan to strtab
        symtab, strtab = d[6], d[5]
        if 4 in d:
            n = struct.unpack_from("<I", self.mem, d[4] + 4)[0]
        else:
            n = (strtab - symtab) // 24
        self.syms, self.symlist = {}, []
        for i in range(n):
            nm, info, oth, shn, val, sz = struct.unpack_from("<IBBHQQ", self.mem, symtab + i * 24)
            e = self.mem.find(b"\0", strtab + nm)
            s = bytes(self.mem[strtab + nm : e]).decode()
            self.symlist.append((s, val, shn))
            if s and shn:
                self.syms[s] = val

    def _relocs(self, d):
        for tag, sztag in ((7, 8), (23, 2)):
            if tag not in d:
                continue
            for i in range(d[sztag] // 24):
                off, info, add = struct.unpack_from("<QQq", self.mem, d[tag] + i * 24)
                ty, sym = info & 0xFFFFFFFF, info >> 32
                S = self.base + self.symlist[sym][1] if sym else 0
                if ty == 13:
                    struct.pack_into("<Q", self.mem, off, self.base + add)  # R_AMDGPU_RELATIVE64
                elif ty == 3:
                    struct.pack_into("<Q", self.mem, off, (S + add) & (2**64 - 1))  # R_AMDGPU_ABS64
                elif ty == 6:
                    struct.pack_into("<I", self.mem, off, (S + add) & 0xFFFFFFFF)  # R_AMDGPU_ABS32
                elif ty == 1:
                    struct.pack_into("<I", self.mem, off, (S + add) & 0xFFFFFFFF)  # ABS32_LO
                elif ty == 2:
                    struct.pack_into("<I", self.mem, off, ((S + add) >> 32) & 0xFFFFFFFF)  # ABS32_HI
                else:
                    raise NotImplementedError(f"reloc type {ty}")


# ---------------- guarded device buffers ----------------
class DevBuf:
    """Host memory acting as device memory.  The buffer END touches a PROT_NONE page, so an out-of-bounds access past the end
    faults (SIGSEGV) instead of reading garbage; a PROT_NONE page sits before the first page too."""

    _libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, nbytes, fill=None, align=256):
        self.n = nbytes
        body = (max(nbytes, 1) + 0xFFF) & ~0xFFF
        self._m = mmap.mmap(-1, body + 0x2000, mmap.MAP_ANON | mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        b = ctypes.addressof(ctypes.c_char.from_buffer(self._m))
        self._libc.mprotect(ctypes.c_void_p(b), 0x1000, 0)
        self._libc.mprotect(ctypes.c_void_p(b + 0x1000 + body), 0x1000, 0)
        slack = (body - nbytes) // align * align  # keep alignment, put the end as near to the guard as it allows
        self.addr = b + 0x1000 + slack
        if fill is not None:
            ctypes.memset(self.addr, fill, nbytes)

    def np(self, dtype):
        import numpy as np

        return np.frombuffer((ctypes.c_char * self.n).from_address(self.addr), dtype=dtype)

    @staticmethod
    def of(arr, align=256):
        import numpy as np

        arr = np.ascontiguousarray(arr)
        d = DevBuf(arr.nbytes, align=align)
        ctypes.memmove(d.addr, arr.ctypes.data, arr.nbytes)
        return d


# ---------------- kernarg + AQL packet + initial SGPRs ----------------
_HIDDEN = (
    "hidden_block_count_x",
    "hidden_block_count_y",
    "hidden_block_count_z",
    "hidden_group_size_x",
    "hidden_group_size_y",
    "hidden_group_size_z",
    "hidden_remainder_x",
    "hidden_remainder_y",
    "hidden_remainder_z",
    "hidden_global_offset_x",
    "hidden_global_offset_y",
    "hidden_global_offset_z",
    "hidden_grid_dims",
    "hidden_dynamic_lds_size",
)


@dataclass
class Launch:
    kernel: Kernel
    grid: tuple
    block: tuple
    user_sgprs: list
    rsrc2: int
    lds: int
    keep: list
    kernarg: int


def prepare(h: Hsaco, name: str, grid, block, args, dyn_lds=0) -> Launch:
    """grid is in WORKGROUPS. args: list of DevBuf | (bytes) | int/float packed by the metadata '.args' offsets/sizes."""
    if name not in h.kernels:
        raise ValueError(f"no kernel {name!r}; there is {', '.join(h.kernels) or 'none'}")
    k = h.kernels[name]
    grid = tuple(grid) + (1,) * (3 - len(grid))
    block = tuple(block) + (1,) * (3 - len(block))
    threads, most, need = (
        block[0] * block[1] * block[2],
        k.meta.get(".max_flat_workgroup_size", 1024),
        k.meta.get(".reqd_workgroup_size"),
    )
    if min(grid) < 1 or min(block) < 1:
        raise ValueError(f"{name}: nothing to run in a grid of {grid} blocks of {block}")
    if threads > most or need and tuple(need) != block:
        raise ValueError(f"{name} runs in blocks of {tuple(need) if need else f'at most {most} threads'}, not {block}")
    if k.lds + dyn_lds > h.max_lds:
        raise ValueError(f"{name}: {k.lds + dyn_lds} bytes of LDS, and {h.mcpu} has {h.max_lds}")
    # whole lines of 16 bytes: the compiler widens a load of the last arguments to all of theirs
    ka = DevBuf(-(-max(k.kernarg_size, k.meta.get(".kernarg_segment_size", 0), 1) // 16) * 16, fill=0, align=64)
    buf = (ctypes.c_char * ka.n).from_address(ka.addr)
    margs = k.meta.get(".args", [])
    expl = [a for a in margs if not a[".value_kind"].startswith("hidden_")]
    if margs and len(expl) != len(args):
        raise ValueError(f"{name} takes {len(expl)} arguments, not {len(args)}")
    off = 0
    for i, a in enumerate(args):
        if isinstance(a, DevBuf):
            raw = struct.pack("<Q", a.addr)
        elif isinstance(a, (bytes, bytearray)):
            raw = bytes(a)
        elif isinstance(a, float):
            raw = struct.pack("<f", a) if expl and expl[i][".size"] == 4 else struct.pack("<d", a)
        else:
            n = expl[i][".size"] if expl else 8
            raw = (int(a) & ((1 << (8 * n)) - 1)).to_bytes(n, "little")
        if expl:
            off = expl[i][".offset"]
            if len(raw) != expl[i][".size"]:
                raise ValueError(f"argument {i} of {name} has {expl[i]['.size']} bytes, not {len(raw)}")
        else:
            off = (off + len(raw) - 1) // len(raw) * len(raw)
        buf[off : off + len(raw)] = raw
        off += len(raw)
    hv = dict(
        zip(
            _HIDDEN,
            (
                *grid,
                *block,
                0,
                0,
                0,
                0,
                0,
                0,
                3 if grid[2] * block[2] > 1 else 2 if grid[1] * block[1] > 1 else 1,
                dyn_lds,
            ),
        )
    )
    for a in margs:
        if a[".value_kind"] in hv:
            buf[a[".offset"] : a[".offset"] + a[".size"]] = hv[a[".value_kind"]].to_bytes(a[".size"], "little")
    lds = k.lds + dyn_lds
    keep = [ka]
    # hsa_kernel_dispatch_packet_t
    aql = DevBuf(64, fill=0, align=64)
    keep.append(aql)
    pkt = struct.pack(
        "<HHHHHHIIIIIQQQQ",
        2 | (1 << 8) | (2 << 9) | (2 << 11),
        3,
        *block,
        0,
        grid[0] * block[0],
        grid[1] * block[1],
        grid[2] * block[2],
        k.scratch,
        lds,
        k.kd_addr,
        ka.addr,
        0,
        0,
    )
    ctypes.memmove(aql.addr, pkt, 64)
    q = DevBuf(256, fill=0, align=64)
    keep.append(q)
    lo, hi = (lambda v: v & 0xFFFFFFFF), (lambda v: v >> 32)
    s = []
    if k.props & 1:  # ENABLE_SGPR_PRIVATE_SEGMENT_BUFFER (gfx90a and older): a swizzled V# we do not model
        s += [0, 0, 0, 0]
    if k.props & 2:
        s += [lo(aql.addr), hi(aql.addr)]
    if k.props & 4:
        s += [lo(q.addr), hi(q.addr)]
    if k.props & 8:
        s += [lo(ka.addr), hi(ka.addr)]
    if k.props & 16:
        s += [0, 0]  # dispatch id
    if k.props & 32:
        s += [0, 0]  # flat scratch init
    if k.props & 64:
        s += [k.scratch]  # private segment size
    plen, poff = k.preload & 0x7F, (k.preload >> 7) & 0x1FF
    for i in range(plen):
        s.append(struct.unpack_from("<I", buf, (poff + i) * 4)[0] if (poff + i) * 4 + 4 <= ka.n else 0)
    nuser = (k.rsrc2 >> 1) & 0x1F
    if plen:
        nuser = max(nuser, len(s))
    assert len(s) <= max(nuser, len(s))
    s += [0] * (nuser - len(s))
    return Launch(k, grid, block, s, k.rsrc2, lds, keep, ka.addr)
