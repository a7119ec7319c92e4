// The tensors of a call: what they have to be, and what they say.
#include "launcher.h"

#include <stdio.h>

typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t rank;
    uint8_t code, bits;
    uint16_t lanes;
    const int64_t *shape;
    const int64_t *strides;
    uint64_t byte_offset;
} Tensor;

__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_fail(const char *kind, const char *message) {
    TVMFFIErrorSetRaisedFromCStr(kind, message);
    return -1;
}

__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_no_memory(void) {
    return routefuse_tvm_ffi_fail("MemoryError", "there is no memory for what lies between the kernels");
}

// Checks one tensor, and binds it and the extents that it has. `extents` are -1 until something says them.
static int bind(const Program *p, uint32_t at, const Any *any, int32_t *device_id, int64_t *extents, Bound *bound) {
    const Port *port = &p->ports[at];
    char message[512];
#define FAIL(kind, ...)                                                                              \
    do {                                                                                             \
        int n = snprintf(message, sizeof message, "%s: argument %u, `%s`, is to be %s", p->name, at, port->name, port->type); \
        if (n > 0 && (size_t)n < sizeof message) snprintf(message + n, sizeof message - n, __VA_ARGS__); \
        return routefuse_tvm_ffi_fail(kind, message);                                                                  \
    } while (0)
    const Tensor *t;
    if (any->type_index == ANY_TENSOR_OBJECT)
        t = (const Tensor *)(any->pointer + OBJECT_HEADER);
    else if (any->type_index == ANY_TENSOR_POINTER)
        t = (const Tensor *)any->pointer;
    else
        FAIL("TypeError", ", and is no tensor (type index %d)", (int)any->type_index);
    if (t->device_type != p->device_type)
        FAIL("ValueError", p->device_type == DEVICE_CPU ? " on the CPU, and is on a device of type %d" : " on a CUDA GPU, and is on a device of type %d",
             (int)t->device_type);
    if (*device_id < 0)
        *device_id = t->device_id;
    if (*device_id != t->device_id)
        FAIL("ValueError", " on device %d as those before it, and is on device %d", (int)*device_id, (int)t->device_id);
    if (t->code != port->code || t->bits != port->bits || t->lanes != 1)
        FAIL("TypeError", ", and has a dtype of code %d, %d bits and %d lanes", t->code, t->bits, t->lanes);
    if (t->rank != port->rank)
        FAIL("ValueError", ", and has rank %d", (int)t->rank);
    for (int32_t d = 0; d < t->rank; d++) {
        int64_t want = port->shape[d], have = t->shape[d];
        if (want < 0) {
            int64_t *extent = &extents[-1 - want];
            if (have < 0)
                FAIL("ValueError", ", and dim %d is %lld", (int)d, (long long)have);
            if (*extent < 0)
                *extent = have;
            if (*extent != have)
                FAIL("ValueError", ", and has %lld where `%s` is %lld", (long long)have, p->symbols[-1 - want], (long long)*extent);
        } else if (want != have)
            FAIL("ValueError", ", and dim %d is %lld", (int)d, (long long)have);
    }
    int64_t inner = 1;
    int is_empty = 0;
    bound->row_stride = 0, bound->rows = 1;
    for (int32_t d = t->rank - 1; d >= 0; d--) {
        int64_t extent = t->shape[d], stride = t->strides ? t->strides[d] : inner;
        is_empty |= extent == 0;
        int apart = d == 0 && port->rows;
        if (extent > 1 && (apart ? stride < inner : stride != inner))
            FAIL("ValueError", apart ? " with rows that do not overlap, and has stride %lld in dim %d" : ", contiguous, and has stride %lld in dim %d",
                 (long long)stride, (int)d);
        if (d == 0)
            bound->row_stride = extent > 1 ? stride : inner, bound->rows = extent;
        // The elements up to the last one: of the first rows as far as the last begins, and that one.
        int64_t step = apart && extent > 1 ? stride : inner, before = 0;
        if (extent > 0 && (__builtin_mul_overflow(step, extent - 1, &before) || __builtin_add_overflow(before, inner, &inner)))
            FAIL("ValueError", ", and has more elements than there can be");
    }
    uint64_t size = port->bits / 8;
    char *begin = (char *)t->data + t->byte_offset;
    if (is_empty) {
        bound->begin = NULL, bound->bytes = 0;
        return 0;
    }
    if (__builtin_mul_overflow((uint64_t)inner, size, &bound->bytes))
        FAIL("ValueError", ", and has more elements than there can be");
    if (!t->data)
        FAIL("ValueError", ", and has no memory");
    if ((uintptr_t)begin % size)
        FAIL("ValueError", ", and lies at an address that is no multiple of %d", (int)size);
    bound->begin = begin;
    return 0;
#undef FAIL
}

// What is written shares no memory with anything else.
static int apart(const Program *p, const Bound *bound) {
    for (uint32_t a = 0; a < p->port_count; a++) {
        for (uint32_t b = 0; b < p->port_count; b++) {
            uintptr_t from_a = (uintptr_t)bound[a].begin, from_b = (uintptr_t)bound[b].begin;
            int overlap = from_a < from_b + bound[b].bytes && from_b < from_a + bound[a].bytes;
            if (a == b || !p->ports[a].written || !overlap || !bound[a].bytes || !bound[b].bytes)
                continue;
            char message[512];
            snprintf(message, sizeof message, "%s: `%s` is written, and overlaps `%s`", p->name, p->ports[a].name, p->ports[b].name);
            return routefuse_tvm_ffi_fail("ValueError", message);
        }
    }
    return 0;
}

// Every extent that has a bound is at least that.
static int bounded(const Program *p, const int64_t *extents) {
    for (uint64_t b = 0; b < p->bound_count; b++) {
        const Least *bound = &p->bounds[b];
        int64_t rows = bound->of < 0 ? 0 : extents[bound->of], least = INT64_MAX, have = extents[bound->symbol];
        // A symbol of no tensor has no extent.
        if (have < 0)
            continue;
        for (uint64_t t = 0; t < bound->term_count; t++) {
            const Term *term = &bound->terms[t];
            int64_t sum, quotient;
            // What overflows is not the least, or is more than there can be.
            if (__builtin_mul_overflow(term->times, rows, &sum) || __builtin_add_overflow(sum, term->plus, &sum))
                continue;
            quotient = sum / term->over - (sum % term->over < 0);
            least = quotient < least ? quotient : least;
        }
        least = least < 0 ? 0 : least;
        if (__builtin_mul_overflow(least, bound->times, &least))
            least = INT64_MAX;
        if (have >= least)
            continue;
        char message[512];
        const char *name = p->symbols[bound->symbol];
        snprintf(message, sizeof message, "%s: `%s` is %lld, and must be at least %lld: %s >= %s", p->name, name, (long long)have,
                 (long long)least, name, bound->text);
        return routefuse_tvm_ffi_fail("ValueError", message);
    }
    return 0;
}

// Lays the intermediates out in one block. -1 if they are more than memory has.
static int lay_out(const Program *p, uint64_t align, Call *call) {
    call->bytes = 0;
    for (uint32_t i = 0; i < p->intermediate_count; i++) {
        const Intermediate *between = &p->intermediates[i];
        uint64_t rows = between->symbol < 0 ? 1 : (uint64_t)call->extents[between->symbol], size;
        if (__builtin_mul_overflow(rows, between->bytes, &size) || size > (UINT64_MAX >> 8))
            return routefuse_tvm_ffi_no_memory();
        call->offsets[i] = call->bytes;
        call->bytes += (size + align - 1) / align * align;
    }
    return 0;
}

__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_bind(const Program *p, const Any *args, int32_t count, uint64_t align, Call *call) {
    if ((uint32_t)count != p->port_count) {
        char message[256];
        snprintf(message, sizeof message, "%s takes %u tensors, inputs and then outputs, not %d", p->name, p->port_count, (int)count);
        return routefuse_tvm_ffi_fail("TypeError", message);
    }
    call->device_id = -1;
    for (uint32_t s = 0; s < p->symbol_count; s++)
        call->extents[s] = -1;
    for (uint32_t i = 0; i < p->port_count; i++)
        if (bind(p, i, &args[i], &call->device_id, call->extents, &call->ports[i]))
            return -1;
    return bounded(p, call->extents) || apart(p, call->ports) || lay_out(p, align, call) ? -1 : 0;
}
