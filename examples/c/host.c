// Compiles a routing graph and launches it on the host. From a folder that `make install` filled:
//   cc -std=c11 host.c $(pkg-config --cflags --libs routefuse) -o host && ./host
#include <routefuse.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// Every call gives 0 or the number of an error's code. What there is to say of it is freed by who gets it.
static void check(routefuse_status status, routefuse_error **error) {
    if (status == 0) return;
    fprintf(stderr, "%s\n", routefuse_error_text(*error));
    routefuse_error_free(*error);
    exit(1);
}

// Logical expert ids to physical ones; rows from n on are padding.
static const char *const REMAP = "route 1\n"
                                 "graph @remap {\n"
                                 "  dim T\n"
                                 "  input %ids : i32[T, 2]\n"
                                 "  input %map : i32[4]\n"
                                 "  input %n : i32[]\n"
                                 "  %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]\n"
                                 "  %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]\n"
                                 "  output out = %masked : i32[T, 2]\n"
                                 "}\n";

int main(void) {
    routefuse_error *error = NULL;
    routefuse_engine *engine = NULL;
    routefuse_graph *graph = NULL;
    routefuse_plan *plan = NULL;
    const routefuse_device host = routefuse_on(ROUTEFUSE_HOST, 0);

    // At model load: compile, once for every number of tokens.
    check(routefuse_engine_create(NULL, &engine, &error), &error);
    check(routefuse_graph_parse(REMAP, &graph, &error), &error);
    check(routefuse_engine_compile(engine, graph, host, 0, &plan, &error), &error);
    check(routefuse_plan_prepare(plan, 0, &error), &error);

    // While serving: launch. Nothing is compiled or allocated here, and any thread may do it.
    int32_t ids[3][2] = {{3, 0}, {1, 2}, {2, 2}}, map[4] = {10, 11, 12, 13}, n = 2, out[3][2];
    const int64_t tokens[2] = {3, 2}, experts[1] = {4};
    const routefuse_argument arguments[] = {
        routefuse_input("ids", routefuse_view(ids, sizeof ids, ROUTEFUSE_I32, host, 2, tokens)),
        routefuse_input("map", routefuse_view(map, sizeof map, ROUTEFUSE_I32, host, 1, experts)),
        routefuse_input("n", routefuse_view(&n, sizeof n, ROUTEFUSE_I32, host, 0, NULL)),
        routefuse_output("out", routefuse_view(out, sizeof out, ROUTEFUSE_I32, host, 2, tokens)),
    };
    check(routefuse_plan_launch(plan, NULL, arguments, sizeof arguments / sizeof *arguments, &error), &error);
    for (int t = 0; t < 3; ++t) printf("token %d: experts %" PRId32 " and %" PRId32 "\n", t, out[t][0], out[t][1]);

    routefuse_plan_free(plan);
    routefuse_graph_free(graph);
    routefuse_engine_free(engine);
    return 0;
}
