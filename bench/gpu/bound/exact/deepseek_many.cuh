// DeepSeek-V3 with what follows, many rows.
#pragma once
#include "deepseek_row.cuh"
#include "keys.cuh"
// ---- DeepSeek-V3 with what follows, many rows, exact: eight lanes a row, a lane a group; sigmoids by the polynomial
// or from a table of all bf16 ----
constexpr unsigned LO = 0x3300, HI = 0x42D0;  // below 2^-25 the sigmoid is 1/2, above 104 0 or 1
__device__ float g_table[8192];
__global__ void fill() {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float m = f((LO + (i & 4095)) << 16);
  g_table[i] = sig_any(i & 4096 ? -m : m);
}
D void mark(unsigned& m, float a, float c, unsigned bit) {
  asm("{ .reg .pred p; setp.ge.f32 p, %1, %2; @p or.b32 %0, %0, %3; }" : "+r"(m) : "f"(a), "f"(c), "r"(bit));
}
D void more(int& n, float a, float c) {
  asm("{ .reg .pred p; setp.gt.f32 p, %1, %2; @p add.s32 %0, %0, 1; }" : "+r"(n) : "f"(a), "f"(c));
}
template <bool TABLE, bool PDL>
__global__ void __launch_bounds__(TABLE ? 256 : 128) many_ds(const uint16_t* __restrict__ xv, const Post a, int rows) {
  constexpr int E = 256, THREADS = TABLE ? 256 : 128, RPB = THREADS / 8, BS = 36;
  __shared__ __align__(16) float sb[8 * BS];
  __shared__ int slot[RPB * 8];
  __shared__ float2 order_[RPB * 8];
  __shared__ __align__(16) float table[TABLE ? 8192 : 4];
  const int lane = threadIdx.x & 31, l = lane & 7, rb = threadIdx.x / 8;
  if (PDL) await();
  bool odd = false;
  for (int i = threadIdx.x; i < E; i += THREADS) {
    float t = a.bias[i];
    odd |= !(fabsf(t) < 0x1p30f);
    sb[i / 32 * BS + i % 32] = t;
  }
  if (TABLE)
    for (int i = threadIdx.x; i < 2048; i += THREADS) ((float4*)table)[i] = ((const float4*)g_table)[i];
  odd = __syncthreads_or(odd);
  const int valid = *a.valid;
  for (int row0 = blockIdx.x * RPB; row0 < rows; row0 += gridDim.x * RPB) {
    const int row = row0 + rb;
    const bool in = row < rows;
    const uint16_t* x = xv + (size_t)(in ? row : 0) * E;
    float k[32], best[8], o[8];
    unsigned am = 0;
    U for (int c = 0; c < 4; c++) {
      const uint4 q = *(const uint4*)(x + l * 32 + c * 8);
      const unsigned u[4] = {q.x, q.y, q.z, q.w};
      U for (int i = 0; i < 4; i++) {
        am = absmax(am, u[i]);
        if (TABLE) {
          unsigned t = __viaddmin_s16x2_relu(u[i] & 0x7fff7fffu, ((0x10000u - LO) << 16) | ((0x10000u - LO) & 0xffffu),
                                             ((HI - LO) << 16) | (HI - LO));
          t = t * 4 + ((u[i] >> 1) & 0x40004000u);
          k[c * 8 + 2 * i] = *(const float*)((const char*)table + (t & 0xffffu));
          k[c * 8 + 2 * i + 1] = *(const float*)((const char*)table + (t >> 16));
        } else {
          k[c * 8 + 2 * i] = sig(f(u[i] << 16));
          k[c * 8 + 2 * i + 1] = sig(f(u[i] & 0xffff0000u));
        }
      }
      U for (int i = 0; i < 8; i += 4) {
        float4 t = *(const float4*)(sb + l * BS + c * 8 + i);
        k[c * 8 + i] += t.x;
        k[c * 8 + i + 1] += t.y;
        k[c * 8 + i + 2] += t.z;
        k[c * 8 + i + 3] += t.w;
      }
      float* d = c ? o : best;
      U for (int i = 0; i < 8; i++) d[i] = k[c * 8 + i];
      sort8(d);
      if (c) mergef<8>(best, o);
    }
    bool bad = odd || max(am << 16, am & 0xffff0000u) >= SAFE;
    const float gs = best[0] + best[1];
    int rank = 0;
    U for (int g = 1; g < 8; g++) {
      float other = __shfl_xor_sync(ALL, gs, g);
      rank += other > gs || (other == gs && (l ^ g) < l);
    }
    const bool keep = rank < 4;
    U for (int i = 0; i < 8; i++) best[i] = keep ? best[i] : -INFINITY;
    U for (int s = 1; s < 8; s *= 2) {
      U for (int i = 0; i < 8; i++) o[i] = __shfl_xor_sync(ALL, best[i], s);
      mergef<8>(best, o);
    }
    if (PDL) trigger();
    unsigned hit = 0;
    U for (int j = 0; j < 32; j++) mark(hit, k[j], best[7], 1u << j);
    if (!keep) hit = 0;
    const int n = __popc(hit);
    int pos = n;
    U for (int s = 1; s < 8; s *= 2) {
      int t = __shfl_up_sync(ALL, pos, s, 8);
      if (l >= s) pos += t;
    }
    bad |= __shfl_sync(ALL, pos, lane | 7) !=
           8;  // more than eight reach the eighth key, or equal ones inside: by the letter
    U for (int i = 0; i < 7; i++) bad |= best[i] == best[i + 1];
    pos -= n;
    while (hit) {
      int j = __ffs(hit) - 1;
      hit &= hit - 1;
      slot[rb * 8 + (pos++ & 7)] = l * 32 + j;
    }
    __syncwarp();
    const int id = slot[rb * 8 + l] & 255;
    const unsigned h = x[id];
    float s;  // & 255: in a row with NaN fewer than eight are marked
    if (TABLE) {
      unsigned t = h & 0x7fff;
      t = t < LO ? LO : t > HI ? HI : t;
      s = table[(t - LO) | (h & 0x8000) >> 3];
    } else
      s = sig(f(h << 16));
    const float key = s + sb[id / 32 * BS + id % 32];
    int r = 0;
    U for (int m = 0; m < 7; m++) more(r, best[m], key);
    order_[rb * 8 + r] = make_float2(__int_as_float(id), s);
    __syncwarp();
    const float2 v = order_[rb * 8 + l];
    float sum = v.y;  // with equal keys a place may hold what was there before: hence & 255
    U for (int m = 4; m; m /= 2) sum += __shfl_xor_sync(ALL, sum, m);
    const float d = sum + 1e-20f;
    if (in) {
      put(a, (size_t)row * 9 + l, row < valid ? a.map[__float_as_int(v.x) & 255] : -1,
          quot(v.y, d, recip(d)) * a.scale);
      if (l == 7) put(a, (size_t)row * 9 + 8, row < valid ? E : -1, f((unsigned)a.sw[row] << 16));
    }
    unsigned redo = __ballot_sync(ALL, bad && in);
    while (redo) {
      int g = (__ffs(redo) - 1) / 8;
      redo &= ~(0xffu << g * 8);
      int t = row - lane / 8 + g;
      slow_ds(xv + (size_t)t * E, a, t);
    }
    __syncwarp();
  }
}
