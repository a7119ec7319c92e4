// How fast a router can be with the bits of the interpreter, on bf16 logits (checked against an emulation of it): softmax
// routers with several rows a warp for many rows and one row a warp for few, and DeepSeek-V3 with what follows. Softmax
// keys are the logits with the column in the low half, unique, so nothing ties; where that could differ from the
// contract (its keys are the rounded probabilities) a guard sends the row to `slow_row`, which does what the contract
// says: |x| >= 43 or NaN anywhere, a chosen |x| < 2^-10 (bf16 neighbours nearer than 2^-18, or -0), a chosen e^(x -
// max) < e^-50.
#include <cuda_runtime.h>

#include <climits>
#include <cstdint>

#include "abi.h"
#define D __device__ __forceinline__
#define ALL ~0u
#define U _Pragma("unroll")
D void trigger() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}
D void await() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
D float f(unsigned u) {
  return __uint_as_float(u);
}
D unsigned b(float x) {
  return __float_as_uint(x);
}
// ---- the contract's e^x: 6 FFMA of polynomial behind 4 of reduction ----
D float poly(float r) {
  float s = f(0x3AB517E5);
  s = fmaf(s, r, f(0x3C091CEF));
  s = fmaf(s, r, f(0x3D2AAC56));
  s = fmaf(s, r, f(0x3E2AAA47));
  s = fmaf(s, r, f(0x3EFFFFFE));
  s = fmaf(s, r, 1.f);
  return fmaf(s, r, 1.f);
}
D float reduced(float x, float off, float& sh) {
  const float magic = 12582912.f + off;
  sh = fmaf(x, f(0x3FB8AA3B), magic);
  float n = sh - magic;
  return fmaf(n, -f(0x35BFBE8E), fmaf(n, -f(0x3F317200), x));
}
D float ex(float d) {  // -86 < d <= 0: the power of two goes into the exponent by one integer instruction (ptxas makes
                       // LEA of some: the ALU pipe again)
  float sh, p = poly(reduced(d, 0.f, sh));
  unsigned y;
  asm("mad.lo.u32 %0, %1, 8388608, %2;" : "=r"(y) : "r"(b(sh)), "r"(b(p)));
  return f(y);
}
D float ex_any(float x) {
  float c = x < 89.f ? x : 89.f;
  c = -104.f < c ? c : -104.f;
  float sh, p = poly(reduced(c, 254.f, sh));
  int t = b(sh), h = t >> 1;
  float y = p * f((unsigned)h << 23) * f((unsigned)(t - h) << 23);
  return x != x ? f(0x7FC00000) : y;
}
// IEEE division where nothing is subnormal: the divisor's reciprocal once, three instructions a quotient
D float recip(float d) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(d));
  return fmaf(r, fmaf(-d, r, 1.f), r);
}
D float quot(float a, float d, float r) {
  float q = a * r;
  return fmaf(r, fmaf(-d, q, a), q);
}
// ---- one row a warp, by the letter ----
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
// ---- networks of min and max ----
D void ce(float& a, float& c) {
  float h = fmaxf(a, c), l = fminf(a, c);
  a = h;
  c = l;
}
D void ce(int& a, int& c) {
  int h = max(a, c), l = min(a, c);
  a = h;
  c = l;
}
template <typename V>
D void sort4(V* v) {
  ce(v[0], v[2]);
  ce(v[1], v[3]);
  ce(v[0], v[1]);
  ce(v[2], v[3]);
  ce(v[1], v[2]);
}
template <typename V>
D void sort8(V* v) {
  ce(v[0], v[2]);
  ce(v[1], v[3]);
  ce(v[4], v[6]);
  ce(v[5], v[7]);
  ce(v[0], v[4]);
  ce(v[1], v[5]);
  ce(v[2], v[6]);
  ce(v[3], v[7]);
  ce(v[0], v[1]);
  ce(v[2], v[3]);
  ce(v[4], v[5]);
  ce(v[6], v[7]);
  ce(v[2], v[4]);
  ce(v[3], v[5]);
  ce(v[1], v[4]);
  ce(v[3], v[6]);
  ce(v[1], v[2]);
  ce(v[3], v[4]);
  ce(v[5], v[6]);
}
template <int L, typename V>
D void merge(V* a, const V* c) {  // sorted descending: a = the L largest, sorted
  U for (int i = 0; i < L; i++) a[i] = a[i] > c[L - 1 - i] ? a[i] : c[L - 1 - i];
  U for (int s = L / 2; s; s /= 2) U for (int i = 0; i < L; i++) if (!(i & s)) ce(a[i], a[i + s]);
}
template <int L>
D void mergef(float* a, const float* c) {
  U for (int i = 0; i < L; i++) a[i] = fmaxf(a[i], c[L - 1 - i]);
  U for (int s = L / 2; s; s /= 2) U for (int i = 0; i < L; i++) if (!(i & s)) ce(a[i], a[i + s]);
}
// two bf16 -> two floats that order as (logit, lower column first): PRMT copies the sign over the low half, one LOP3
// puts the column in
template <unsigned S>
D unsigned spread(unsigned u) {
  unsigned r;
  asm("prmt.b32 %0, %1, %1, %2;" : "=r"(r) : "r"(u), "n"(S));
  return r;
}
D int column_of(float k) {
  unsigned u = b(k);
  return (u ^ ~(unsigned)((int)u >> 31)) & 0xffff;
}
D float logit_of(float k) {
  return f(b(k) & 0xffff0000u);
}
D unsigned absmax(unsigned a, unsigned c) {
  unsigned r;
  asm("{ .reg .b32 t; abs.bf16x2 t, %2; max.NaN.bf16x2 %0, %1, t; }" : "=r"(r) : "r"(a), "r"(c));
  return r;
}
constexpr unsigned SAFE = 0x422C0000u;  // |x| < 43: no NaN, no infinity, every e^(x - max) normal
// the canonical tree over a lane's chunks of eight columns: highest bit of the column first
template <int C, int BASE, int STEP>
struct Tree {
  static D void sum(const uint4* q, float m, float* a) {
    if constexpr (STEP == C) {
      const unsigned u[4] = {q[BASE].x, q[BASE].y, q[BASE].z, q[BASE].w};
      U for (int i = 0; i < 4; i++) {
        a[2 * i] = ex(f(u[i] << 16) - m);
        a[2 * i + 1] = ex(f(u[i] & 0xffff0000u) - m);
      }
    } else {
      float c[8];
      Tree<C, BASE, 2 * STEP>::sum(q, m, a);
      Tree<C, BASE + STEP, 2 * STEP>::sum(q, m, c);
      U for (int i = 0; i < 8; i++) a[i] += c[i];
    }
  }
};
// ---- many rows: LPR lanes a row ----
template <int E, int K, int LPR, bool SM, bool PDL, int MINB>
__global__ void __launch_bounds__(128, MINB)
    many(const uint16_t* __restrict__ xv, int* __restrict__ ids, float* __restrict__ wts, int rows) {
  constexpr int R = E / LPR, C = R / 8, L = K <= 4 ? 4 : 8, RPB = 128 / LPR;
  constexpr bool POP =
      K > 8;  // lists of eight a lane, then rounds; a lane that gives all its eight sends the row to slow_row
  constexpr int NS = POP ? 2 : K / LPR;
  __shared__ __align__(16) float lists[POP ? 128 * 12 : 4];
  const int lane = threadIdx.x & 31, l = lane % LPR, row = blockIdx.x * RPB + threadIdx.x / LPR;
  if (PDL) await();
  const bool in = row < rows;
  const uint16_t* x = xv + (size_t)(in ? row : 0) * E;
  uint4 q[C];
  float best[8], o[8];
  unsigned am = 0;
  U for (int c = 0; c < C; c++) q[c] = *(const uint4*)(x + (c * LPR + l) * 8);
  const unsigned lcode = l * 8;
  U for (int c = 0; c < C; c++) {
    const unsigned u[4] = {q[c].x, q[c].y, q[c].z, q[c].w};
    U for (int i = 0; i < 4; i++) {
      am = absmax(am, u[i]);
      o[2 * i] = f(spread<0x1099>(u[i]) ^ (0xffffu ^ (c * LPR * 8 + 2 * i)) ^ lcode);
      o[2 * i + 1] = f(spread<0x32BB>(u[i]) ^ (0xffffu ^ (c * LPR * 8 + 2 * i + 1)) ^ lcode);
    }
    if (L == 8)
      sort8(o);
    else {
      sort4(o);
      sort4(o + 4);
      mergef<4>(o, o + 4);
    }
    if (c)
      mergef<L>(best, o);
    else {
      U for (int i = 0; i < L; i++) best[i] = o[i];
    }
  }
  bool bad = max(am << 16, am & 0xffff0000u) >= (SM ? SAFE : 0x7f800000u);
  float key[NS], m, last;
  if (POP) {
    float* mine = lists + threadIdx.x * 12;
    *(float4*)mine = make_float4(best[0], best[1], best[2], best[3]);
    *(float4*)(mine + 4) = make_float4(best[4], best[5], best[6], best[7]);
    mine[8] = -INFINITY;
    float head = best[0];
    unsigned at = (unsigned)__cvta_generic_to_shared(mine);
    const unsigned end = at + 32;
    U for (int r = 0; r < K; r++) {
      float t = head;
      U for (int s = 1; s < LPR; s *= 2) t = fmaxf(t, __shfl_xor_sync(ALL, t, s));
      if (!r) m = logit_of(t);
      if (l == r / 2) key[r & 1] = t;
      if (r == K - 1) last = t;
      if (head == t) at += 4;
      asm volatile("ld.shared.f32 %0, [%1];" : "=f"(head) : "r"(at));
    }
    bad |= at >= end;
  } else {
    U for (int s = 1; s < LPR; s *= 2) {
      U for (int i = 0; i < L; i++) o[i] = __shfl_xor_sync(ALL, best[i], s);
      mergef<L>(best, o);
    }
    m = logit_of(best[0]);
    last = best[K - 1];
    U for (int i = 0; i < NS; i++) {
      key[i] = best[i];
      U for (int t = 1; t < LPR; t++) if (l == t) key[i] = best[t * NS + i];
    }
  }
  float total = 1.f;
  if (SM) {
    float a[8];
    Tree<C, 0, 1>::sum(q, m, a);
    U for (int s = LPR / 2; s; s /= 2) U for (int i = 0; i < 8; i++) a[i] += __shfl_xor_sync(ALL, a[i], s);
    total = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
  }
  if (PDL) trigger();  // not earlier: waiting blocks would take the registers
  const float rt = recip(total);
  float p[NS], s[NS];
  int id[NS];
  U for (int i = 0; i < NS; i++) {
    float y = logit_of(key[i]);
    id[i] = column_of(key[i]);
    bad |= SM ? fabsf(y) < 0x1p-10f && (!POP || l < K / 2) : y == 0.f;  // a neighbour's p could be equal, or -0
    float e = ex(y - m);
    p[i] = SM ? quot(e, total, rt) : e;
    s[i] = POP && l >= K / 2 ? 0.f : p[i];
  }
  bad |= logit_of(last) - m < -50.f;
  U for (int h = LPR / 2; h; h /= 2) U for (int i = 0; i < NS; i++) s[i] += __shfl_xor_sync(ALL, s[i], h);
  U for (int h = NS / 2; h; h /= 2) U for (int i = 0; i < h; i++) s[i] += s[i + h];
  const float rs = recip(s[0]);
  if (in && (!POP || l < K / 2)) {
    float w[NS];
    U for (int i = 0; i < NS; i++) w[i] = quot(p[i], s[0], rs);
    size_t at = (size_t)row * K + l * NS;
    if (NS == 4) {
      *(int4*)(ids + at) = make_int4(id[0], id[1], id[2 % NS], id[3 % NS]);
      *(float4*)(wts + at) = make_float4(w[0], w[1], w[2 % NS], w[3 % NS]);
    } else if (NS == 2) {
      *(int2*)(ids + at) = make_int2(id[0], id[1 % NS]);
      *(float2*)(wts + at) = make_float2(w[0], w[1 % NS]);
    } else {
      ids[at] = id[0];
      wts[at] = w[0];
    }
  }
  unsigned redo = __ballot_sync(ALL, bad && in);
  while (redo) {
    int g = (__ffs(redo) - 1) / LPR;
    redo &= ~(((LPR == 32 ? 0u : 1u << LPR % 32) - 1) << g * LPR);
    size_t t = (size_t)(row - lane / LPR + g);
    slow_row<E, K, SM>(xv + t * E, ids + t * K, wts + t * K);
  }
}
// ---- eight experts, two chosen: a row a lane ----
template <bool PDL>
__global__ void __launch_bounds__(256)
    lane_row(const uint16_t* __restrict__ xv, int* __restrict__ ids, float* __restrict__ wts, int rows) {
  if (PDL) {
    trigger();
    await();
  }
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  const bool in = row < rows;
  const uint4 q = *(const uint4*)(xv + (size_t)(in ? row : 0) * 8);
  const unsigned u[4] = {q.x, q.y, q.z, q.w};
  float h[4], lo[4], a[8];
  unsigned am = 0;
  U for (int i = 0; i < 4; i++) {
    h[i] = f(spread<0x1099>(u[i]) ^ (0xffffu ^ 2 * i));
    lo[i] = f(spread<0x32BB>(u[i]) ^ (0xfffeu ^ 2 * i));
    ce(h[i], lo[i]);
    am = absmax(am, u[i]);
  }
  auto two = [](float& a0, float& a1, float b0, float b1) {
    float t = fmaxf(fminf(a0, b0), fmaxf(a1, b1));
    a0 = fmaxf(a0, b0);
    a1 = t;
  };
  two(h[0], lo[0], h[2], lo[2]);
  two(h[1], lo[1], h[3], lo[3]);
  two(h[0], lo[0], h[1], lo[1]);
  const float m = logit_of(h[0]), y = logit_of(lo[0]);
  Tree<1, 0, 1>::sum(&q, m, a);
  const float total = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7])), rt = recip(total);
  const float p0 = quot(1.f, total, rt), p1 = quot(ex(y - m), total, rt), s = p0 + p1, rs = recip(s);
  bool bad = max(am << 16, am & 0xffff0000u) >= SAFE || y - m < -50.f,
       near = fabsf(m) < 0x1p-10f || fabsf(y) < 0x1p-10f;
  if (__any_sync(ALL, near)) {  // a small logit is only a danger beside another
    int small = 0;
    U for (int i = 0; i < 4; i++) small += (fabsf(f(u[i] << 16)) < 0x1p-9f) + (fabsf(f(u[i] & 0xffff0000u)) < 0x1p-9f);
    bad |= near && small > 1;
  }
  if (in) {
    *(int2*)(ids + (size_t)row * 2) = make_int2(column_of(h[0]), column_of(lo[0]));
    *(float2*)(wts + (size_t)row * 2) = make_float2(quot(p0, s, rs), quot(p1, s, rs));
  }
  unsigned redo = __ballot_sync(ALL, bad && in);
  for (; redo; redo &= redo - 1) {
    size_t t = (size_t)(row & ~31) + __ffs(redo) - 1;
    slow_row<8, 2, true>(xv + t * 8, ids + t * 2, wts + t * 2);
  }
}
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
template <int K>
D float tree_of(const float* p) {
  return K == 4   ? (p[0] + p[2]) + (p[1] + p[3])
         : K == 2 ? p[0] + p[1]
                  : (((p[0] + (K > 8 ? p[8 % K] : 0.f)) + p[4 % K]) + (p[2] + p[6 % K])) +
                        (((p[1] + (K > 8 ? p[9 % K] : 0.f)) + p[5 % K]) + (p[3] + p[7 % K]));
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
// ---- DeepSeek-V3 with what follows ----
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
  if (l == 8) put(a, (size_t)row * 9 + 8, 256, f((unsigned)a.sw[row] << 16));
  __syncwarp();
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
  if (l == 31) put(a, (size_t)row * 9 + 8, 256, f(sw << 16));
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
      if (l == 7) put(a, (size_t)row * 9 + 8, E, f((unsigned)a.sw[row] << 16));
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
// ---- launches ----
static int g_variant = 0;
extern "C" void variant(int v) {
  g_variant = v;
}
template <typename F, typename... A>
static int start(F k, long grid, int threads, const RouteArgs* a, A... args) {
  cudaLaunchConfig_t c{};
  c.gridDim = (unsigned)grid;
  c.blockDim = threads;
  c.stream = (cudaStream_t)a->stream;
  cudaLaunchAttribute at{};
  at.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  at.val.programmaticStreamSerializationAllowed = a->pdl;
  c.attrs = &at;
  c.numAttrs = 1;
  return (int)cudaLaunchKernelEx(&c, k, args...);
}
// variant: 0 few rows; 1, 2, 3: 2, 4, 8 lanes a row (E = 512: 8, 16); 4: five warps a row; DeepSeek-V3: 0 few, 1
// polynomial, 2 table
template <bool PDL>
static int pick(const RouteArgs* a) {
  const uint16_t* x = (const uint16_t*)a->x;
  const long T = a->T;
  const int v = g_variant;
#define MANY(E_, K_, L_, SM_, B_) \
  return start(many<E_, K_, L_, SM_, PDL, B_>, (T * L_ + 127) / 128, 128, a, x, a->ids, a->w, (int)T)
#define FEW(...) return start(__VA_ARGS__, a, x, a->ids, a->w)
  if (!a->bf16) return 1;
  if (a->softmax) {
    if (a->E == 8) {
      const int th = T < 8192 ? 32 : 128;
      return start(lane_row<PDL>, (T + th - 1) / th, th, a, x, a->ids, a->w, (int)T);
    }
    if (a->E == 128 && a->K == 8) {
      if (!v) FEW(few<128, 8, true, PDL>, T, 32);
      if (v == 1) MANY(128, 8, 2, true, 4);
      if (v == 2) MANY(128, 8, 4, true, 6);
      if (v == 3) MANY(128, 8, 8, true, 8);
    }
    if (a->E == 128 && a->K == 4) {
      if (!v) FEW(few<128, 4, false, PDL>, T, 32);
      if (v == 1) MANY(128, 4, 2, false, 4);
      if (v == 2) MANY(128, 4, 4, false, 8);
    }
    if (a->E == 512) {
      if (!v) FEW(few<512, 10, true, PDL>, T, 32);
      if (v == 4) FEW(few5<512, 10, PDL>, T, 160);
      if (v == 1) MANY(512, 10, 8, true, 5);
      if (v == 2) MANY(512, 10, 16, true, 6);
    }
    return 1;
  }
  if (!a->map || a->E != 256 || a->G != 8 || a->TG != 4 || a->K != 8) return 1;
  const Post p{a->bias, a->map, a->valid, (const uint16_t*)a->shared_w, a->packed, a->ids, a->w, a->scale};
  static bool once = false;
  if (v == 2 && !once) {
    fill<<<32, 256, 0, (cudaStream_t)a->stream>>>();
    once = true;
  }
  if (v == 0) return start(few_ds<PDL>, T, 32, a, x, p);
  if (v == 1) return start(many_ds<false, PDL>, (T + 15) / 16, 128, a, x, p, (int)T);
  if (v == 2)
    return start(many_ds<true, PDL>, (T + 31) / 32 < 528 ? (T + 31) / 32 : 528, 256, a, x, p,
                 (int)T);  // 74 registers: three blocks an SM, so 528 is a wave and a third
  return 1;
}
extern "C" int route(const RouteArgs* a) {
  return a->pdl ? pick<true>(a) : pick<false>(a);
}
