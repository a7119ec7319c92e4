// What the stand-ins for the drivers of both vendors note, and what the tests set and look at (`stand_in_*`).
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETERS = 128, LAUNCHES = 64 };

// 0, or what the next launch says.
int stand_in_launch_fails = 0;

typedef struct {
    char kernel[128];
    unsigned blocks, threads, parameters, dependent, device;
    void *stream;
    unsigned long values[PARAMETERS];
} Launch;
Launch stand_in_launches[LAUNCHES];
unsigned stand_in_launched = 0;
// Calls of every kind but those below.
_Atomic unsigned long stand_in_calls = 0;
_Atomic unsigned long stand_in_links = 0, stand_in_loads = 0, stand_in_unloads = 0;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define CALL stand_in_calls++

static void note(const Launch *launch) {
    pthread_mutex_lock(&lock);
    stand_in_launches[stand_in_launched++ % LAUNCHES] = *launch;
    pthread_mutex_unlock(&lock);
}
