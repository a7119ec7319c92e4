// DeepSeek-V3 with what follows, few rows.
#pragma once
#include "deepseek_row.cuh"
#include "keys.cuh"
// ---- few rows without rounds: rankings by counting. A saturating multiply-add says "larger" as 1.0 in the FMA pipe
// (two full-rate instructions a comparison); lanes hold sorted lists, their heads are ranked, and of the list of rank r
// the element j can only be chosen if r + j < K ----
constexpr float MAGIC = 12582912.f;
D float above(float other, float big, float minus_own) {
  float r;
  asm("fma.rn.sat.f32 %0, %1, %2, %3;" : "=f"(r) : "f"(other), "f"(big), "f"(minus_own));
  return r;
}
template <int N>
D int rank_among(const float* v, float own, float big) {
  float a[4] = {MAGIC, 0.f, 0.f, 0.f};
  const float mo = own * -big;
  U for (int i = 0; i < N; i++) a[i & 3] += above(v[i], big, mo);
  return b((a[0] + a[1]) + (a[2] + a[3])) & 63;
}
template <int N>
D void lds(float* d, const float* s) {
  U for (int i = 0; i < N / 4; i++) {
    float4 v = ((const float4*)s)[i];
    d[i * 4] = v.x;
    d[i * 4 + 1] = v.y;
    d[i * 4 + 2] = v.z;
    d[i * 4 + 3] = v.w;
  }
}
template <bool PDL>
__global__ void __launch_bounds__(32) few_ds(const uint16_t* __restrict__ xv, const Post a) {
  constexpr float BIG = 0x1p86f;
  __shared__ __align__(16) float G[8], H[16], rows[36], orig[32][8], sv[32][8], outp[8], outk[8];
  __shared__ __align__(16) int lanes[12], M[256];
  const int l = threadIdx.x, row = blockIdx.x;
  const uint16_t* x = xv + (size_t)row * 256;
  if (PDL) {
    trigger();
    await();
  }
  const uint4 q = *(const uint4*)(x + l * 8);
  const float4 b0 = ((const float4*)a.bias)[l * 2], b1 = ((const float4*)a.bias)[l * 2 + 1];
  const int4 m0 = ((const int4*)a.map)[l * 2], m1 = ((const int4*)a.map)[l * 2 + 1];
  const int n = *a.valid;
  const unsigned sw = a.sw[row];
  const unsigned u[4] = {q.x, q.y, q.z, q.w};
  const float bias[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
  float s[8], k[8], v[8];
  unsigned am = 0;
  float mag = 0.f;
  U for (int i = 0; i < 4; i++) {
    s[2 * i] = sig(f(u[i] << 16));
    s[2 * i + 1] = sig(f(u[i] & 0xffff0000u));
    am = absmax(am, u[i]);
  }
  U for (int j = 0; j < 8; j++) {
    v[j] = k[j] = s[j] + bias[j];
    mag += fabsf(k[j]);
  }
  bool bad = max(am << 16, am & 0xffff0000u) >= SAFE || !(mag < 0x1p30f);
  sort8(v);
  ((int4*)M)[l * 2] = m0;
  ((int4*)M)[l * 2 + 1] = m1;
  float ga = v[0], gb = v[1];
  U for (int i = 1; i < 4; i *= 2) {
    float oa = __shfl_xor_sync(ALL, ga, i), ob = __shfl_xor_sync(ALL, gb, i);
    gb = fmaxf(fminf(ga, oa), fmaxf(gb, ob));
    ga = fmaxf(ga, oa);
  }
  const float gs = ga + gb;
  float g8[8];
  G[l >> 2] = gs;
  __syncwarp();
  lds<8>(g8, G);
  const int gr = rank_among<8>(g8, gs, BIG);
  const bool keep = gr < 4;
  bad |= __reduce_or_sync(ALL, 1u << gr) != 0xff;  // groups that tie
  if (l == 31) put(a, (size_t)row * 9 + 8, row < n ? 256 : -1, f(sw << 16));
  if (keep) H[gr * 4 + (l & 3)] = v[0];
  __syncwarp();
  float hh[16];
  lds<16>(hh, H);
  const int r = rank_among<16>(hh, v[0], BIG);
  const bool mine = keep && r < 9;
  if (mine) {
    *(float4*)(rows + r * 4) = make_float4(v[0], v[1], v[2], v[3]);
    *(float4*)orig[r] = make_float4(k[0], k[1], k[2], k[3]);
    *(float4*)(orig[r] + 4) = make_float4(k[4], k[5], k[6], k[7]);
    *(float4*)sv[r] = make_float4(s[0], s[1], s[2], s[3]);
    *(float4*)(sv[r] + 4) = make_float4(s[4], s[5], s[6], s[7]);
    lanes[r] = l * 8;
  }
  bad |= (__reduce_or_sync(ALL, mine ? 1u << r : 0u) & 0x1ff) != 0x1ff;
  const int at4 = l < 27   ? l
                  : l < 29 ? l + 1
                           : 32,
            cr = at4 >> 2;  // r + j < 9 (a ninth to see ties) and j < 4: more than four of one lane are noticed below
  __syncwarp();
  const float own = rows[at4];
  float c[32], ko[8], so[8];
  lds<28>(c, rows);
  {
    float2 t = *(const float2*)(rows + 28);
    c[27] = t.x;
    c[28] = t.y;
    c[29] = rows[32];
  }
  lds<8>(ko, orig[cr]);
  lds<8>(so, sv[cr]);
  int col = lanes[cr];
  const int slot = rank_among<30>(c, own, BIG);
  const bool valid = l < 30 && slot < 8;
  float sc = so[0];
  int at = 0;
  U for (int j = 1; j < 8; j++) if (ko[j] == own) {
    sc = so[j];
    at = j;
  }
  const int id = M[(col + at) & 255];
  if (valid) {
    outp[slot] = sc;
    outk[slot] = own;
  }
  __syncwarp();
  float w[8];
  lds<8>(w, outp);
  const float d = tree_of<8>(w) + 1e-20f;
  if (valid) put(a, (size_t)row * 9 + slot, row < n ? id : -1, quot(sc, d, recip(d)) * a.scale);
  bad |= keep && v[4] >= outk[7];
  bad |= __reduce_or_sync(ALL, valid ? 1u << slot : 0u) != 0xff;
  bad |= __popc(__ballot_sync(ALL, valid)) != 8;
  if (__any_sync(ALL, bad)) {
    __syncwarp();
    slow_ds(x, a, row);
  }
}
