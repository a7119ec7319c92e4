// What a shared object exported for TVM-FFI does around its kernels: it checks the tensors of a call, and launches.
//
// The build compiles the C files of this folder, and the compiler carries the objects; an export links those of its kind of
// target with the kernels and with a `Program`, which `src/export/tvm_ffi/` describes. The structures of TVM-FFI and DLPack are
// theirs, of which only what is read here is written down: both keep their layout (TVM-FFI 0.1, DLPack 1).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { ANY_NONE = 0, ANY_INT = 1, ANY_TENSOR_POINTER = 7, ANY_TENSOR_OBJECT = 70, OBJECT_HEADER = 24 };
enum { DEVICE_CPU = 1, DEVICE_CUDA = 2 };

typedef struct {
    int32_t type_index;
    uint32_t padding;
    union {
        int64_t number;
        char *pointer;
    };
} Any;

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

enum { SLOT_POINTER, SLOT_STRIDE, SLOT_EXTENT, SLOT_FIXED };

// One argument of a kernel.
typedef struct {
    uint64_t kind;
    // A buffer, a symbol, or the value itself. Buffers are the ports, then the intermediates, then the error word.
    uint64_t of;
} Slot;

typedef struct {
    // Of one row, or of all if there is no symbol (-1); of one element.
    uint64_t bytes;
    int64_t symbol;
    uint64_t element;
} Intermediate;

// floor((times * T + plus) / over), where T is the extent of another symbol.
typedef struct {
    int64_t over, times, plus;
} Term;

// The least extent of a symbol: `times` times the least term, or 0 where that is negative.
typedef struct {
    // As a message has it.
    const char *text;
    const Term *terms;
    int64_t symbol;
    // Whose extent T is; -1 where no term takes any.
    int64_t of;
    int64_t times;
    uint64_t term_count;
} Least;

typedef struct {
    const char *name;
    const Port *ports;
    const char *const *symbols;
    const Intermediate *intermediates;
    // `HostStep` or `CudaStep`.
    const void *steps;
    uint32_t port_count, symbol_count, intermediate_count, step_count;
    // Where the tensors are, as DLPack numbers kinds of devices.
    int32_t device_type;
    // For a GPU: the least compute capability, as sm_90 is written.
    int32_t processor;
    // For a GPU: what is loaded on each, of MOST_DEVICES.
    void **loaded;
    const Least *bounds;
    uint64_t bound_count;
} Program;

enum { MOST_PORTS = 64, MOST_SYMBOLS = 16, MOST_INTERMEDIATES = 64, MOST_SLOTS = 256, MOST_STEPS = 64, MOST_DEVICES = 64 };

// A tensor of a call. One without elements begins at a null pointer.
typedef struct {
    char *begin;
    uint64_t bytes;
    int64_t row_stride;
    int64_t rows;
} Bound;

// What a call gave, checked.
typedef struct {
    Bound ports[MOST_PORTS];
    int64_t extents[MOST_SYMBOLS];
    // The number of the device that all tensors are on; -1 if there are none.
    int32_t device_id;
    // Where the intermediates are in one block of memory, and its size.
    uint64_t offsets[MOST_INTERMEDIATES], bytes;
} Call;

// Raises an error; -1.
int routefuse_tvm_ffi_fail(const char *kind, const char *message);

// Checks everything, and raises what does not fit (-1): intermediates lie at multiples of `align`.
int routefuse_tvm_ffi_bind(const Program *p, const Any *args, int32_t count, uint64_t align, Call *call);

// Raises that there is no memory; -1.
int routefuse_tvm_ffi_no_memory(void);
