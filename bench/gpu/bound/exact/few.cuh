// Softmax routers, few rows: a warp a row, or five.
#pragma once
#include <climits>

#include "keys.cuh"
#include "slow_row.cuh"
// ---- few rows: a warp a row, keys unique in 32 bits, so a round is REDUX + compare + move and no vote ----
D int rank_key(unsigned h, int c) {
  int s = (int)(h << 16);
  return (s ^ ((s >> 31) & 0x7fff0000)) | (0xffff - c);
}
D float key_logit(int k) {
  int h = k & 0xffff0000;
  return f(h ^ ((h >> 31) & 0x7fff0000));
}
D void merge44(int* a, const int* c) {  // two sorted fours: a = all eight, sorted
  U for (int i = 0; i < 4; i++) {
    int h = max(a[i], c[3 - i]);
    a[4 + i] = min(a[i], c[3 - i]);
    a[i] = h;
  }
  U for (int s = 2; s; s /= 2) U for (int i = 0; i < 8; i++) if (!(i & s)) ce(a[i], a[i + s]);
}
template <int E, int K, bool SM, bool PDL>
__global__ void __launch_bounds__(32)
    few(const uint16_t* __restrict__ xv, int* __restrict__ ids, float* __restrict__ wts) {
  constexpr int N = E / 32, L = N > 4 ? 8 : 4;
  const int l = threadIdx.x;
  const uint16_t* x = xv + (size_t)blockIdx.x * E;
  if (PDL) {
    trigger();
    await();
  }
  unsigned h[N];
  int k[N];
  float e[N], p[K];
  U for (int j = 0; j < N; j++) h[j] = x[l + 32 * j];
  unsigned am = 0;
  U for (int j = 0; j < N; j++) {
    k[j] = rank_key(h[j], l + 32 * j);
    am = max(am, h[j] & 0x7fffu);
  }
  if (N == 4)
    sort4(k);
  else {
    sort8(k);
    sort8(k + 8 % N);
    merge<8>(k, k + 8 % N);
  }
  int mine = 0, pops = 0, t = __reduce_max_sync(ALL, k[0]);
  const float m = key_logit(t);
  float total = 1.f, rt = 1.f, own = 0.f;
  if (SM) {
    U for (int j = 0; j < N; j++) e[j] = ex(f(h[j] << 16) - m);
    U for (int s = N / 2; s; s /= 2) U for (int j = 0; j < s; j++) e[j] += e[j + s];
    total = e[0];
  }
  U for (int r = 0; r < K; r++) {
    if (r) t = __reduce_max_sync(ALL, k[0]);
    if (SM && r < 5) total += __shfl_xor_sync(ALL, total, 16 >> r);
    bool won = k[0] == t;
    if (won) {
      U for (int i = 1; i < L; i++) k[i - 1] = k[i];
      k[L - 1] = INT_MIN;
      if (N > 4) pops++;
    }
    if (l == r) mine = t;
    p[r] = r ? ex(key_logit(t) - m) : 1.f;
    if (l == r) own = p[r];
  }
  if (SM) {
    rt = recip(total);
    own = quot(own, total, rt);
    U for (int r = 0; r < K; r++) p[r] = quot(p[r], total, rt);
  }
  const float sum = tree_of<K>(p);
  const float y = key_logit(mine);
  bool bad = (am << 16) >= (SM ? SAFE : 0x7f800000u) ||
             l < K && ((SM ? fabsf(y) < 0x1p-10f : y == 0.f) || y - m < -50.f) || pops > 7;
  if (l < K) {
    ids[(size_t)blockIdx.x * K + l] = 0xffff - (mine & 0xffff);
    wts[(size_t)blockIdx.x * K + l] = quot(own, sum, recip(sum));
  }
  if (__any_sync(ALL, bad)) slow_row<E, K, SM>(x, ids + (size_t)blockIdx.x * K, wts + (size_t)blockIdx.x * K);
}
// the same with five warps a row: four load, sort and sum a quarter each (columns j * E/4 + 4 l + warp, so the tree's
// last two steps join the warps), the fifth picks
template <int E, int K, bool PDL>
__global__ void __launch_bounds__(160)
    few5(const uint16_t* __restrict__ xv, int* __restrict__ ids, float* __restrict__ wts) {
  constexpr int N = E / 128;
  static_assert(N == 4);
  __shared__ __align__(16) int lists[4][32][4];
  __shared__ __align__(16) int top[4];
  __shared__ __align__(16) float part[4];
  const int l = threadIdx.x & 31, wi = threadIdx.x >> 5;
  const uint16_t* x = xv + (size_t)blockIdx.x * E;
  if (PDL) {
    trigger();
    await();
  }
  unsigned h[N];
  int k[8], o[8];
  if (wi < 4) {
    U for (int j = 0; j < N; j++) {
      int c = j * 128 + l * 4 + wi;
      h[j] = x[c];
    }
    unsigned am = 0;
    U for (int j = 0; j < N; j++) {
      k[j] = rank_key(h[j], j * 128 + l * 4 + wi);
      am = max(am, h[j] & 0x7fffu);
    }
    sort4(k);
    *(int4*)lists[wi][l] = make_int4(k[0], k[1], k[2], k[3]);
    int t = __reduce_max_sync(ALL, k[0]);
    bool bad = __any_sync(ALL, (am << 16) >= SAFE);
    if (!l) top[wi] = bad ? INT_MAX : t;
  }
  __syncthreads();
  int4 t4 = *(const int4*)top;
  int t = max(max(t4.x, t4.y), max(t4.z, t4.w));
  const float m = key_logit(t);
  if (wi < 4) {
    float e[N];
    U for (int j = 0; j < N; j++) e[j] = ex(f(h[j] << 16) - m);
    float s = (e[0] + e[2]) + (e[1] + e[3]);
    U for (int i = 16; i; i /= 2) s += __shfl_xor_sync(ALL, s, i);
    if (!l) part[wi] = s;
    asm volatile("bar.arrive 1, 160;" ::: "memory");
    return;
  }
  const bool odd = t == INT_MAX;
  U for (int w = 0; w < 4; w += 2) {
    int4 v = *(const int4*)lists[w][l], y = *(const int4*)lists[w + 1][l];
    int c[4] = {y.x, y.y, y.z, y.w};
    int* d = w ? o : k;
    d[0] = v.x;
    d[1] = v.y;
    d[2] = v.z;
    d[3] = v.w;
    merge44(d, c);
  }
  merge<8>(k, o);
  float p[K], own = 0.f, total = 1.f, rt = 1.f;
  int mine = 0, pops = 0;
  U for (int r = 0; r < K; r++) {
    t = __reduce_max_sync(ALL, k[0]);
    bool won = k[0] == t;
    if (won) {
      U for (int i = 1; i < 8; i++) k[i - 1] = k[i];
      k[7] = INT_MIN;
      pops++;
    }
    if (l == r) mine = t;
    p[r] = r ? ex(key_logit(t) - m) : 1.f;
    if (l == r) own = p[r];
    if (r == 6) {
      asm volatile("bar.sync 1, 160;" ::: "memory");
      float4 s = *(const float4*)part;
      total = (s.x + s.z) + (s.y + s.w);
      rt = recip(total);
    }
  }
  own = quot(own, total, rt);
  U for (int r = 0; r < K; r++) p[r] = quot(p[r], total, rt);
  const float sum = tree_of<K>(p), y = key_logit(mine);
  bool bad = odd || l < K && (fabsf(y) < 0x1p-10f || y - m < -50.f) || pops > 7;
  if (l < K) {
    ids[(size_t)blockIdx.x * K + l] = 0xffff - (mine & 0xffff);
    wts[(size_t)blockIdx.x * K + l] = quot(own, sum, recip(sum));
  }
  if (__any_sync(ALL, bad)) slow_row<E, K, true>(x, ids + (size_t)blockIdx.x * K, wts + (size_t)blockIdx.x * K);
}
