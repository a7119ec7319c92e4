// What a shared object exported for TVM-FFI does around its kernels: it checks the tensors of a call, and launches.
//
// The build compiles this file, and the compiler carries the object; an export links it with the kernels and with a `Program`,
// which `src/export/tvm_ffi.rs` describes. The structures of TVM-FFI and DLPack are theirs, of which only what is read here
// is written down: both keep their layout (TVM-FFI 0.1, DLPack 1).

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANY_NONE = 0, ANY_TENSOR_POINTER = 7, ANY_TENSOR_OBJECT = 70, OBJECT_HEADER = 24, DEVICE_CPU = 1 };

typedef struct {
    int32_t type_index;
    uint32_t padding;
    union {
        int64_t number;
        char *pointer;
    };
} Any;

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

// Raises an error in the caller, which is told of it by a result other than 0.
extern void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message);

// A tensor that a call gives.
typedef struct {
    const char *name;
    // As a message has it: `f32[T, 8]`.
    const char *type;
    // Extents; -1 - s is that of symbol s.
    const int64_t *shape;
    int32_t rank;
    uint8_t code, bits;
    // Rows may lie apart.
    uint8_t rows;
    uint8_t written;
} Port;

enum { SLOT_POINTER, SLOT_STRIDE, SLOT_EXTENT };

typedef struct {
    uint32_t kind;
    // A buffer or a symbol. Buffers are the ports, then the intermediates, then the error word.
    uint32_t of;
} Slot;

typedef void Entry(const uint64_t *slots, uint64_t row_begin, uint64_t row_end, void *scratch);

typedef struct {
    Entry *entry;
    const Slot *slots;
    uint64_t slot_count;
    // The symbol whose extent is its rows; -1 is one row.
    int64_t rows;
    uint64_t scratch_bytes;
} Step;

typedef struct {
    // Of one row, or of all if there is no symbol (-1).
    uint64_t bytes;
    int64_t symbol;
} Intermediate;

typedef struct {
    const char *name;
    const Port *ports;
    const char *const *symbols;
    const Intermediate *intermediates;
    const Step *steps;
    uint32_t port_count, symbol_count, intermediate_count, step_count;
} Program;

enum { MOST_PORTS = 64, MOST_SYMBOLS = 16, MOST_INTERMEDIATES = 64, MOST_SLOTS = 256, ALIGN = 64 };

static int fail(const char *kind, const char *message) {
    TVMFFIErrorSetRaisedFromCStr(kind, message);
    return -1;
}

// Memory of a tensor without elements: code may load from a clamped index and throw the value away.
static _Alignas(ALIGN) char nothing[ALIGN];

typedef struct {
    char *begin;
    uint64_t bytes;
    int64_t row_stride;
} Bound;

// Checks one tensor, and binds it and the extents that it has. `extents` are -1 until something says them.
static int bind(const Program *p, uint32_t at, const Any *any, int64_t *extents, Bound *bound) {
    const Port *port = &p->ports[at];
    char message[512];
#define FAIL(kind, ...)                                                                              \
    do {                                                                                             \
        int n = snprintf(message, sizeof message, "%s: argument %u, `%s`, is to be %s", p->name, at, port->name, port->type); \
        if (n > 0 && (size_t)n < sizeof message) snprintf(message + n, sizeof message - n, __VA_ARGS__); \
        return fail(kind, message);                                                                  \
    } while (0)
    const Tensor *t;
    if (any->type_index == ANY_TENSOR_OBJECT)
        t = (const Tensor *)(any->pointer + OBJECT_HEADER);
    else if (any->type_index == ANY_TENSOR_POINTER)
        t = (const Tensor *)any->pointer;
    else
        FAIL("TypeError", ", and is no tensor (type index %d)", (int)any->type_index);
    if (t->device_type != DEVICE_CPU)
        FAIL("ValueError", " on the CPU, and is on a device of type %d", (int)t->device_type);
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
    bound->row_stride = 0;
    for (int32_t d = t->rank - 1; d >= 0; d--) {
        int64_t extent = t->shape[d], stride = t->strides ? t->strides[d] : inner;
        is_empty |= extent == 0;
        int apart = d == 0 && port->rows;
        if (extent > 1 && (apart ? stride < inner : stride != inner))
            FAIL("ValueError", apart ? " with rows that do not overlap, and has stride %lld in dim %d" : ", contiguous, and has stride %lld in dim %d",
                 (long long)stride, (int)d);
        if (d == 0)
            bound->row_stride = extent > 1 ? stride : inner;
        // The elements up to the last one: of the first rows as far as the last begins, and that one.
        int64_t step = apart && extent > 1 ? stride : inner, before = 0;
        if (extent > 0 && (__builtin_mul_overflow(step, extent - 1, &before) || __builtin_add_overflow(before, inner, &inner)))
            FAIL("ValueError", ", and has more elements than there can be");
    }
    uint64_t size = port->bits / 8;
    char *begin = (char *)t->data + t->byte_offset;
    if (is_empty) {
        bound->begin = nothing, bound->bytes = 0;
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
            return fail("ValueError", message);
        }
    }
    return 0;
}

static uint64_t up(uint64_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

// A call of an exported function, as TVM-FFI makes it.
__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_call(const Program *p, const Any *args, int32_t count, Any *result) {
    if ((uint32_t)count != p->port_count) {
        char message[256];
        snprintf(message, sizeof message, "%s takes %u tensors, inputs and then outputs, not %d", p->name, p->port_count, (int)count);
        return fail("TypeError", message);
    }
    Bound bound[MOST_PORTS];
    int64_t extents[MOST_SYMBOLS];
    for (uint32_t s = 0; s < p->symbol_count; s++)
        extents[s] = -1;
    for (uint32_t i = 0; i < p->port_count; i++)
        if (bind(p, i, &args[i], extents, &bound[i]))
            return -1;
    if (apart(p, bound))
        return -1;
    // One block for intermediates and scratch memory.
    uint64_t offsets[MOST_INTERMEDIATES], bytes = 0, scratch = 0;
    int too_large = 0;
    for (uint32_t i = 0; i < p->intermediate_count; i++) {
        uint64_t rows = p->intermediates[i].symbol < 0 ? 1 : (uint64_t)extents[p->intermediates[i].symbol], size;
        offsets[i] = bytes;
        too_large |= __builtin_mul_overflow(rows, p->intermediates[i].bytes, &size) || size > (UINT64_MAX >> 8);
        bytes += up(size);
    }
    for (uint32_t i = 0; i < p->step_count; i++)
        scratch = p->steps[i].scratch_bytes > scratch ? p->steps[i].scratch_bytes : scratch;
    char *block = NULL;
    if (bytes + scratch) {
        block = too_large ? NULL : aligned_alloc(ALIGN, bytes + up(scratch));
        if (!block)
            return fail("MemoryError", "there is no memory for what lies between the kernels");
    }
    uint32_t error = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const Step *step = &p->steps[i];
        uint64_t slots[MOST_SLOTS];
        for (uint64_t s = 0; s < step->slot_count; s++) {
            uint32_t of = step->slots[s].of;
            if (step->slots[s].kind == SLOT_EXTENT)
                slots[s] = (uint64_t)extents[of];
            else if (step->slots[s].kind == SLOT_STRIDE)
                slots[s] = (uint64_t)bound[of].row_stride;
            else if (of < p->port_count)
                slots[s] = (uint64_t)(uintptr_t)bound[of].begin;
            else if (of < p->port_count + p->intermediate_count)
                slots[s] = (uint64_t)(uintptr_t)(block + offsets[of - p->port_count]);
            else
                slots[s] = (uint64_t)(uintptr_t)&error;
        }
        uint64_t rows = step->rows < 0 ? 1 : (uint64_t)extents[step->rows];
        if (rows)
            step->entry(slots, 0, rows, block + bytes);
    }
    free(block);
    if (error)
        return fail("IndexError", "an index is out of range, where the graph says that it must not be");
    result->type_index = ANY_NONE, result->padding = 0, result->number = 0;
    return 0;
}
