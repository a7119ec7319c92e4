// Networks of minima and maxima: two instructions an exchange.
#pragma once
#include "device.cuh"
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
