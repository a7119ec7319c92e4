// How fast a router can be with the bits of the interpreter, on bf16 logits (checked against an emulation of it): softmax
// routers with several rows a warp for many rows and one row a warp for few, and DeepSeek-V3 with what follows. Softmax
// keys are the logits with the column in the low half, unique, so nothing ties; where that could differ from the
// contract (its keys are the rounded probabilities) a guard sends the row to `slow_row`, which does what the contract
// says: |x| >= 43 or NaN anywhere, a chosen |x| < 2^-10 (bf16 neighbours nearer than 2^-18, or -0), a chosen e^(x -
// max) < e^-50.
#include "exact/deepseek_few.cuh"
#include "exact/deepseek_many.cuh"
#include "exact/few.cuh"
#include "exact/many.cuh"
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
// The comparison asks for launches that depend on none.
extern "C" int route(const RouteArgs* a) {
#ifdef EVERY
  if (a->pdl) return pick<true>(a);
#endif
  return a->pdl ? 1 : pick<false>(a);
}
