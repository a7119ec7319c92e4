// A stand-in for AMD's HIP runtime: the calls that routefuse makes, counted and noted, on a machine without a GPU. Memory is
// the host's. Code objects are executed by the emulator of AMD code (tests/amdemu/serve.py) where there is one; a code object
// of the runtime's tests is a header with a text that says which kernel it would be, and does not run.
//
// A stream is a queue, which runs when somebody waits for it: a missing wait shows as a missing result. It is stricter than
// AMD's runtime where CUDA is: a launch wants the stream's device to be current, and nothing is loaded or allocated while
// the thread captures. An image is compared with what it was at every launch, as the runtime reads it then.
//
// Built by the tests; `stand_in_*` are theirs. In the environment, or in the variable of that name before the first call:
//   ROUTEFUSE_STAND_IN_GPUS      what the devices are: "gfx942:sramecc+:xnack-,gfx1100" (two of the first if not set)
//   ROUTEFUSE_STAND_IN_VERSION   HIP's version (70100000 if not set)
//   ROUTEFUSE_STAND_IN_EMULATOR  the path of serve.py; none: nothing runs
//   ROUTEFUSE_PYTHON             the Python for it (python3)
//   ROUTEFUSE_STAND_IN_CLOCK     what a launch takes: see notes.h (the real time if not set)
#define _GNU_SOURCE
#include "notes.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef int Result;
enum {
    SUCCESS, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONFIGURATION = 9, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, NO_BINARY = 209, INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILURE = 719,
    CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901
};
enum { DEVICES = 8 };
// Where the devices' memory is, here and in the emulator.
#define ARENA ((char *)0x100000000000)
#define ARENA_SIZE (64ul << 30)

// What the tests set.
int stand_in_version = 70100000;
// What the next load and the next allocation say, if not 0.
int stand_in_load_fails = 0, stand_in_malloc_fails = 0;
// A launch wants the stream's device to be current.
int stand_in_strict = 1;
int stand_in_devices = 2;
char stand_in_architecture[DEVICES][64] = {"gfx942:sramecc+:xnack-", "gfx942:sramecc+:xnack-"};

// What the environment says, for a process that cannot change its own.
const char *stand_in_gpus = NULL, *stand_in_emulator = NULL, *stand_in_python = NULL;
const char *stand_in_objdump = NULL;

// Work of a stream.
typedef struct Work {
    struct Work *next;
    enum { KERNEL, COPY, RECORD, TAKE } kind;
    char *request; // KERNEL: a line for the emulator
    void *to;      // COPY; RECORD: the event
    const void *from;
    size_t bytes;
    double ns; // TAKE: of the devices' clock
} Work;
typedef struct {
    Work *first, **end;
} Queue;
typedef struct Stream {
    int device;
    Queue queue;
    Queue *capture;
    int invalidated, failed;
    struct Stream *next;
} Stream;
typedef struct {
    double time;
} Event;

static Stream null_streams[DEVICES];
static Stream *streams = NULL;
static _Thread_local int current = 0;
static _Thread_local int captures = 0;

// The emulator, and the memory that it shares.
static FILE *emulator = NULL, *answers = NULL;
static int arena = -1;
static size_t arena_end = 0;
static double clock_ns = 0;
static pthread_mutex_t talk = PTHREAD_MUTEX_INITIALIZER, queues = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// One request, with bytes behind it; what the emulator answers after `ok`, or NULL.
static char *ask(const char *request, const void *bytes, size_t count) {
    static _Thread_local char answer[1 << 16];
    pthread_mutex_lock(&talk);
    fprintf(emulator, "%s\n", request);
    if (count) fwrite(bytes, 1, count, emulator);
    fflush(emulator);
    char *line = fgets(answer, sizeof answer, answers);
    pthread_mutex_unlock(&talk);
    if (!line || strncmp(line, "ok", 2)) {
        fprintf(stderr, "stand-in for HIP: %.200s: %s", request, line ? line : "the emulator has gone\n");
        return NULL;
    }
    line[strcspn(line, "\n")] = 0;
    return line + 2 + (line[2] == ' ');
}

static void begin(void) {
    const char *version = getenv("ROUTEFUSE_STAND_IN_VERSION");
    const char *gpus = stand_in_gpus ? stand_in_gpus : getenv("ROUTEFUSE_STAND_IN_GPUS");
    const char *serve = stand_in_emulator ? stand_in_emulator : getenv("ROUTEFUSE_STAND_IN_EMULATOR");
    const char *python = stand_in_python ? stand_in_python : getenv("ROUTEFUSE_PYTHON");
    if (version) stand_in_version = atoi(version);
    if (gpus) {
        stand_in_devices = 0;
        for (const char *at = gpus; *at && stand_in_devices < DEVICES; at += strspn(at, ",")) {
            size_t length = strcspn(at, ",");
            snprintf(stand_in_architecture[stand_in_devices++], 64, "%.*s", (int)length, at);
            at += length;
        }
    }
    for (int d = 0; d < DEVICES; ++d) {
        null_streams[d].device = d;
        null_streams[d].queue.end = &null_streams[d].queue.first;
    }
    arena = memfd_create("stand-in for HIP", MFD_CLOEXEC);
    if (arena < 0 || ftruncate(arena, ARENA_SIZE)) abort();
    if (mmap(ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, arena, 0) != ARENA)
        abort();
    if (!serve) return;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) abort();
    pid_t child = fork();
    if (child == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", dup(ends[1])); // without close-on-exec
        // It may live a little longer than who started it, and must keep nobody's pipe open. Errors are answers.
        int nowhere = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; ++fd) dup2(nowhere, fd);
        if (!python) python = "python3";
        if (stand_in_objdump) setenv("LLVM_OBJDUMP", stand_in_objdump, 1);
        execlp(python, python, serve, "--fd", number, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    emulator = fdopen(ends[0], "w");
    answers = fdopen(dup(ends[0]), "r");
    char request[128];
    snprintf(request, sizeof request, "map /proc/%d/fd/%d %#lx %#lx", getpid(), arena, (unsigned long)ARENA, ARENA_SIZE);
    if (!ask(request, NULL, 0)) abort();
}
#define ENTER (CALL, pthread_once(&once, begin))

static void add(Queue *queue, Work work) {
    Work *one = malloc(sizeof *one);
    *one = work;
    one->next = NULL;
    *queue->end = one;
    queue->end = &one->next;
}

// Runs what a stream was given. The caller has the lock.
static Result drain(Stream *s) {
    while (s->queue.first) {
        Work *work = s->queue.first;
        s->queue.first = work->next;
        if (!s->queue.first) s->queue.end = &s->queue.first;
        if (!s->failed) switch (work->kind) {
            case KERNEL: s->failed = !ask(work->request, NULL, 0); break;
            case COPY: memcpy(work->to, work->from, work->bytes); break;
            case TAKE: clock_ns += work->ns; break;
            case RECORD: {
                struct timespec now;
                clock_gettime(CLOCK_MONOTONIC, &now);
                double real = now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
                ((Event *)work->to)->time = has_clock ? clock_ns * 1e-6 : real;
            }
            }
        free(work->request);
        free(work);
    }
    return s->failed ? LAUNCH_FAILURE : SUCCESS;
}
static Result drain_device(int device) {
    pthread_mutex_lock(&queues);
    Result result = drain(&null_streams[device]);
    for (Stream *s = streams; s; s = s->next)
        if (s->device == device && drain(s)) result = LAUNCH_FAILURE;
    pthread_mutex_unlock(&queues);
    return result;
}

static Stream *stream_of(void *stream) { return (size_t)stream <= 2 ? &null_streams[current] : stream; }

static Result give(Stream *s, Work work) {
    pthread_mutex_lock(&queues);
    add(s->capture ? s->capture : &s->queue, work);
    pthread_mutex_unlock(&queues);
    return SUCCESS;
}

Result hipInit(unsigned flags) { ENTER; return stand_in_devices ? SUCCESS : NO_DEVICE; }
Result hipDriverGetVersion(int *version) { ENTER; *version = stand_in_version; return SUCCESS; }
Result hipGetDeviceCount(int *count) { ENTER; *count = stand_in_devices; return SUCCESS; }
Result hipGetDevice(int *device) { ENTER; *device = current; return SUCCESS; }
Result hipSetDevice(int device) {
    ENTER;
    if (device < 0 || device >= stand_in_devices) return INVALID_DEVICE;
    current = device;
    return SUCCESS;
}
Result hipDeviceSynchronize(void) { ENTER; return drain_device(current); }
Result hipGetDevicePropertiesR0600(char *properties, int device) {
    ENTER;
    if (device < 0 || device >= stand_in_devices) return INVALID_DEVICE;
    memset(properties, 0, 1472);
    strcpy(properties + 1160, stand_in_architecture[device]);
    return SUCCESS;
}
Result hipDeviceGetAttribute(int *value, int attribute, int device) {
    ENTER;
    *value = attribute == 63 ? 4 : 0;
    return SUCCESS;
}
Result hipDeviceGetName(char *name, int length, int device) {
    ENTER;
    snprintf(name, length, "Stand-in %d", device);
    return SUCCESS;
}
Result hipDeviceTotalMem(size_t *bytes, int device) { ENTER; *bytes = ARENA_SIZE; return SUCCESS; }

static const struct {
    Result error;
    const char *name;
} NAMES[] = {
    {SUCCESS, "hipSuccess"}, {INVALID_VALUE, "hipErrorInvalidValue"}, {OUT_OF_MEMORY, "hipErrorOutOfMemory"},
    {INVALID_CONFIGURATION, "hipErrorInvalidConfiguration"}, {NO_DEVICE, "hipErrorNoDevice"},
    {INVALID_DEVICE, "hipErrorInvalidDevice"}, {INVALID_IMAGE, "hipErrorInvalidImage"},
    {NO_BINARY, "hipErrorNoBinaryForGpu"}, {INVALID_HANDLE, "hipErrorInvalidHandle"}, {NOT_FOUND, "hipErrorNotFound"},
    {LAUNCH_FAILURE, "hipErrorLaunchFailure"}, {CAPTURE_UNSUPPORTED, "hipErrorStreamCaptureUnsupported"},
    {CAPTURE_INVALIDATED, "hipErrorStreamCaptureInvalidated"}};
const char *hipGetErrorName(Result error) {
    ENTER;
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; ++i)
        if (NAMES[i].error == error) return NAMES[i].name;
    return "hipErrorUnknown";
}
const char *hipGetErrorString(Result error) { ENTER; return "said by the stand-in"; }

Result hipMalloc(void **address, size_t bytes) {
    ENTER;
    if (stand_in_malloc_fails) return stand_in_malloc_fails;
    if (captures) return CAPTURE_UNSUPPORTED;
    pthread_mutex_lock(&lock);
    char *at = ARENA + arena_end;
    int full = bytes > ARENA_SIZE - arena_end;
    // The length stands in front, and no two allocations touch.
    if (!full) {
        *(size_t *)at = bytes;
        at += 256;
        arena_end += 256 + (bytes + 511) / 256 * 256;
    }
    pthread_mutex_unlock(&lock);
    if (full) return OUT_OF_MEMORY;
    char request[64];
    snprintf(request, sizeof request, "register %#lx %#lx", (unsigned long)at, bytes);
    if (emulator && !ask(request, NULL, 0)) return OUT_OF_MEMORY;
    add_piece(at, bytes, current);
    *address = at;
    return SUCCESS;
}
typedef struct {
    int type, device;
    void *device_pointer, *host_pointer;
    int is_managed;
    unsigned flags;
} PointerAttributes;
Result hipPointerGetAttributes(PointerAttributes *attributes, void *address) {
    ENTER;
    int device = device_of((unsigned long)address);
    // hipMemoryTypeUnregistered
    *attributes = (PointerAttributes){.type = 0};
    if (device < 0) return SUCCESS;
    // hipMemoryTypeHost, hipMemoryTypeDevice
    attributes->type = stand_in_shared == 2 ? 1 : 2;
    attributes->device = device;
    attributes->is_managed = stand_in_shared == 1;
    return SUCCESS;
}
Result hipFree(char *address) {
    ENTER;
    if (!address) return SUCCESS;
    remove_piece(address);
    for (int d = 0; d < stand_in_devices; ++d) drain_device(d);
    char request[64];
    snprintf(request, sizeof request, "unregister %#lx", (unsigned long)address);
    if (emulator && !ask(request, NULL, 0)) return INVALID_VALUE;
    // The pages that are the allocation's alone go back.
    size_t from = (address - ARENA + 4095) / 4096 * 4096, to = (address - ARENA + *(size_t *)(address - 256)) / 4096 * 4096;
    if (from < to) fallocate(arena, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
    return SUCCESS;
}
Result hipMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
    ENTER;
    return give(stream_of(stream), (Work){.kind = COPY, .to = to, .from = from, .bytes = bytes});
}

Result hipStreamCreateWithFlags(void **stream, unsigned flags) {
    ENTER;
    if (captures) return CAPTURE_UNSUPPORTED;
    Stream *s = calloc(1, sizeof *s);
    s->device = current;
    s->queue.end = &s->queue.first;
    pthread_mutex_lock(&queues);
    s->next = streams;
    streams = s;
    pthread_mutex_unlock(&queues);
    *stream = s;
    return SUCCESS;
}
Result hipStreamDestroy(void *stream) {
    ENTER;
    pthread_mutex_lock(&queues);
    Stream *s = stream, **at = &streams;
    Result result = drain(s);
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&queues);
    free(s);
    return result;
}
Result hipStreamSynchronize(void *stream) {
    ENTER;
    Stream *s = stream_of(stream);
    if (s->capture) {
        s->invalidated = 1;
        return CAPTURE_UNSUPPORTED;
    }
    pthread_mutex_lock(&queues);
    Result result = drain(s);
    pthread_mutex_unlock(&queues);
    return result;
}
Result hipStreamGetDevice(void *stream, int *device) { ENTER; *device = stream_of(stream)->device; return SUCCESS; }
Result hipStreamBeginCapture(void *stream, unsigned mode) {
    ENTER;
    Stream *s = stream_of(stream);
    if (s->capture || s == &null_streams[current]) return CAPTURE_UNSUPPORTED;
    s->capture = calloc(1, sizeof(Queue));
    s->capture->end = &s->capture->first;
    s->invalidated = 0;
    captures++;
    return SUCCESS;
}
Result hipStreamEndCapture(void *stream, void **graph) {
    ENTER;
    Stream *s = stream_of(stream);
    if (!s->capture) return INVALID_VALUE;
    *graph = s->capture;
    s->capture = NULL;
    captures--;
    return s->invalidated ? CAPTURE_INVALIDATED : SUCCESS;
}
// What was captured is its own executable; the graph itself says nothing more.
Result hipGraphInstantiate(void **exec, void *graph, void **node, char *log, size_t size) {
    ENTER;
    *exec = graph;
    return SUCCESS;
}
Result hipGraphDestroy(void *graph) { ENTER; return SUCCESS; }
Result hipGraphLaunch(Queue *graph, void *stream) {
    ENTER;
    for (Work *work = graph->first; work; work = work->next) {
        Work again = *work;
        if (work->request) again.request = strdup(work->request);
        give(stream_of(stream), again);
    }
    return SUCCESS;
}
Result hipGraphExecDestroy(Queue *graph) {
    ENTER;
    for (Work *work = graph->first, *next; work; work = next) {
        next = work->next;
        free(work->request);
        free(work);
    }
    free(graph);
    return SUCCESS;
}
Result hipEventCreate(void **event) { ENTER; *event = calloc(1, sizeof(Event)); return SUCCESS; }
Result hipEventRecord(Event *event, void *stream) {
    ENTER;
    return give(stream_of(stream), (Work){.kind = RECORD, .to = event});
}
Result hipEventSynchronize(Event *event) {
    ENTER;
    Result result = SUCCESS;
    for (int d = 0; d < stand_in_devices; ++d)
        if (drain_device(d)) result = LAUNCH_FAILURE;
    return result;
}
Result hipEventElapsedTime(float *ms, Event *from, Event *to) { ENTER; *ms = to->time - from->time; return SUCCESS; }
Result hipEventDestroy(Event *event) {
    ENTER;
    for (int d = 0; d < stand_in_devices; ++d) drain_device(d);
    free(event);
    return SUCCESS;
}

typedef struct {
    const char *image;
    char *copy; // what the image was
    size_t size;
    int device;
    long number; // the emulator's
} Module;
typedef struct Function {
    Module *module;
    char name[128]; // in notes: "kernel variant", or the entry point
    char entry[128];
    unsigned parameters, threads;
} Function;

// From the first byte to behind the last that the headers name.
static size_t size_of(const char *image) {
    unsigned long segments = *(unsigned long *)(image + 32), sections = *(unsigned long *)(image + 40), size = 64;
    unsigned short count = *(unsigned short *)(image + 56);
    for (int i = 0; i < count; ++i) {
        const unsigned long *header = (const unsigned long *)(image + segments + i * 56);
        if (header[1] + header[4] > size) size = header[1] + header[4];
    }
    unsigned long end = sections + *(unsigned short *)(image + 58) * *(unsigned short *)(image + 60);
    return end > size ? end : size;
}

// Whether a device runs code for a target: the same processor, or a generic one of its family; features as they are named.
static int runs(const char *architecture, const char *target) {
    size_t length = strcspn(target, ":"), generic = strcspn(target, "-");
    int same = length == strcspn(architecture, ":") && !strncmp(architecture, target, length);
    if (!same && generic < length) same = !strncmp(architecture, target, generic < 5 ? 4 : generic);
    for (const char *feature = strchr(target, ':'); same && feature; feature = strchr(feature + 1, ':')) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)(1 + strcspn(feature + 1, ":")), feature);
        same = strstr(architecture, name) != NULL;
    }
    return same;
}

Result hipModuleLoadData(Module **module, const char *image) {
    ENTER;
    if (stand_in_load_fails) return stand_in_load_fails;
    if (captures) return CAPTURE_UNSUPPORTED;
    if (memcmp(image, "\177ELF", 4)) return INVALID_IMAGE;
    size_t size = size_of(image);
    const char *line = memmem(image, size, "// target ", 10);
    char target[64] = "";
    long number = 0;
    if (line) {
        sscanf(line, "// target %63[^\n]", target);
    } else if (emulator) {
        char request[32];
        snprintf(request, sizeof request, "load =%zu", size);
        char *answer = ask(request, image, size);
        if (!answer || sscanf(answer, "%ld %63s", &number, target) != 2) return INVALID_IMAGE;
    }
    if (*target && !runs(stand_in_architecture[current], target)) return NO_BINARY;
    stand_in_loads++;
    *module = calloc(1, sizeof(Module));
    **module = (Module){.image = image, .copy = malloc(size), .size = size, .device = current, .number = number};
    memcpy((*module)->copy, image, size);
    return SUCCESS;
}
Result hipModuleGetFunction(Function **function, Module *module, const char *name) {
    ENTER;
    const char *line = memmem(module->image, module->size, "// kernel ", 10);
    Function found = {.module = module, .threads = 1024};
    snprintf(found.entry, sizeof found.entry, "%s", name);
    if (line) {
        if (strcmp(name, "routefuse_kernel")) return NOT_FOUND;
        sscanf(line, "// kernel %127[^\n]", found.name);
        line = memmem(module->image, module->size, "// parameters ", 14);
        if (line) sscanf(line, "// parameters %u", &found.parameters);
    } else if (emulator) {
        char request[192];
        snprintf(request, sizeof request, "kernel %ld %s", module->number, name);
        char *answer = ask(request, NULL, 0), *arguments = answer ? strstr(answer, "arguments=") : NULL;
        if (!arguments || sscanf(answer, "threads=%u", &found.threads) != 1) return NOT_FOUND;
        for (char *at = arguments + 9; at && at[1]; at = strchr(at + 1, ',')) {
            found.parameters++;
            if (atoi(at + 1) != 8) return INVALID_IMAGE;
        }
        snprintf(found.name, sizeof found.name, "%s", name);
    }
    *function = malloc(sizeof found);
    **function = found;
    return SUCCESS;
}
Result hipModuleUnload(Module *module) {
    ENTER;
    char request[32];
    snprintf(request, sizeof request, "unload %ld", module->number);
    if (module->number) ask(request, NULL, 0);
    int changed = memcmp(module->image, module->copy, module->size);
    // What was freed before its module is not counted.
    if (!changed) stand_in_unloads++;
    free(module->copy);
    free(module);
    return changed ? INVALID_IMAGE : SUCCESS;
}
Result hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *function, int threads, size_t shared) {
    ENTER;
    *blocks = 2;
    return SUCCESS;
}
Result hipModuleLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                             unsigned bz, unsigned shared, void *stream, void **parameters, void **extra) {
    ENTER;
    if (stand_in_launch_fails) return stand_in_launch_fails;
    Stream *s = stream_of(stream);
    Module *module = function->module;
    if (s->device != module->device || (stand_in_strict && s->device != current)) return INVALID_HANDLE;
    if (!gx || !gy || !gz || !bx || !by || !bz) return INVALID_VALUE;
    if (gx > 0x7fffffffu || (unsigned long)gx * bx >> 32) return INVALID_CONFIGURATION;
    if (bx * by * bz > function->threads) return LAUNCH_FAILURE;
    if (memcmp(module->image, module->copy, module->size)) return INVALID_IMAGE;
    Launch launch = {.blocks = gx * gy * gz, .threads = bx * by * bz, .parameters = function->parameters,
                     .stream = stream, .device = module->device};
    memcpy(launch.kernel, function->name, sizeof launch.kernel);
    for (unsigned i = 0; i < function->parameters && i < PARAMETERS; ++i)
        launch.values[i] = *(unsigned long *)parameters[i];
    note(&launch);
    double ns = launch_ns(launch.blocks, launch.threads);
    if (ns > 0) give(s, (Work){.kind = TAKE, .ns = ns});
    if (!module->number) return SUCCESS;
    size_t room = 256 + 20 * function->parameters;
    char *request = malloc(room);
    int at = snprintf(request, room, "launch %ld %s %u %u %u %u %u %u %u", module->number, function->entry, gx, gy, gz, bx,
                      by, bz, shared);
    for (unsigned i = 0; i < function->parameters; ++i) {
        request[at++] = ' ';
        for (unsigned b = 0; b < 8; ++b) at += sprintf(request + at, "%02x", ((unsigned char *)parameters[i])[b]);
    }
    return give(s, (Work){.kind = KERNEL, .request = request});
}
