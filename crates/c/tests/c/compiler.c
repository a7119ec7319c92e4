// The library with the compiler: graphs, plans, launches on the host, bundles. Writes the bundles that loader.c and gpu.c read.
#include "check.h"

#include <signal.h>

static routefuse_graph *parsed(const char *source) {
    routefuse_graph *graph = NULL;
    OK(routefuse_graph_parse(source, &graph, &error));
    return graph;
}

static void graphs(void) {
    // Every mistake of a text has its place.
    routefuse_graph *graph = NULL;
    routefuse_error *error = NULL;
    const char *wrong = "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 8]\n  %y = sofmax %x\n  %z = nag %x\n  output y = %y\n}\n";
    CHECK(routefuse_graph_parse(wrong, &graph, &error) == 107 && graph == NULL);
    CHECK(routefuse_error_count(error) == 2);
    CHECK(strcmp(routefuse_error_message(error), "unknown op `sofmax`") == 0);
    CHECK(strcmp(routefuse_error_help(error), "did you mean `softmax`?") == 0);
    routefuse_diagnostic second = {0};
    CHECK(routefuse_error_at(error, 1, &second) == 0 && routefuse_error_at(error, 2, &second) == 1102);
    CHECK(second.code == 107 && second.line == 6 && second.column == 8 && strstr(second.message, "`nag`"));
    CHECK(routefuse_error_free(error) == 0 && routefuse_error_free(error) == 1101 && routefuse_error_message(error) == NULL);
    // Nobody has to want the error.
    CHECK(routefuse_graph_parse("route 2", &graph, NULL) == 104);

    // Text, JSON, text.
    routefuse_graph *again = NULL;
    routefuse_text *text = NULL, *json = NULL, *back = NULL;
    graph = parsed(REMAP);
    OK(routefuse_graph_text(graph, &text, &error));
    OK(routefuse_graph_json(graph, &json, &error));
    OK(routefuse_graph_from_json(routefuse_text_data(json), &again, &error));
    OK(routefuse_graph_text(again, &back, &error));
    CHECK(strcmp(routefuse_text_data(text), routefuse_text_data(back)) == 0);
    FAILS(106, "EOF", routefuse_graph_from_json("{", &again, &error));
    CHECK(routefuse_text_free(text) == 0 && routefuse_text_free(json) == 0 && routefuse_text_free(back) == 0);
    CHECK(routefuse_graph_free(again) == 0 && routefuse_graph_free(graph) == 0 && routefuse_graph_free(graph) == 1101);
    FAILS(1101, "the handle of a graph was freed", routefuse_graph_text(graph, &text, &error));

    // Presets, with options.
    const routefuse_option eplb[] = {{"eplb", "static"}, {"padding", "minus_one"}};
    const routefuse_option unknown[] = {{"elpb", "static"}}, value[] = {{"eplb", "sometimes"}}, null[] = {{"eplb", NULL}};
    OK(routefuse_graph_preset("deepseek-v3", eplb, COUNT(eplb), &graph, &error));
    CHECK(routefuse_graph_free(graph) == 0);
    FAILS(1001, "mixtrel", routefuse_graph_preset("mixtrel", NULL, 0, &graph, &error));
    FAILS(1002, "elpb", routefuse_graph_preset("deepseek-v3", unknown, 1, &graph, &error));
    FAILS(1003, "sometimes", routefuse_graph_preset("deepseek-v3", value, 1, &graph, &error));
    FAILS(1102, "`option.value` is null", routefuse_graph_preset("deepseek-v3", null, 1, &graph, &error));
    OK(routefuse_preset_names(&text, &error));
    CHECK(strstr(routefuse_text_data(text), "deepseek-v3\n"));
    CHECK(routefuse_text_free(text) == 0);
}

// DLPack's structures, as dlpack.h has them.
typedef struct {
    void *data;
    struct {
        int32_t device_type, device_id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensorVersioned {
    struct {
        uint32_t major, minor;
    } version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

static void launches(routefuse_engine *engine) {
    routefuse_graph *graph = parsed(REMAP);
    routefuse_plan *plan = NULL;
    OK(routefuse_engine_compile(engine, graph, HOST, 0, &plan, &error));
    CHECK(routefuse_graph_free(graph) == 0);
    OK(routefuse_plan_prepare(plan, 2, &error));

    routefuse_plan_info info;
    OK(routefuse_plan_describe(plan, &info, &error));
    CHECK(strcmp(info.name, "remap") == 0 && strcmp(info.target, "host") == 0 && info.device.kind == ROUTEFUSE_HOST);
    CHECK(info.inputs == 3 && info.outputs == 1 && info.symbols == 1 && info.kernels == 1);
    CHECK(!info.has_error_word && !info.has_workspace);
    routefuse_port port;
    OK(routefuse_plan_port(plan, ROUTEFUSE_INPUT, 0, &port, &error));
    CHECK(strcmp(port.name, "ids") == 0 && port.rank == 2 && port.shape[0] == -1 && port.shape[1] == 2);
    CHECK(port.dtype == ROUTEFUSE_I32 && port.layout == ROUTEFUSE_ROWS && port.alias == ROUTEFUSE_APART && port.alias_of == -1);
    FAILS(1102, "it has 1, counted from 0", routefuse_plan_port(plan, ROUTEFUSE_OUTPUT, 1, &port, &error));
    FAILS(1102, "`role` is 3", routefuse_plan_port(plan, 3, 0, &port, &error));
    const char *name = NULL;
    OK(routefuse_plan_symbol(plan, 0, &name, &error));
    CHECK(strcmp(name, "T") == 0);
    OK(routefuse_plan_kernel(plan, 0, &name, &error));
    CHECK(strlen(name) > 0);
    routefuse_text *text = NULL;
    OK(routefuse_plan_explain(plan, &text, &error));
    CHECK(strstr(routefuse_text_data(text), "remap"));
    CHECK(routefuse_text_free(text) == 0);

    // By position.
    remap_call call;
    remap_prepare(&call, HOST);
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_check(&call);
    // By name, in any order.
    remap_prepare(&call, HOST);
    routefuse_argument swapped[] = {call.arguments[3], call.arguments[2], call.arguments[0], call.arguments[1]};
    swapped[0].name = "out", swapped[1].name = "n", swapped[2].name = "ids", swapped[3].name = "map";
    OK(routefuse_plan_launch(plan, NULL, swapped, 4, &error));
    remap_check(&call);
    // Rows of a wider buffer.
    int32_t wide[9] = {3, 0, 77, 1, 9, 77, 2, 2, 77};
    const int64_t strides[2] = {3, 1};
    remap_prepare(&call, HOST);
    call.arguments[0].tensor = routefuse_view(wide, sizeof wide, ROUTEFUSE_I32, HOST, 2, call.rows);
    call.arguments[0].tensor.strides = strides;
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_check(&call);
    // On a pool.
    routefuse_pool *pool = NULL;
    OK(routefuse_pool_create(2, &pool, &error));
    routefuse_launch launch = {.size = sizeof launch, .pool = pool};
    remap_prepare(&call, HOST);
    OK(routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    remap_check(&call);
    CHECK(routefuse_pool_free(pool) == 0);
    FAILS(1101, "the handle of a pool was freed", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    FAILS(1102, "a pool has 2 threads or more", routefuse_pool_create(1, &pool, &error));

    // As tensors of DLPack.
    int64_t offset_strides[2] = {2, 1};
    DLTensor ids = {call.ids - 2, {1, 0}, 2, {0, 32, 1}, call.rows, offset_strides, 8};
    DLManagedTensorVersioned out = {{1, 1}, NULL, NULL, 0, {call.out, {1, 0}, 2, {0, 32, 1}, call.rows, NULL, 0}};
    remap_prepare(&call, HOST);
    OK(routefuse_tensor_from_dlpack(&ids, &call.arguments[0].tensor, &error));
    OK(routefuse_tensor_from_dlpack_versioned(&out, ROUTEFUSE_OUTPUT, &call.arguments[3].tensor, &error));
    CHECK(call.arguments[0].tensor.bytes == 24 && call.arguments[3].tensor.bytes == 24);
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_check(&call);
    routefuse_tensor view;
    out.flags = 1;
    FAILS(1102, "read-only", routefuse_tensor_from_dlpack_versioned(&out, ROUTEFUSE_OUTPUT, &view, &error));
    OK(routefuse_tensor_from_dlpack_versioned(&out, ROUTEFUSE_INPUT, &view, &error));
    out.version.major = 2;
    FAILS(1102, "version 2.1", routefuse_tensor_from_dlpack_versioned(&out, ROUTEFUSE_INPUT, &view, &error));
    DLTensor other = ids;
    other.dtype.bits = 4;
    FAILS(603, "4 bits", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.device.device_type = 4;
    FAILS(611, "of type 4", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.ndim = 7;
    FAILS(604, "7 dims", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.strides = (int64_t[]){-2, 1};
    FAILS(610, "stride -2", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.shape = (int64_t[]){INT64_MAX, 2};
    FAILS(614, "63 bits", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.shape = (int64_t[]){3, -2};
    FAILS(605, "extent -2", routefuse_tensor_from_dlpack(&other, &view, &error));
    other = ids, other.shape = NULL;
    FAILS(1102, "`shape` is null", routefuse_tensor_from_dlpack(&other, &view, &error));
    FAILS(1102, "`dl_tensor` is null", routefuse_tensor_from_dlpack(NULL, &view, &error));
    CHECK(routefuse_plan_free(plan) == 0);
}

static void workspaces(routefuse_engine *engine) {
    routefuse_graph *graph = parsed(REMAP);
    routefuse_plan *plan = NULL;
    OK(routefuse_engine_compile(engine, graph, HOST, ROUTEFUSE_UNFUSED, &plan, &error));
    FAILS(1102, "unknown bits 0x80", routefuse_engine_compile(engine, graph, HOST, 0x80, &plan, &error));
    routefuse_plan_info info;
    OK(routefuse_plan_describe(plan, &info, &error));
    CHECK(info.kernels == 2 && info.has_workspace);
    const uint64_t extents[2] = {3, 3};
    uint64_t bytes = 0;
    OK(routefuse_plan_workspace(plan, extents, 1, &bytes, &error));
    CHECK(bytes >= 24 && bytes % 64 == 0);
    FAILS(606, "2 extents", routefuse_plan_workspace(plan, extents, 2, &bytes, &error));
    remap_call call;
    remap_prepare(&call, HOST);
    FAILS(613, "workspace", routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_untouched(&call);
    routefuse_launch launch = {.size = sizeof launch, .workspace = aligned_alloc(64, bytes), .workspace_bytes = bytes - 64};
    FAILS(613, "workspace", routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    launch.workspace_bytes = bytes;
    OK(routefuse_plan_launch(plan, &launch, call.arguments, 4, &error));
    remap_check(&call);
    free(launch.workspace);
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_graph_free(graph) == 0);
}

static void error_words(routefuse_engine *engine) {
    routefuse_graph *graph = parsed("route 1\ngraph @g {\n dim T\n input %ids : i32[T]\n input %map : i32[4]\n"
                                    " %y = gather %map, %ids {out_of_range = trap}\n output y = %y\n}");
    routefuse_plan *plan = NULL;
    OK(routefuse_engine_compile(engine, graph, HOST, 0, &plan, &error));
    routefuse_plan_info info;
    OK(routefuse_plan_describe(plan, &info, &error));
    CHECK(info.has_error_word);
    int32_t ids[2] = {1, 3}, map[4] = {5, 6, 7, 8}, out[2] = {0, 0};
    uint32_t word = 0;
    const int64_t two[] = {2}, four[] = {4};
    const routefuse_argument arguments[] = {
        routefuse_input(NULL, routefuse_view(ids, sizeof ids, ROUTEFUSE_I32, HOST, 1, two)),
        routefuse_input(NULL, routefuse_view(map, sizeof map, ROUTEFUSE_I32, HOST, 1, four)),
        routefuse_output(NULL, routefuse_view(out, sizeof out, ROUTEFUSE_I32, HOST, 1, two)),
        routefuse_output(NULL, routefuse_view(&word, sizeof word, ROUTEFUSE_U32, HOST, 0, NULL)),
    };
    OK(routefuse_plan_launch(plan, NULL, arguments, 4, &error));
    CHECK(out[0] == 6 && out[1] == 8 && word == 0);
    ids[1] = 4;
    OK(routefuse_plan_launch(plan, NULL, arguments, 4, &error));
    CHECK(word != 0);
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_graph_free(graph) == 0);
}

static void layers_and_caches(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cache", folder);
    routefuse_engine_options options = {.size = sizeof options, .cache_directory = path, .cache_bytes = 1 << 26};
    for (int round = 0; round < 2; ++round) {
        routefuse_engine *engine = NULL;
        OK(routefuse_engine_create(&options, &engine, &error));
        routefuse_graph *graph = parsed(REMAP);
        const routefuse_graph *layers[20];
        routefuse_plan *plans[20] = {NULL};
        for (size_t i = 0; i < COUNT(layers); ++i) layers[i] = graph;
        OK(routefuse_engine_compile_all(engine, layers, COUNT(layers), HOST, 0, 2, plans, &error));
        routefuse_counters counters = {0};
        OK(routefuse_engine_counters(engine, &counters, &error));
        CHECK(counters.compiles == (round == 0) && counters.loads == 1);
        OK(routefuse_engine_seal(engine, &error));
        for (size_t i = 0; i < COUNT(layers); ++i) {
            remap_call call;
            remap_prepare(&call, HOST);
            OK(routefuse_plan_launch(plans[i], NULL, call.arguments, 4, &error));
            remap_check(&call);
            CHECK(routefuse_plan_free(plans[i]) == 0);
        }
        OK(routefuse_engine_check_sealed(engine, &error));
        // One that is no graph: nothing is written.
        routefuse_plan *none[2] = {NULL, NULL};
        layers[1] = NULL;
        FAILS(1101, "is null", routefuse_engine_compile_all(engine, layers, 2, HOST, 0, 1, none, &error));
        CHECK(none[0] == NULL && none[1] == NULL);
        OK(routefuse_engine_compile_all(engine, NULL, 0, HOST, 0, 1, NULL, &error));
        CHECK(routefuse_graph_free(graph) == 0 && routefuse_engine_free(engine) == 0);
    }
    options.size = 8;
    routefuse_engine *engine = NULL;
    FAILS(1102, "`options.size` is 8", routefuse_engine_create(&options, &engine, &error));
    options.size = sizeof options, options.flags = 4;
    FAILS(1102, "`options.flags` has the unknown bits 0x4", routefuse_engine_create(&options, &engine, &error));
    CHECK(engine == NULL);
}

// What the process does on each signal, and the stack that this thread handles them on.
typedef struct {
    struct sigaction of[65];
    stack_t stack;
} Signals;

static Signals signals_now(void) {
    Signals now;
    memset(&now, 0, sizeof now);
    // Some numbers are libc's own, and stay zeros.
    for (int s = 1; s < (int)COUNT(now.of); ++s) (void)sigaction(s, NULL, &now.of[s]);
    CHECK(sigaltstack(NULL, &now.stack) == 0);
    return now;
}

static volatile sig_atomic_t handled;
static void handles(int signal) { handled = signal; }

// Compiling for the host and for AMD's GPUs links by LLD, whose LLVM takes signals and a stack for them.
static void signals_stay(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/signals.rfb", folder);
    const struct sigaction ours = {.sa_handler = handles, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct sigaction theirs;
    CHECK(sigaction(SIGUSR2, &ours, &theirs) == 0 && signal(SIGTERM, SIG_IGN) != SIG_ERR);
    // Too small for LLVM, which would take another one for it.
    stack_t small = {.ss_size = 1 << 15}, usual;
    CHECK((small.ss_sp = malloc(small.ss_size)) && sigaltstack(&small, &usual) == 0);
    const Signals before = signals_now();

    const char *const targets[] = {"host", "gfx942"};
    for (size_t t = 0; t < COUNT(targets); ++t) {
        routefuse_engine *engine = NULL;
        routefuse_graph *graph = parsed(REMAP);
        const routefuse_named_graph graphs[] = {{"remap", graph}};
        OK(routefuse_engine_create(NULL, &engine, &error));
        OK(routefuse_engine_write_bundle(engine, path, graphs, 1, &targets[t], 1, 0, NULL, 0, &error));
        routefuse_counters counters = {0};
        OK(routefuse_engine_counters(engine, &counters, &error));
        CHECK(counters.compiles > 0);
        CHECK(routefuse_graph_free(graph) == 0 && routefuse_engine_free(engine) == 0);

        const Signals after = signals_now();
        for (size_t s = 1; s < COUNT(after.of); ++s) {
            const struct sigaction *was = &before.of[s], *is = &after.of[s];
            // Beyond the public flags is how libc returns from a handler.
            const int flags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | (int)SA_RESETHAND;
            if (was->sa_handler != is->sa_handler || (was->sa_flags & flags) != (is->sa_flags & flags)) {
                fprintf(stderr, "%s: compiling has changed what signal %zu does\n", targets[t], s);
                exit(1);
            }
        }
        CHECK(after.stack.ss_sp == before.stack.ss_sp && after.stack.ss_size == before.stack.ss_size);
        CHECK(after.stack.ss_flags == before.stack.ss_flags);
        handled = 0;
        CHECK(raise(SIGUSR2) == 0 && handled == SIGUSR2 && raise(SIGTERM) == 0);
    }
    CHECK(sigaltstack(&usual, NULL) == 0 && sigaction(SIGUSR2, &theirs, NULL) == 0 && signal(SIGTERM, SIG_DFL) != SIG_ERR);
    free(small.ss_sp);
}

static void cancelled(routefuse_engine *engine) {
    routefuse_graph *graph = NULL;
    routefuse_plan *plan = NULL;
    OK(routefuse_graph_preset("mixtral", NULL, 0, &graph, &error));
    OK(routefuse_engine_cancel(engine, &error));
    FAILS(816, "cancelled", routefuse_engine_compile(engine, graph, HOST, 0, &plan, &error));
    OK(routefuse_engine_resume(engine, &error));
    OK(routefuse_engine_compile(engine, graph, HOST, 0, &plan, &error));
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_graph_free(graph) == 0);
}

static void bundles(routefuse_engine *engine, const char *folder) {
    char path[4096], key[4096];
    routefuse_graph *remap = parsed(REMAP), *router = NULL;
    OK(routefuse_graph_preset("mixtral", NULL, 0, &router, &error));
    const routefuse_named_graph graphs[] = {{"remap", remap}, {"router", router}};
    const char *const targets[] = {"host", "sm_90"}, *const elsewhere[] = {"gfx942"}, *const unknown[] = {"sm_91x"};
    snprintf(path, sizeof path, "%s/plain.rfb", folder);
    OK(routefuse_engine_write_bundle(engine, path, graphs, 2, targets, 2, 0, NULL, 2, &error));
    snprintf(path, sizeof path, "%s/foreign.rfb", folder);
    OK(routefuse_engine_write_bundle(engine, path, graphs, 1, elsewhere, 1, 0, NULL, 0, &error));
    snprintf(key, sizeof key, "%s/other", folder);
    OK(routefuse_key_create(key, &error));
    snprintf(key, sizeof key, "%s/signer", folder);
    OK(routefuse_key_create(key, &error));
    FAILS(702, "signer: File exists", routefuse_key_create(key, &error));
    // Somebody's public key stays, and nothing stands in the way of the next try.
    char lone[4200], lone_public[4300];
    snprintf(lone, sizeof lone, "%s/lone", folder);
    snprintf(lone_public, sizeof lone_public, "%s.pub", lone);
    FILE *theirs = fopen(lone_public, "w");
    CHECK(theirs && fputs("theirs", theirs) >= 0 && fclose(theirs) == 0);
    FAILS(702, "lone.pub: File exists", routefuse_key_create(lone, &error));
    char kept[16] = {0};
    CHECK((theirs = fopen(lone_public, "r")) && fgets(kept, sizeof kept, theirs) && strcmp(kept, "theirs") == 0);
    CHECK(fclose(theirs) == 0 && fopen(lone, "r") == NULL);
    snprintf(path, sizeof path, "%s/signed.rfb", folder);
    OK(routefuse_engine_write_bundle(engine, path, graphs, 1, targets, 1, 0, key, 0, &error));
    FAILS(801, "sm_91x", routefuse_engine_write_bundle(engine, path, graphs, 1, unknown, 1, 0, NULL, 0, &error));
    FAILS(1102, "a bundle of no graphs", routefuse_engine_write_bundle(engine, path, graphs, 0, targets, 1, 0, NULL, 0, &error));
    FAILS(702, "cannot be written", routefuse_engine_write_bundle(engine, "/nowhere/x.rfb", graphs, 1, targets, 1, 0, NULL, 0, &error));
    CHECK(routefuse_graph_free(remap) == 0 && routefuse_graph_free(router) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && routefuse_has_compiler() && routefuse_abi_version() == ROUTEFUSE_ABI_VERSION);
    // First: what LLVM has taken once, it does not take again.
    signals_stay(argv[1]);
    graphs();
    routefuse_engine *engine = NULL;
    OK(routefuse_engine_create(NULL, &engine, &error));
    launches(engine);
    workspaces(engine);
    error_words(engine);
    cancelled(engine);
    bundles(engine, argv[1]);
    CHECK(routefuse_engine_free(engine) == 0);
    layers_and_caches(argv[1]);
    puts("compiler: ok");
    return 0;
}
