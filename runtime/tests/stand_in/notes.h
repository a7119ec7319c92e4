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

// The clock of the devices, where ROUTEFUSE_STAND_IN_CLOCK is set: "A,B,C", and a launch takes A + B × blocks + C × threads
// nanoseconds, of all blocks together, so that a test says what is quick. A stream's events have this time.
static double clock_parts[3];
static int has_clock = 0;
static pthread_once_t clock_once = PTHREAD_ONCE_INIT;

static void read_clock(void) {
    const char *text = getenv("ROUTEFUSE_STAND_IN_CLOCK");
    has_clock = text && sscanf(text, "%lf,%lf,%lf", clock_parts, clock_parts + 1, clock_parts + 2) == 3;
}
static double launch_ns(unsigned blocks, unsigned threads) {
    pthread_once(&clock_once, read_clock);
    return has_clock ? clock_parts[0] + clock_parts[1] * blocks + clock_parts[2] * blocks * threads : 0;
}

// Memory of the devices: where each piece is, and whose.
typedef struct {
    unsigned long at, bytes;
    int device;
} Piece;
static Piece pieces[1024];
// What a driver says of all of it: 0 that it is the device's, 1 that it is moved to and fro, 2 that it is the host's and mapped.
int stand_in_shared = 0;

// Adds a piece in a place that holds none; one too many is not known.
static void add_piece(void *at, size_t bytes, int device) {
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; ++i)
        if (!pieces[i].at) {
            pieces[i] = (Piece){(unsigned long)at, bytes, device};
            break;
        }
    pthread_mutex_unlock(&lock);
}
static void remove_piece(void *at) {
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; ++i)
        if (pieces[i].at == (unsigned long)at) pieces[i].at = 0;
    pthread_mutex_unlock(&lock);
}
// Whose an address is; -1 if it is nobody's.
static int device_of(unsigned long address) {
    int device = -1;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; ++i)
        if (pieces[i].at && address - pieces[i].at < pieces[i].bytes) device = pieces[i].device;
    pthread_mutex_unlock(&lock);
    return device;
}

static void note(const Launch *launch) {
    pthread_mutex_lock(&lock);
    stand_in_launches[stand_in_launched++ % LAUNCHES] = *launch;
    pthread_mutex_unlock(&lock);
}
