// Compiles a model's router for an NVIDIA GPU and launches it on a stream. CUDA's driver is loaded by hand, so that the example
// builds without a toolkit; a program that links it passes its CUstream or cudaStream_t in the same way.
//   cc -std=c11 cuda.c $(pkg-config --cflags --libs routefuse) -ldl -o cuda && ./cuda
// With the file of a bundle that has the graph `mixtral`, it takes the finished kernels of that, and needs no compiler:
//   routefuse dump --model mixtral --option logits=f32 --stage graph >mixtral.route
//   routefuse bundle build mixtral.route --target sm_90 -o mixtral.rfb
//   cc -std=c11 cuda.c $(pkg-config --cflags --libs routefuse-runtime) -ldl -o cuda && ./cuda mixtral.rfb
#include <routefuse.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(routefuse_status status, routefuse_error **error) {
    if (status == 0) return;
    fprintf(stderr, "%s\n", routefuse_error_text(*error));
    routefuse_error_free(*error);
    exit(1);
}

// The few calls of the driver that an engine has anyway.
static struct {
    int (*set_current)(void *), (*retain)(void **, int), (*allocate)(unsigned long long *, size_t);
    int (*create)(void **, unsigned), (*to_device)(unsigned long long, const void *, size_t, void *);
    int (*to_host)(void *, unsigned long long, size_t, void *), (*wait)(void *), (*init)(unsigned);
} driver;

static void load(void *library, const char *name, void *call) {
    void *found = dlsym(library, name);
    if (!found) exit(fprintf(stderr, "the driver has no %s\n", name));
    memcpy(call, &found, sizeof found);
}

static void must(int result, const char *what) {
    if (result != 0) exit(fprintf(stderr, "%s failed: %d\n", what, result));
}

enum { TOKENS = 4, EXPERTS = 8, CHOSEN = 2 };

int main(int argc, char **argv) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW), *context = NULL, *stream = NULL;
    if (!library) return fprintf(stderr, "there is no NVIDIA driver\n"), 3;
    load(library, "cuInit", &driver.init);
    load(library, "cuDevicePrimaryCtxRetain", &driver.retain);
    load(library, "cuCtxSetCurrent", &driver.set_current);
    load(library, "cuMemAlloc_v2", &driver.allocate);
    load(library, "cuStreamCreate", &driver.create);
    load(library, "cuMemcpyHtoDAsync_v2", &driver.to_device);
    load(library, "cuMemcpyDtoHAsync_v2", &driver.to_host);
    load(library, "cuStreamSynchronize", &driver.wait);
    must(driver.init(0), "cuInit");
    // Plans are loaded in the primary context, which CUDA's runtime and most libraries use too.
    must(driver.retain(&context, 0), "cuDevicePrimaryCtxRetain");
    must(driver.set_current(context), "cuCtxSetCurrent");
    must(driver.create(&stream, 1), "cuStreamCreate");

    routefuse_error *error = NULL;
    routefuse_engine *engine = NULL;
    routefuse_graph *graph = NULL;
    routefuse_plan *plan = NULL;
    const routefuse_device gpu = routefuse_on(ROUTEFUSE_CUDA, 0);
    if (argc > 1) {
        // Code of whoever made the file: where that need not be you, ROUTEFUSE_TRUST_SIGNED, as in bundle.c.
        const routefuse_trust trust = {ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
        check(routefuse_engine_from_bundle(argv[1], &trust, &engine, &error), &error);
        check(routefuse_engine_plan(engine, "mixtral", gpu, &plan, &error), &error);
    } else {
        check(routefuse_engine_create(NULL, &engine, &error), &error);
        const routefuse_option options[] = {{"logits", "f32"}};
        check(routefuse_graph_preset("mixtral", options, 1, &graph, &error), &error);
        check(routefuse_engine_compile(engine, graph, gpu, 0, &plan, &error), &error);
    }
    check(routefuse_plan_prepare(plan, 0, &error), &error);

    float logits[TOKENS][EXPERTS], weights[TOKENS][CHOSEN];
    int ids[TOKENS][CHOSEN];
    for (int t = 0; t < TOKENS; ++t)
        for (int e = 0; e < EXPERTS; ++e) logits[t][e] = (float)((t * 5 + e * 3) % EXPERTS);
    unsigned long long memory[3];
    for (int i = 0; i < 3; ++i) must(driver.allocate(&memory[i], 4096), "cuMemAlloc");
    must(driver.to_device(memory[0], logits, sizeof logits, stream), "cuMemcpyHtoDAsync");

    const int64_t wide[2] = {TOKENS, EXPERTS}, chosen[2] = {TOKENS, CHOSEN};
    const routefuse_argument arguments[] = {
        routefuse_input("logits", routefuse_view((void *)memory[0], 4096, ROUTEFUSE_F32, gpu, 2, wide)),
        routefuse_output("ids_out", routefuse_view((void *)memory[1], 4096, ROUTEFUSE_I32, gpu, 2, chosen)),
        routefuse_output("weights_out", routefuse_view((void *)memory[2], 4096, ROUTEFUSE_F32, gpu, 2, chosen)),
    };
    const routefuse_launch launch = {.size = sizeof launch, .stream = stream, .flags = ROUTEFUSE_CHECK_MEMORY};
    check(routefuse_plan_launch(plan, &launch, arguments, 3, &error), &error);
    must(driver.to_host(ids, memory[1], sizeof ids, stream), "cuMemcpyDtoHAsync");
    must(driver.to_host(weights, memory[2], sizeof weights, stream), "cuMemcpyDtoHAsync");
    must(driver.wait(stream), "cuStreamSynchronize");
    for (int t = 0; t < TOKENS; ++t)
        printf("token %d: experts %d and %d, weights %.4f and %.4f\n", t, ids[t][0], ids[t][1], weights[t][0], weights[t][1]);

    routefuse_plan_free(plan);
    routefuse_graph_free(graph);
    routefuse_engine_free(engine);
    return 0;
}
