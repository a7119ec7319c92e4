/* A plain counting sort, as a peer of alignments on the host, and the clock for it and for what routefuse compiled.
 *
 * It writes what vLLM's `moe_align_block_size` does: the numbers of the items by expert, each expert's padded to whole blocks, the
 * expert of each block, and how many places that takes. One thread, no intrinsics: count, starts, place, pad. */

#include <stdint.h>
#include <string.h>
#include <time.h>

enum { MOST_BINS = 1 << 14 };

struct alignment {
    const int32_t *ids;
    int64_t items;
    int32_t bins, block;
    int32_t *sorted;
    int64_t places;
    int32_t *experts;
    int64_t blocks;
    int32_t *total;
};

void counting_sort(const struct alignment *a)
{
    static int32_t count[MOST_BINS], next[MOST_BINS], end[MOST_BINS];
    const int32_t *restrict ids = a->ids;
    int32_t *restrict sorted = a->sorted, *restrict experts = a->experts;
    const int32_t bins = a->bins, items = (int32_t)a->items, block = a->block;
    const int64_t places = a->places, blocks = a->blocks;

    memset(count, 0, (size_t)bins * sizeof *count);
    for (int32_t i = 0; i < items; i++)
        if ((uint32_t)ids[i] < (uint32_t)bins)
            count[ids[i]]++;
    int32_t start = 0, at = 0;
    for (int32_t e = 0; e < bins; e++) {
        const int32_t more = (count[e] + block - 1) / block;
        next[e] = start;
        end[e] = start += more * block;
        for (int32_t n = 0; n < more; n++)
            experts[at++] = e;
    }
    for (int64_t b = at; b < blocks; b++)
        experts[b] = -1;
    *a->total = start;
    for (int32_t i = 0; i < items; i++)
        if ((uint32_t)ids[i] < (uint32_t)bins)
            sorted[next[ids[i]]++] = i;
    for (int32_t e = 0; e < bins; e++)
        for (int32_t p = next[e]; p < end[e]; p++)
            sorted[p] = items;
    for (int64_t p = start; p < places; p++)
        sorted[p] = items;
}

/* A kernel that routefuse compiled, and what a launch passes to it. */
struct kernel {
    void (*entry)(const uint64_t *slots, uint64_t begin, uint64_t end, void *scratch);
    const uint64_t *slots;
    uint64_t rows;
    void *scratch;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void launch(const struct kernel *kernels, int count)
{
    for (int i = 0; i < count; i++)
        kernels[i].entry(kernels[i].slots, 0, kernels[i].rows, kernels[i].scratch);
}

/* Microseconds of one launch of the kernels: the mean of so many. */
double time_kernels(const struct kernel *kernels, int count, int times)
{
    double begin = now();
    for (int i = 0; i < times; i++)
        launch(kernels, count);
    return (now() - begin) / times;
}

/* Microseconds of one counting sort: the mean of so many. */
double time_counting_sort(const struct alignment *a, int times)
{
    double begin = now();
    for (int i = 0; i < times; i++)
        counting_sort(a);
    return (now() - begin) / times;
}
