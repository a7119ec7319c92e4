// routefuse: the C interface. SPDX-License-Identifier: MIT OR Apache-2.0
//
// docs/reference/c.md goes through it by themes, and has what holds of every function: who owns what, threads, errors. In short:
//  - A function that can fail returns 0, or the number of the error's code, and writes the error to `*error` unless `error` is null.
//    An error is freed by who gets it. On success null is written there.
//  - A handle is freed by who gets it. It is looked up and never followed: a freed one is refused. Any thread may use it.
//  - What a result is written to must be there; on failure it is left as it was.
//
// This file is made by cbindgen of crates/c/src.

#ifndef ROUTEFUSE_H
#define ROUTEFUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// This process's own memory and processor.
#define ROUTEFUSE_HOST 1

// A GPU of NVIDIA's.
#define ROUTEFUSE_CUDA 2

// A GPU of AMD's.
#define ROUTEFUSE_HIP 10

// One byte, 0 or 1.
#define ROUTEFUSE_BOOL 1

// int8_t
#define ROUTEFUSE_I8 2

// int16_t
#define ROUTEFUSE_I16 3

// int32_t
#define ROUTEFUSE_I32 4

// int64_t
#define ROUTEFUSE_I64 5

// uint8_t
#define ROUTEFUSE_U8 6

// uint16_t
#define ROUTEFUSE_U16 7

// uint32_t
#define ROUTEFUSE_U32 8

// uint64_t
#define ROUTEFUSE_U64 9

// IEEE 754 binary16.
#define ROUTEFUSE_F16 10

// The upper half of a binary32.
#define ROUTEFUSE_BF16 11

// float
#define ROUTEFUSE_F32 12

// Compiled kernels are kept in the user's own directory: $ROUTEFUSE_CACHE_DIR, or else one in the user's cache directory.
#define ROUTEFUSE_USER_CACHE 1

// One kernel for every operation of the graph as it was written.
#define ROUTEFUSE_UNFUSED 1

// Records of tunings are not followed.
#define ROUTEFUSE_NO_RECORDS 2

// Programmatic dependent launch, on GPUs that have it: the kernel may be set up while the one in front of it on the stream still
// runs. Elsewhere this says nothing.
#define ROUTEFUSE_DEPENDENT 1

// The drivers are asked where each argument's memory is, and a launch whose arguments are elsewhere than they say is refused
// (RF0611). It costs a call of the driver for each argument: for development.
#define ROUTEFUSE_CHECK_MEMORY 2

// Row-major without gaps.
#define ROUTEFUSE_CONTIGUOUS 1

// Rows may lie apart; each is without gaps.
#define ROUTEFUSE_ROWS 2

// Any strides.
#define ROUTEFUSE_STRIDED 3

// The output shares no input's memory.
#define ROUTEFUSE_APART 0

// The output is the input's memory.
#define ROUTEFUSE_IN_PLACE 1

// The output may be the input's memory.
#define ROUTEFUSE_DONATES 2

// The output is a copy of the input, and nothing is copied where both are the same memory.
#define ROUTEFUSE_GUARDED 3

// The most dims of a tensor.
#define ROUTEFUSE_MAX_RANK 6

// What is read.
#define ROUTEFUSE_INPUT 1

// What is written; after the last output, the error word.
#define ROUTEFUSE_OUTPUT 2

// Whoever made the file: right where it was made here, or where nobody else could put it.
#define ROUTEFUSE_TRUST_ANYONE 1

// Whoever holds one of the keys.
#define ROUTEFUSE_TRUST_SIGNED 2

// The version of the interface that the header describes: programs and libraries of one number fit together.
#define ROUTEFUSE_ABI_VERSION 1

// An engine. Free it with `routefuse_engine_free`; its plans go on without it.
typedef struct routefuse_engine routefuse_engine;

// What went wrong. Free it with `routefuse_error_free`.
typedef struct routefuse_error routefuse_error;

// A graph that was verified. Free it with `routefuse_graph_free`; plans go on without it.
typedef struct routefuse_graph routefuse_graph;

// A plan on a device. Free it with `routefuse_plan_free`.
typedef struct routefuse_plan routefuse_plan;

// Threads that share the rows of launches on the host. Free it with `routefuse_pool_free`.
typedef struct routefuse_pool routefuse_pool;

// A text of the library's. Free it with `routefuse_text_free`.
typedef struct routefuse_text routefuse_text;

// 0 for success, or the number of the error's code: 611 is RF0611.
typedef int32_t routefuse_status;

// What a device is: a number of DLPack's.
typedef int32_t routefuse_device_kind;

// A device: DLPack's `DLDevice`.
typedef struct routefuse_device {
    // `ROUTEFUSE_HOST`, `ROUTEFUSE_CUDA` or `ROUTEFUSE_HIP`.
    routefuse_device_kind kind;
    // The driver's number of the GPU; 0 for the host.
    int32_t ordinal;
} routefuse_device;

// A graph and its name in a bundle.
typedef struct routefuse_named_graph {
    // The name.
    const char *name;
    // The graph.
    const struct routefuse_graph *graph;
} routefuse_named_graph;

// What an engine did so far.
typedef struct routefuse_counters {
    // Kernels that were compiled.
    uint64_t compiles;
    // Kernels that were found.
    uint64_t hits;
    // Host kernels loaded into the process, and machine code loaded on GPUs.
    uint64_t loads;
    // Kernels of which a GPU's driver made machine code.
    uint64_t assembled;
    // Kernels that would have had to be compiled or loaded after the engine was sealed.
    uint64_t refused;
} routefuse_counters;

// What the elements of a tensor are.
typedef uint32_t routefuse_dtype;

// Memory of the caller's, borrowed for a call: on a GPU until the stream has run the launch.
typedef struct routefuse_tensor {
    // The first element; null for a tensor without elements.
    void *data;
    // How many bytes may be used from `data` on: a launch refuses extents and strides that lead beyond.
    uint64_t bytes;
    // The extents, as many as `rank` says.
    const int64_t *shape;
    // The strides in elements, as many; null for a tensor in row-major order without gaps.
    const int64_t *strides;
    // How many dims it has, 0 for a scalar.
    uint32_t rank;
    // What its elements are.
    routefuse_dtype dtype;
    // Where its memory is.
    struct routefuse_device device;
} routefuse_tensor;

// Whose code is run. A bundle is machine code of whoever made it, and preparing a plan of it runs that code as this process's user.
// There is no default: zeros are refused.
typedef struct routefuse_trust {
    // `ROUTEFUSE_TRUST_ANYONE` or `ROUTEFUSE_TRUST_SIGNED`.
    uint32_t whom;
    // 0.
    uint32_t reserved;
    // For `ROUTEFUSE_TRUST_SIGNED`, the files of the public keys.
    const char *const *key_files;
    // How many.
    size_t key_file_count;
} routefuse_trust;

// A bundle's file, and whose code may be run.
typedef struct routefuse_bundle_file {
    // The file.
    const char *path;
    // Whose code may be run.
    struct routefuse_trust trust;
} routefuse_bundle_file;

// What an engine is made of. Zeros, but for `size`, are an engine that keeps its kernels in memory alone.
typedef struct routefuse_engine_options {
    // sizeof(routefuse_engine_options)
    size_t size;
    // `ROUTEFUSE_USER_CACHE` or 0.
    uint32_t flags;
    // 0.
    uint32_t reserved;
    // A directory where compiled kernels are kept for the next process; null for none.
    const char *cache_directory;
    // The most bytes of that directory; 0 for 1 GiB.
    uint64_t cache_bytes;
    // Finished kernels, which are looked for before the directory.
    const struct routefuse_bundle_file *bundles;
    // How many.
    size_t bundle_count;
    // Files of public keys: nothing is run but what was compiled here or is signed with one of them. Null if that is not required.
    const char *const *require_signed;
    // How many; with a `require_signed` that is not null, 0 lets nothing run that came from elsewhere.
    size_t require_signed_count;
} routefuse_engine_options;

// One of the things that are wrong. Its texts live as long as the error.
typedef struct routefuse_diagnostic {
    // The number of the code.
    int32_t code;
    // The line in the text of a graph, from 1; 0 where there is none.
    uint32_t line;
    // The column in that line, in characters from 1; 0 where there is none.
    uint32_t column;
    // 0.
    uint32_t reserved;
    // What is wrong; it names the thing.
    const char *message;
    // What would be right; null where nothing is known.
    const char *help;
    // The operation that it is about, as text; null where there is none.
    const char *context;
} routefuse_diagnostic;

// An option of a model's preset: a name and a value, as `routefuse new` takes them.
typedef struct routefuse_option {
    // The option, as in "eplb".
    const char *name;
    // Its value, as in "static".
    const char *value;
} routefuse_option;

// How a launch runs. Zeros, but for `size`, are a launch on the calling thread, or on a GPU's default stream.
typedef struct routefuse_launch {
    // sizeof(routefuse_launch)
    size_t size;
    // The stream, of the plan's device: a CUstream (which is a cudaStream_t) or a hipStream_t. Null for the default stream, and on
    // the host.
    void *stream;
    // For plans of several kernels: memory of the plan's device, at an address that is a multiple of 64, that nobody else uses until
    // the launch has run. Null for none.
    void *workspace;
    // How many bytes: at least those that `routefuse_plan_workspace` says.
    uint64_t workspace_bytes;
    // On the host, threads that share the rows; null for the calling thread.
    const struct routefuse_pool *pool;
    // `ROUTEFUSE_DEPENDENT` and `ROUTEFUSE_CHECK_MEMORY`, or 0.
    uint32_t flags;
    // 0.
    uint32_t reserved;
} routefuse_launch;

// An argument of a launch.
typedef struct routefuse_argument {
    // The name of the input or output; null for the next one in the order of the plan.
    const char *name;
    // `ROUTEFUSE_INPUT` or `ROUTEFUSE_OUTPUT`.
    uint32_t role;
    // 0.
    uint32_t reserved;
    // Its memory.
    struct routefuse_tensor tensor;
} routefuse_argument;

// A plan in numbers. Its texts live as long as the plan.
typedef struct routefuse_plan_info {
    // The graph's name.
    const char *name;
    // The target that its kernels are compiled for, as in "sm_90".
    const char *target;
    // Where it runs.
    struct routefuse_device device;
    // How many inputs it has.
    size_t inputs;
    // How many outputs, without the error word.
    size_t outputs;
    // How many dims have an extent that a launch says, such as T.
    size_t symbols;
    // How many kernels one launch runs.
    size_t kernels;
    // A launch takes, after the outputs, an error word: a `ROUTEFUSE_U32` scalar that is 0 before, and not 0 after a gather with
    // `out_of_range = trap` met such an index.
    bool has_error_word;
    // A launch takes a workspace: `routefuse_plan_workspace` says how many bytes.
    bool has_workspace;
} routefuse_plan_info;

// An input or an output of a plan. Name and extents live as long as the plan.
typedef struct routefuse_port {
    // The name by which an argument is given.
    const char *name;
    // The extents, as many as `rank` says: a negative one, -1 - i, is that of the plan's symbol i.
    const int64_t *shape;
    // How many dims it has.
    uint32_t rank;
    // What its elements are.
    routefuse_dtype dtype;
    // `ROUTEFUSE_CONTIGUOUS`, `ROUTEFUSE_ROWS` or `ROUTEFUSE_STRIDED`.
    uint32_t layout;
    // Of an output: `ROUTEFUSE_APART`, `ROUTEFUSE_IN_PLACE`, `ROUTEFUSE_DONATES` or `ROUTEFUSE_GUARDED`.
    uint32_t alias;
    // The index of that input; -1 where the output is apart.
    int32_t alias_of;
    // 0.
    uint32_t reserved;
} routefuse_port;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// How many graphs the engine's bundles have.
routefuse_status routefuse_engine_bundled_count(const struct routefuse_engine *engine,
                                                size_t *count,
                                                struct routefuse_error **error);

// Name and targets of a graph of the engine's bundles, by its index; the targets are words with spaces between. Both are freed with
// `routefuse_text_free`; either may be null if it is not wanted.
routefuse_status routefuse_engine_bundled(const struct routefuse_engine *engine,
                                          size_t index,
                                          struct routefuse_text **name,
                                          struct routefuse_text **targets,
                                          struct routefuse_error **error);

// The plan of a graph of the engine's bundles on a device, by the graph's name. It is not prepared.
//
// RF0812 if no bundle has such a graph for the device's target, with those that there are; RF0809 without such a device.
routefuse_status routefuse_engine_plan(const struct routefuse_engine *engine,
                                       const char *name,
                                       struct routefuse_device device,
                                       struct routefuse_plan **plan,
                                       struct routefuse_error **error);

// Writes a bundle of graphs, each compiled for all of the targets ("host", "sm_90", "gfx942", …), to the file `path`, whole or not
// at all. With `sign_with`, the file of a key, it is signed; `sign_with` may be null. `threads` share the work; 0 and 1 are the
// calling thread. `flags` are those of `routefuse_engine_compile`.
//
// RF0801 for an unknown target, RF0702 if the file cannot be written, RF0802 in a library without the compiler.
routefuse_status routefuse_engine_write_bundle(const struct routefuse_engine *engine,
                                               const char *path,
                                               const struct routefuse_named_graph *graphs,
                                               size_t graph_count,
                                               const char *const *targets,
                                               size_t target_count,
                                               uint32_t flags,
                                               const char *sign_with,
                                               uint32_t threads,
                                               struct routefuse_error **error);

// What the engine did so far.
routefuse_status routefuse_engine_counters(const struct routefuse_engine *engine,
                                           struct routefuse_counters *counters,
                                           struct routefuse_error **error);

// A view of a `DLTensor`, which keeps its memory, extents and strides: the view is good as long as they are. Its bytes are those
// that extents and strides reach, since a `DLTensor` does not say how large its memory is.
routefuse_status routefuse_tensor_from_dlpack(const void *dl_tensor,
                                              struct routefuse_tensor *tensor,
                                              struct routefuse_error **error);

// As `routefuse_tensor_from_dlpack`, of a `DLManagedTensorVersioned` of version 1, which stays the caller's: its deleter is not
// called. One that is read-only is refused for `ROUTEFUSE_OUTPUT`.
routefuse_status routefuse_tensor_from_dlpack_versioned(const void *managed,
                                                        uint32_t role,
                                                        struct routefuse_tensor *tensor,
                                                        struct routefuse_error **error);

// An engine. `options` may be null, for one that keeps its kernels in memory alone.
//
// RF0701, RF0811 or RF0814 if a bundle cannot be read, is none, or is not from one who is trusted. What is wrong with a cache's
// directory is no error: the engine goes on without.
routefuse_status routefuse_engine_create(const struct routefuse_engine_options *options,
                                         struct routefuse_engine **engine,
                                         struct routefuse_error **error);

// An engine of a bundle alone: it compiles nothing, and `routefuse_engine_plan` gives the plans of the bundle's graphs.
//
// RF0701, RF0811 or RF0814 if the bundle cannot be read, is none, or is not from one who is trusted.
routefuse_status routefuse_engine_from_bundle(const char *path,
                                              const struct routefuse_trust *trust,
                                              struct routefuse_engine **engine,
                                              struct routefuse_error **error);

// Frees an engine, once no call uses it. Its plans go on without it. Null is nothing to free.
routefuse_status routefuse_engine_free(struct routefuse_engine *engine);

// Ends what the engine compiles in other threads, with RF0816 there, within seconds; and what it is asked to compile from now on,
// until `routefuse_engine_resume`.
routefuse_status routefuse_engine_cancel(const struct routefuse_engine *engine,
                                         struct routefuse_error **error);

// From here on the engine compiles again.
routefuse_status routefuse_engine_resume(const struct routefuse_engine *engine, struct routefuse_error **error);

// Ends compiling and loading, for good: what would compile or load from now on is RF0810. Plans that are prepared go on as before.
// Sealing an engine again changes nothing.
routefuse_status routefuse_engine_seal(const struct routefuse_engine *engine,
                                       struct routefuse_error **error);

// RF0810, with the counts, if anything was compiled or loaded since the engine was sealed, or would have had to be; or if it was
// not sealed.
routefuse_status routefuse_engine_check_sealed(const struct routefuse_engine *engine,
                                               struct routefuse_error **error);

// The name of the target of a device, as in "sm_90": what a bundle has to be built for. Free it with `routefuse_text_free`.
//
// RF0809 without such a device.
routefuse_status routefuse_engine_target(const struct routefuse_engine *engine,
                                         struct routefuse_device device,
                                         struct routefuse_text **target,
                                         struct routefuse_error **error);

// The number of the error's first code, as the call that failed has returned it; 0 for what is no error.
routefuse_status routefuse_error_code(const struct routefuse_error *error);

// What is wrong first; it names the thing. Lives as long as the error. Null for what is no error.
const char *routefuse_error_message(const struct routefuse_error *error);

// What would be right instead; null where nothing is known. Lives as long as the error.
const char *routefuse_error_help(const struct routefuse_error *error);

// All of the error in words: codes, messages, places, help, a line each. Lives as long as the error. Null for what is no error.
const char *routefuse_error_text(const struct routefuse_error *error);

// How many things are wrong: a graph's text may have several mistakes. 0 for what is no error.
size_t routefuse_error_count(const struct routefuse_error *error);

// One of the things that are wrong, by its index. `RF1102` for an index past the last.
routefuse_status routefuse_error_at(const struct routefuse_error *error,
                                    size_t index,
                                    struct routefuse_diagnostic *diagnostic);

// Frees an error with its texts. Null is nothing to free.
routefuse_status routefuse_error_free(struct routefuse_error *error);

// The graph of a text, the form of `.route` files. The error has every mistake, each with its place.
routefuse_status routefuse_graph_parse(const char *source,
                                       struct routefuse_graph **graph,
                                       struct routefuse_error **error);

// The graph of its JSON form. The error has every mistake.
routefuse_status routefuse_graph_from_json(const char *source,
                                           struct routefuse_graph **graph,
                                           struct routefuse_error **error);

// The router of a model, with what its engine does after it, under options.
//
// RF1001 for an unknown model; RF1002 to RF1004 for options that it has not, whose values are none, or that do not go together.
routefuse_status routefuse_graph_preset(const char *name,
                                        const struct routefuse_option *options,
                                        size_t option_count,
                                        struct routefuse_graph **graph,
                                        struct routefuse_error **error);

// The names of all presets, a line each. Free it with `routefuse_text_free`.
routefuse_status routefuse_preset_names(struct routefuse_text **names, struct routefuse_error **error);

// The graph as text. Free it with `routefuse_text_free`.
routefuse_status routefuse_graph_text(const struct routefuse_graph *graph,
                                      struct routefuse_text **text,
                                      struct routefuse_error **error);

// The graph as JSON. Free it with `routefuse_text_free`.
routefuse_status routefuse_graph_json(const struct routefuse_graph *graph,
                                      struct routefuse_text **text,
                                      struct routefuse_error **error);

// Frees a graph, once no call uses it. Null is nothing to free.
routefuse_status routefuse_graph_free(struct routefuse_graph *graph);

// The plan of a graph on a device: canonicalised, fused, scheduled. It is not prepared: `routefuse_plan_prepare` compiles and loads
// its kernels. Equal graphs are one plan. `flags` are 0, or `ROUTEFUSE_UNFUSED` and `ROUTEFUSE_NO_RECORDS`.
//
// RF0809 without such a device; RF0815 if one operation is larger than a kernel may be; RF0816 if the engine was cancelled.
routefuse_status routefuse_engine_compile(const struct routefuse_engine *engine,
                                          const struct routefuse_graph *graph,
                                          struct routefuse_device device,
                                          uint32_t flags,
                                          struct routefuse_plan **plan,
                                          struct routefuse_error **error);

// The plans of many graphs, such as a model's layers, prepared, in the order of the graphs: `plans` has as many places. Equal graphs
// are one plan, and equal kernels are compiled once. `threads` share the work; 0 and 1 are the calling thread.
//
// The errors of `routefuse_engine_compile` and `routefuse_plan_prepare`; then no plan is written.
routefuse_status routefuse_engine_compile_all(const struct routefuse_engine *engine,
                                              const struct routefuse_graph *const *graphs,
                                              size_t count,
                                              struct routefuse_device device,
                                              uint32_t flags,
                                              uint32_t threads,
                                              struct routefuse_plan **plans,
                                              struct routefuse_error **error);

// What becomes of a graph and why, in words: kernels, cuts, proofs, bytes. Nothing is compiled. Free it with `routefuse_text_free`.
routefuse_status routefuse_engine_explain(const struct routefuse_engine *engine,
                                          const struct routefuse_graph *graph,
                                          uint32_t flags,
                                          struct routefuse_text **text,
                                          struct routefuse_error **error);

// Launches a plan: checks every argument, then runs its kernels, on the host before the call returns, on a GPU when the stream comes
// to them. A plan that is prepared compiles and loads nothing here, and up to 16 arguments, without a pool, nothing is allocated.
// `launch` may be null for the defaults.
//
// Arguments without a name are the inputs and the outputs in the order of the plan, each role by itself; the others are found by
// name. An input in whose memory an output lies may be left out: it is then the output's view.
//
// RF0601 to RF0614 for arguments that do not fit, before anything is written; RF0807 on a GPU if the plan is not prepared; RF0808 if
// the driver refuses the launch.
routefuse_status routefuse_plan_launch(const struct routefuse_plan *plan,
                                       const struct routefuse_launch *launch,
                                       const struct routefuse_argument *arguments,
                                       size_t count,
                                       struct routefuse_error **error);

// Compiles and loads every kernel of the plan on its device, but those that are there. Afterwards no launch compiles or loads
// anything. `threads` share the work; 0 and 1 are the calling thread.
//
// RF0810 if the engine is sealed and something is not loaded; RF0805 if code cannot be loaded; RF0808 if a driver fails.
routefuse_status routefuse_plan_prepare(const struct routefuse_plan *plan,
                                        uint32_t threads,
                                        struct routefuse_error **error);

// What became of the plan's graph and why, in words. Free it with `routefuse_text_free`.
//
// RF0812 for a plan of a bundle, which has no report.
routefuse_status routefuse_plan_explain(const struct routefuse_plan *plan,
                                        struct routefuse_text **text,
                                        struct routefuse_error **error);

// Frees a plan, once no call uses it. On a GPU this waits for its launches if nothing else holds its kernels, and must not be done
// before graphs that have captured its launches are done with. Null is nothing to free.
routefuse_status routefuse_plan_free(struct routefuse_plan *plan);

// A pool of so many threads, 2 to 4096.
routefuse_status routefuse_pool_create(uint32_t threads, struct routefuse_pool **pool, struct routefuse_error **error);

// Ends the threads of a pool, once no launch uses it. Null is nothing to free.
routefuse_status routefuse_pool_free(struct routefuse_pool *pool);

// The plan in numbers.
routefuse_status routefuse_plan_describe(const struct routefuse_plan *plan,
                                         struct routefuse_plan_info *info,
                                         struct routefuse_error **error);

// An input (`ROUTEFUSE_INPUT`) or an output (`ROUTEFUSE_OUTPUT`) of the plan, by its index.
routefuse_status routefuse_plan_port(const struct routefuse_plan *plan,
                                     uint32_t role,
                                     size_t index,
                                     struct routefuse_port *port,
                                     struct routefuse_error **error);

// The name of a dim whose extent a launch says, by its index. It lives as long as the plan.
routefuse_status routefuse_plan_symbol(const struct routefuse_plan *plan,
                                       size_t index,
                                       const char **name,
                                       struct routefuse_error **error);

// The name of a kernel of the plan, by its index in the order in which they run. It lives as long as the plan.
routefuse_status routefuse_plan_kernel(const struct routefuse_plan *plan,
                                       size_t index,
                                       const char **name,
                                       struct routefuse_error **error);

// How many bytes of workspace a launch takes with these extents, one for each of the plan's symbols, in order. 0 for a plan of one
// kernel.
//
// RF0606 for another number of extents; RF0614 if the bytes do not fit 63 bits.
routefuse_status routefuse_plan_workspace(const struct routefuse_plan *plan,
                                          const uint64_t *extents,
                                          size_t count,
                                          uint64_t *bytes,
                                          struct routefuse_error **error);

// Its characters in UTF-8, which end in a zero byte and live as long as the text. Null for what is no text.
const char *routefuse_text_data(const struct routefuse_text *text);

// How many bytes it has, without the zero byte.
size_t routefuse_text_size(const struct routefuse_text *text);

// Frees a text. Null is nothing to free.
routefuse_status routefuse_text_free(struct routefuse_text *text);

// Makes a key to sign bundles with, and writes it to the file `path`; and the public key, which says whose a signature is, to that
// name with `.pub` behind it. RF0702 if one of the files is there already, or cannot be written: then neither is.
routefuse_status routefuse_key_create(const char *path,
                                      struct routefuse_error **error);

// The version of the library that is loaded, as in "0.1.0". It is there as long as the library.
const char *routefuse_version(void);

// The version of the interface of the library that is loaded: compare it with `ROUTEFUSE_ABI_VERSION`.
uint32_t routefuse_abi_version(void);

// Whether the library compiles graphs. One without the compiler loads bundles, and has the same functions: those that need the
// compiler are the error RF0802.
bool routefuse_has_compiler(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ROUTEFUSE_H */

#ifndef ROUTEFUSE_MADE_EASY
#define ROUTEFUSE_MADE_EASY

// A device by its kind and number: routefuse_on(ROUTEFUSE_CUDA, 0).
static inline routefuse_device routefuse_on(routefuse_device_kind kind, int32_t ordinal) {
    routefuse_device device = {kind, ordinal};
    return device;
}

// A tensor in row-major order, of so many bytes of a device's memory.
static inline routefuse_tensor routefuse_view(void *data, uint64_t bytes, routefuse_dtype dtype, routefuse_device device,
                                              uint32_t rank, const int64_t *shape) {
    routefuse_tensor tensor = {data, bytes, shape, NULL, rank, dtype, device};
    return tensor;
}

// An input by its name, or the next one if the name is null.
static inline routefuse_argument routefuse_input(const char *name, routefuse_tensor tensor) {
    routefuse_argument argument = {name, ROUTEFUSE_INPUT, 0, tensor};
    return argument;
}

// An output by its name, or the next one if the name is null.
static inline routefuse_argument routefuse_output(const char *name, routefuse_tensor tensor) {
    routefuse_argument argument = {name, ROUTEFUSE_OUTPUT, 0, tensor};
    return argument;
}

#endif
