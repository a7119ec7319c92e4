// Bad input: each is an error code and a sentence, and nothing is written. Runs with a bundle of compiler.c.
#include "check.h"

#include <pthread.h>

static routefuse_plan *plan;

// A launch with something changed is refused, and writes nothing.
#define REFUSED(code, says, ...)                                                             \
    do {                                                                                     \
        remap_call call;                                                                     \
        remap_prepare(&call, HOST);                                                          \
        size_t count = 4;                                                                    \
        routefuse_launch launch = {.size = sizeof launch};                                   \
        routefuse_tensor *ids = &call.arguments[0].tensor, *out = &call.arguments[3].tensor; \
        (void)ids, (void)out, (void)count;                                                   \
        __VA_ARGS__;                                                                         \
        FAILS(code, says, routefuse_plan_launch(plan, &launch, call.arguments, count, &error)); \
        remap_untouched(&call);                                                              \
    } while (0)

static void arguments(void) {
    static const int64_t four[2] = {4, 2}, negative[2] = {-3, 2}, wide[2] = {3, 3}, huge[2] = {INT64_MAX, 2};
    static const int64_t beyond[2] = {1000, 1}, backwards[2] = {-2, 1}, apart[2] = {2, 2}, vast[2] = {INT64_MAX, 1};
    static char odd[64];
    // Sizes.
    REFUSED(601, "output `out` of `remap` has no argument", count = 3);
    REFUSED(602, "more outputs than `remap` takes", call.arguments[1].role = ROUTEFUSE_OUTPUT);
    REFUSED(607, "`ids`", ids->bytes = 23);
    REFUSED(607, "`out`", out->bytes = 0);
    REFUSED(605, "extent -3", ids->shape = negative);
    REFUSED(605, "`ids`", ids->shape = wide);
    REFUSED(606, "`T`", ids->shape = four, ids->bytes = 64);
    REFUSED(614, "`ids`", ids->shape = huge, out->shape = huge);
    REFUSED(604, "99 dims", ids->rank = 99);
    REFUSED(604, "`ids`", ids->rank = 1);
    REFUSED(1102, "`tensor.shape` is null", ids->shape = NULL);
    REFUSED(1102, "misaligned", ids->shape = (const int64_t *)(odd + 1));
    // Strides that lie.
    REFUSED(607, "`ids`", ids->strides = beyond);
    REFUSED(614, "`ids`", ids->strides = vast);
    REFUSED(610, "`ids`", ids->strides = backwards);
    REFUSED(610, "`ids`", ids->strides = apart);
    REFUSED(610, "`out`", out->strides = beyond, out->bytes = 1 << 20);
    // Dtypes and devices.
    REFUSED(603, "`ids`", ids->dtype = ROUTEFUSE_U32);
    REFUSED(603, "argument 0 has the dtype 0", ids->dtype = 0);
    REFUSED(603, "argument 0 has the dtype 77", ids->dtype = 77);
    REFUSED(611, "`ids`", ids->device = routefuse_on(ROUTEFUSE_CUDA, 0));
    REFUSED(611, "a device of kind 0", ids->device.kind = 0);
    REFUSED(611, "ordinal -1", ids->device = routefuse_on(ROUTEFUSE_HIP, -1));
    REFUSED(611, "the launch has a stream", launch.stream = &call);
    // Addresses.
    REFUSED(607, "`out`", out->data = NULL);
    REFUSED(609, "`ids`", ids->data = (char *)call.ids + 1);
    REFUSED(608, "overlap", out->data = (char *)call.ids + 4);
    // Names and roles.
    REFUSED(602, "`idz`", call.arguments[0].name = "idz");
    REFUSED(602, "`ids`", call.arguments[0].name = "ids", call.arguments[1].name = "ids");
    REFUSED(1102, "not UTF-8", call.arguments[0].name = "caf\xe9");
    REFUSED(1102, "the role 3", call.arguments[2].role = 3);
    REFUSED(1102, "`argument.reserved`", call.arguments[2].reserved = 1);
    // The launch itself.
    REFUSED(1102, "`launch.size` is 0", launch.size = 0);
    REFUSED(1102, "unknown bits 0x40", launch.flags = 0x40);
    REFUSED(1102, "`launch.reserved`", launch.reserved = 1);
    REFUSED(1102, "more than memory has", launch.workspace = odd, launch.workspace_bytes = UINT64_MAX);
    REFUSED(1101, "is no handle of a pool", launch.pool = (const routefuse_pool *)odd);
    REFUSED(1101, "a plan, where a pool is wanted", launch.pool = (const routefuse_pool *)plan);
    FAILS(1102, "`arguments` is null", routefuse_plan_launch(plan, NULL, NULL, 4, &error));
    FAILS(601, "has no argument", routefuse_plan_launch(plan, NULL, NULL, 0, &error));
    REFUSED(1102, "more than memory has", count = SIZE_MAX);
    // What is right goes well, errors wanted or not.
    remap_call call;
    remap_prepare(&call, HOST);
    CHECK(routefuse_plan_launch(plan, NULL, call.arguments, 3, NULL) == 601);
    CHECK(routefuse_plan_launch(plan, NULL, call.arguments, 4, NULL) == 0);
    remap_check(&call);
}

static void handles(routefuse_engine *engine) {
    routefuse_plan_info info;
    routefuse_plan *none = NULL;
    size_t count = 77;
    int object = 0;
    FAILS(1101, "the handle of a plan is null", routefuse_plan_describe(NULL, &info, &error));
    FAILS(1101, "is no handle of a plan", routefuse_plan_describe((routefuse_plan *)&object, &info, &error));
    FAILS(1101, "is of an engine, where a plan is wanted", routefuse_plan_describe((routefuse_plan *)engine, &info, &error));
    FAILS(1102, "`info` is null", routefuse_plan_describe(plan, NULL, &error));
    FAILS(1102, "`plan` is null", routefuse_engine_plan(engine, "remap", HOST, NULL, &error));
    FAILS(1102, "`name` is null", routefuse_engine_plan(engine, NULL, HOST, &none, &error));
    FAILS(1102, "no device of kind 9", routefuse_engine_plan(engine, "remap", routefuse_on(9, 0), &none, &error));
    FAILS(809, "there is no", routefuse_engine_plan(engine, "remap", routefuse_on(ROUTEFUSE_CUDA, 99), &none, &error));
    FAILS(809, "there is no", routefuse_engine_plan(engine, "remap", routefuse_on(ROUTEFUSE_HIP, 99), &none, &error));
    FAILS(1102, "at most 4096 threads", routefuse_plan_prepare(plan, UINT32_MAX, &error));
    FAILS(1101, "null", routefuse_engine_bundled_count(NULL, &count, &error));
    CHECK(none == NULL && count == 77);
    CHECK(routefuse_plan_free(NULL) == 0 && routefuse_engine_free(NULL) == 0 && routefuse_pool_free(NULL) == 0);
    CHECK(routefuse_plan_free((routefuse_plan *)&object) == 1101 && routefuse_plan_free((routefuse_plan *)engine) == 1101);
    CHECK(routefuse_error_free(NULL) == 0 && routefuse_error_free((routefuse_error *)&object) == 1101);
    CHECK(routefuse_error_code(NULL) == 0 && routefuse_error_message(NULL) == NULL && routefuse_error_text(NULL) == NULL);
    CHECK(routefuse_error_help(NULL) == NULL && routefuse_error_count(NULL) == 0);

    // A freed plan stays refused, whatever its place holds since.
    routefuse_plan *freed = NULL, *next = NULL;
    OK(routefuse_engine_plan(engine, "remap", HOST, &freed, &error));
    CHECK(routefuse_plan_free(freed) == 0);
    OK(routefuse_engine_plan(engine, "remap", HOST, &next, &error));
    CHECK(next != freed);
    remap_call call;
    remap_prepare(&call, HOST);
    FAILS(1101, "the handle of a plan was freed", routefuse_plan_launch(freed, NULL, call.arguments, 4, &error));
    remap_untouched(&call);
    CHECK(routefuse_plan_free(freed) == 1101 && routefuse_plan_free(next) == 0);
}

// Threads that launch, fail, ask and free with one another's handles.
enum { THREADS = 4, ROUNDS = 400 };
static routefuse_engine *shared_engine;
static routefuse_plan *_Atomic contested;

static void *launches(void *unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        remap_call call;
        remap_prepare(&call, HOST);
        OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
        remap_check(&call);
        FAILS(601, "has no argument", routefuse_plan_launch(plan, NULL, call.arguments, 2, &error));
        // Somebody may free it at any time: it is launched, or it is refused.
        remap_prepare(&call, HOST);
        routefuse_status status = routefuse_plan_launch(contested, NULL, call.arguments, 4, NULL);
        CHECK(status == 0 || status == 1101);
        if (status == 0) remap_check(&call);
        if (status != 0) remap_untouched(&call);
    }
    return unused;
}

static void *frees(void *unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        routefuse_plan *next = NULL;
        OK(routefuse_engine_plan(shared_engine, "remap", HOST, &next, &error));
        CHECK(routefuse_plan_free(contested) == 0);
        contested = next;
    }
    return unused;
}

static void threads(routefuse_engine *engine) {
    pthread_t running[THREADS + 1];
    shared_engine = engine;
    routefuse_plan *first = NULL;
    OK(routefuse_engine_plan(engine, "remap", HOST, &first, &error));
    contested = first;
    for (int t = 0; t <= THREADS; ++t) CHECK(pthread_create(&running[t], NULL, t ? launches : frees, NULL) == 0);
    for (int t = 0; t <= THREADS; ++t) CHECK(pthread_join(running[t], NULL) == 0);
    CHECK(routefuse_plan_free(contested) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    char path[4096];
    snprintf(path, sizeof path, "%s/plain.rfb", argv[1]);
    const routefuse_trust trust = {ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
    routefuse_engine *engine = NULL;
    OK(routefuse_engine_from_bundle(path, &trust, &engine, &error));
    OK(routefuse_engine_plan(engine, "remap", HOST, &plan, &error));
    OK(routefuse_plan_prepare(plan, 0, &error));
    arguments();
    handles(engine);
    threads(engine);
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_engine_free(engine) == 0);
    puts("refusals: ok");
    return 0;
}
