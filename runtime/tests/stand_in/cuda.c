// A stand-in for NVIDIA's driver: the calls that routefuse makes, counted and noted, on a machine without a GPU. Memory is
// the host's, kernels do not run. Its linker takes any PTX that has no word `nonsense`, and makes "machine code" of it:
// a line that says for whom, and the PTX. A kernel's parameters are counted by a line `// parameters N` of the PTX. Launches
// take time of a clock that stands still otherwise: see ROUTEFUSE_STAND_IN_CLOCK in notes.h.
//
// Built by the tests; `stand_in_*` are theirs.
#include "notes.h"

typedef int Result;
enum {
    SUCCESS, INVALID_VALUE = 1, INVALID_CONTEXT = 201, INVALID_PTX = 218, INVALID_IMAGE = 200, NOT_FOUND = 500,
    CAPTURE_UNSUPPORTED = 900
};
enum { DEVICES = 2 };

// What the tests set.
int stand_in_version = 12080;
int stand_in_sm[DEVICES] = {90, 90};
// What the linker says of everything, if not 0.
int stand_in_link_fails = 0;
// Part of the machine code: other drivers refuse it.
int stand_in_build = 1;

static _Thread_local void *current = NULL, *pushed = NULL;
static int contexts[DEVICES];

Result cuInit(unsigned flags) { CALL; return SUCCESS; }
Result cuDriverGetVersion(int *version) { CALL; *version = stand_in_version; return SUCCESS; }
Result cuDeviceGetCount(int *count) { CALL; *count = DEVICES; return SUCCESS; }
Result cuDeviceGet(int *device, int ordinal) { CALL; *device = ordinal; return ordinal < DEVICES ? SUCCESS : INVALID_VALUE; }
Result cuDeviceGetName(char *name, int length, int device) {
    CALL;
    snprintf(name, length, "Stand-in %d", device);
    return SUCCESS;
}
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { CALL; *bytes = 1 << 30; return SUCCESS; }
Result cuDeviceGetUuid_v2(char *uuid, int device) { CALL; memset(uuid, device, 16); return SUCCESS; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
    CALL;
    switch (attribute) {
    case 75: *value = stand_in_sm[device] / 10; break;
    case 76: *value = stand_in_sm[device] % 10; break;
    case 16: *value = 4; break;
    default: *value = 0;
    }
    return SUCCESS;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) { CALL; *context = &contexts[device]; return SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int device) { CALL; return SUCCESS; }
Result cuDevicePrimaryCtxRelease(int device) { CALL; return SUCCESS; }
Result cuCtxSetCurrent(void *context) { CALL; current = context; return SUCCESS; }
Result cuCtxGetCurrent(void **context) { CALL; *context = current; return SUCCESS; }
Result cuCtxPushCurrent_v2(void *context) { CALL; pushed = current, current = context; return SUCCESS; }
Result cuCtxPopCurrent_v2(void **context) { CALL; *context = current, current = pushed, pushed = NULL; return SUCCESS; }
Result cuThreadExchangeStreamCaptureMode(int *mode) { CALL; return SUCCESS; }
Result cuCtxSynchronize(void) { CALL; return SUCCESS; }
// What a captured graph, or all that ran, takes of the devices' clock, in nanoseconds.
typedef struct {
    double ns;
} Graph;
typedef struct {
    Graph *capture;
} Stream;
typedef struct {
    double ns;
} Event;
static double clock_ns = 0;

Result cuStreamCreate(Stream **stream, unsigned flags) { CALL; *stream = calloc(1, sizeof(Stream)); return SUCCESS; }
Result cuStreamDestroy_v2(void *stream) { CALL; free(stream); return SUCCESS; }
Result cuStreamSynchronize(Stream *stream) { CALL; return stream && stream->capture ? CAPTURE_UNSUPPORTED : SUCCESS; }
Result cuStreamBeginCapture_v2(Stream *stream, int mode) {
    CALL;
    if (!stream || stream->capture) return CAPTURE_UNSUPPORTED;
    stream->capture = calloc(1, sizeof(Graph));
    return SUCCESS;
}
Result cuStreamEndCapture(Stream *stream, Graph **graph) {
    CALL;
    *graph = stream->capture;
    stream->capture = NULL;
    return *graph ? SUCCESS : INVALID_VALUE;
}
// What was captured is its own executable.
Result cuGraphInstantiateWithFlags(Graph **exec, Graph *graph, unsigned long flags) { CALL; *exec = graph; return SUCCESS; }
Result cuGraphLaunch(Graph *exec, Stream *stream) { CALL; clock_ns += exec->ns; return SUCCESS; }
Result cuGraphExecDestroy(Graph *exec) { CALL; return SUCCESS; }
Result cuGraphDestroy(Graph *graph) { CALL; free(graph); return SUCCESS; }
Result cuEventCreate(Event **event, unsigned flags) { CALL; *event = calloc(1, sizeof(Event)); return SUCCESS; }
Result cuEventRecord(Event *event, Stream *stream) { CALL; event->ns = clock_ns; return SUCCESS; }
Result cuEventSynchronize(Event *event) { CALL; return SUCCESS; }
Result cuEventElapsedTime(float *ms, Event *from, Event *to) { CALL; *ms = (to->ns - from->ns) * 1e-6; return SUCCESS; }
Result cuEventElapsedTime_v2(float *ms, Event *from, Event *to) { return cuEventElapsedTime(ms, from, to); }
Result cuEventDestroy_v2(Event *event) { CALL; free(event); return SUCCESS; }
Result cuMemcpyHtoDAsync_v2(unsigned long to, const void *from, size_t bytes, Stream *stream) {
    CALL;
    memcpy((void *)to, from, bytes);
    return SUCCESS;
}
Result cuMemAlloc_v2(unsigned long *address, size_t bytes) {
    CALL;
    *address = (unsigned long)aligned_alloc(256, (bytes + 255) / 256 * 256);
    add_piece((void *)*address, bytes, (int *)current - contexts);
    return SUCCESS;
}
// Nothing is ever there: it begins at 1 GiB.
Result cuMemAllocAsync(unsigned long *address, size_t bytes, void *stream) { CALL; *address = 1 << 30; return SUCCESS; }
Result cuMemFreeAsync(unsigned long address, void *stream) { CALL; return SUCCESS; }
Result cuMemFree_v2(unsigned long address) { CALL; remove_piece((void *)address); free((void *)address); return SUCCESS; }
// CU_POINTER_ATTRIBUTE_MEMORY_TYPE, _IS_MANAGED and _DEVICE_ORDINAL.
Result cuPointerGetAttribute(void *value, int attribute, unsigned long address) {
    CALL;
    int device = device_of(address);
    if (device < 0) return INVALID_VALUE;
    switch (attribute) {
    case 2: *(unsigned *)value = stand_in_shared == 2 ? 1 : 2; return SUCCESS;
    case 8: *(char *)value = stand_in_shared == 1; return SUCCESS;
    case 9: *(int *)value = device; return SUCCESS;
    default: return INVALID_VALUE;
    }
}
Result cuGetErrorName(Result error, const char **name) {
    CALL;
    *name = error == INVALID_PTX       ? "CUDA_ERROR_INVALID_PTX"
            : error == INVALID_IMAGE   ? "CUDA_ERROR_INVALID_IMAGE"
            : error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
            : error == NOT_FOUND       ? "CUDA_ERROR_NOT_FOUND"
                                       : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}
Result cuGetErrorString(Result error, const char **text) { CALL; *text = "said by the stand-in"; return SUCCESS; }

Result cuMemcpyDtoHAsync_v2(void *to, unsigned long from, size_t bytes, Stream *stream) {
    CALL;
    memcpy(to, (void *)from, bytes);
    return SUCCESS;
}
// What a copy or a fill does on a device, nobody looks at.
Result cuMemcpyDtoDAsync_v2(unsigned long to, unsigned long from, size_t bytes, Stream *stream) { CALL; return SUCCESS; }
Result cuMemsetD8Async(unsigned long to, unsigned char value, size_t bytes, Stream *stream) { CALL; return SUCCESS; }

typedef struct {
    char *log;
    char *code;
    size_t size;
} Link;

Result cuLinkCreate_v2(unsigned count, int *options, void **values, Link **state) {
    CALL;
    *state = calloc(1, sizeof(Link));
    for (unsigned i = 0; i < count; ++i)
        if (options[i] == 5) (*state)->log = values[i]; // CU_JIT_ERROR_LOG_BUFFER
    return SUCCESS;
}
Result cuLinkAddData_v2(Link *state, int kind, void *data, size_t size, const char *name, unsigned count, int *options,
                        void **values) {
    CALL;
    if (stand_in_link_fails) return stand_in_link_fails;
    if (strstr(data, "nonsense")) {
        if (state->log) strcpy(state->log, "ptxas fatal: nonsense");
        return INVALID_PTX;
    }
    state->code = malloc(size + 64);
    state->size = sprintf(state->code, "machine code %d\n", stand_in_build);
    memcpy(state->code + state->size, data, size);
    state->size += size;
    return SUCCESS;
}
Result cuLinkComplete(Link *state, void **code, size_t *size) {
    CALL;
    stand_in_links++;
    *code = state->code;
    *size = state->size;
    return SUCCESS;
}
Result cuLinkDestroy(Link *state) {
    CALL;
    free(state->code);
    free(state);
    return SUCCESS;
}

typedef struct {
    char kernel[128];
    unsigned parameters;
    int device;
    int is_source; // PTX, whose entry points have any name
    int shared;    // what launches may ask for, and here have to
} Module;

// A kernel is known by a line `// kernel NAME` of its PTX, or else by the PTX itself.
static void describe(Module *module, const char *image) {
    const char *text = strstr(image, ".version"), *line = strstr(image, "// kernel ");
    if (line) {
        sscanf(line, "// kernel %127[^\n]", module->kernel);
    } else if (text) {
        unsigned long hash = 14695981039346656037ul;
        for (const char *c = text; *c; ++c) hash = (hash ^ (unsigned char)*c) * 1099511628211ul;
        snprintf(module->kernel, sizeof module->kernel, "%016lx", hash);
    }
    line = strstr(image, "// parameters ");
    if (line)
        sscanf(line, "// parameters %u", &module->parameters);
    else
        for (const char *at = image; (at = strstr(at, ".param .u64")); ++at) module->parameters++;
}

Result cuModuleLoadData(Module **module, const char *image) {
    CALL;
    int build;
    // PTX, as the driver takes it, begins with comments.
    int is_source = !strncmp(image, ".version", 8) || !strncmp(image, "//", 2);
    if (!is_source && (sscanf(image, "machine code %d\n", &build) != 1 || build != stand_in_build)) return INVALID_IMAGE;
    stand_in_loads++;
    *module = calloc(1, sizeof(Module));
    (*module)->is_source = is_source;
    (*module)->device = (int *)current - contexts;
    describe(*module, image);
    return SUCCESS;
}
// PTX, assembled and loaded.
Result cuModuleLoadDataEx(Module **module, const char *image, unsigned count, int *options, void **values) {
    CALL;
    if (stand_in_link_fails) {
        for (unsigned i = 0; i < count; ++i)
            if (options[i] == 5) strcpy(values[i], "ptxas fatal: nonsense"); // CU_JIT_ERROR_LOG_BUFFER
        return stand_in_link_fails;
    }
    stand_in_loads++;
    *module = calloc(1, sizeof(Module));
    (*module)->device = (int *)current - contexts;
    describe(*module, image);
    return SUCCESS;
}
Result cuModuleGetFunction(void **function, Module *module, const char *name) {
    CALL;
    *function = module;
    return !module->is_source && strcmp(name, "routefuse_kernel") ? NOT_FOUND : SUCCESS;
}
Result cuModuleUnload(Module *module) {
    CALL;
    stand_in_unloads++;
    free(module);
    return SUCCESS;
}
// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.
Result cuFuncSetAttribute(Module *function, int attribute, int value) {
    CALL;
    if (attribute != 8 || value <= 0) return INVALID_VALUE;
    function->shared = value;
    return SUCCESS;
}
Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared) {
    CALL;
    *blocks = 2;
    return SUCCESS;
}

typedef struct {
    int id;
    int pad;
    char value[64];
} Attribute;
typedef struct {
    unsigned grid[3], block[3], shared;
    void *stream;
    Attribute *attributes;
    unsigned count;
} Config;

Result cuLaunchKernelEx(const Config *config, Module *module, void **parameters, void **extra) {
    CALL;
    if (!current) return INVALID_CONTEXT;
    if (stand_in_launch_fails) return stand_in_launch_fails;
    if (config->shared != (unsigned)module->shared) return INVALID_VALUE;
    Launch launch = {0};
    memcpy(launch.kernel, module->kernel, sizeof launch.kernel);
    launch.blocks = config->grid[0] * config->grid[1] * config->grid[2];
    launch.threads = config->block[0] * config->block[1] * config->block[2];
    launch.parameters = module->parameters;
    launch.stream = config->stream;
    launch.device = module->device;
    for (unsigned i = 0; i < config->count; ++i)
        if (config->attributes[i].id == 6) launch.dependent = config->attributes[i].value[0];
    for (unsigned i = 0; i < module->parameters && i < PARAMETERS; ++i)
        launch.values[i] = *(unsigned long *)parameters[i];
    note(&launch);
    double ns = launch_ns(launch.blocks, launch.threads);
    Stream *stream = config->stream;
    *(stream && stream->capture ? &stream->capture->ns : &clock_ns) += ns;
    return SUCCESS;
}
