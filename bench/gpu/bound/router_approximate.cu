// How fast a router can be, not bit-exact (the card's own exp2 and reciprocal, unless TABLE): several rows a warp, LPR
// lanes a row, keys alone through min/max networks (two instructions an exchange), the columns found afterwards by
// comparing with the K-th key. Exact in what it picks, ties included.
#include "networks.cuh"
D float sig(float x) {
  float e, r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * -1.4426950408889634f));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(1.f + e));
  return r;
}
D float ex(float x) {
  float e;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * 1.4426950408889634f));
  return e;
}
D void mark(unsigned& m, float a, float b, unsigned bit) {
  asm("{ .reg .pred p; setp.ge.f32 p, %1, %2; @p or.b32 %0, %0, %3; }" : "+r"(m) : "f"(a), "f"(b), "r"(bit));
}
D void more(int& n, float a, float b) {
  asm("{ .reg .pred p; setp.gt.f32 p, %1, %2; @p add.s32 %0, %0, 1; }" : "+r"(n) : "f"(a), "f"(b));
}
// the sigmoid of every bf16: 0x3300 = 2^-25 and below is 1/2, 0x42D0 = 104 and above is 0 or 1
constexpr unsigned LO = 0x3300, HI = 0x42D0;
__global__ void fill(float* t) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float m = __uint_as_float((LO + (i & 4095)) << 16);
  t[i] = 1.f / (1.f + expf(i & 4096 ? m : -m));
}
__device__ float g_table[8192];
template <typename T, int E, int G, int TG, int LPR, bool SOFTMAX, int POST, bool TABLE, bool PDL>
__global__ void __launch_bounds__(TABLE ? 256 : 128)
    route_v2(const void* __restrict__ xv, const float* __restrict__ bias, const int* __restrict__ map,
             const int* __restrict__ validp, const uint16_t* __restrict__ sw, int* __restrict__ packed,
             int* __restrict__ ids, float* __restrict__ wts, int rows, float scale) {
  constexpr int R = E / LPR, C = R / 8, K = 8, NW = K / LPR, THREADS = TABLE ? 256 : 128,
                RPB = THREADS / LPR, BS = R + 4;
  constexpr bool BF = sizeof(T) == 2, GROUPS = G > 1;
  static_assert(!GROUPS || G == LPR);
  __shared__ __align__(16) float sb[LPR * BS];
  __shared__ int slot[RPB * 8];
  __shared__ float2 order[RPB * 8];
  __shared__ float table[TABLE ? 8192 : 1];
  const int lane = threadIdx.x & 31, l = lane % LPR, base = lane - l, rb = threadIdx.x / LPR;
  // element j of lane l: groups lie in one lane each; without groups, blocks of eight are dealt out
  auto column = [&](int j) { return GROUPS ? l * R + j : (j / 8 * LPR + l) * 8 + j % 8; };
  if (PDL) asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  if (!SOFTMAX)
    for (int i = threadIdx.x; i < E; i += THREADS) {
      int li = GROUPS ? i / R : i / 8 % LPR, j = GROUPS ? i % R : i / (8 * LPR) * 8 + i % 8;
      sb[li * BS + j] = bias[i];
    }
  if (TABLE)
    for (int i = threadIdx.x; i < 2048; i += THREADS) ((float4*)table)[i] = ((const float4*)g_table)[i];
  if (!SOFTMAX || TABLE) __syncthreads();
  if (PDL) asm volatile("griddepcontrol.wait;" ::: "memory");
  const int valid = POST ? *validp : 0;
  for (int row0 = blockIdx.x * RPB; row0 < rows; row0 += gridDim.x * RPB) {
    const int row = row0 + rb;
    const bool in = row < rows;
    const T* x = (const T*)xv + (size_t)(in ? row : 0) * E;
    float k[R], best[8], o[8];
#pragma unroll
    for (int c = 0; c < C; c++) {
      const T* p = x + column(c * 8);
      if (BF) {
        uint4 q = *(const uint4*)p;
        unsigned u[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
          if (TABLE) {
            unsigned t =
                __viaddmin_s16x2_relu(u[i] & 0x7fff7fffu, ((0x10000u - LO) << 16) | ((0x10000u - LO) & 0xffffu),
                                      ((HI - LO) << 16) | (HI - LO));
            t = t * 4 + ((u[i] >> 1) & 0x40004000u);
            k[c * 8 + 2 * i] = *(const float*)((const char*)table + (t & 0xffffu));
            k[c * 8 + 2 * i + 1] = *(const float*)((const char*)table + (t >> 16));
          } else {
            float a = __uint_as_float(u[i] << 16), b = __uint_as_float(u[i] & 0xffff0000u);
            k[c * 8 + 2 * i] = SOFTMAX ? a : sig(a);
            k[c * 8 + 2 * i + 1] = SOFTMAX ? b : sig(b);
          }
        }
      } else {
        float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
        float f[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
        for (int i = 0; i < 8; i++) k[c * 8 + i] = SOFTMAX ? f[i] : sig(f[i]);
      }
      if (!SOFTMAX) {
#pragma unroll
        for (int i = 0; i < 8; i += 4) {
          float4 b = *(const float4*)(sb + l * BS + c * 8 + i);
          k[c * 8 + i] += b.x;
          k[c * 8 + i + 1] += b.y;
          k[c * 8 + i + 2] += b.z;
          k[c * 8 + i + 3] += b.w;
        }
      }
      float* d = c ? o : best;
#pragma unroll
      for (int i = 0; i < 8; i++) d[i] = k[c * 8 + i];
      sort8(d);
      if (c) mergef<8>(best, o);
    }
    bool keep = true;
    if (GROUPS) {
      const float gs = best[0] + best[1];
      int rank = 0;
#pragma unroll
      for (int g = 1; g < LPR; g++) {
        float other = __shfl_xor_sync(~0u, gs, g);
        rank += other > gs || (other == gs && (l ^ g) < l);
      }
      keep = rank < TG;
#pragma unroll
      for (int i = 0; i < 8; i++) best[i] = keep ? best[i] : -INFINITY;
    }
#pragma unroll
    for (int s = 1; s < LPR; s *= 2) {
#pragma unroll
      for (int i = 0; i < 8; i++) o[i] = __shfl_xor_sync(~0u, best[i], s);
      mergef<8>(best, o);
    }
    const float last = best[7];
    unsigned hit[(R + 31) / 32];
#pragma unroll
    for (int w = 0; w < (R + 31) / 32; w++) {
      hit[w] = 0;
#pragma unroll
      for (int j = w * 32; j < R && j < w * 32 + 32; j++) mark(hit[w], k[j], last, 1u << (j & 31));
      if (!keep) hit[w] = 0;
    }
    auto count = [&]() {
      int n = 0;
#pragma unroll
      for (int w = 0; w < (R + 31) / 32; w++) n += __popc(hit[w]);
      return n;
    };
    int n = count(), all = n;
#pragma unroll
    for (int s = 1; s < LPR; s *= 2) all += __shfl_xor_sync(~0u, all, s);
    if (__any_sync(~0u, all > K)) {  // more than K reach the K-th key: of those equal to it, the lowest columns stay
      int drop = all - K;
      while (__any_sync(~0u, drop > 0)) {
        int worst = -1, at = 0;
#pragma unroll
        for (int j = 0; j < R; j++)
          if ((hit[j / 32] >> (j & 31) & 1) && k[j] == last && column(j) > worst) {
            worst = column(j);
            at = j;
          }
        int far = worst;
#pragma unroll
        for (int s = 1; s < LPR; s *= 2) {
          int t = __shfl_xor_sync(~0u, far, s);
          far = t > far ? t : far;
        }
        if (drop > 0 && worst == far && worst >= 0) {
#pragma unroll
          for (int w = 0; w < (R + 31) / 32; w++)
            if (at / 32 == w) hit[w] &= ~(1u << (at & 31));
        }
        drop--;
      }
      n = count();
    }
    int pos = n;
#pragma unroll
    for (int s = 1; s < LPR; s *= 2) {
      int t = __shfl_up_sync(~0u, pos, s, LPR);
      if (l >= s) pos += t;
    }
    pos -= n;
#pragma unroll
    for (int w = 0; w < (R + 31) / 32; w++)
      while (hit[w]) {
        int j = __ffs(hit[w]) - 1 + w * 32;
        hit[w] &= hit[w] - 1;
        slot[rb * 8 + (pos++ & 7)] = GROUPS ? l * R + j : ((j >> 3) * LPR + l) * 8 + (j & 7);
      }
    __syncwarp();
    // lane l looks at winners l, l + LPR, …: their scores, and their places among the eight
    int id[NW], rank[NW];
    float s[NW], key[NW];
#pragma unroll
    for (int i = 0; i < NW; i++) {
      id[i] = slot[rb * 8 + l + i * LPR];
      float f = BF ? __uint_as_float((unsigned)((const uint16_t*)x)[id[i]] << 16) : ((const float*)x)[id[i]];
      if (SOFTMAX) {
        s[i] = ex(f - best[0]);
        key[i] = f;
      } else {
        if (TABLE) {
          unsigned m = __float_as_uint(f) >> 16, t = m & 0x7fff;
          t = t < LO ? LO : t > HI ? HI : t;
          s[i] = table[(t - LO) | (m & 0x8000) >> 3];
        } else
          s[i] = sig(f);
        int j = GROUPS ? id[i] % R : id[i] / (8 * LPR) * 8 + id[i] % 8, li = GROUPS ? id[i] / R : id[i] / 8 % LPR;
        key[i] = s[i] + sb[li * BS + j];
      }
      rank[i] = 0;
    }
    bool twins = false;
#pragma unroll
    for (int i = 0; i < 7; i++) twins |= best[i] == best[i + 1];
#pragma unroll
    for (int i = 0; i < NW; i++)
#pragma unroll
      for (int m = 0; m < 7; m++) more(rank[i], best[m], key[i]);
    if (__any_sync(~0u, twins)) {  // of equal keys the lowest column comes first
#pragma unroll
      for (int i = 0; i < NW; i++)
        for (int m = 0; m < LPR; m++) {
          float ok = __shfl_sync(~0u, key[i], base + m);
          int oi = __shfl_sync(~0u, id[i], base + m);
#pragma unroll
          for (int q = 0; q < NW; q++) rank[q] += ok == key[q] && oi < id[q];
        }
    }
#pragma unroll
    for (int i = 0; i < NW; i++) order[rb * 8 + rank[i]] = make_float2(__int_as_float(id[i]), s[i]);
    __syncwarp();
    float sum = 0;
#pragma unroll
    for (int i = 0; i < NW; i++) {
      float2 v = order[rb * 8 + l + i * LPR];
      id[i] = __float_as_int(v.x);
      s[i] = v.y;
      sum += s[i];
    }
#pragma unroll
    for (int m = 1; m < LPR; m *= 2) sum += __shfl_xor_sync(~0u, sum, m);
    const float inv = scale / sum;
    if (in) {
      constexpr int KO = POST ? K + 1 : K;
#pragma unroll
      for (int i = 0; i < NW; i++) {
        size_t at = (size_t)row * KO + l + i * LPR;
        float w = s[i] * inv;
        int d = id[i];
        if (POST) {
          d = row < valid ? map[d] : -1;
          unsigned b = __float_as_uint(w);
          packed[at] = (d << 16) | ((b + 0x7fff + (b >> 16 & 1)) >> 16);
        }
        ids[at] = d;
        wts[at] = w;
      }
      if (POST && l == LPR - 1) {
        size_t at = (size_t)row * KO + K;
        unsigned b = sw[row];
        const int d = row < valid ? E : -1;
        ids[at] = d;
        wts[at] = __uint_as_float(b << 16);
        packed[at] = (d << 16) | b;
      }
    }
    __syncwarp();
  }
}
template <typename T, int E, int G, int TG, int LPR, bool SM, int POST, bool TB, bool PDL>
static int go(const RouteArgs* a) {
  constexpr int TH = TB ? 256 : 128;
  static bool filled = false;
  if (TB && !filled) {
    void* t;
    cudaGetSymbolAddress(&t, g_table);
    fill<<<32, 256, 0, (cudaStream_t)a->stream>>>((float*)t);
    filled = true;
  }
  long grid = (a->T * LPR + TH - 1) / TH;
  if (TB && grid > 132 * 4) grid = 132 * 4;
  return start(route_v2<T, E, G, TG, LPR, SM, POST, TB, PDL>, grid, TH, a, a->x, a->bias, a->map, a->valid,
               (const uint16_t*)a->shared_w, a->packed, a->ids, a->w, (int)a->T, a->scale);
}
template <typename T, bool PDL>
static int pick(const RouteArgs* a) {
  constexpr bool BF = sizeof(T) == 2;
  const bool big = a->T >= 4096, post = a->map != nullptr;
#define ONE(E_, G_, TG_, L_, SM_, TB_) \
  return post ? go<T, E_, G_, TG_, L_, SM_, 1, TB_, PDL>(a) : go<T, E_, G_, TG_, L_, SM_, 0, TB_, PDL>(a)
  if (a->K != 8) return 1;
  if (a->softmax) {
    if (a->E == 128) {
      if (big)
        ONE(128, 1, 1, 4, true, false);
      else
        ONE(128, 1, 1, 8, true, false);
    }
    return 1;
  }
  if (a->E == 256 && a->G == 8) {
    if (BF && big && g_variant == 1)
      ONE(256, 8, 4, 8, false, BF);
    else
      ONE(256, 8, 4, 8, false, false);
  }
  if (a->E == 256 && a->G == 1) {
    if (BF && big && g_variant == 1)
      ONE(256, 1, 1, 8, false, BF);
    else if (big && g_variant == 2)
      ONE(256, 1, 1, 4, false, false);
    else
      ONE(256, 1, 1, 8, false, false);
  }
  if (a->E == 384) {
    if (BF && big && g_variant == 1)
      ONE(384, 1, 1, 8, false, BF);
    else
      ONE(384, 1, 1, 8, false, false);
  }
  return 1;
}
// The comparison asks for bf16 logits and for launches that depend on none: the rest is three quarters of what there is to build.
extern "C" int route(const RouteArgs* a) {
#ifdef EVERY
  if (a->bf16) return a->pdl ? pick<uint16_t, true>(a) : pick<uint16_t, false>(a);
  return a->pdl ? pick<float, true>(a) : pick<float, false>(a);
#else
  return a->bf16 && !a->pdl ? pick<uint16_t, false>(a) : 1;
#endif
}
