// Launches on streams of both vendors, where the drivers are their stand-ins: what reaches the driver, and what is refused before.
// The stand-ins note launches and run nothing; LD_LIBRARY_PATH has them.
#include "check.h"

#include <dlfcn.h>

typedef struct {
    char kernel[128];
    unsigned blocks, threads, parameters, dependent, device;
    void *stream;
    unsigned long values[128];
} Launched;

typedef struct {
    const char *library;
    routefuse_device_kind kind, other;
    const char *bundle, *target, *allocate;
} Vendor;

static const Vendor VENDORS[] = {
    {"libcuda.so.1", ROUTEFUSE_CUDA, ROUTEFUSE_HIP, "plain.rfb", "sm_90", "cuMemAlloc_v2"},
    {"libamdhip64.so.7", ROUTEFUSE_HIP, ROUTEFUSE_CUDA, "foreign.rfb", "gfx942", "hipMalloc"},
};

static void launches_on(const Vendor *vendor, const char *folder) {
    void *library = dlopen(vendor->library, RTLD_NOW);
    CHECK(library);
    unsigned *launched = dlsym(library, "stand_in_launched");
    const Launched *notes = dlsym(library, "stand_in_launches");
    int *refuses = dlsym(library, "stand_in_launch_fails"), *shared = dlsym(library, "stand_in_shared");
    int (*allocate)(void **, size_t) = (int (*)(void **, size_t))dlsym(library, vendor->allocate);
    CHECK(launched && notes && refuses && shared && allocate);

    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, vendor->bundle);
    const routefuse_trust trust = {ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
    const routefuse_device device = routefuse_on(vendor->kind, 1), missing = routefuse_on(vendor->kind, 2);
    routefuse_engine *engine = NULL;
    routefuse_plan *plan = NULL;
    routefuse_text *target = NULL;
    OK(routefuse_engine_from_bundle(path, &trust, &engine, &error));
    OK(routefuse_engine_target(engine, device, &target, &error));
    CHECK(strcmp(routefuse_text_data(target), vendor->target) == 0 && routefuse_text_free(target) == 0);
    FAILS(809, "there is no", routefuse_engine_plan(engine, "remap", missing, &plan, &error));
    OK(routefuse_engine_plan(engine, "remap", device, &plan, &error));
    routefuse_plan_info info;
    OK(routefuse_plan_describe(plan, &info, &error));
    CHECK(info.device.kind == vendor->kind && info.device.ordinal == 1 && strcmp(info.target, vendor->target) == 0);

    // The memory is the device's; its content is nobody's.
    void *memory = NULL;
    // CUDA's current device is the one that was opened last; HIP's is the caller's.
    int (*set_device)(int) = (int (*)(int))dlsym(library, "hipSetDevice");
    if (vendor->kind == ROUTEFUSE_HIP) CHECK(set_device(1) == 0);
    CHECK(allocate(&memory, 4096) == 0);
    char *at = memory;
    remap_call call;
    remap_prepare(&call, device);
    for (size_t i = 0; i < 4; ++i) call.arguments[i].tensor.data = at + 256 * i;

    unsigned before = *launched;
    FAILS(807, "is not loaded", routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    OK(routefuse_plan_prepare(plan, 2, &error));
    // Refused, and nothing reaches the driver.
    routefuse_launch launch = {.size = sizeof launch};
    for (size_t i = 0; i < 4; ++i) {
        remap_call wrong = call;
        const routefuse_device elsewhere[] = {HOST, routefuse_on(vendor->kind, 0), routefuse_on(vendor->other, 1)};
        for (size_t e = 0; e < COUNT(elsewhere); ++e) {
            wrong.arguments[i].tensor.device = elsewhere[e];
            FAILS(611, "and the plan runs on", routefuse_plan_launch(plan, &launch, wrong.arguments, 4, &error));
        }
    }
    routefuse_pool *pool = NULL;
    OK(routefuse_pool_create(2, &pool, &error));
    launch.pool = pool;
    FAILS(611, "a pool of the host's threads", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    launch.pool = NULL;
    CHECK(routefuse_pool_free(pool) == 0);
    // The host's memory that is said to be the device's: the driver tells.
    launch.flags = ROUTEFUSE_CHECK_MEMORY;
    remap_call lies = call;
    lies.arguments[2].tensor.data = &lies.n;
    FAILS(611, "argument 2 is said to be in the memory of", routefuse_plan_launch(plan, &launch, lies.arguments, 4, &error));
    lies = call, lies.arguments[0].name = "ids";
    lies.arguments[0].tensor.data = lies.ids;
    FAILS(611, "argument `ids` is said to be", routefuse_plan_launch(plan, &launch, lies.arguments, 4, &error));
    launch.workspace = &lies, launch.workspace_bytes = 64;
    FAILS(611, "the workspace is said to be", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    CHECK(*launched == before);

    // On a stream, as a dependent, by name; what the driver gets are the addresses.
    if (vendor->kind == ROUTEFUSE_HIP) {
        int (*create)(void **, unsigned) = (int (*)(void **, unsigned))dlsym(library, "hipStreamCreateWithFlags");
        CHECK(create(&launch.stream, 1) == 0);
    } else {
        int (*create)(void **, unsigned) = (int (*)(void **, unsigned))dlsym(library, "cuStreamCreate");
        CHECK(create(&launch.stream, 1) == 0);
    }
    launch.workspace = NULL, launch.workspace_bytes = 0;
    launch.flags = ROUTEFUSE_DEPENDENT;
    // One has a name and the others have none: where all are alike, a build with assertions compares two ways, which allocates.
    call.arguments[2].name = "n";
    const unsigned long allocated = allocations;
    OK(routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    CHECK(*launched == before + 1);
    // HIP's stand-in allocates for its queue.
    CHECK(allocations == allocated || vendor->kind == ROUTEFUSE_HIP);
    const Launched *last = &notes[before % 64];
    CHECK(last->stream == launch.stream && last->device == 1 && last->dependent == (vendor->kind == ROUTEFUSE_CUDA));
    for (size_t i = 0; i < 4; ++i) {
        int found = 0;
        for (size_t p = 0; p < last->parameters; ++p) found |= last->values[p] == (unsigned long)(at + 256 * i);
        // Of a code object the stand-in does not know how many there are.
        CHECK(found || (vendor->kind == ROUTEFUSE_HIP && last->parameters == 0));
    }
    // The memory is where it is said to be.
    launch.flags = ROUTEFUSE_CHECK_MEMORY;
    OK(routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    CHECK(*launched == before + 2);
    *refuses = 1;
    FAILS(808, "(1)", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    *refuses = 0;

    // A plan of the host, and memory of the GPU's that is said to be the host's.
    if (strcmp(vendor->bundle, "plain.rfb") == 0) {
        routefuse_plan *host = NULL;
        OK(routefuse_engine_plan(engine, "remap", HOST, &host, &error));
        remap_call on_host;
        remap_prepare(&on_host, HOST);
        const routefuse_launch checked = {.size = sizeof checked, .flags = ROUTEFUSE_CHECK_MEMORY};
        OK(routefuse_plan_launch(host, &checked, on_host.arguments, 4, &error));
        remap_check(&on_host);
        remap_prepare(&on_host, HOST);
        on_host.arguments[1].tensor.data = memory;
        FAILS(611, "its address is in the memory of cuda:1", routefuse_plan_launch(host, &checked, on_host.arguments, 4, &error));
        remap_untouched(&on_host);
        // What the driver moves to and fro, or has mapped, is the host's, too.
        for (*shared = 1; *shared <= 2; ++*shared) {
            OK(routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
            OK(routefuse_plan_launch(host, &checked, on_host.arguments, 4, &error));
        }
        *shared = 0;
        CHECK(routefuse_plan_free(host) == 0);
    }
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_engine_free(engine) == 0);
    FAILS(1101, "was freed", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    for (size_t v = 0; v < COUNT(VENDORS); ++v) launches_on(&VENDORS[v], argv[1]);
    puts("gpu: ok");
    return 0;
}
