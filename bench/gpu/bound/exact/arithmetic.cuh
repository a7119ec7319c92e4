// The contract's e^x, sigmoid and division.
#pragma once
#include "../networks.cuh"
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
