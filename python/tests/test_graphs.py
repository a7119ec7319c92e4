"""Graphs from text, JSON, a builder, presets and chains; what is wrong with them, and where."""

from __future__ import annotations

import inspect

import pytest
import routefuse

pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

REMAP = """route 1
graph @remap {
  dim T
  input %ids : i32[T, 2]
  input %map : i32[4]
  %physical = gather %map, %ids {out_of_range = pass}
  output out = %physical
}
"""


def test_forms_are_one_graph():
    graph = routefuse.Graph.parse(REMAP)
    assert routefuse.Graph.from_json(graph.json) == graph
    assert routefuse.Graph.parse(graph.text) == graph
    assert graph.name == "remap"
    assert graph.inputs[0] == {"name": "ids", "dtype": "i32", "shape": ["T", 2], "layout": "contiguous"}
    assert graph.outputs[0]["shape"] == ["T", 2] and graph.outputs[0]["alias"] is None


def test_a_mistake_has_code_place_and_help():
    with pytest.raises(routefuse.Error) as caught:
        routefuse.compile(REMAP.replace("gather", "gathr"))
    error = caught.value
    assert error.code == "RF0107"
    assert error.errors[0]["line"] == 6 and error.errors[0]["column"] == 15
    assert "gather" in error.errors[0]["help"] and "line 6" in str(error)


def test_builder_is_the_text(engine):
    b = routefuse.GraphBuilder("remap")
    rows = b.dim("T")
    ids, table = b.input("ids", "i32", (rows, 2)), b.input("map", "i32", (4,))
    b.output("out", b.gather(table, ids, out_of_range="pass", name="physical"))
    assert engine.compile(b).graph == routefuse.Graph.parse(REMAP)


def test_builder_has_operators_attributes_and_odd_names(engine):
    import numpy

    b = routefuse.GraphBuilder("it's")
    rows = b.dim("number of rows")
    x = b.input("a b", "f32", (rows, 4), layout="rows")
    y = b.input("y", "i32", (rows, 4))
    b.output("sum", abs(-(x * 2.0 + 1.0) / 4.0 - x))
    b.output("ints", b.select((y % 3 == 0) & ~(y < 2), (y // 2) << 1, y ^ 1))
    b.output("in place", y + 1, alias=("in_place", y))
    b.output("masked", b.gather_row(x, y, out_of_range=("fill", -1.0)))
    kernel = engine.compile(b)
    a, n = numpy.linspace(-2, 2, 8, dtype=numpy.float32).reshape(2, 4), numpy.arange(8, dtype=numpy.int32).reshape(2, 4)
    before = n.copy()
    made = kernel(a, n)
    assert numpy.array_equal(made.sum, numpy.abs(-(a * numpy.float32(2) + numpy.float32(1)) / numpy.float32(4) - a))
    condition = (before % 3 == 0) & ~(before < 2)
    assert numpy.array_equal(made.ints, numpy.where(condition, (before // 2) << 1, before ^ 1))
    assert numpy.array_equal(n, before + 1) and made.in_place is n
    assert numpy.array_equal(made.masked[0], a[0]) and (made.masked[1] == -1).all()


def test_builder_mistakes_name_the_line_of_python():
    b = routefuse.GraphBuilder("g")
    x = b.input("x", "f32", (b.dim(), 4))
    line = inspect.currentframe().f_lineno + 1
    b.output("y", b.sofmax(x))
    with pytest.raises(routefuse.Error) as caught:
        b.finish()
    assert f"{__file__}:{line}" in str(caught.value) and caught.value.errors[0]["place"] == f"{__file__}:{line}"
    other = routefuse.GraphBuilder("h")
    with pytest.raises(routefuse.Error, match="another graph"):
        other.neg(x)
    with pytest.raises(routefuse.Error, match="a str"):
        b.op("neg", "x")
    with pytest.raises(TypeError, match="select"):
        bool(x < 1.0)


def test_every_preset_is_a_function():
    assert len(routefuse.models.names()) > 20
    for name in routefuse.models.names():
        function = getattr(routefuse.models, name.replace("-", "_").replace(".", "_"))
        assert "Source:" in function.__doc__
        assert routefuse.models.graph(name).outputs, name
        for option, (values, summary) in routefuse.models.options(name).items():
            assert option in function.__doc__ and values and summary
    assert "deepseek_v3" in dir(routefuse.models)


def test_presets_take_python_values():
    graph = routefuse.models.graph("kimi-k2", expert_parallel=(48, 3), shared="constant", strided=True, scale=2.5)
    assert graph.outputs[0]["layout"] == "rows"
    with pytest.raises(routefuse.Error) as caught:
        routefuse.models.graph("deepseek-v3", eplb="statik")
    assert caught.value.code == "RF1003" and "static" in str(caught.value)
    with pytest.raises(routefuse.Error) as caught:
        routefuse.models.graph("mixtral", groups=4)
    assert caught.value.code == "RF1002"
    with pytest.raises(routefuse.Error) as caught:
        routefuse.models.graph("deepseek-v33")
    assert caught.value.code == "RF1001" and "deepseek-v3" in str(caught.value)
    with pytest.raises(AttributeError, match="deepseek_v3"):
        routefuse.models.deepseek_v33  # noqa: B018


def test_chains(engine):
    for name in routefuse.chains.names():
        assert routefuse.chains.graph(name).inputs, name
    with pytest.raises(routefuse.Error, match="post_chain"):
        routefuse.chains.graph("none")


def test_reports(engine):
    kernel = engine.compile(routefuse.chains.graph("e_post_chain"))
    assert "9 launches" in kernel.explain() and "1 launch" in kernel.explain()
    assert kernel.report["before"]["launches"] == 9 and kernel.report["after"]["launches"] == 1
    page = kernel._repr_html_()
    assert "<svg" in page and "<?xml" not in page and "post_chain" in page
    assert kernel.text.startswith("route 1") and "post_chain" in repr(kernel)
    assert engine.explain(kernel.graph, fuse=False) != engine.explain(kernel.graph)
    assert engine.compile(kernel.graph, fuse=False).launches == 9
