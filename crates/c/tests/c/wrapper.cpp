// routefuse.hpp: what C++ adds is that errors are thrown and that handles free themselves.
#include "routefuse.hpp"

#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <memory>
#include <numeric>
#include <thread>

static const char *const PACK = "route 1\n"
                                "graph @scale {\n"
                                "  dim T\n"
                                "  input %x : f32[T, 4] rows\n"
                                "  %y = mul %x, 2.0\n"
                                "  output y = %y\n"
                                "}\n";

struct Dl {
    void *data;
    struct {
        std::int32_t device_type, device_id;
    } device;
    std::int32_t ndim;
    struct {
        std::uint8_t code, bits;
        std::uint16_t lanes;
    } dtype;
    std::int64_t *shape, *strides;
    std::uint64_t byte_offset;
};

int main(int argc, char **argv) {
    assert(argc == 2);
    const std::string folder = argv[1];
    const routefuse::Engine engine = routefuse::Engine::cached_in(folder + "/cache-of-the-wrapper");
    const auto graph = routefuse::Graph::parse(PACK);
    assert(routefuse::Graph::from_json(graph.json()).text() == graph.text());
    routefuse::Plan plan = engine.compile(graph);
    plan.prepare();
    assert(std::string(plan.describe().name) == "scale" && std::string(plan.input(0).name) == "x" && plan.output(0).rank == 2);
    assert(plan.explain() == engine.explain(graph) && plan.workspace({7}) == 0);
    assert(engine.target(routefuse::host()) == "host");

    // In order, by name, with strides, of DLPack.
    std::vector<float> x(12), y(8);
    std::iota(x.begin(), x.end(), 1.0f);
    const std::vector<float> doubled = {2, 4, 6, 8, 10, 12, 14, 16}, of_wide = {2, 4, 6, 8, 14, 16, 18, 20};
    plan.launch(routefuse::Args().input({x, {2, 4}}).output({y, {2, 4}}));
    assert(y == doubled);
    plan.launch(routefuse::Args().output("y", {y, {2, 4}}).input("x", {x, {2, 4}, {6, 1}}));
    assert(y == of_wide);
    std::int64_t shape[] = {2, 4};
    const Dl dl = {x.data(), {1, 0}, 2, {2, 32, 1}, shape, nullptr, 0};
    routefuse::Pool pool(2);
    plan.launch(routefuse::Args().input(routefuse::Tensor::from_dlpack(dl)).output({y, {2, 4}}), routefuse::Launch().shared_by(pool));
    assert(y == doubled);
    const std::vector<float> constant(x);
    plan.launch(routefuse::Args().input({constant, {2, 4}}).output({y, {2, 4}}));
    static_assert(routefuse::dtype_of<const std::int32_t>() == ROUTEFUSE_I32 && routefuse::dtype_of<bool>() == ROUTEFUSE_BOOL);
    static_assert(routefuse::dtype_of<std::uint64_t>() == ROUTEFUSE_U64 && routefuse::dtype_of<std::int8_t>() == ROUTEFUSE_I8);

    // Arguments that are copied or moved have extents of their own.
    auto first = std::make_unique<routefuse::Args>();
    first->input({x, {2, 4}}).output({y, {2, 4}});
    const routefuse::Args copied = *first;
    routefuse::Args later;
    later = routefuse::Args(*first);
    first.reset();
    for (const routefuse::Args *args : {&copied, const_cast<const routefuse::Args *>(&later)}) {
        // Read here, where a sanitizer sees it.
        for (const auto &argument : args->arguments()) assert(argument.tensor.shape[0] == 2);
        y.assign(8, 0.0f);
        plan.launch(*args);
        assert(y == doubled);
    }

    // Errors are thrown, with their parts.
    try {
        plan.launch(routefuse::Args().input({x, {2, 5}}).output({y, {2, 4}}));
        assert(!"it fits");
    } catch (const routefuse::Error &error) {
        assert(error.code() == 605 && error.all().size() == 1 && std::string(error.what()).find("RF0605") == 0);
        assert(error.all()[0].message.find("`x`") != std::string::npos);
    }
    try {
        plan.launch(routefuse::Args().input({x, {2, 4}, {1}}).output({y, {2, 4}}));
        assert(!"one stride is enough for two dims");
    } catch (const routefuse::Error &error) {
        assert(error.code() == 604);
    }
    try {
        routefuse::Graph::preset("mixtral", {{"eplb", "sometimes"}});
        assert(!"it is a value");
    } catch (const std::exception &error) {
        assert(std::string(error.what()).find("RF1003") == 0);
    }

    // Handles move; what was moved from is null, and refused.
    routefuse::Plan moved = std::move(plan);
    try {
        plan.prepare();
        assert(!"it is there");
    } catch (const routefuse::Error &error) {
        assert(error.code() == 1101);
    }
    moved = engine.compile(graph, routefuse::host(), ROUTEFUSE_UNFUSED);
    moved = std::move(moved);
    moved.launch(routefuse::Args().input({x, {2, 4}}).output({y, {2, 4}}));

    // A bundle, in an engine of its own, from several threads.
    const std::string path = folder + "/of-the-wrapper.rfb";
    engine.write_bundle(path, {{"scale", &graph}}, {"host"});
    const auto loaded = routefuse::Engine::from_bundle(path, routefuse::Trust::anyone());
    assert(loaded.bundled().size() == 1 && loaded.bundled()[0].first == "scale");
    const auto from_bundle = loaded.plan("scale");
    from_bundle.prepare();
    loaded.seal();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::vector<float> mine(8);
            for (int i = 0; i < 200; ++i) {
                from_bundle.launch(routefuse::Args().input({constant, {2, 4}}).output({mine, {2, 4}}));
                assert(mine == doubled);
            }
        });
    for (auto &thread : threads) thread.join();
    loaded.check_sealed();
    assert(loaded.counters().compiles == 0);
    try {
        routefuse::Engine::from_bundle(path, routefuse::Trust::signed_by({}));
        assert(!"nobody's signature is enough");
    } catch (const routefuse::Error &error) {
        assert(error.code() == 814);
    }
    const auto layers = engine.compile_all({&graph, &graph});
    assert(layers.size() == 2 && layers[1]);
    std::puts("wrapper: ok");
}
