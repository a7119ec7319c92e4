// Bundles: whose are loaded, what is in them, and their plans. Runs with both libraries; the bundles are made by compiler.c.
#include "check.h"

static void whose_bundles_are_loaded(const char *folder) {
    char plain[4096], signed_one[4096], key[4096], other[4096];
    snprintf(plain, sizeof plain, "%s/plain.rfb", folder);
    snprintf(signed_one, sizeof signed_one, "%s/signed.rfb", folder);
    snprintf(key, sizeof key, "%s/signer.pub", folder);
    snprintf(other, sizeof other, "%s/other.pub", folder);
    const char *const signer[] = {key}, *const others[] = {other}, *const missing[] = {"/nowhere/signer.pub"};
    routefuse_engine *engine = NULL;
    routefuse_trust trust = {0};
    FAILS(814, "nothing says whose code may be run", routefuse_engine_from_bundle(plain, NULL, &engine, &error));
    FAILS(814, "ROUTEFUSE_TRUST_ANYONE", routefuse_engine_from_bundle(plain, &trust, &engine, &error));
    trust.whom = 7;
    FAILS(1102, "`trust.whom` is 7", routefuse_engine_from_bundle(plain, &trust, &engine, &error));
    trust = (routefuse_trust){ROUTEFUSE_TRUST_SIGNED, 0, signer, 1};
    FAILS(814, "not signed", routefuse_engine_from_bundle(plain, &trust, &engine, &error));
    trust.key_files = others;
    FAILS(814, "is signed by", routefuse_engine_from_bundle(signed_one, &trust, &engine, &error));
    trust.key_files = missing;
    FAILS(814, "/nowhere/signer.pub", routefuse_engine_from_bundle(signed_one, &trust, &engine, &error));
    trust = (routefuse_trust){ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
    FAILS(701, "nowhere", routefuse_engine_from_bundle("/nowhere/x.rfb", &trust, &engine, &error));
    FAILS(811, "cannot be used", routefuse_engine_from_bundle(key, &trust, &engine, &error));
    CHECK(engine == NULL);

    // An engine's options say the same.
    trust = (routefuse_trust){ROUTEFUSE_TRUST_SIGNED, 0, signer, 1};
    routefuse_bundle_file files[] = {{signed_one, trust}};
    routefuse_engine_options options = {.size = sizeof options, .bundles = files, .bundle_count = 1};
    options.require_signed = others, options.require_signed_count = 1;
    FAILS(814, "is signed by", routefuse_engine_create(&options, &engine, &error));
    options.require_signed = signer;
    OK(routefuse_engine_create(&options, &engine, &error));
    CHECK(routefuse_engine_free(engine) == 0);
}

static void plans_by_name(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/plain.rfb", folder);
    const routefuse_trust trust = {ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
    routefuse_engine *engine = NULL;
    OK(routefuse_engine_from_bundle(path, &trust, &engine, &error));

    size_t count = 0;
    OK(routefuse_engine_bundled_count(engine, &count, &error));
    CHECK(count == 2);
    routefuse_text *name = NULL, *targets = NULL;
    OK(routefuse_engine_bundled(engine, 0, &name, &targets, &error));
    CHECK(strcmp(routefuse_text_data(name), "remap") == 0 && routefuse_text_size(name) == 5);
    CHECK(strstr(routefuse_text_data(targets), "host"));
    CHECK(routefuse_text_free(name) == 0 && routefuse_text_free(targets) == 0);
    CHECK(routefuse_text_free(name) == 1101 && routefuse_text_data(name) == NULL && routefuse_text_size(name) == 0);
    OK(routefuse_engine_bundled(engine, 1, NULL, NULL, &error));
    FAILS(1102, "they have 2", routefuse_engine_bundled(engine, 2, &name, NULL, &error));
    // One place is misaligned: nothing is written to the other.
    char odd[2 * sizeof(void *)];
    routefuse_text **misaligned = (routefuse_text **)(void *)(odd + 1);
    if ((uintptr_t)misaligned % sizeof(void *) == 0) misaligned = (routefuse_text **)(void *)odd;
    name = NULL;
    FAILS(1102, "`targets`", routefuse_engine_bundled(engine, 0, &name, misaligned, &error));
    CHECK(name == NULL);

    routefuse_plan *plan = NULL;
    FAILS(812, "no graph called `remop`", routefuse_engine_plan(engine, "remop", HOST, &plan, &error));
    OK(routefuse_engine_plan(engine, "remap", HOST, &plan, &error));
    OK(routefuse_plan_prepare(plan, 0, &error));
    remap_call call;
    remap_prepare(&call, HOST);
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_check(&call);

#ifdef COUNTS_ALLOCATIONS
    // Nothing is allocated by a launch, in order, by name or with strides, and something by what is not one.
    static const char *const names[] = {"ids", "map", "n", "out"};
    const int64_t apart[2] = {2, 1};
    for (int how = 0; how < 3; ++how) {
        remap_prepare(&call, HOST);
        for (size_t i = 0; i < 4; ++i) call.arguments[i].name = how == 1 ? names[i] : NULL;
        if (how == 2) call.arguments[0].tensor.strides = apart;
        const unsigned long before = allocations;
        OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
        CHECK(allocations == before);
        remap_check(&call);
    }
    const unsigned long before = allocations;
    FAILS(601, "has no argument", routefuse_plan_launch(plan, NULL, call.arguments, 3, &error));
    CHECK(allocations > before);
#endif

    // Sealed: what is prepared goes on, what is not is refused.
    routefuse_plan *late = NULL;
    OK(routefuse_engine_plan(engine, "router", HOST, &late, &error));
    FAILS(810, "is not sealed", routefuse_engine_check_sealed(engine, &error));
    OK(routefuse_engine_seal(engine, &error));
    OK(routefuse_engine_check_sealed(engine, &error));
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    FAILS(810, "sealed", routefuse_plan_prepare(late, 1, &error));
    FAILS(810, "1 refused", routefuse_engine_check_sealed(engine, &error));
    routefuse_counters counters = {0};
    OK(routefuse_engine_counters(engine, &counters, &error));
    CHECK(counters.compiles == 0 && counters.loads >= 1 && counters.refused == 1);

    // A plan goes on without its engine.
    CHECK(routefuse_engine_free(engine) == 0);
    FAILS(1101, "the handle of an engine was freed", routefuse_engine_plan(engine, "remap", HOST, &plan, &error));
    memset(call.out, 0, sizeof call.out);
    OK(routefuse_plan_launch(plan, NULL, call.arguments, 4, &error));
    remap_check(&call);
    FAILS(812, "no report", routefuse_plan_explain(plan, &name, &error));
    CHECK(routefuse_plan_free(plan) == 0 && routefuse_plan_free(late) == 0);
}

static void a_bundle_for_another_processor(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/foreign.rfb", folder);
    const routefuse_trust trust = {ROUTEFUSE_TRUST_ANYONE, 0, NULL, 0};
    routefuse_engine *engine = NULL;
    routefuse_plan *plan = NULL;
    OK(routefuse_engine_from_bundle(path, &trust, &engine, &error));
    FAILS(812, "is not compiled for `host`", routefuse_engine_plan(engine, "remap", HOST, &plan, &error));
    CHECK(plan == NULL && routefuse_engine_free(engine) == 0);
}

static void what_needs_the_compiler(void) {
    routefuse_engine *engine = NULL;
    routefuse_graph *graph = NULL;
    routefuse_plan *plan = NULL;
    routefuse_text *text = NULL;
    const char *const targets[] = {"host"};
    const routefuse_named_graph graphs[] = {{"remap", NULL}};
    OK(routefuse_engine_create(NULL, &engine, &error));
    const char *no_compiler = "this libroutefuse has no compiler";
    FAILS(802, no_compiler, routefuse_graph_parse(REMAP, &graph, &error));
    FAILS(802, no_compiler, routefuse_graph_from_json("{}", &graph, &error));
    FAILS(802, no_compiler, routefuse_graph_preset("mixtral", NULL, 0, &graph, &error));
    FAILS(802, no_compiler, routefuse_preset_names(&text, &error));
    FAILS(802, no_compiler, routefuse_graph_text(graph, &text, &error));
    FAILS(802, no_compiler, routefuse_graph_json(graph, &text, &error));
    FAILS(802, no_compiler, routefuse_engine_compile(engine, graph, HOST, 0, &plan, &error));
    FAILS(802, no_compiler,
          routefuse_engine_compile_all(engine, (const routefuse_graph *const[]){graph}, 1, HOST, 0, 1, &plan, &error));
    FAILS(802, no_compiler, routefuse_engine_explain(engine, graph, 0, &text, &error));
    FAILS(802, no_compiler,
          routefuse_engine_write_bundle(engine, "/tmp/never.rfb", graphs, 1, targets, 1, 0, NULL, 0, &error));
    CHECK(routefuse_graph_free(NULL) == 0 && routefuse_engine_free(engine) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    whose_bundles_are_loaded(argv[1]);
    plans_by_name(argv[1]);
    a_bundle_for_another_processor(argv[1]);
    if (!routefuse_has_compiler()) what_needs_the_compiler();
    puts("loader: ok");
    return 0;
}
