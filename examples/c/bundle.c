// Loads a bundle and launches a plan of it: no compiler, no LLVM. The first argument is the bundle's file, the second the name of a
// graph in it, the third the file of its signer's public key; without a third, whoever made the file is trusted.
//   cc -std=c11 bundle.c $(pkg-config --cflags --libs routefuse-runtime) -o bundle && ./bundle model.rfb remap signer.pub
#include <routefuse.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void check(routefuse_status status, routefuse_error **error) {
    if (status == 0) return;
    fprintf(stderr, "%s\n", routefuse_error_text(*error));
    routefuse_error_free(*error);
    exit(1);
}

static const char *const DTYPES[] = {"?", "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32"};
static const uint64_t SIZES[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4};
enum { TOKENS = 3, MOST = 64 };

// Zeros for one input or output, at three tokens.
static routefuse_argument zeros(const routefuse_port *port, uint32_t role, int64_t *shape) {
    uint64_t elements = 1;
    for (uint32_t d = 0; d < port->rank; ++d) {
        shape[d] = port->shape[d] < 0 ? TOKENS : port->shape[d]; // a negative extent is a symbol, such as T
        elements *= (uint64_t)shape[d];
    }
    const uint64_t bytes = elements * SIZES[port->dtype];
    const routefuse_device host = routefuse_on(ROUTEFUSE_HOST, 0);
    const routefuse_tensor tensor = routefuse_view(calloc(bytes + 1, 1), bytes, port->dtype, host, port->rank, shape);
    printf("  %s %s : %s, %" PRIu64 " bytes\n", role == ROUTEFUSE_INPUT ? "input " : "output", port->name, DTYPES[port->dtype], bytes);
    return role == ROUTEFUSE_INPUT ? routefuse_input(port->name, tensor) : routefuse_output(port->name, tensor);
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: bundle FILE GRAPH [KEY]\n"), 2;
    routefuse_error *error = NULL;
    routefuse_engine *engine = NULL;
    routefuse_plan *plan = NULL;
    routefuse_plan_info info;

    // A bundle is machine code of whoever made it: say whose is run.
    const char *const keys[] = {argc > 3 ? argv[3] : NULL};
    const routefuse_trust trust = {argc > 3 ? ROUTEFUSE_TRUST_SIGNED : ROUTEFUSE_TRUST_ANYONE, 0, keys, argc > 3};
    check(routefuse_engine_from_bundle(argv[1], &trust, &engine, &error), &error);
    check(routefuse_engine_plan(engine, argv[2], routefuse_on(ROUTEFUSE_HOST, 0), &plan, &error), &error);
    check(routefuse_plan_prepare(plan, 0, &error), &error);
    check(routefuse_engine_seal(engine, &error), &error); // from here on nothing is loaded
    check(routefuse_plan_describe(plan, &info, &error), &error);
    if (info.inputs + info.outputs > MOST || info.has_workspace || info.has_error_word)
        return fprintf(stderr, "%s takes more than this example gives\n", info.name), 1;

    printf("%s for %s\n", info.name, info.target);
    routefuse_argument arguments[MOST];
    int64_t shapes[MOST][ROUTEFUSE_MAX_RANK];
    size_t count = 0;
    for (size_t i = 0; i < info.inputs + info.outputs; ++i) {
        const uint32_t role = i < info.inputs ? ROUTEFUSE_INPUT : ROUTEFUSE_OUTPUT;
        routefuse_port port;
        check(routefuse_plan_port(plan, role, i < info.inputs ? i : i - info.inputs, &port, &error), &error);
        arguments[count] = zeros(&port, role, shapes[count]);
        ++count;
    }
    check(routefuse_plan_launch(plan, NULL, arguments, count, &error), &error);
    check(routefuse_engine_check_sealed(engine, &error), &error);
    printf("launched at %d tokens\n", TOKENS);

    for (size_t i = 0; i < count; ++i) free(arguments[i].tensor.data);
    routefuse_plan_free(plan);
    routefuse_engine_free(engine);
    return 0;
}
