"""Arithmetic of floats and bits that numpy does not have."""

from __future__ import annotations

import ctypes

import numpy as np

from .words import M32, f16, f32, f64, i32, i64, u16, u32, u64


def fma_ro(a, b, c):
    """a*b+c of float32/float16 inputs as float64 rounded to odd => a following cast to f32/f16/bf16 is correctly rounded."""
    a, b, c = a.astype(f64), b.astype(f64), c.astype(f64)
    p = a * b  # exact for f32 inputs (48 bits)
    s = p + c
    bb = s - p
    e = (p - (s - bb)) + (c - bb)  # TwoSum error
    bits = s.view(i64) if s.flags.c_contiguous else np.ascontiguousarray(s).view(i64)
    fix = (e != 0) & np.isfinite(s) & ((bits & 1) == 0)
    if fix.any():
        up = (e > 0) == (s > 0)  # magnitude grows when error has the sign of the sum
        nb = np.where(up, bits + 1, bits - 1)
        z = s == 0
        s = np.where(fix & ~z, nb.view(f64), s)
    return s


def fma32(a, b, c):
    return fma_ro(*np.broadcast_arrays(a, b, c)).astype(f32)


_libm = ctypes.CDLL("libm.so.6")
_libm.fma.restype = ctypes.c_double
_libm.fma.argtypes = [ctypes.c_double] * 3
_fma64 = np.frompyfunc(lambda a, b, c: _libm.fma(float(a), float(b), float(c)), 3, 1)


def fma64(a, b, c):
    return _fma64(a, b, c).astype(f64)


def bf2f(x):
    return (x.astype(u32) << u32(16)).view(f32)


def f2bf(x):
    x = np.ascontiguousarray(x, dtype=f32)
    b = x.view(u32)
    r = ((b.astype(u64) + 0x7FFF + ((b >> u32(16)) & u32(1))) >> u64(16)).astype(u32)
    return np.where(np.isnan(x), (b >> u32(16)) | u32(0x40), r).astype(u16)


def d2bf(d):
    """float64 (rounded to odd) -> bf16"""
    f = d.astype(f32)
    back = f.astype(f64)  # f32 rounding then fix to odd in f32 before bf16 rounding
    b = np.ascontiguousarray(f).view(u32).astype(i64)
    inexact = (back != d) & np.isfinite(d) & np.isfinite(f)
    up = np.abs(back) < np.abs(d)
    bo = np.where(inexact & ((b & 1) == 0), np.where(up, b + 1, b - 1), b).astype(u32)
    return f2bf(bo.view(f32))


def maxnum(a, b):
    r = np.fmax(a, b)
    return np.where((a == b), np.where(np.signbit(a), b, a), r)


def minnum(a, b):
    r = np.fmin(a, b)
    return np.where((a == b), np.where(np.signbit(a), a, b), r)


def cvt_int(x, lo, hi, dt):
    d = np.trunc(x.astype(f64))
    d = np.where(np.isnan(d), 0.0, np.clip(d, float(lo), float(hi)))
    if dt in (u64, i64):
        return np.array([int(v) for v in d.ravel()], dtype=object).clip(lo, hi).astype(dt).reshape(d.shape)
    return d.astype(i64).astype(dt)


def rtz16(x):
    x = np.ascontiguousarray(x, dtype=f32)
    h = x.astype(f16)
    back = h.astype(f32)
    over = np.abs(back) > np.abs(x)
    hb = np.ascontiguousarray(h).view(u16)
    hb = np.where(over & ~np.isnan(x), hb - 1, hb)
    return np.where(np.isinf(h) & np.isfinite(x), (hb & 0x8000) | 0x7BFF, hb).astype(u16)


def popc(x):
    x = x.astype(u64)
    n = np.zeros(x.shape, u32)
    for k in range(0, 64, 16):
        n += _POP16[((x >> u64(k)) & u64(0xFFFF)).astype(i64)]
    return n


_POP16 = np.array([bin(i).count("1") for i in range(65536)], dtype=u32)


def ffbl(x, w):  # find first set from lsb, -1 if none
    x = x.astype(u64)
    low = x & (~x + u64(1))
    return np.where(x == 0, M32, popc(low - u64(1))).astype(u32)


def ffbh(x, w):  # count leading zeros, -1 if zero
    x = x.astype(u64)
    y = x.copy()
    for s in (1, 2, 4, 8, 16, 32):
        y |= y >> u64(s)
    return np.where(x == 0, M32, w - popc(y)).astype(u32)


def brev32(x):
    x = x.astype(u32)
    for s, m in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        x = ((x >> u32(s)) & u32(m)) | ((x & u32(m)) << u32(s))
    return (x >> u32(16)) | (x << u32(16))


def sx(x, n):
    s = 32 - n
    return (x.astype(u32) << u32(s)).view(i32) >> s


def perm_b32(a, b, s):
    src = (a.astype(u64) << u64(32)) | b.astype(u64)
    r = np.zeros(np.broadcast(a, b, s).shape, u32)
    for i in range(4):
        k = (s >> u32(8 * i)) & u32(0xFF)
        v = ((src >> (np.minimum(k, 7).astype(u64) * u64(8))) & u64(0xFF)).astype(u32)
        sg = lambda bit: np.where((src >> u64(bit)) & u64(1), 0xFF, 0).astype(u32)
        v = np.where(
            k >= 13,
            u32(0xFF),
            np.where(
                k == 12,
                u32(0),
                np.where(
                    k == 11, sg(63), np.where(k == 10, sg(47), np.where(k == 9, sg(31), np.where(k == 8, sg(15), v)))
                ),
            ),
        )
        r |= v << u32(8 * i)
    return r
