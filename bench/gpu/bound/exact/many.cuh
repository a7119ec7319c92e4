// Softmax routers, many rows: several lanes a row, or a row a lane.
#pragma once
#include "keys.cuh"
#include "slow_row.cuh"
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
