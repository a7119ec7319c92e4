// One calling convention for every peer. w is float[T, K]; ids int[T, K]; wb is bf16[T, K] where a kernel writes
// weights in the logits' type.
#pragma once
struct RouteArgs {
  const void* x;
  const float* bias;
  float* w;
  int* ids;
  void* wb;
  int* scratch;
  const int* map;
  const int* valid;
  const void* shared_w;
  int* packed;
  long T, E, G, TG, K;
  float scale;
  int softmax, bf16, pdl;
  void* stream;
};
