// A call of a function whose kernels run on an NVIDIA GPU: launches on the caller's current stream, of code that is loaded at the
// first call on a GPU, or before, by the function's `_prepare`.
//
// The driver is loaded when it is first needed. Its types are integers and pointers, and its structures those of CUDA 12.
#include "launcher.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The stream that the caller works on.
extern void *TVMFFIEnvGetStream(int32_t device_type, int32_t device_id);

enum { ALIGN = 64, MOST_VARIANTS = 16, LOG = 4096 };
// What a kernel with 32-bit offsets reaches, and the most blocks of a grid.
#define NARROW ((UINT64_C(1) << 31) - (UINT64_C(1) << 20))
#define MOST_BLOCKS ((UINT64_C(1) << 31) - 1)

// A grid's pieces: `times` of a row, of which a thread or a block has as many as make `parts` rows.
typedef struct {
    uint64_t times, parts;
} Pieces;

typedef struct {
    const char *ptx;
    // What it assumes: addresses and row strides that are multiples of 16, offsets of 31 bits.
    uint8_t aligned, narrow;
    // Its grid strides over the rows: no more blocks than are resident at once.
    uint8_t persistent;
    // Which of the launches that follow each other it is.
    uint8_t part;
    uint32_t threads;
    // Shared memory that a launch asks for.
    uint32_t shared_bytes;
    // Pieces that one block has.
    uint32_t pieces_a_block, piece_count;
    const Pieces *pieces;
    // The rows of its launches, and their blocks: no rows, or more blocks than a grid has, are no limit.
    uint64_t least_rows, most_rows, least_blocks, most_blocks;
} Variant;

typedef struct {
    // The most special first.
    const Variant *variants;
    const Slot *slots;
    uint64_t variant_count, slot_count;
    // The symbol whose extent is its rows; -1 is one row.
    int64_t rows;
    // Every row stride that is known beforehand is a multiple of 16 bytes.
    uint64_t fixed_aligned;
    // The symbol whose extent says which calls take it, and the extents of those; -1 is all calls.
    int64_t taken_by;
    uint64_t least, most;
} CudaStep;

typedef struct {
    unsigned grid[3], block[3], shared_bytes;
    void *stream, *attributes;
    unsigned attribute_count;
} LaunchConfig;

enum { MOST_DYNAMIC_SHARED_BYTES = 8, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_BYTES = 6, MULTIPROCESSORS = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76, CAPTURE_RELAXED = 2 };

#define CALLS(X)                                                                  \
    X(cuInit, "cuInit", (unsigned))                                               \
    X(cuGetErrorName, "cuGetErrorName", (int, const char **))                     \
    X(cuDeviceGet, "cuDeviceGet", (int *, int))                                   \
    X(cuDeviceGetAttribute, "cuDeviceGetAttribute", (int *, int, int))            \
    X(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (void **, int))       \
    X(cuCtxGetCurrent, "cuCtxGetCurrent", (void **))                              \
    X(cuCtxPushCurrent, "cuCtxPushCurrent_v2", (void *))                          \
    X(cuCtxPopCurrent, "cuCtxPopCurrent_v2", (void **))                           \
    X(cuThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode", (int *)) \
    X(cuModuleLoadDataEx, "cuModuleLoadDataEx", (void **, const void *, unsigned, int *, void **)) \
    X(cuModuleGetFunction, "cuModuleGetFunction", (void **, void *, const char *)) \
    X(cuFuncSetAttribute, "cuFuncSetAttribute", (void *, int, int))                \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessor, "cuOccupancyMaxActiveBlocksPerMultiprocessor", (int *, void *, int, size_t)) \
    X(cuMemAlloc, "cuMemAlloc_v2", (uint64_t *, size_t))                          \
    X(cuMemAllocAsync, "cuMemAllocAsync", (uint64_t *, size_t, void *))           \
    X(cuMemFreeAsync, "cuMemFreeAsync", (uint64_t, void *))                       \
    X(cuLaunchKernelEx, "cuLaunchKernelEx", (const LaunchConfig *, void *, void **, void **))

#define MEMBER(call, symbol, parameters) int(*call) parameters;
static struct {
    CALLS(MEMBER)
} driver;

// Guards what is loaded; a call on a GPU that has everything takes it not.
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

// A kernel's variant on one GPU.
typedef struct {
    void *function;
    // Blocks that the whole GPU runs at once.
    uint64_t resident;
} Kernel;

typedef struct {
    void *context;
    // Memory of a tensor without elements: code may load from a clamped index and throw the value away.
    uint64_t nothing;
    Kernel kernels[MOST_STEPS][MOST_VARIANTS];
} Loaded;

static int failed(const Program *p, const char *call, int error, const char *said) {
    const char *name = NULL;
    if (!driver.cuGetErrorName || driver.cuGetErrorName(error, &name) || !name)
        name = "error";
    char message[512 + LOG];
    snprintf(message, sizeof message, "%s: %s: %s (%d)%s%s", p->name, call, name, error, *said ? ": " : "", said);
    return routefuse_tvm_ffi_fail("RuntimeError", message);
}

#define TRY(call, ...)                                     \
    do {                                                   \
        int error = driver.call(__VA_ARGS__);              \
        if (error) return failed(p, #call, error, "");     \
    } while (0)

// Finds the driver's calls, once. The lock is held.
static int find_driver(const Program *p) {
    if (driver.cuLaunchKernelEx)
        return 0;
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    char message[512];
    if (!library) {
        snprintf(message, sizeof message, "%s: there is no driver of NVIDIA's: %s", p->name, dlerror());
        return routefuse_tvm_ffi_fail("RuntimeError", message);
    }
#define FIND(call, symbol, parameters)                                                                            \
    *(void **)&driver.call = dlsym(library, symbol);                                                              \
    if (!driver.call) {                                                                                           \
        driver.cuLaunchKernelEx = NULL;                                                                           \
        snprintf(message, sizeof message, "%s: the driver has no %s: CUDA 12.0 is the oldest that will do", p->name, symbol); \
        return routefuse_tvm_ffi_fail("RuntimeError", message);                                                   \
    }
    CALLS(FIND)
#undef FIND
    return 0;
}

// Loads all variants of a step in the current context.
static int load_step(const Program *p, const CudaStep *step, uint64_t multiprocessors, Kernel *kernels) {
    for (uint64_t v = 0; v < step->variant_count; v++) {
        const Variant *variant = &step->variants[v];
        char log[LOG] = "";
        int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES};
        void *values[] = {log, (void *)(uintptr_t)sizeof log}, *module;
        int error = driver.cuModuleLoadDataEx(&module, variant->ptx, 2, options, values);
        if (error)
            return failed(p, "cuModuleLoadDataEx", error, log);
        TRY(cuModuleGetFunction, &kernels[v].function, module, "routefuse_kernel");
        if (variant->shared_bytes)
            TRY(cuFuncSetAttribute, kernels[v].function, MOST_DYNAMIC_SHARED_BYTES, (int)variant->shared_bytes);
        int blocks = 0;
        // With modules loaded lazily, the question loads the code.
        TRY(cuOccupancyMaxActiveBlocksPerMultiprocessor, &blocks, kernels[v].function, (int)variant->threads, variant->shared_bytes);
        kernels[v].resident = (blocks < 1 ? 1 : (uint64_t)blocks) * multiprocessors;
    }
    return 0;
}

static int load_all(const Program *p, Loaded *loaded, uint64_t multiprocessors) {
    const CudaStep *steps = p->steps;
    for (uint32_t i = 0; i < p->step_count; i++)
        if (load_step(p, &steps[i], multiprocessors, loaded->kernels[i]))
            return -1;
    TRY(cuMemAlloc, &loaded->nothing, ALIGN);
    return 0;
}

// Loads everything on a GPU. The lock is held.
static int load(const Program *p, int32_t device_id, Loaded *loaded) {
    int device, major, minor, multiprocessors;
    if (find_driver(p))
        return -1;
    TRY(cuInit, 0);
    TRY(cuDeviceGet, &device, device_id);
    TRY(cuDeviceGetAttribute, &major, CAPABILITY_MAJOR, device);
    TRY(cuDeviceGetAttribute, &minor, CAPABILITY_MINOR, device);
    TRY(cuDeviceGetAttribute, &multiprocessors, MULTIPROCESSORS, device);
    if (10 * major + minor < p->processor) {
        char message[512];
        snprintf(message, sizeof message, "%s is for sm_%d and later, and device %d is sm_%d%d", p->name, (int)p->processor, (int)device_id, major, minor);
        return routefuse_tvm_ffi_fail("RuntimeError", message);
    }
    // Kept as long as the process runs, as the code is.
    TRY(cuDevicePrimaryCtxRetain, &loaded->context, device);
    TRY(cuCtxPushCurrent, loaded->context);
    // Memory may be asked for while a stream of this thread is being captured: it is none of the capture's.
    int mode = CAPTURE_RELAXED;
    driver.cuThreadExchangeStreamCaptureMode(&mode);
    int status = load_all(p, loaded, (uint64_t)multiprocessors);
    driver.cuThreadExchangeStreamCaptureMode(&mode);
    void *popped;
    driver.cuCtxPopCurrent(&popped);
    return status;
}

// What is loaded on a GPU, and is from now on.
static const Loaded *loaded_on(const Program *p, int32_t device_id) {
    if (device_id < 0 || device_id >= MOST_DEVICES) {
        char message[256];
        snprintf(message, sizeof message, "%s: there are devices 0 to %d, and no device %d", p->name, MOST_DEVICES - 1, (int)device_id);
        routefuse_tvm_ffi_fail("ValueError", message);
        return NULL;
    }
    _Atomic(void *) *cell = (_Atomic(void *) *)&p->loaded[device_id];
    Loaded *loaded = atomic_load_explicit(cell, memory_order_acquire);
    if (loaded)
        return loaded;
    pthread_mutex_lock(&loading);
    loaded = atomic_load_explicit(cell, memory_order_acquire);
    if (!loaded) {
        loaded = calloc(1, sizeof *loaded);
        if (!loaded) {
            routefuse_tvm_ffi_no_memory();
        } else if (load(p, device_id, loaded)) {
            free(loaded);
            loaded = NULL;
        } else {
            atomic_store_explicit(cell, loaded, memory_order_release);
        }
    }
    pthread_mutex_unlock(&loading);
    return loaded;
}

// One launch, chosen.
typedef struct {
    void *function;
    unsigned blocks, threads, shared_bytes;
} Launch;

// The launches of one step that follow each other.
enum { MOST_PARTS = 2 };
typedef struct {
    Launch parts[MOST_PARTS];
    unsigned count;
} Chosen;

// The grid of a variant for so many rows; 0 if there are more blocks than a grid has.
static unsigned grid(const Variant *variant, uint64_t rows, uint64_t resident) {
    uint64_t blocks = variant->least_blocks;
    for (uint32_t i = 0; i < variant->piece_count; i++) {
        uint64_t pieces;
        if (__builtin_mul_overflow(rows, variant->pieces[i].times, &pieces))
            pieces = UINT64_MAX;
        pieces = pieces / variant->pieces[i].parts + (pieces % variant->pieces[i].parts != 0);
        uint64_t of = pieces / variant->pieces_a_block + (pieces % variant->pieces_a_block != 0);
        blocks = of > blocks ? of : blocks;
    }
    blocks = blocks > variant->most_blocks ? variant->most_blocks : blocks;
    if (blocks > MOST_BLOCKS)
        return 0;
    // A grid that strides over the rows is best as large as what is resident at once, and no larger.
    return (unsigned)(variant->persistent && blocks > resident ? resident : blocks);
}

// The variants of a step for this call, and their grids. Without rows there may be none.
static int choose(const Program *p, const Call *call, const CudaStep *step, const Kernel *kernels, uint64_t rows, Chosen *chosen) {
    uint64_t low = 0, most = rows;
    chosen->count = 0;
    uint64_t extent = step->taken_by < 0 ? 0 : (uint64_t)call->extents[step->taken_by];
    if (step->taken_by >= 0 && (extent < step->least || extent > step->most))
        return 0;
    for (uint64_t s = 0; s < step->slot_count; s++) {
        const Slot *slot = &step->slots[s];
        if (slot->kind == SLOT_STRIDE) {
            // The stride of a single row means nothing.
            if (call->ports[slot->of].rows > 1)
                low |= (uint64_t)call->ports[slot->of].row_stride * (p->ports[slot->of].bits / 8);
        } else if (slot->kind == SLOT_POINTER) {
            uint64_t elements;
            if (slot->of < p->port_count) {
                low |= (uintptr_t)call->ports[slot->of].begin;
                elements = call->ports[slot->of].bytes / (p->ports[slot->of].bits / 8);
            } else {
                const Intermediate *between = &p->intermediates[slot->of - p->port_count];
                uint64_t of = between->symbol < 0 ? 1 : (uint64_t)call->extents[between->symbol];
                elements = of * (between->bytes / between->element);
            }
            most = elements > most ? elements : most;
        }
    }
    int aligned = low % 16 == 0 && step->fixed_aligned, narrow = most <= NARROW;
    for (uint64_t v = 0; v < step->variant_count && chosen->count < MOST_PARTS; v++) {
        const Variant *variant = &step->variants[v];
        if ((variant->aligned && !aligned) || (variant->narrow && !narrow) || variant->part != chosen->count ||
            rows < variant->least_rows || rows > variant->most_rows)
            continue;
        unsigned blocks = grid(variant, rows, kernels[v].resident);
        if (!blocks) {
            chosen->count = 0;
            break;
        }
        chosen->parts[chosen->count++] = (Launch){kernels[v].function, blocks, variant->threads, variant->shared_bytes};
    }
    if (chosen->count || !rows)
        return 0;
    char message[256];
    snprintf(message, sizeof message, "%s: %llu rows take more blocks than a grid has", p->name, (unsigned long long)rows);
    return routefuse_tvm_ffi_fail("ValueError", message);
}

static uint64_t rows_of(const Call *call, const CudaStep *step) {
    return step->rows < 0 ? 1 : (uint64_t)call->extents[step->rows];
}

static int launch(const Program *p, const Call *call, const CudaStep *step, const Loaded *loaded, const Launch *chosen, void *stream, uint64_t block) {
    uint64_t slots[MOST_SLOTS];
    void *parameters[MOST_SLOTS];
    for (uint64_t s = 0; s < step->slot_count; s++) {
        uint64_t of = step->slots[s].of;
        parameters[s] = &slots[s];
        if (step->slots[s].kind == SLOT_FIXED)
            slots[s] = of;
        else if (step->slots[s].kind == SLOT_EXTENT)
            slots[s] = (uint64_t)call->extents[of];
        else if (step->slots[s].kind == SLOT_STRIDE)
            slots[s] = (uint64_t)call->ports[of].row_stride;
        else if (of >= p->port_count)
            slots[s] = block + call->offsets[of - p->port_count];
        else
            slots[s] = call->ports[of].begin ? (uint64_t)(uintptr_t)call->ports[of].begin : loaded->nothing;
    }
    LaunchConfig config = {{chosen->blocks, 1, 1}, {chosen->threads, 1, 1}, chosen->shared_bytes, stream, NULL, 0};
    TRY(cuLaunchKernelEx, &config, chosen->function, parameters, NULL);
    return 0;
}

// Launches all kernels, in the current context.
static int launch_all(const Program *p, const Call *call, const Loaded *loaded, const Chosen *chosen, void *stream) {
    const CudaStep *steps = p->steps;
    uint64_t block = 0;
    if (call->bytes)
        TRY(cuMemAllocAsync, &block, call->bytes, stream);
    int status = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        for (unsigned part = 0; part < chosen[i].count && !status; part++)
            status = launch(p, call, &steps[i], loaded, &chosen[i].parts[part], stream, block);
    if (block) {
        // What the kernels took is free once they have run.
        int error = driver.cuMemFreeAsync(block, stream);
        if (error && !status)
            return failed(p, "cuMemFreeAsync", error, "");
    }
    return status;
}

// As TVM-FFI calls an exported function: it returns when everything is launched.
__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_cuda(const Program *p, const Any *args, int32_t count, Any *result) {
    Call call;
    if (routefuse_tvm_ffi_bind(p, args, count, ALIGN, &call))
        return -1;
    const Loaded *loaded = loaded_on(p, call.device_id);
    if (!loaded)
        return -1;
    const CudaStep *steps = p->steps;
    Chosen chosen[MOST_STEPS];
    // Everything that can be refused is, before the first kernel runs.
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (choose(p, &call, &steps[i], loaded->kernels[i], rows_of(&call, &steps[i]), &chosen[i]))
            return -1;
    }
    void *stream = TVMFFIEnvGetStream(DEVICE_CUDA, call.device_id), *current = NULL;
    // Another library may have left this thread in another context, or in none.
    driver.cuCtxGetCurrent(&current);
    if (current != loaded->context)
        TRY(cuCtxPushCurrent, loaded->context);
    int status = launch_all(p, &call, loaded, chosen, stream);
    if (current != loaded->context) {
        void *popped;
        driver.cuCtxPopCurrent(&popped);
    }
    if (status)
        return status;
    result->type_index = ANY_NONE, result->padding = 0, result->number = 0;
    return 0;
}

// Loads everything on the GPU of this number (0 without one), so that no call has anything left to load.
__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_cuda_prepare(const Program *p, const Any *args, int32_t count, Any *result) {
    if (count > 1 || (count == 1 && args[0].type_index != ANY_INT)) {
        char message[256];
        snprintf(message, sizeof message, "%s_prepare takes the number of a GPU, or nothing for GPU 0", p->name);
        return routefuse_tvm_ffi_fail("TypeError", message);
    }
    int64_t device = count == 1 ? args[0].number : 0;
    if (!loaded_on(p, device < 0 || device >= MOST_DEVICES ? -1 : (int32_t)device))
        return -1;
    result->type_index = ANY_NONE, result->padding = 0, result->number = 0;
    return 0;
}
