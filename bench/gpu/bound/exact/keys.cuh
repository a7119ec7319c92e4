// Keys of bf16 logits, each with its column, and sums in the order of the contract.
#pragma once
#include "arithmetic.cuh"
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
// The same tree over the chosen.
template <int K>
D float tree_of(const float* p) {
  return K == 4   ? (p[0] + p[2]) + (p[1] + p[3])
         : K == 2 ? p[0] + p[1]
                  : (((p[0] + (K > 8 ? p[8 % K] : 0.f)) + p[4 % K]) + (p[2] + p[6 % K])) +
                        (((p[1] + (K > 8 ? p[9 % K] : 0.f)) + p[5 % K]) + (p[3] + p[7 % K]));
}
