// One calling convention for every router by hand. w is float[T, K]; ids int[T, K].
#pragma once
struct RouteArgs {
  const void* x;
  const float* bias;
  float* w;
  int* ids;
  const int* map;
  const int* valid;
  const void* shared_w;
  int* packed;
  long T, E, G, TG, K;
  float scale;
  int softmax, bf16, pdl;
  void* stream;
};
