// What a module for TVM-FFI takes from the library that loads it: the caller's stream, and where errors go.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

char raised[8192];

// A stream on each device: what the driver's stand-in takes for one.
struct {
    void *capture;
} streams[2];

void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message) { snprintf(raised, sizeof raised, "%s: %s", kind, message); }

void *TVMFFIEnvGetStream(int32_t device_type, int32_t device_id) { return device_type == 2 ? &streams[device_id] : NULL; }
