// Runs host kernels of aarch64 within `qemu-aarch64`: one request a line on standard input, one answer a line.
//
//   run LIBRARY ENTRY ROWS N, then N times: `v VALUE`, `b FILE OFFSET WRITTEN` or `s FIRST OFFSET` (the buffer of slot FIRST)
//
// A buffer ends where its memory does, so that an access past it ends the process.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 4096 };

static char path[4096], entry[256], file[MOST][1024];
static uint64_t slots[MOST];
// The most that a kernel may take: `MOST_SCRATCH`.
static _Alignas(64) char scratch[16 << 20];
static char *buffers[MOST];
static long sizes[MOST];
static int written[MOST];

static void fail(const char *what, const char *which) {
  fprintf(stderr, "%s %s\n", what, which);
  exit(1);
}

static char *read_buffer(int slot) {
  FILE *in = fopen(file[slot], "rb");
  if (!in) fail("cannot open", file[slot]);
  fseek(in, 0, SEEK_END);
  sizes[slot] = ftell(in);
  rewind(in);
  long page = sysconf(_SC_PAGESIZE), room = (sizes[slot] + page - 1) / page * page;
  char *base = mmap(0, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) fail("no memory for", file[slot]);
  mprotect(base + room, page, PROT_NONE);
  char *start = base + room - sizes[slot];
  if (fread(start, 1, sizes[slot], in) != (size_t)sizes[slot]) fail("cannot read", file[slot]);
  fclose(in);
  return start;
}

int main(void) {
  int count;
  unsigned long long rows;
  while (scanf(" run %4095s %255s %llu %d", path, entry, &rows, &count) == 4) {
    if (count > MOST) fail("too many slots of", path);
    for (int i = 0; i < count; i++) {
      char kind;
      unsigned long long value;
      int first;
      long offset;
      buffers[i] = 0;
      if (scanf(" %c", &kind) != 1) fail("no slot", path);
      if (kind == 'v' && scanf("%llu", &value) == 1) {
        slots[i] = value;
      } else if (kind == 's' && scanf("%d %ld", &first, &offset) == 2) {
        slots[i] = (uintptr_t)(buffers[first] + offset);
      } else if (kind == 'b' && scanf("%1023s %ld %d", file[i], &offset, &written[i]) == 3) {
        buffers[i] = read_buffer(i);
        slots[i] = (uintptr_t)(buffers[i] + offset);
      } else {
        fail("a bad slot of", path);
      }
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("cannot load", dlerror());
    // A kernel that takes no scratch memory does not look at the last argument.
    typedef void (*Kernel)(const uint64_t *, uint64_t, uint64_t, void *);
    Kernel kernel = (Kernel)dlsym(library, entry);
    if (!kernel) fail("no entry", entry);
    kernel(slots, 0, rows, scratch);
    dlclose(library);
    for (int i = 0; i < count; i++) {
      if (!buffers[i]) continue;
      if (written[i]) {
        FILE *out = fopen(file[i], "wb");
        if (!out || fwrite(buffers[i], 1, sizes[i], out) != (size_t)sizes[i] || fclose(out)) fail("cannot write", file[i]);
      }
      long page = sysconf(_SC_PAGESIZE), room = (sizes[i] + page - 1) / page * page;
      munmap(buffers[i] + sizes[i] - room, room + page);
    }
    puts("ok");
    fflush(stdout);
  }
}
