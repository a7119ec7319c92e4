// One row of softmax a warp, by the letter of the contract.
#pragma once
#include "arithmetic.cuh"
template <int E, int K, bool SM>
__device__ __noinline__ void slow_row(const uint16_t* x, int* ids, float* w) {
  constexpr int N = (E + 31) / 32;
  const int l = threadIdx.x & 31;
  float v[N];
  unsigned k[N];
  U for (int j = 0; j < N; j++) {
    int c = l + 32 * j;
    v[j] = c < E ? f((unsigned)x[c] << 16) : -INFINITY;
  }
  auto rowmax = [&](float a) {
    bool nan = a != a;
    for (int s = 16; s; s /= 2) a = fmaxf(a, __shfl_xor_sync(ALL, a, s));
    return __any_sync(ALL, nan) ? f(0x7FC00000) : a;
  };
  if (SM) {
    float m = v[0];
    bool nan = false;
    U for (int j = 0; j < N; j++) {
      nan |= v[j] != v[j];
      m = fmaxf(m, v[j]);
    }
    m = rowmax(nan ? f(0x7FC00000) : m);
    float t[N];
    U for (int j = 0; j < N; j++) {
      v[j] = l + 32 * j < E ? ex_any(v[j] - m) : 0.f;
      t[j] = v[j];
    }
    U for (int h = N / 2; h; h /= 2) U for (int j = 0; j < h; j++) t[j] += t[j + h];
    U for (int s = E < 32 ? E / 2 : 16; s; s /= 2) t[0] += __shfl_xor_sync(ALL, t[0], s);
    float sum = __shfl_sync(ALL, t[0], 0);
    U for (int j = 0; j < N; j++) v[j] = __fdiv_rn(v[j], sum);
  }
  U for (int j = 0; j < N; j++) {
    unsigned u = b(v[j] + 0.f);
    k[j] = v[j] != v[j] ? 1u : l + 32 * j >= E || v[j] == -INFINITY ? 0u : u >> 31 ? ~u : u | 0x80000000u;
  }
  int id = -1;
  float mine = SM ? 0.f : -INFINITY;
  for (int r = 0; r < K; r++) {
    unsigned best = k[0];
    U for (int j = 1; j < N; j++) best = k[j] > best ? k[j] : best;
    best = __reduce_max_sync(ALL, best);
    unsigned c = 0xffff;
    float y = 0.f;
    U for (int j = N - 1; j >= 0; j--) if (k[j] == best) {
      c = l + 32 * j;
      y = v[j];
    }
    unsigned low = __reduce_min_sync(ALL, c);
    y = __shfl_sync(ALL, y, low & 31);
    if (best && l == r) {
      id = low;
      mine = y;
    }
    U for (int j = 0; j < N; j++) if (l + 32 * j == (int)low) k[j] = 0;
  }
  constexpr int P = K <= 2 ? 2 : K <= 4 ? 4 : K <= 8 ? 8 : 16;
  if (!SM) {
    float m = rowmax(l < K ? mine : -INFINITY);
    mine = l < K ? ex_any(mine - m) : 0.f;
  }
  float s = l < K ? mine : 0.f;
  U for (int h = P / 2; h; h /= 2) s += __shfl_xor_sync(ALL, s, h);
  if (l < K) {
    ids[l] = id;
    w[l] = id < 0 ? 0.f : __fdiv_rn(mine, s);
  }
  __syncwarp();
}
