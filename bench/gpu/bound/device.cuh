// What the kernels by hand are written in, and how they are launched.
#pragma once
#include <cuda_runtime.h>

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
