// routefuse: the C interface as C++17. SPDX-License-Identifier: MIT OR Apache-2.0
//
// Header-only, over routefuse.h: handles that free themselves and move, errors that are thrown, arrays with their length. Each class
// is one handle and as thread-safe as it: any thread may call const functions of one object.
#ifndef ROUTEFUSE_HPP
#define ROUTEFUSE_HPP

#include "routefuse.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace routefuse {

// What went wrong, with all of its text.
class Error : public std::exception {
public:
    explicit Error(routefuse_error *error) : status(routefuse_error_code(error)) {
        for (std::size_t i = 0; i < routefuse_error_count(error); ++i) {
            routefuse_diagnostic part{};
            if (routefuse_error_at(error, i, &part) != 0) break;
            const auto text = [](const char *s) { return std::string(s ? s : ""); };
            parts.push_back({part.code, part.line, part.column, text(part.message), text(part.help)});
        }
        const char *all = routefuse_error_text(error);
        whole = all ? all : "routefuse: an error without a text";
        routefuse_error_free(error);
    }

    // One of the things that are wrong; `help` is empty where nothing is known, `line` and `column` are 0 where there is no place.
    struct Part {
        routefuse_status code;
        std::uint32_t line, column;
        std::string message, help;
    };

    // The number of the first code: 611 is RF0611.
    routefuse_status code() const noexcept { return status; }
    const std::vector<Part> &all() const noexcept { return parts; }
    const char *what() const noexcept override { return whole.c_str(); }

private:
    routefuse_status status;
    std::vector<Part> parts;
    std::string whole;
};

namespace detail {

// Calls a function with a place for its error behind the other arguments, and throws what lands there.
template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
    routefuse_error *error = nullptr;
    if (function(arguments..., &error) != 0) throw Error(error);
}

template <class T, routefuse_status (*Free)(T *)>
class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(T *raw) noexcept : raw(raw) {}
    Handle(Handle &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            Free(raw);
            raw = std::exchange(other.raw, nullptr);
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { Free(raw); }

    // The handle, for functions of routefuse.h. It stays this object's.
    T *get() const noexcept { return raw; }
    explicit operator bool() const noexcept { return raw != nullptr; }

protected:
    T *raw = nullptr;
};

inline std::string taken(routefuse_text *text) {
    const Handle<routefuse_text, routefuse_text_free> owner(text);
    return std::string(routefuse_text_data(text), routefuse_text_size(text));
}

} // namespace detail

inline routefuse_device host() { return routefuse_on(ROUTEFUSE_HOST, 0); }
inline routefuse_device cuda(std::int32_t ordinal = 0) { return routefuse_on(ROUTEFUSE_CUDA, ordinal); }
inline routefuse_device hip(std::int32_t ordinal = 0) { return routefuse_on(ROUTEFUSE_HIP, ordinal); }

// The dtype of a C++ type. Types of 16-bit floats are whoever's: name their dtype, ROUTEFUSE_F16 or ROUTEFUSE_BF16.
template <class T>
constexpr routefuse_dtype dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>) return ROUTEFUSE_BOOL;
    else if constexpr (std::is_same_v<U, float>) return ROUTEFUSE_F32;
    else {
        static_assert(std::is_integral_v<U>, "name the dtype of this type");
        constexpr routefuse_dtype first = std::is_signed_v<U> ? ROUTEFUSE_I8 : ROUTEFUSE_U8;
        return first + (sizeof(U) == 1 ? 0 : sizeof(U) == 2 ? 1 : sizeof(U) == 4 ? 2 : 3);
    }
}

// A view of memory with its extents: it owns the extents, and borrows the memory.
class Tensor {
public:
    // Elements of a device's memory in row-major order; with `strides`, in elements, in any.
    Tensor(void *data, std::uint64_t bytes, routefuse_dtype dtype, routefuse_device device,
           std::initializer_list<std::int64_t> shape, std::initializer_list<std::int64_t> strides = {})
        : Tensor(data, bytes, dtype, device, shape.begin(), shape.size(), strides.begin(), strides.size()) {}

    // As many elements of the host's memory as there are.
    template <class T>
    Tensor(T *data, std::size_t count, std::initializer_list<std::int64_t> shape, std::initializer_list<std::int64_t> strides = {})
        : Tensor(const_cast<std::remove_cv_t<T> *>(data), count * sizeof(T), dtype_of<T>(), host(), shape, strides) {}

    // A vector, or another container of elements in order.
    template <class Container, class = decltype(std::declval<Container &>().data())>
    Tensor(Container &elements, std::initializer_list<std::int64_t> shape, std::initializer_list<std::int64_t> strides = {})
        : Tensor(elements.data(), elements.size(), shape, strides) {}

    // A DLTensor, whose memory it borrows.
    template <class DL, class = decltype(std::declval<DL &>().byte_offset)>
    static Tensor from_dlpack(const DL &tensor) {
        routefuse_tensor view{};
        detail::call(routefuse_tensor_from_dlpack, static_cast<const void *>(&tensor), &view);
        return Tensor(view.data, view.bytes, view.dtype, view.device, view.shape, view.rank, view.strides,
                      view.strides ? view.rank : 0);
    }

    // For functions of routefuse.h: good as long as this object.
    routefuse_tensor view() const noexcept {
        return {data, bytes, shape.data(), strided ? strides.data() : nullptr, rank, dtype, device};
    }

private:
    Tensor(void *data, std::uint64_t bytes, routefuse_dtype dtype, routefuse_device device, const std::int64_t *extents,
           std::size_t dims, const std::int64_t *steps, std::size_t step_count)
        : data(data), bytes(bytes), rank(static_cast<std::uint32_t>(dims)), dtype(dtype), device(device), strided(step_count != 0) {
        if (step_count != 0 && step_count != dims) rank = ROUTEFUSE_MAX_RANK + 1; // which every launch refuses
        for (std::size_t d = 0; d < dims && d < ROUTEFUSE_MAX_RANK; ++d) shape[d] = extents[d];
        for (std::size_t d = 0; d < step_count && d < ROUTEFUSE_MAX_RANK; ++d) strides[d] = steps[d];
    }

    void *data;
    std::uint64_t bytes;
    std::array<std::int64_t, ROUTEFUSE_MAX_RANK> shape{}, strides{};
    std::uint32_t rank;
    routefuse_dtype dtype;
    routefuse_device device;
    bool strided;
};

// The arguments of a launch, in order or by name. It owns the extents; names and memory are borrowed.
class Args {
public:
    Args &input(Tensor tensor) { return push(nullptr, ROUTEFUSE_INPUT, tensor); }
    Args &output(Tensor tensor) { return push(nullptr, ROUTEFUSE_OUTPUT, tensor); }
    Args &input(const char *name, Tensor tensor) { return push(name, ROUTEFUSE_INPUT, tensor); }
    Args &output(const char *name, Tensor tensor) { return push(name, ROUTEFUSE_OUTPUT, tensor); }

    Args() = default;
    Args(const Args &other) : tensors(other.tensors), given(other.given) { point(); }
    Args(Args &&) = default;
    Args &operator=(Args other) noexcept {
        tensors.swap(other.tensors);
        given.swap(other.given);
        return *this;
    }
    ~Args() = default;

    // For functions of routefuse.h: good until the next argument is added.
    const std::vector<routefuse_argument> &arguments() const noexcept { return given; }

private:
    Args &push(const char *name, std::uint32_t role, const Tensor &tensor) {
        tensors.push_back(tensor);
        given.push_back({name, role, 0, {}});
        point();
        return *this;
    }
    // The extents are where the tensors are.
    void point() noexcept {
        for (std::size_t i = 0; i < given.size(); ++i) given[i].tensor = tensors[i].view();
    }

    std::vector<Tensor> tensors;
    std::vector<routefuse_argument> given;
};

class Graph : public detail::Handle<routefuse_graph, routefuse_graph_free> {
public:
    using Handle::Handle;

    static Graph parse(const std::string &source) {
        Graph graph;
        detail::call(routefuse_graph_parse, source.c_str(), &graph.raw);
        return graph;
    }
    static Graph from_json(const std::string &source) {
        Graph graph;
        detail::call(routefuse_graph_from_json, source.c_str(), &graph.raw);
        return graph;
    }
    // A model's router, with options as in {{"eplb", "static"}}.
    static Graph preset(const std::string &name, const std::vector<std::pair<std::string, std::string>> &options = {}) {
        std::vector<routefuse_option> given;
        for (const auto &[option, value] : options) given.push_back({option.c_str(), value.c_str()});
        Graph graph;
        detail::call(routefuse_graph_preset, name.c_str(), given.data(), given.size(), &graph.raw);
        return graph;
    }

    std::string text() const {
        routefuse_text *text = nullptr;
        detail::call(routefuse_graph_text, get(), &text);
        return detail::taken(text);
    }
    std::string json() const {
        routefuse_text *text = nullptr;
        detail::call(routefuse_graph_json, get(), &text);
        return detail::taken(text);
    }
};

class Pool : public detail::Handle<routefuse_pool, routefuse_pool_free> {
public:
    explicit Pool(std::uint32_t threads) { detail::call(routefuse_pool_create, threads, &raw); }
};

// How a launch runs: on the calling thread or a GPU's default stream, unless it says more.
struct Launch : routefuse_launch {
    Launch() : routefuse_launch{sizeof(routefuse_launch), nullptr, nullptr, 0, nullptr, 0, 0} {}
    Launch &on(void *which) { return stream = which, *this; }
    Launch &with(void *memory, std::uint64_t bytes) { return workspace = memory, workspace_bytes = bytes, *this; }
    Launch &shared_by(const Pool &threads) { return pool = threads.get(), *this; }
    Launch &flagged(std::uint32_t more) { return flags |= more, *this; }
};

class Plan : public detail::Handle<routefuse_plan, routefuse_plan_free> {
public:
    using Handle::Handle;

    void prepare(std::uint32_t threads = 0) const { detail::call(routefuse_plan_prepare, get(), threads); }
    void launch(const Args &args, const Launch &how = {}) const {
        const auto &given = args.arguments();
        detail::call(routefuse_plan_launch, get(), static_cast<const routefuse_launch *>(&how), given.data(), given.size());
    }
    // Names live as long as the plan.
    routefuse_plan_info describe() const {
        routefuse_plan_info info{};
        detail::call(routefuse_plan_describe, get(), &info);
        return info;
    }
    routefuse_port input(std::size_t index) const { return port(ROUTEFUSE_INPUT, index); }
    routefuse_port output(std::size_t index) const { return port(ROUTEFUSE_OUTPUT, index); }
    std::uint64_t workspace(const std::vector<std::uint64_t> &extents) const {
        std::uint64_t bytes = 0;
        detail::call(routefuse_plan_workspace, get(), extents.data(), extents.size(), &bytes);
        return bytes;
    }
    std::string explain() const {
        routefuse_text *text = nullptr;
        detail::call(routefuse_plan_explain, get(), &text);
        return detail::taken(text);
    }

private:
    routefuse_port port(std::uint32_t role, std::size_t index) const {
        routefuse_port port{};
        detail::call(routefuse_plan_port, get(), role, index, &port);
        return port;
    }
};

// Whose code is run. There is no default.
class Trust {
public:
    static Trust anyone() { return Trust(ROUTEFUSE_TRUST_ANYONE, {}); }
    static Trust signed_by(std::vector<std::string> key_files) { return Trust(ROUTEFUSE_TRUST_SIGNED, std::move(key_files)); }

    // Calls `use` with it as routefuse.h has it.
    template <class Use>
    void given(Use use) const {
        std::vector<const char *> names;
        for (const auto &file : files) names.push_back(file.c_str());
        const routefuse_trust trust = {whom, 0, names.data(), names.size()};
        use(trust);
    }

private:
    Trust(std::uint32_t whom, std::vector<std::string> files) : whom(whom), files(std::move(files)) {}
    std::uint32_t whom;
    std::vector<std::string> files;
};

class Engine : public detail::Handle<routefuse_engine, routefuse_engine_free> {
public:
    // One that keeps its kernels in memory alone.
    Engine() : Engine(routefuse_engine_options{}) {}
    // `options.size` is set here.
    explicit Engine(routefuse_engine_options options) {
        options.size = sizeof options;
        detail::call(routefuse_engine_create, static_cast<const routefuse_engine_options *>(&options), &raw);
    }
    static Engine cached_in(const std::string &directory, std::uint64_t bytes = 0) {
        routefuse_engine_options options{};
        options.cache_directory = directory.c_str();
        options.cache_bytes = bytes;
        return Engine(options);
    }
    static Engine from_bundle(const std::string &path, const Trust &trust) {
        routefuse_engine *made = nullptr;
        trust.given([&](const routefuse_trust &whom) { detail::call(routefuse_engine_from_bundle, path.c_str(), &whom, &made); });
        return Engine(made);
    }

    Plan compile(const Graph &graph, routefuse_device device = host(), std::uint32_t flags = 0) const {
        routefuse_plan *plan = nullptr;
        detail::call(routefuse_engine_compile, get(), static_cast<const routefuse_graph *>(graph.get()), device, flags, &plan);
        return Plan(plan);
    }
    // The plan of a bundle's graph.
    Plan plan(const std::string &name, routefuse_device device = host()) const {
        routefuse_plan *plan = nullptr;
        detail::call(routefuse_engine_plan, get(), name.c_str(), device, &plan);
        return Plan(plan);
    }
    // A model's layers, prepared.
    std::vector<Plan> compile_all(const std::vector<const Graph *> &graphs, routefuse_device device = host(),
                                  std::uint32_t threads = 0, std::uint32_t flags = 0) const {
        std::vector<const routefuse_graph *> given;
        for (const Graph *graph : graphs) given.push_back(graph->get());
        std::vector<routefuse_plan *> made(graphs.size());
        std::vector<Plan> plans;
        plans.reserve(graphs.size());
        detail::call(routefuse_engine_compile_all, get(), given.data(), given.size(), device, flags, threads, made.data());
        for (routefuse_plan *plan : made) plans.emplace_back(plan);
        return plans;
    }
    // `sign_with` is the file of a key, or empty.
    void write_bundle(const std::string &path, const std::vector<std::pair<std::string, const Graph *>> &graphs,
                      const std::vector<std::string> &targets, const std::string &sign_with = {}, std::uint32_t threads = 0,
                      std::uint32_t flags = 0) const {
        std::vector<routefuse_named_graph> named;
        for (const auto &[name, graph] : graphs) named.push_back({name.c_str(), graph->get()});
        std::vector<const char *> wanted;
        for (const auto &target : targets) wanted.push_back(target.c_str());
        detail::call(routefuse_engine_write_bundle, get(), path.c_str(), named.data(), named.size(), wanted.data(), wanted.size(),
                     flags, sign_with.empty() ? nullptr : sign_with.c_str(), threads);
    }
    std::string explain(const Graph &graph, std::uint32_t flags = 0) const {
        routefuse_text *text = nullptr;
        detail::call(routefuse_engine_explain, get(), static_cast<const routefuse_graph *>(graph.get()), flags, &text);
        return detail::taken(text);
    }
    std::string target(routefuse_device device) const {
        routefuse_text *text = nullptr;
        detail::call(routefuse_engine_target, get(), device, &text);
        return detail::taken(text);
    }
    // The graphs of the engine's bundles: names, and targets with spaces between.
    std::vector<std::pair<std::string, std::string>> bundled() const {
        std::size_t count = 0;
        detail::call(routefuse_engine_bundled_count, get(), &count);
        std::vector<std::pair<std::string, std::string>> all;
        for (std::size_t i = 0; i < count; ++i) {
            routefuse_text *name = nullptr, *targets = nullptr;
            detail::call(routefuse_engine_bundled, get(), i, &name, &targets);
            std::string first = detail::taken(name), second = detail::taken(targets);
            all.emplace_back(std::move(first), std::move(second));
        }
        return all;
    }
    void cancel() const { detail::call(routefuse_engine_cancel, get()); }
    void resume() const { detail::call(routefuse_engine_resume, get()); }
    void seal() const { detail::call(routefuse_engine_seal, get()); }
    void check_sealed() const { detail::call(routefuse_engine_check_sealed, get()); }
    routefuse_counters counters() const {
        routefuse_counters counters{};
        detail::call(routefuse_engine_counters, get(), &counters);
        return counters;
    }

private:
    explicit Engine(routefuse_engine *made) : Handle(made) {}
};

} // namespace routefuse

#endif
