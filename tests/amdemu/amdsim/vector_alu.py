"""What the vector ALU computes: for each instruction its types and its function."""

from __future__ import annotations

import numpy as np

from .arithmetic import bf2f, brev32, cvt_int, f2bf, ffbh, ffbl, fma32, fma64, fma_ro, maxnum, minnum, perm_b32, popc, rtz16, sx
from .words import M32, f16, f32, f64, i16, i32, i64, u16, u32, u64


A: dict[str, tuple] = {}


def T(names, dst, srcs, fn):
    for n in names.split():
        A[n] = (dst, srcs.split(), fn)


w32 = lambda x: x.astype(u32)


T("v_mov_b32 v_mov_b16", "b32", "b32", lambda a: a)
A["v_mov_b16"] = ("b16", ["b16"], lambda a: a)
T("v_mov_b64", "b64", "b64", lambda a: a)
T("v_not_b32", "b32", "b32", lambda a: ~a)
T("v_not_b16", "b16", "b16", lambda a: ~a)
T("v_bfrev_b32", "b32", "b32", brev32)
T("v_ffbh_u32 v_clz_i32_u32", "b32", "u32", lambda a: ffbh(a, 32))
T("v_ffbl_b32 v_ctz_i32_b32", "b32", "u32", lambda a: ffbl(a, 32))
T(
    "v_ffbh_i32 v_cls_i32",
    "b32",
    "i32",
    lambda a: np.where(
        (a == 0) | (a == -1), M32, ffbh(w32(np.where(a < 0, ~a, a).view(u32) if True else a), 32)
    ).astype(u32),
)
T("v_bcnt_u32_b32", "b32", "u32 u32", lambda a, b: popc(a) + b)
for t in ("f32", "f16", "f64"):
    T(f"v_add_{t}", t, f"{t} {t}", lambda a, b: a + b)
    T(f"v_sub_{t}", t, f"{t} {t}", lambda a, b: a - b)
    T(f"v_subrev_{t}", t, f"{t} {t}", lambda a, b: b - a)
    T(f"v_mul_{t}", t, f"{t} {t}", lambda a, b: a * b)
    T(f"v_max_{t} v_max_num_{t}", t, f"{t} {t}", maxnum)
    T(f"v_min_{t} v_min_num_{t}", t, f"{t} {t}", minnum)
    T(f"v_maximum_{t}", t, f"{t} {t}", lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, maxnum(a, b)))
    T(f"v_minimum_{t}", t, f"{t} {t}", lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, minnum(a, b)))
    T(f"v_trunc_{t}", t, t, np.trunc)
    T(f"v_ceil_{t}", t, t, np.ceil)
    T(f"v_floor_{t}", t, t, np.floor)
    T(f"v_rndne_{t}", t, t, np.rint)
    T(f"v_sqrt_{t}", t, t, lambda a: np.sqrt(a.astype(f64)))
    T(f"v_rcp_{t} v_rcp_iflag_{t}", t, t, lambda a: 1.0 / a.astype(f64))
    T(f"v_rsq_{t}", t, t, lambda a: 1.0 / np.sqrt(a.astype(f64)))
    T(f"v_exp_{t}", t, t, lambda a: np.exp2(a.astype(f64)))
    T(f"v_log_{t}", t, t, lambda a: np.log2(a.astype(f64)))
    T(f"v_sin_{t}", t, t, lambda a: np.sin(a.astype(f64) * 2 * np.pi))
    T(f"v_cos_{t}", t, t, lambda a: np.cos(a.astype(f64) * 2 * np.pi))
    T(f"v_max3_{t} v_max3_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: maxnum(maxnum(a, b), c))
    T(f"v_min3_{t} v_min3_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: minnum(minnum(a, b), c))
    T(f"v_maxmin_{t} v_maxmin_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: minnum(maxnum(a, b), c))
    T(f"v_minmax_{t} v_minmax_num_{t}", t, f"{t} {t} {t}", lambda a, b, c: maxnum(minnum(a, b), c))
    T(
        f"v_med3_{t} v_med3_num_{t}",
        t,
        f"{t} {t} {t}",
        lambda a, b, c: np.where(
            np.isnan(a) | np.isnan(b) | np.isnan(c),
            minnum(minnum(a, b), c),
            maxnum(minnum(a, b), minnum(maxnum(a, b), c)),
        ),
    )
    T(
        f"v_fract_{t}",
        t,
        t,
        lambda a: np.minimum(
            a - np.floor(a), {f32: f32(1 - 2**-24), f16: f16(1 - 2**-11), f64: f64(1 - 2**-53)}[a.dtype.type]
        ),
    )
    T(f"v_frexp_mant_{t}", t, t, lambda a: np.frexp(a)[0])
T("v_frexp_exp_i32_f32", "i32", "f32", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
T("v_frexp_exp_i32_f64", "i32", "f64", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
T("v_frexp_exp_i16_f16", "i16", "f16", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0))
_ld = lambda a, b: np.ldexp(a.astype(f64), np.clip(b.astype(i64), -5000, 5000).astype(i32))
T("v_ldexp_f32", "f32", "f32 i32", _ld)
T("v_ldexp_f64", "f64", "f64 i32", _ld)
T("v_ldexp_f16", "f16", "f16 i16", _ld)
T("v_fma_f32", "f32", "f32 f32 f32", fma32)
T("v_mad_f32", "f32", "f32 f32 f32", lambda a, b, c: a * b + c)
T("v_fma_f16", "f16", "f16 f16 f16", lambda a, b, c: fma_ro(*np.broadcast_arrays(a, b, c)).astype(f16))
T("v_fma_f64", "f64", "f64 f64 f64", fma64)
T("v_mul_legacy_f32 v_mul_dx9_zero_f32", "f32", "f32 f32", lambda a, b: np.where((a == 0) | (b == 0), f32(0), a * b))
# conversions
T("v_cvt_f32_i32", "f32", "i32", lambda a: a.astype(f32))
T("v_cvt_f32_u32", "f32", "u32", lambda a: a.astype(f32))
T("v_cvt_f64_i32", "f64", "i32", lambda a: a.astype(f64))
T("v_cvt_f64_u32", "f64", "u32", lambda a: a.astype(f64))
T("v_cvt_f64_f32", "f64", "f32", lambda a: a.astype(f64))
T("v_cvt_f32_f64", "f32", "f64", lambda a: a.astype(f32))
T("v_cvt_f16_f32", "f16", "f32", lambda a: a.astype(f16))
T("v_cvt_f32_f16", "f32", "f16", lambda a: a.astype(f32))
T("v_cvt_f16_u16", "f16", "u16", lambda a: a.astype(f16))
T("v_cvt_f16_i16", "f16", "i16", lambda a: a.astype(f16))
T("v_cvt_u16_f16", "u16", "f16", lambda a: cvt_int(a, 0, 65535, u16))
T("v_cvt_i16_f16", "i16", "f16", lambda a: cvt_int(a, -32768, 32767, i16))
for t in ("f32", "f64"):
    T(f"v_cvt_u32_{t}", "u32", t, lambda a: cvt_int(a, 0, M32, u32))
    T(f"v_cvt_i32_{t}", "i32", t, lambda a: cvt_int(a, -(2**31), 2**31 - 1, i32))
T("v_cvt_flr_i32_f32 v_cvt_floor_i32_f32", "i32", "f32", lambda a: cvt_int(np.floor(a), -(2**31), 2**31 - 1, i32))
T(
    "v_cvt_rpi_i32_f32 v_cvt_nearest_i32_f32",
    "i32",
    "f32",
    lambda a: cvt_int(np.floor(a + f32(0.5)), -(2**31), 2**31 - 1, i32),
)
for k in range(4):
    T(f"v_cvt_f32_ubyte{k}", "f32", "u32", lambda a, k=k: ((a >> u32(8 * k)) & u32(0xFF)).astype(f32))
T("v_cvt_i32_i16", "i32", "i16", lambda a: a.astype(i32))
T("v_cvt_u32_u16", "u32", "u16", lambda a: a.astype(u32))
T("v_cvt_pk_bf16_f32", "b32", "f32 f32", lambda a, b: f2bf(a).astype(u32) | (f2bf(b).astype(u32) << u32(16)))
T(
    "v_cvt_pkrtz_f16_f32 v_cvt_pk_rtz_f16_f32",
    "b32",
    "f32 f32",
    lambda a, b: rtz16(a).astype(u32) | (rtz16(b).astype(u32) << u32(16)),
)
T(
    "v_cvt_pk_f16_f32",
    "b32",
    "f32 f32",
    lambda a, b: (
        np.ascontiguousarray(a.astype(f16)).view(u16).astype(u32)
        | (np.ascontiguousarray(b.astype(f16)).view(u16).astype(u32) << u32(16))
    ),
)
T("v_cvt_pk_u16_u32", "b32", "u32 u32", lambda a, b: np.minimum(a, 0xFFFF) | (np.minimum(b, 0xFFFF) << u32(16)))
T(
    "v_cvt_pk_i16_i32",
    "b32",
    "i32 i32",
    lambda a, b: (
        (np.clip(a, -32768, 32767).astype(u32) & u32(0xFFFF)) | (np.clip(b, -32768, 32767).astype(u32) << u32(16))
    ),
)
T("v_pack_b32_f16", "b32", "b16 b16", lambda a, b: a.astype(u32) | (b.astype(u32) << u32(16)))
T(
    "v_cvt_pk_u8_f32",
    "b32",
    "f32 u32 u32",
    lambda a, b, c: (
        (c & ~(u32(0xFF) << ((b & u32(3)) * u32(8)))) | (cvt_int(np.rint(a), 0, 255, u32) << ((b & u32(3)) * u32(8)))
    ),
)
# integer
T("v_add_u32 v_add_nc_u32 v_add_i32 v_add_nc_i32", "u32", "u32 u32", lambda a, b: a + b)
T("v_sub_u32 v_sub_nc_u32 v_sub_i32 v_sub_nc_i32", "u32", "u32 u32", lambda a, b: a - b)
T("v_subrev_u32 v_subrev_nc_u32", "u32", "u32 u32", lambda a, b: b - a)
for t in ("u16", "i16"):
    T(f"v_add_{t} v_add_nc_{t}", t, f"{t} {t}", lambda a, b: a + b)
    T(f"v_sub_{t} v_sub_nc_{t}", t, f"{t} {t}", lambda a, b: a - b)
    T(f"v_subrev_{t}", t, f"{t} {t}", lambda a, b: b - a)
    T(f"v_mad_{t}", t, f"{t} {t} {t}", lambda a, b, c: a * b + c)
T("v_mad_legacy_u16", "u16", "u16 u16 u16", lambda a, b, c: a * b + c)
T("v_mad_legacy_i16", "i16", "i16 i16 i16", lambda a, b, c: a * b + c)
T("v_mul_lo_u16", "u16", "u16 u16", lambda a, b: a * b)
T("v_mul_lo_u32 v_mul_lo_i32", "u32", "u32 u32", lambda a, b: a * b)
T("v_mul_hi_u32", "u32", "u32 u32", lambda a, b: ((a.astype(u64) * b.astype(u64)) >> u64(32)).astype(u32))
T("v_mul_hi_i32", "u32", "i32 i32", lambda a, b: ((a.astype(i64) * b.astype(i64)) >> 32).astype(u32))
_u24 = lambda a: a & u32(0xFFFFFF)
_i24 = lambda a: (a.astype(u32) << u32(8)).view(i32).astype(i64) >> 8
T("v_mul_u32_u24", "u32", "u32 u32", lambda a, b: _u24(a) * _u24(b))
T("v_mul_hi_u32_u24", "u32", "u32 u32", lambda a, b: ((_u24(a).astype(u64) * _u24(b)) >> u64(32)).astype(u32))
T("v_mul_i32_i24", "u32", "u32 u32", lambda a, b: (_i24(a) * _i24(b)).astype(u32))
T("v_mul_hi_i32_i24", "u32", "u32 u32", lambda a, b: ((_i24(a) * _i24(b)) >> 32).astype(u32))
T("v_mad_u32_u24", "u32", "u32 u32 u32", lambda a, b, c: _u24(a) * _u24(b) + c)
T("v_mad_i32_i24", "u32", "u32 u32 u32", lambda a, b, c: (_i24(a) * _i24(b)).astype(u32) + c)
T("v_mad_u32_u16", "u32", "u16 u16 u32", lambda a, b, c: a.astype(u32) * b.astype(u32) + c)
T("v_mad_i32_i16", "u32", "i16 i16 u32", lambda a, b, c: (a.astype(i32) * b.astype(i32)).astype(u32) + c)
for t in ("u32", "i32", "u16", "i16"):
    T(f"v_max_{t}", t, f"{t} {t}", np.maximum)
    T(f"v_min_{t}", t, f"{t} {t}", np.minimum)
    T(f"v_max3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.maximum(a, b), c))
    T(f"v_min3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.minimum(np.minimum(a, b), c))
    T(f"v_med3_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)))
    T(f"v_maxmin_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.minimum(np.maximum(a, b), c))
    T(f"v_minmax_{t}", t, f"{t} {t} {t}", lambda a, b, c: np.maximum(np.minimum(a, b), c))
for t in ("b32", "b16"):
    T(f"v_and_{t}", t, f"{t} {t}", lambda a, b: a & b)
    T(f"v_or_{t}", t, f"{t} {t}", lambda a, b: a | b)
    T(f"v_xor_{t}", t, f"{t} {t}", lambda a, b: a ^ b)
T("v_xnor_b32", "b32", "b32 b32", lambda a, b: ~(a ^ b))
_s = lambda n, m, d: (n & d(m)).astype(d)
T("v_lshlrev_b32", "b32", "u32 u32", lambda a, b: b << (a & u32(31)))
T("v_lshrrev_b32", "b32", "u32 u32", lambda a, b: b >> (a & u32(31)))
T("v_ashrrev_i32", "i32", "u32 i32", lambda a, b: b >> (a & u32(31)).astype(i32))
T("v_lshlrev_b16", "b16", "u16 u16", lambda a, b: b << (a & u16(15)))
T("v_lshrrev_b16", "b16", "u16 u16", lambda a, b: b >> (a & u16(15)))
T("v_ashrrev_i16", "i16", "u16 i16", lambda a, b: b >> (a & u16(15)).astype(i16))
T("v_lshlrev_b64", "b64", "u32 u64", lambda a, b: b << (a & u32(63)).astype(u64))
T("v_lshrrev_b64", "b64", "u32 u64", lambda a, b: b >> (a & u32(63)).astype(u64))
T("v_ashrrev_i64", "i64", "u32 i64", lambda a, b: b >> (a & u32(63)).astype(i64))
T("v_lshl_or_b32", "b32", "u32 u32 u32", lambda a, b, c: (a << (b & u32(31))) | c)
T("v_lshl_add_u32", "u32", "u32 u32 u32", lambda a, b, c: (a << (b & u32(31))) + c)
T("v_add_lshl_u32", "u32", "u32 u32 u32", lambda a, b, c: (a + b) << (c & u32(31)))
T("v_and_or_b32", "b32", "u32 u32 u32", lambda a, b, c: (a & b) | c)
T("v_lshl_add_u64", "u64", "u64 u32 u64", lambda a, b, c: (a << (b & u32(7)).astype(u64)) + c)
T("v_or3_b32", "b32", "u32 u32 u32", lambda a, b, c: a | b | c)
T("v_xor3_b32", "b32", "u32 u32 u32", lambda a, b, c: a ^ b ^ c)
T("v_add3_u32", "u32", "u32 u32 u32", lambda a, b, c: a + b + c)
T("v_xad_u32", "u32", "u32 u32 u32", lambda a, b, c: (a ^ b) + c)
T("v_bfi_b32", "b32", "u32 u32 u32", lambda a, b, c: (a & b) | (~a & c))
T("v_perm_b32", "b32", "u32 u32 u32", perm_b32)
T("v_bfm_b32", "b32", "u32 u32", lambda a, b: ((u32(1) << (a & u32(31))) - u32(1)) << (b & u32(31)))
T(
    "v_bfe_u32",
    "u32",
    "u32 u32 u32",
    lambda a, b, c: ((a >> (b & u32(31))).astype(u64) & ((u64(1) << (c & u32(31)).astype(u64)) - u64(1))).astype(u32),
)


def _bfei(a, b, c):
    b = (b & u32(31)).astype(i64)
    c = (c & u32(31)).astype(i64)
    v = (a.astype(i64) >> b) & ((i64(1) << c) - 1)
    return np.where(c == 0, 0, (v ^ (i64(1) << np.maximum(c - 1, 0))) - (i64(1) << np.maximum(c - 1, 0))).astype(i32)


T("v_bfe_i32", "i32", "i32 u32 u32", _bfei)
T(
    "v_alignbit_b32",
    "b32",
    "u32 u32 u32",
    lambda a, b, c: (((a.astype(u64) << u64(32)) | b) >> (c & u32(31)).astype(u64)).astype(u32),
)
T(
    "v_alignbyte_b32",
    "b32",
    "u32 u32 u32",
    lambda a, b, c: (((a.astype(u64) << u64(32)) | b) >> (u64(8) * (c & u32(3)).astype(u64))).astype(u32),
)
T(
    "v_sad_u8",
    "u32",
    "u32 u32 u32",
    lambda a, b, c: (
        c
        + sum(
            np.abs(((a >> u32(8 * k)) & u32(255)).astype(i32) - ((b >> u32(8 * k)) & u32(255)).astype(i32)).astype(u32)
            for k in range(4)
        )
    ),
)
T("v_sad_u32", "u32", "u32 u32 u32", lambda a, b, c: np.maximum(a, b) - np.minimum(a, b) + c)
for op, fn in (("add_u64", lambda a, b: a + b), ("sub_u64", lambda a, b: a - b), ("mul_u64", lambda a, b: a * b)):
    T(f"v_{op}", "u64", "u64 u64", fn)
# gfx1250
T("v_add_nc_u64", "u64", "u64 u64", lambda a, b: a + b)
T("v_sub_nc_u64", "u64", "u64 u64", lambda a, b: a - b)
T("v_mad_u32", "u32", "u32 u32 u32", lambda a, b, c: a * b + c)
T("v_mad_nc_u64_u32", "u64", "u32 u32 u64", lambda a, b, c: a.astype(u64) * b.astype(u64) + c)
T("v_mad_nc_i64_i32", "u64", "i32 i32 u64", lambda a, b, c: (a.astype(i64) * b.astype(i64)).view(u64) + c)
for t in ("u64", "i64"):
    T(f"v_max_{t}", t, f"{t} {t}", np.maximum)
    T(f"v_min_{t}", t, f"{t} {t}", np.minimum)
T("v_cvt_f32_bf16", "f32", "bf16", bf2f)


def _dot(ts, n, sgn):
    def f(a, b, c):
        w = 32 // n
        r = c.astype(i64) if sgn else c.astype(u64)
        for k in range(n):
            x, y = (a >> u32(w * k)) & u32((1 << w) - 1), (b >> u32(w * k)) & u32((1 << w) - 1)
            r = r + (sx(x, w).astype(i64) * sx(y, w).astype(i64) if sgn else x.astype(u64) * y.astype(u64))
        return r.astype(u32)

    return f


T("v_dot4_u32_u8", "u32", "u32 u32 u32", _dot("u8", 4, False))
T("v_dot8_u32_u4", "u32", "u32 u32 u32", _dot("u4", 8, False))
T("v_dot4_i32_i8", "u32", "u32 u32 i32", _dot("i8", 4, True))
T("v_dot8_i32_i4", "u32", "u32 u32 i32", _dot("i4", 8, True))
# legacy aliases
for a_, b_ in (("v_ashr_i32", "v_ashrrev_i32"),):
    pass

CMP = {
    "lt": np.less,
    "eq": np.equal,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "ne": np.not_equal,
    "lg": lambda a, b: (a < b) | (a > b),
    "neq": lambda a, b: ~(a == b),
    "o": lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    "u": lambda a, b: np.isnan(a) | np.isnan(b),
    "nge": lambda a, b: ~(a >= b),
    "nlg": lambda a, b: ~((a < b) | (a > b)),
    "ngt": lambda a, b: ~(a > b),
    "nle": lambda a, b: ~(a <= b),
    "nlt": lambda a, b: ~(a < b),
    "f": lambda a, b: np.zeros(np.broadcast(a, b).shape, bool),
    "t": lambda a, b: np.ones(np.broadcast(a, b).shape, bool),
    "tru": lambda a, b: np.ones(np.broadcast(a, b).shape, bool),
}
NPT = {
    "f32": f32,
    "f16": f16,
    "f64": f64,
    "u32": u32,
    "i32": i32,
    "b32": u32,
    "u16": u16,
    "i16": i16,
    "b16": u16,
    "u64": u64,
    "i64": i64,
    "b64": u64,
    "bf16": u16,
}
BITS = {k: np.dtype(v).itemsize * 8 for k, v in NPT.items()}


def as_t(x, t):
    """dst value -> unsigned integer array of its width"""
    dt = NPT[t]
    if x.dtype != dt:
        x = x.astype(dt)
    return np.ascontiguousarray(x).view({16: u16, 32: u32, 64: u64}[BITS[t]])


def fclass(x, t):
    nan = np.isnan(x)
    b = np.ascontiguousarray(x).view({"f32": u32, "f16": u16, "f64": u64}[t])
    qb = {"f32": 1 << 22, "f16": 1 << 9, "f64": 1 << 51}[t]
    tiny = np.finfo(NPT[t]).tiny
    neg = np.signbit(x)
    q = (b & b.dtype.type(qb)) != 0
    ax = np.abs(x)
    den = (ax > 0) & (ax < tiny)
    nrm = (ax >= tiny) & np.isfinite(x)
    return (
        np.where(nan & ~q, 1, 0)
        | np.where(nan & q, 2, 0)
        | np.where(np.isinf(x) & neg, 4, 0)
        | np.where(nrm & neg, 8, 0)
        | np.where(den & neg, 16, 0)
        | np.where((x == 0) & neg, 32, 0)
        | np.where((x == 0) & ~neg, 64, 0)
        | np.where(den & ~neg, 128, 0)
        | np.where(nrm & ~neg, 256, 0)
        | np.where(np.isinf(x) & ~neg, 512, 0)
    )
