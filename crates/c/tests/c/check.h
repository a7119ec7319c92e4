// What the C tests are written with: checks that say where they stand, and the error that a call gives.
#pragma once
#include "routefuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

// A call that has to go well; `error` is the last argument of the call.
#define OK(call)                                                                                              \
    do {                                                                                                      \
        routefuse_error *error = NULL;                                                                        \
        routefuse_status status = (call);                                                                     \
        if (status != 0 || error != NULL) {                                                                   \
            fprintf(stderr, "%s:%d: %d: %s\n", __FILE__, __LINE__, status, routefuse_error_text(error)); \
            exit(1);                                                                                          \
        }                                                                                                     \
    } while (0)

// A call that has to fail with this code, and to say this.
#define FAILS(number, says, call)                                                                             \
    do {                                                                                                      \
        routefuse_error *error = NULL;                                                                        \
        routefuse_status status = (call);                                                                     \
        const char *said = error ? routefuse_error_text(error) : "nothing";                                   \
        if (status != (number) || routefuse_error_code(error) != (number) || !strstr(said, (says))) {         \
            fprintf(stderr, "%s:%d: %d: %s\n", __FILE__, __LINE__, status, said);                             \
            exit(1);                                                                                          \
        }                                                                                                     \
        CHECK(routefuse_error_free(error) == 0);                                                              \
        error = NULL;                                                                                         \
    } while (0)

// Allocations of this thread, in programs whose allocator no sanitizer has.
#ifndef __SANITIZE_ADDRESS__
#define COUNTS_ALLOCATIONS 1
static _Thread_local unsigned long allocations;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
void *malloc(size_t size) { return ++allocations, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return ++allocations, __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { return ++allocations, __libc_realloc(at, size); }
void *aligned_alloc(size_t align, size_t size) { return ++allocations, __libc_memalign(align, size); }
int posix_memalign(void **at, size_t align, size_t size) {
    ++allocations;
    *at = __libc_memalign(align, size);
    return *at ? 0 : 12;
}
#endif

#define HOST routefuse_on(ROUTEFUSE_HOST, 0)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

// Logical expert ids to physical ones; rows from n on are padding.
static const char *const REMAP = "route 1\n"
                                 "graph @remap {\n"
                                 "  dim T\n"
                                 "  input %ids : i32[T, 2] rows\n"
                                 "  input %map : i32[4]\n"
                                 "  input %n : i32[]\n"
                                 "  %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]\n"
                                 "  %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]\n"
                                 "  output out = %masked : i32[T, 2]\n"
                                 "}\n";

// The tensors of one launch of it, at three tokens, of which two are no padding.
typedef struct {
    int32_t ids[6], map[4], n, out[6];
    int64_t rows[2], experts[1];
    routefuse_argument arguments[4];
} remap_call;

static inline void remap_prepare(remap_call *call, routefuse_device device) {
    *call = (remap_call){.ids = {3, 0, 1, 9, 2, 2}, .map = {10, 11, 12, 13}, .n = 2, .rows = {3, 2}, .experts = {4}};
    memset(call->out, 0x55, sizeof call->out);
    call->arguments[0] =
        routefuse_input(NULL, routefuse_view(call->ids, sizeof call->ids, ROUTEFUSE_I32, device, 2, call->rows));
    call->arguments[1] =
        routefuse_input(NULL, routefuse_view(call->map, sizeof call->map, ROUTEFUSE_I32, device, 1, call->experts));
    call->arguments[2] = routefuse_input(NULL, routefuse_view(&call->n, sizeof call->n, ROUTEFUSE_I32, device, 0, NULL));
    call->arguments[3] =
        routefuse_output(NULL, routefuse_view(call->out, sizeof call->out, ROUTEFUSE_I32, device, 2, call->rows));
}

static inline void remap_check(const remap_call *call) {
    static const int32_t expected[6] = {13, 10, 11, -1, -1, -1};
    CHECK(memcmp(call->out, expected, sizeof expected) == 0);
}

static inline void remap_untouched(const remap_call *call) {
    for (size_t i = 0; i < sizeof call->out; ++i) CHECK(((const unsigned char *)call->out)[i] == 0x55);
}
