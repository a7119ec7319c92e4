// One row of DeepSeek-V3 with what follows it, by the letter of the contract.
#pragma once
#include "arithmetic.cuh"
D float sig(float x) {  // |x| < 43
  float e = ex(-fabsf(x)), d = 1.f + e;
  return quot(x < 0.f ? e : 1.f, d, recip(d));
}
D float sig_any(float x) {
  float m = fabsf(x);
  m = m < 104.f ? m : 104.f;
  float sh, p = poly(reduced(-m, 192.f, sh));
  float e = p * f(b(sh) << 23) * f((127 - 65) << 23);
  float y = __fdiv_rn(x < 0.f ? e : 1.f, 1.f + e);
  return x != x ? f(0x7FC00000) : y;
}
D unsigned order(float v, bool above_inf) {
  unsigned u = b(v + 0.f);
  return v != v ? 1u : above_inf && v == -INFINITY ? 0u : u >> 31 ? ~u : u | 0x80000000u;
}
struct Post {
  const float* bias;
  const int* map;
  const int* valid;
  const uint16_t* sw;
  int* packed;
  int* ids;
  float* w;
  float scale;
};
D unsigned to_bf16(float w) {
  unsigned u = b(w);
  return w != w ? 0x7FC0u : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
D void put(const Post& a, size_t at, int d, float w) {
  a.ids[at] = d;
  a.w[at] = w;
  a.packed[at] = (int)((unsigned)d << 16 | to_bf16(w));
}
static __device__ __noinline__ void slow_ds(const uint16_t* x, const Post& a, int row) {
  const int l = threadIdx.x & 31;
  float s[8], c[8];
  unsigned k[8], best = 0, second = 0;
  float fb = 0.f, fs = 0.f;
  for (int j = 0; j < 8; j++) {
    s[j] = sig_any(f((unsigned)x[l * 8 + j] << 16));
    c[j] = s[j] + a.bias[l * 8 + j];
    k[j] = order(c[j], false);
    if (k[j] > best) {
      second = best;
      fs = fb;
      best = k[j];
      fb = c[j];
    } else if (k[j] > second) {
      second = k[j];
      fs = c[j];
    }
  }
  for (int i = 1; i < 4; i *= 2) {
    unsigned ob = __shfl_xor_sync(ALL, best, i), os = __shfl_xor_sync(ALL, second, i);
    float gb = __shfl_xor_sync(ALL, fb, i), gs = __shfl_xor_sync(ALL, fs, i);
    if (ob > best) {
      if (best > os) {
        second = best;
        fs = fb;
      } else {
        second = os;
        fs = gs;
      }
      best = ob;
      fb = gb;
    } else if (ob > second) {
      second = ob;
      fs = gb;
    }
  }
  unsigned gk = order(fb + fs, false);
  int rank = 0;
  for (int g = 4; g < 32; g += 4) {
    unsigned o = __shfl_xor_sync(ALL, gk, g);
    rank += o > gk || (o == gk && (l ^ g) < l);
  }
  for (int j = 0; j < 8; j++) k[j] = rank < 4 ? order(c[j], true) : 0;
  int id = -1;
  float mine = 0.f;
  for (int r = 0; r < 8; r++) {
    unsigned m = 0, cc = 0xffff;
    float y = 0.f;
    for (int j = 0; j < 8; j++) m = max(m, k[j]);
    m = __reduce_max_sync(ALL, m);
    for (int j = 7; j >= 0; j--)
      if (k[j] == m) {
        cc = l * 8 + j;
        y = s[j];
      }
    unsigned low = __reduce_min_sync(ALL, cc);
    y = __shfl_sync(ALL, y, low / 8 & 31);
    if (m && l == r) {
      id = low;
      mine = y;
    }
    for (int j = 0; j < 8; j++)
      if (l * 8 + j == (int)low) k[j] = 0;
  }
  float t = mine;
  for (int h = 4; h; h /= 2) t += __shfl_xor_sync(ALL, t, h);
  if (l < 8)
    put(a, (size_t)row * 9 + l, id < 0 || row >= *a.valid ? -1 : a.map[id],
        id < 0 ? 0.f : __fdiv_rn(mine, t + 1e-20f) * a.scale);
  if (l == 8) put(a, (size_t)row * 9 + 8, row < *a.valid ? 256 : -1, f((unsigned)a.sw[row] << 16));
  __syncwarp();
}
