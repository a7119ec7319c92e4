// A call of a function whose kernels run on the host, in the caller's thread.
#include "launcher.h"

#include <stdlib.h>

enum { ALIGN = 64 };

typedef void Entry(const uint64_t *slots, uint64_t row_begin, uint64_t row_end, void *scratch);

typedef struct {
    Entry *entry;
    const Slot *slots;
    uint64_t slot_count;
    // The symbol whose extent is its rows; -1 is one row.
    int64_t rows;
    uint64_t scratch_bytes;
} HostStep;

// Memory of a tensor without elements: code may load from a clamped index and throw the value away.
static _Alignas(ALIGN) char nothing[ALIGN];

// As TVM-FFI calls an exported function.
__attribute__((visibility("hidden"))) int routefuse_tvm_ffi_host(const Program *p, const Any *args, int32_t count, Any *result) {
    Call call;
    if (routefuse_tvm_ffi_bind(p, args, count, ALIGN, &call))
        return -1;
    const HostStep *steps = p->steps;
    uint64_t scratch = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        scratch = steps[i].scratch_bytes > scratch ? steps[i].scratch_bytes : scratch;
    // One block for intermediates and scratch memory.
    char *block = NULL;
    if (call.bytes + scratch) {
        block = aligned_alloc(ALIGN, call.bytes + (scratch + ALIGN - 1) / ALIGN * ALIGN);
        if (!block)
            return routefuse_tvm_ffi_no_memory();
    }
    uint32_t error = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const HostStep *step = &steps[i];
        uint64_t slots[MOST_SLOTS];
        for (uint64_t s = 0; s < step->slot_count; s++) {
            uint64_t of = step->slots[s].of;
            if (step->slots[s].kind == SLOT_FIXED)
                slots[s] = of;
            else if (step->slots[s].kind == SLOT_EXTENT)
                slots[s] = (uint64_t)call.extents[of];
            else if (step->slots[s].kind == SLOT_STRIDE)
                slots[s] = (uint64_t)call.ports[of].row_stride;
            else if (of < p->port_count)
                slots[s] = (uint64_t)(uintptr_t)(call.ports[of].begin ? call.ports[of].begin : nothing);
            else if (of < p->port_count + p->intermediate_count)
                slots[s] = (uint64_t)(uintptr_t)(block + call.offsets[of - p->port_count]);
            else
                slots[s] = (uint64_t)(uintptr_t)&error;
        }
        uint64_t rows = step->rows < 0 ? 1 : (uint64_t)call.extents[step->rows];
        if (rows)
            step->entry(slots, 0, rows, block + call.bytes);
    }
    free(block);
    if (error)
        return routefuse_tvm_ffi_fail("IndexError", "an index is out of range, where the graph says that it must not be");
    result->type_index = ANY_NONE, result->padding = 0, result->number = 0;
    return 0;
}
