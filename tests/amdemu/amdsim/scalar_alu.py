"""What the scalar ALU computes: for each instruction its widths and its function."""

from __future__ import annotations

import re

import numpy as np

from .arithmetic import brev32, ffbh, ffbl, fma32, popc, sx
from .vector_alu import A, CMP, NPT, as_t
from .words import M32, f32, i32, i64, u32, u64


NOPS = re.compile(
    r"^(s_nop|s_waitcnt\w*|s_wait_\w+|s_delay_alu|s_clause|s_set_inst_prefetch_distance|s_inst_prefetch|s_sleep|s_sleep_var|s_setprio|s_sendmsg|s_icache_inv|s_dcache_\w+|s_code_end|s_version|s_wakeup|s_incperflevel|s_decperflevel|s_ttracedata\w*|"
    r"buffer_gl[01]_inv|buffer_wbl2|buffer_inv|buffer_wbinvl1\w*|buffer_invl2|global_inv|global_wb|global_wbinv|s_round_mode_dummy|s_prefetch_\w+|s_singleuse_vdst|s_sethalt_dummy|v_nop|ds_nop|s_setkill_dummy|s_alloc_vgpr|s_barrier_leave|s_buffer_prefetch_data)$"
)

# scalar ALU: name -> (dst bits, [src bits], fn(sim,*args)->(res,scc|None))
SA: dict[str, tuple] = {}


def TS(names, d, srcs, fn):
    for n in names.split():
        SA[n] = (d, srcs, fn)


nz = lambda r: (r, r != 0)
for w, dt in ((32, u32), (64, u64)):
    TS(f"s_mov_b{w}", w, [w], lambda s, a: (a, None))
    TS(f"s_not_b{w}", w, [w], lambda s, a: nz(~a))
    TS(f"s_and_b{w}", w, [w, w], lambda s, a, b: nz(a & b))
    TS(f"s_or_b{w}", w, [w, w], lambda s, a, b: nz(a | b))
    TS(f"s_xor_b{w}", w, [w, w], lambda s, a, b: nz(a ^ b))
    TS(f"s_andn2_b{w} s_and_not1_b{w}", w, [w, w], lambda s, a, b: nz(a & ~b))
    TS(f"s_orn2_b{w} s_or_not1_b{w}", w, [w, w], lambda s, a, b: nz(a | ~b))
    TS(f"s_nand_b{w}", w, [w, w], lambda s, a, b: nz(~(a & b)))
    TS(f"s_nor_b{w}", w, [w, w], lambda s, a, b: nz(~(a | b)))
    TS(f"s_xnor_b{w}", w, [w, w], lambda s, a, b: nz(~(a ^ b)))
    TS(f"s_lshl_b{w}", w, [w, 32], lambda s, a, b, w=w: nz(a << (b & u32(w - 1)).astype(a.dtype)))
    TS(f"s_lshr_b{w}", w, [w, 32], lambda s, a, b, w=w: nz(a >> (b & u32(w - 1)).astype(a.dtype)))
    TS(
        f"s_ashr_i{w}",
        w,
        [w, 32],
        lambda s, a, b, w=w: nz(
            (a.view({32: i32, 64: i64}[w]) >> (b & u32(w - 1)).astype({32: i32, 64: i64}[w])).view(a.dtype)
        ),
    )
    TS(f"s_cselect_b{w}", w, [w, w], lambda s, a, b: (np.where(s.g(s.SCC), a, b), None))
    TS(
        f"s_brev_b{w}",
        w,
        [w],
        lambda s, a, w=w: (
            brev32(a)
            if w == 32
            else (brev32((a & u64(M32)).astype(u32)).astype(u64) << u64(32))
            | brev32((a >> u64(32)).astype(u32)).astype(u64),
            None,
        ),
    )
    TS(f"s_bcnt1_i32_b{w}", 32, [w], lambda s, a: nz(popc(a)))
    TS(f"s_bcnt0_i32_b{w}", 32, [w], lambda s, a, w=w: nz(u32(w) - popc(a)))
    TS(f"s_ff1_i32_b{w} s_ctz_i32_b{w}", 32, [w], lambda s, a, w=w: (ffbl(a, w), None))
    TS(f"s_flbit_i32_b{w} s_clz_i32_u{w}", 32, [w], lambda s, a, w=w: (ffbh(a, w), None))
    TS(
        f"s_bitset0_b{w}",
        w,
        [32, "d"],
        lambda s, a, d, w=w: (d & ~(d.dtype.type(1) << (a & u32(w - 1)).astype(d.dtype)), None),
    )
    TS(
        f"s_bitset1_b{w}",
        w,
        [32, "d"],
        lambda s, a, d, w=w: (d | (d.dtype.type(1) << (a & u32(w - 1)).astype(d.dtype)), None),
    )
    TS(
        f"s_bfm_b{w}",
        w,
        [32, 32],
        lambda s, a, b, w=w, dt=dt: (
            ((dt(1) << (a & u32(w - 1)).astype(dt)) - dt(1)) << (b & u32(w - 1)).astype(dt),
            None,
        ),
    )
    TS(f"s_wqm_b{w}", w, [w], lambda s, a, w=w: nz(_wqm(a, w)))
    TS(f"s_cmov_b{w}", w, [w, "d"], lambda s, a, d: (np.where(s.g(s.SCC), a, d), None))

    def _bfe(s, a, b, w=w, sg=False):
        off, n = (b & u32(w - 1)).astype(u64), np.minimum((b >> u32(16)) & u32(0x7F), w).astype(u64)
        v = (a.astype(u64) >> off) & np.where(n >= 64, u64(2**64 - 1), (u64(1) << n) - u64(1))
        if sg:
            sb = np.where(n == 0, u64(0), u64(1) << (np.maximum(n, 1) - u64(1)))
            v = np.where(n == 0, u64(0), (v ^ sb) - sb)
        return nz(v.astype(a.dtype))

    TS(f"s_bfe_u{w}", w, [w, 32], _bfe)
    TS(f"s_bfe_i{w}", w, [w, 32], lambda s, a, b, f=_bfe: f(s, a, b, sg=True))
    for c, fn in (
        ("eq", np.equal),
        ("lg", np.not_equal),
        ("gt", np.greater),
        ("ge", np.greater_equal),
        ("lt", np.less),
        ("le", np.less_equal),
    ):
        TS(f"s_cmp_{c}_u{w}", None, [w, w], lambda s, a, b, fn=fn: (None, fn(a, b)))
        if w == 32:
            TS(
                f"s_cmp_{c}_i32 s_cmpk_{c}_i32",
                None,
                [32, 32],
                lambda s, a, b, fn=fn: (None, fn(a.view(i32), b.view(i32))),
            )
            TS(f"s_cmpk_{c}_u32", None, [32, 32], lambda s, a, b, fn=fn: (None, fn(a, b & u32(0xFFFF))))
    TS(
        f"s_bitcmp0_b{w}",
        None,
        [w, 32],
        lambda s, a, b, w=w: (None, ((a >> (b & u32(w - 1)).astype(a.dtype)) & a.dtype.type(1)) == 0),
    )
    TS(
        f"s_bitcmp1_b{w}",
        None,
        [w, 32],
        lambda s, a, b, w=w: (None, ((a >> (b & u32(w - 1)).astype(a.dtype)) & a.dtype.type(1)) != 0),
    )


def _wqm(a, w):
    r = a | (a >> a.dtype.type(1))
    r = r | (r >> a.dtype.type(2))
    m = a.dtype.type(int("1" * (w // 4), 16))
    r = r & m
    return r * a.dtype.type(15)


_ov = lambda r, a, b, sub: (((a ^ b) & (a ^ r)) >> u32(31)) != 0 if sub else ((~(a ^ b) & (a ^ r)) >> u32(31)) != 0
TS("s_add_u32 s_add_co_u32", 32, [32, 32], lambda s, a, b: (a + b, (a + b) < a))
TS("s_sub_u32 s_sub_co_u32", 32, [32, 32], lambda s, a, b: (a - b, b > a))
TS("s_add_i32 s_add_co_i32", 32, [32, 32], lambda s, a, b: (a + b, _ov(a + b, a, b, False)))
TS("s_sub_i32 s_sub_co_i32", 32, [32, 32], lambda s, a, b: (a - b, _ov(a - b, a, b, True)))


def _addc(s, a, b):
    r = a.astype(u64) + b + s.g(s.SCC)
    return (r & u64(M32)).astype(u32), r > M32


def _subb(s, a, b):
    r = a.astype(i64) - b - s.g(s.SCC)
    return r.astype(u32), r < 0


TS("s_addc_u32 s_add_co_ci_u32", 32, [32, 32], _addc)
TS("s_subb_u32 s_sub_co_ci_u32", 32, [32, 32], _subb)
TS("s_mul_i32", 32, [32, 32], lambda s, a, b: (a * b, None))
TS("s_mul_hi_u32", 32, [32, 32], lambda s, a, b: ((a.astype(u64) * b >> u64(32)).astype(u32), None))
TS("s_mul_hi_i32", 32, [32, 32], lambda s, a, b: ((a.view(i32).astype(i64) * b.view(i32) >> 32).astype(u32), None))
TS("s_add_u64 s_add_nc_u64", 64, [64, 64], lambda s, a, b: (a + b, None))
TS("s_sub_u64 s_sub_nc_u64", 64, [64, 64], lambda s, a, b: (a - b, None))
TS("s_mul_u64", 64, [64, 64], lambda s, a, b: (a * b, None))
for n in (1, 2, 3, 4):
    TS(
        f"s_lshl{n}_add_u32",
        32,
        [32, 32],
        lambda s, a, b, n=n: ((a << u32(n)) + b, ((a.astype(u64) << u64(n)) + b) > M32),
    )
TS("s_min_u32", 32, [32, 32], lambda s, a, b: (np.minimum(a, b), a < b))
TS("s_max_u32", 32, [32, 32], lambda s, a, b: (np.maximum(a, b), a > b))
TS(
    "s_min_i32",
    32,
    [32, 32],
    lambda s, a, b: (np.minimum(a.view(i32), b.view(i32)).view(u32), a.view(i32) < b.view(i32)),
)
TS(
    "s_max_i32",
    32,
    [32, 32],
    lambda s, a, b: (np.maximum(a.view(i32), b.view(i32)).view(u32), a.view(i32) > b.view(i32)),
)
TS("s_sext_i32_i8", 32, [32], lambda s, a: (sx(a, 8).view(u32), None))
TS("s_sext_i32_i16", 32, [32], lambda s, a: (sx(a, 16).view(u32), None))
TS("s_abs_i32", 32, [32], lambda s, a: nz(np.abs(a.view(i32)).view(u32)))
TS("s_absdiff_i32", 32, [32, 32], lambda s, a, b: nz(np.abs((a - b).view(i32)).view(u32)))
TS(
    "s_flbit_i32 s_cls_i32",
    32,
    [32],
    lambda s, a: (np.where((a == 0) | (a == M32), M32, ffbh(np.where(a >> u32(31), ~a, a), 32)).astype(u32), None),
)
TS("s_pack_ll_b32_b16", 32, [32, 32], lambda s, a, b: ((a & u32(0xFFFF)) | (b << u32(16)), None))
TS("s_pack_lh_b32_b16", 32, [32, 32], lambda s, a, b: ((a & u32(0xFFFF)) | (b & u32(0xFFFF0000)), None))
TS("s_pack_hh_b32_b16", 32, [32, 32], lambda s, a, b: ((a >> u32(16)) | (b & u32(0xFFFF0000)), None))
TS("s_pack_hl_b32_b16", 32, [32, 32], lambda s, a, b: ((a >> u32(16)) | (b << u32(16)), None))
TS("s_movk_i32", 32, [32], lambda s, a: (sx(a, 16).view(u32), None))
TS("s_cmovk_i32", 32, [32, "d"], lambda s, a, d: (np.where(s.g(s.SCC), sx(a, 16).view(u32), d), None))
TS(
    "s_addk_i32 s_addk_co_i32",
    32,
    [32, "d"],
    lambda s, a, d: (d + sx(a, 16).view(u32), _ov(d + sx(a, 16).view(u32), d, sx(a, 16).view(u32), False)),
)
TS("s_mulk_i32", 32, [32, "d"], lambda s, a, d: (d * sx(a, 16).view(u32), None))


def _sf(vn, n):
    def f(s, *a):
        _, st, fn = A[vn]
        r = fn(*[np.ascontiguousarray(x).view(NPT[t]) for x, t in zip(a, st)])
        return as_t(np.asarray(r), A[vn][0]).astype(u32), None

    return f


for vn in (
    "add_f32",
    "sub_f32",
    "mul_f32",
    "min_f32",
    "max_f32",
    "min_num_f32",
    "max_num_f32",
    "trunc_f32",
    "ceil_f32",
    "floor_f32",
    "rndne_f32",
    "cvt_f32_i32",
    "cvt_f32_u32",
    "cvt_i32_f32",
    "cvt_u32_f32",
    "cvt_pk_rtz_f16_f32",
):
    TS("s_" + vn, 32, [32] * len(A["v_" + vn][1]), _sf("v_" + vn, 0))
TS(
    "s_fmac_f32",
    32,
    [32, 32, "d"],
    lambda s, a, b, d: (fma32(a.view(f32), b.view(f32), np.ascontiguousarray(d).view(f32)).view(u32), None),
)
TS("s_fmaak_f32", 32, [32, 32, 32], lambda s, a, b, d: (fma32(a.view(f32), b.view(f32), d.view(f32)).view(u32), None))
TS("s_fmamk_f32", 32, [32, 32, 32], lambda s, a, k, b: (fma32(a.view(f32), k.view(f32), b.view(f32)).view(u32), None))
for c, fn in CMP.items():
    TS(
        f"s_cmp_{c}_f32",
        None,
        [32, 32],
        lambda s, a, b, fn=fn: (None, fn(np.ascontiguousarray(a).view(f32), np.ascontiguousarray(b).view(f32))),
    )
