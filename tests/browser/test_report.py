"""What a reader does with a report."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, routefuse, until

# Both widths and both themes, in half of the time that all four pairs take.
LOOKS = pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def documented(page):
    return json.loads(page.locator("#document").text_content())


def in_bytes(text):
    number, unit = re.fullmatch(r"([\d.]+) (\w+)", text).groups()
    return float(number) * UNITS[unit]


def figure(page, name):
    """A figure's values before and after; one value where they are the same."""
    before = page.locator(f'[data-figure="{name}"] .before')
    after = page.locator(f'[data-figure="{name}"] .after').text_content()
    return (before.text_content() if before.count() else after), after


def in_sight(line):
    """Whether a line is inside what its pane shows."""
    return line.evaluate("""row => {
        const [a, b] = [row.getBoundingClientRect(), row.closest('.code').getBoundingClientRect()];
        return a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
    }""")


def lit(pane):
    return pane.locator(".line.lit")


def test_every_report_loads_without_an_error_or_a_request(reports, tab):
    opened = tab()
    for name, file in reports.items():
        opened.said.clear()
        opened.asked.clear()
        page = opened.open(file)
        opened.is_quiet(file.as_uri())
        document = documented(page)
        assert page.locator("#title").text_content() in document["title"], name
        assert page.locator('.view[data-side="after"] .box').count() == len(document["graph"]["after"]["boxes"]), name
        assert page.locator('.view[data-side="after"] g.hull').count() == len(document["graph"]["after"]["hulls"]), name
        assert page.locator("#launches tbody tr").count() == sum(len(v) + 1 for v in document["launches"].values()), name
        assert page.locator(".pane .line").count() > 5, name
        assert page.locator("#schedule .kernel").count() == len(document["schedules"]), name
        assert page.locator("#numbers .verdict.good").count() == 1, name
        assert "undefined" not in page.locator("body").inner_text(), name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert file.stat().st_size <= 2 << 20, name


@LOOKS
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3"])
def test_the_slider_shows_what_explain_counts(reports, tab, name, width, theme):
    arguments = ["--model", name] if name.startswith("deepseek") else [f"examples/{name}.route"]
    report = json.loads(routefuse("explain", *arguments, "--json"))
    page = tab(width=width, theme=theme).open(reports[name])

    def expected(side, rows):
        t = report[side]
        return (t["read_per_row"] + t["written_per_row"]) * rows + t["read_once"] + t["written_once"]

    def agrees():
        rows = int(page.locator("#exact").input_value())
        for side, shown in zip(["before", "after"], figure(page, "bytes")):
            assert in_bytes(shown) == pytest.approx(expected(side, rows), rel=0.006), (side, rows)
        assert figure(page, "launches") == (str(report["before"]["launches"]), str(report["after"]["launches"]))
        return rows

    assert agrees() == 64
    slider = page.locator("#slider")
    slider.focus()
    slider.press("ArrowRight")
    assert agrees() > 64
    slider.press("Home")
    assert agrees() == 1
    slider.press("End")
    assert agrees() == 131072
    page.locator("#exact").fill("1000")
    page.locator("#exact").press("Enter")
    assert agrees() == 1000
    assert slider.get_attribute("aria-valuetext") == "1\u202f000 rows"


@LOOKS
def test_the_slider_names_the_variant_that_a_launch_takes(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["deepseek-v3-post"])
    [launch] = documented(page)["launches"]["after"]
    for rows in [1, 4096, 131072]:
        page.locator("#exact").fill(str(rows))
        page.locator("#exact").press("Enter")
        first = next(v for v in launch["variants"] if v["rows_from"] <= rows and (v["rows_to"] is None or rows <= v["rows_to"]))
        assert figure(page, "variant")[1] == first["name"]


def test_wide_edges_are_many_bytes(reports, tab):
    page = tab().open(reports["deepseek-v3-post"])
    edges = documented(page)["graph"]["before"]["edges"]
    widths = page.eval_on_selector_all('.view[data-side="before"] .edge', "all => all.map(e => Number(e.getAttribute('stroke-width')))")
    of = {i: e["row_bytes"] * 64 + e["once_bytes"] for i, e in enumerate(edges) if e["memory"]}
    most, least = max(of, key=of.get), min(of, key=of.get)
    assert widths[most] > 2 * widths[least]


@LOOKS
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_a_click_on_a_value_lights_three_panes(reports, tab, name, width, theme):
    page = tab(width=width, theme=theme, height=1400).open(reports[name])
    value = next(v for v in documented(page)["values"] if v["name"] == "%masked")
    page.locator(f'.view[data-side="after"] .box[data-value="{value["id"]}"]').first.dispatch_event("click")
    panes = page.locator(".pane")
    assert panes.count() == 3
    for i in range(3):
        lines = lit(panes.nth(i))
        assert lines.count() > 0, panes.nth(i).get_attribute("aria-label")
        assert any(in_sight(lines.nth(k)) for k in range(lines.count()))
    about = page.locator("#value")
    assert "%masked" in about.locator("h3").text_content()
    assert value["type"] in about.locator("h3").text_content()
    for side in ["before", "after"]:
        assert page.locator(f'.view[data-side="{side}"] .box.lit').count() >= 1
    # The other way: a line of a pane chooses its value.
    line = panes.nth(0).locator(".line.linked:not(.lit)").first.get_attribute("data-line")
    other = panes.nth(0).locator(f'.line[data-line="{line}"]')
    other.click()
    assert "lit" in other.get_attribute("class")


@LOOKS
def test_a_value_is_chosen_by_keyboard(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["e_post_chain"])
    page.locator('.view[data-side="before"] svg.canvas').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    chosen = page.locator("#value h3").text_content()
    assert page.locator('.view[data-side="before"] .box.lit').count() >= 1
    page.keyboard.press("]")
    assert page.locator("#value h3").text_content() != chosen
    pane = page.locator(".pane .code").nth(1)
    pane.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert pane.locator(".line.cursor.lit").count() == 1
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")


@LOOKS
def test_stages_toggle(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["e_post_chain"])
    page.locator(".pane select").nth(1).select_option("canonical")
    pane = page.locator(".pane").nth(1)
    assert pane.locator(".line.plus").count() == 0
    pane.get_by_role("button", name="Difference").click()
    runs = next(s for s in documented(page)["stages"] if s["id"] == "canonical")["diff"]["runs"]
    assert pane.locator(".line.plus").count() == sum(n for sign, n in runs if sign == "+") > 0
    assert pane.locator(".line.minus").count() == sum(n for sign, n in runs if sign == "-")
    pane.get_by_role("button", name="Difference").click()
    assert pane.locator(".line.plus").count() == 0
    page.locator("#add-pane").click()
    assert page.locator(".pane").count() == 4
    page.get_by_role("button", name="Close pane 1").click()
    assert page.locator(".pane").count() == 3


@LOOKS
def test_machine_code_has_marks_registers_and_counts(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["e_post_chain"])
    pane = page.locator(".pane").nth(2)
    assert pane.locator(".mark.load").count() >= 4 and pane.locator(".mark.store").count() >= 3
    assert pane.locator(".live:not(:empty)").count() > 10
    assert "instructions" in pane.locator(".counts").text_content()


@LOOKS
def test_loops_and_registers_of_the_host_are_counted(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["deepseek-v3"])
    pane = page.locator(".pane").nth(2)
    stage = next(s for s in documented(page)["stages"] if s["id"] == pane.get_attribute("data-stage"))
    counts = pane.locator(".counts")
    assert "vector registers at most at once" in counts.text_content() and "general registers" in counts.text_content()
    shown = counts.locator(".loop")
    assert shown.count() == len(stage["loops"]) > 1
    trips = next(i for i, l in enumerate(stage["loops"]) if l["trips"] is not None and l["trips"] > 1)
    assert f"{stage['loops'][trips]['trips']} trips" in shown.nth(trips).text_content()
    shown.nth(trips).get_by_role("button").click()
    assert pane.locator(".line.cursor").get_attribute("data-line") == str(stage["loops"][trips]["header"])


@LOOKS
def test_search_finds_in_every_stage(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["e_post_chain"])
    page.keyboard.press("/")
    page.keyboard.type("GATHER")
    found = page.locator("#found")
    stages = [s for s in documented(page)["stages"] if "gather" in s["text"].lower()]
    assert found.locator("h3").count() >= len(stages) > 1
    hit = found.locator("section").last.locator(".hit").first
    hit.click()
    assert page.locator(".pane .line.cursor").count() == 1
    assert "gather" in page.locator(".pane .line.cursor").text_content().lower()
    page.locator("#find").focus()
    page.keyboard.press("Escape")
    assert found.is_hidden()
    page.locator("#find").fill("there is no such text")
    assert "No stage" in found.text_content()


@LOOKS
def test_schedules_show_lanes_and_explain_their_notation(reports, tab, width, theme):
    page = tab(width=width, theme=theme).open(reports["deepseek-v3-post"])
    schedule = documented(page)["schedules"][0]
    section = page.locator("#schedule")
    assert section.locator("svg.lanes rect.own").count() >= 8
    assert section.locator(".notation dt").count() == len(schedule["words"]) > 3
    page.locator("#exact").fill("131072")
    page.locator("#exact").press("Enter")
    shape = next(s for s in schedule["shapes"] if s["to"] is None)
    assert section.locator(".phases > li").count() == len(shape["phases"]) > 1
    assert section.locator(".phases > li.crosses").count() == sum(p["crosses_lanes"] for p in shape["phases"]) > 0


def test_the_theme_is_switched(reports, tab):
    page = tab(theme="light").open(reports["c_pack"])
    ground = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = ground()
    page.keyboard.press("t")
    assert ground() == light
    page.keyboard.press("t")
    assert ground() != light
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.locator("nav").is_hidden()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_no_width_scrolls_sideways(reports, tab, name, width):
    page = tab(width=width).open(reports[name])
    page.locator("#values").select_option(index=3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = page.eval_on_selector_all("main > section", "all => all.map(s => { const r = s.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom] })")
    assert all(left >= 0 and right <= width for left, right, _, _ in boxes)
    assert all(above[3] <= below[2] for above, below in zip(boxes, boxes[1:]))


@LOOKS
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_nothing_serious_is_inaccessible(reports, tab, name, width, theme):
    page = tab(width=width, theme=theme).open(reports[name])
    page.locator("#values").select_option(index=3)
    page.locator("#find").fill("cast")
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:300]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []


TWO_DIMS = """route 1
graph @two {
  dim T
  dim S
  input %x : i32[T, 4]
  input %y : i32[S, 2]
  %one = const {dtype = i32, value = 1} : i32[]
  %two = add %one, %one : i32[]
  %a = add %x, %two : i32[T, 4]
  %b = add %y, %one : i32[S, 2]
  output a = %a : i32[T, 4]
  output b = %b : i32[S, 2]
}
"""


@LOOKS
def test_each_dim_has_its_own_extent(tab, tmp_path, width, theme):
    source, out = tmp_path / "two.route", tmp_path / "two.html"
    source.write_text(TWO_DIMS)
    routefuse("report", str(source), "--dim", "T=200000", "--dim", "S=7", "-o", str(out))
    page = tab(width=width, theme=theme).open(out)
    moved = lambda t, s: pytest.approx(t * 32 + s * 16 + 0, rel=0.006)
    # The slider begins at what was asked for, and ends there.
    assert page.locator("#exact").input_value() == "200000"
    slider = page.locator("#slider")
    assert slider.get_attribute("aria-valuetext") == "200\u202f000 rows" and slider.input_value() == slider.get_attribute("max")
    assert in_bytes(figure(page, "bytes")[1]) == moved(200000, 7)
    field = page.locator('[data-dim="S"]')
    assert field.input_value() == "7"
    slider.focus()
    slider.press("Home")
    assert in_bytes(figure(page, "bytes")[1]) == moved(1, 7)
    field.fill("1000")
    field.press("Enter")
    assert in_bytes(figure(page, "bytes")[1]) == moved(1, 1000)
    assert page.locator("#exact").input_value() == "1"
    table = page.locator("#launches table").first
    assert sorted(table.locator("tbody td:nth-child(2)").all_text_contents()) == ["", "S", "T"]
    page.locator("#values").select_option(label="%b")
    assert "at S = 1\u202f000" in page.locator("#value").text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@LOOKS
@pytest.mark.parametrize(("name", "twice"), [("deepseek-v3-post", 0), ("moe-plus-plus", 1)])
def test_a_value_that_is_gone_leads_to_what_it_went_into(reports, tab, name, twice, width, theme):
    page = tab(width=width, theme=theme).open(reports[name])
    values = documented(page)["values"]
    lines = next(s for s in documented(page)["stages"] if s["id"] == "canonical")["lines"]
    page.locator(".pane select").nth(1).select_option("canonical")
    pane = page.locator(".pane").nth(1)
    gone = [v for v in values if v["gone"]]
    assert gone

    def stand_ins(value):
        """What stands for a value in the canonical graph: what it went into can be gone, too."""
        if any(value["id"] in ids for ids in lines):
            return {value["id"]}
        return set().union(*(stand_ins(values[i]) for i in value["gone"]["into"])) if value["gone"] else set()

    followed = 0  # Values that went into one that is gone.
    for value in gone:
        page.locator("#values").select_option(label=value["name"])
        about = page.locator("#value").text_content()
        assert value["gone"]["why"] in about and "went into" in about
        if value["gone"]["constant"]:
            assert value["gone"]["constant"] in about
        there = stand_ins(value)
        lit_lines = lit(pane).evaluate_all("all => all.map(line => Number(line.dataset.line))")
        assert lit_lines == [line for line, ids in enumerate(lines) if there & set(ids)], value["name"]
        followed += bool(there) and there.isdisjoint(value["gone"]["into"])
    assert followed >= twice


def test_a_box_without_a_value_leaves_the_choice(reports, tab):
    page = tab().open(reports["e_post_chain"])
    page.locator("#values").select_option(label="%masked")
    without = [i for i, b in enumerate(documented(page)["graph"]["after"]["boxes"]) if b["value"] is None]
    assert without, "a constant that the passes made stands for no value of the graph"
    box = page.locator('.view[data-side="after"] .box')
    for i in without:
        box.nth(i).focus()
        page.keyboard.press("Enter")
        assert page.locator("#value h3").text_content().startswith("%masked")


def test_keys_of_one_character_are_turned_off_for_good(reports, tab):
    page = tab().open(reports["c_pack"])
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    # Nothing behind the dialog hears a key.
    chosen, theme = page.locator("#value").inner_text(), page.locator("#theme").inner_text()
    for key in ["]", "t", "/"]:
        page.locator("#help h2").press(key)
    assert (page.locator("#value").inner_text(), page.locator("#theme").inner_text()) == (chosen, theme)
    page.keyboard.press("?")
    assert page.locator("#help").is_hidden()
    page.locator("#keys").click()
    page.locator("#character-keys").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    for _ in range(2):
        for key in ["?", "]", "t", "/"]:
            page.keyboard.press(key)
        assert page.locator("#help").is_hidden() and page.locator("#theme").inner_text() == theme
        assert page.locator("#value h3").count() == 0
        assert not page.locator("#find").evaluate("f => f === document.activeElement")
        page.reload()
    # The keys of a drawing go on: they act where the focus is.
    page.locator('.view[data-side="before"] svg.canvas').focus()
    for key in ["ArrowDown", "Enter"]:
        page.keyboard.press(key)
    assert page.locator("#value h3").count() == 1


def test_a_large_graph_says_what_is_left_out(long_report, tab):
    page = tab().open(long_report)
    assert long_report.stat().st_size <= 2 << 20
    document = documented(page)
    said = page.locator(".left-out li")
    assert said.count() == len(document["left_out"]) > 1
    for i, left in enumerate(document["left_out"]):
        assert left["what"] in said.nth(i).text_content()
        assert said.nth(i).locator("code").text_content() == left["command"]
    # The commands print what they say they do.
    command = next(l["command"] for l in document["left_out"] if "--diff" in l["command"]).split()
    assert routefuse(*command[1:]).startswith("--- graph")
    page.locator("#values").select_option(label="%v2000")
    assert page.locator(".line.lit").count() >= 1
    assert page.locator("#launches tbody tr").count() < 2000


@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_the_page_is_readable_at_four_times_its_size(reports, tab, name):
    """A window of 1,280 pixels enlarged to 400 % has room for 320 of the page's."""
    page = tab(width=320, height=256, scale=4).open(reports[name])
    page.locator("#values").select_option(index=3)
    page.locator("#find").fill("cast")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What is wider scrolls in a box of its own, which the keyboard reaches.
    alone = """[...document.querySelectorAll('main *')].filter(e => {
        const style = getComputedStyle(e);
        return e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(style.overflowX) && e.tabIndex < 0;
    }).map(e => e.outerHTML.slice(0, 100))"""
    assert page.evaluate(alone) == []
    for part in ["#exact", "#slider", "#keys", ".zoom button", "#add-pane"]:
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 320, part


@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post", "deepseek-v3"])
def test_paper_has_everything_open_and_nothing_to_press(reports, tab, name):
    page = tab(width=760).open(reports[name])
    page.locator("#values").select_option(index=3)
    closed = page.locator("details:not([open])").count()
    page.emulate_media(media="print")
    until(page, "document.querySelectorAll('details:not([open])').length === 0", 15)
    for control in ["nav", ".tools", "#slider", ".zoom", "#add-pane", ".pick", ".choice button", ".places"]:
        found = page.locator(control)
        assert not any(found.nth(i).is_visible() for i in range(found.count())), control
    # No text is cut off: neither by a box that would scroll nor by the edge of the paper.
    cut = """[...document.querySelectorAll('main *')].filter(e => {
        if (e.closest('svg') || !e.getClientRects().length || e.closest('.unseen')) return false;
        const style = getComputedStyle(e);
        const clips = (over, own, all) => over !== 'visible' && all > own + 1;
        const right = e.getBoundingClientRect().right;
        return clips(style.overflowX, e.clientWidth, e.scrollWidth) || clips(style.overflowY, e.clientHeight, e.scrollHeight) || right > innerWidth + 1;
    }).map(e => e.outerHTML.slice(0, 160))"""
    assert page.evaluate(cut) == []
    assert page.locator(".pane .line").first.is_visible()
    page.emulate_media(media="screen")
    until(page, f"document.querySelectorAll('details:not([open])').length === {closed}", 15)


HOSTILE = "</script><img src=x onerror=document.title='owned'><b>\u202e\u2028"


def hostile_graph():
    """A graph in the JSON form, in which every name is markup: its own, those of dims, inputs, values and outputs."""
    name = lambda of: f"{of}{HOSTILE}"
    typed = lambda dtype: {"dtype": dtype, "shape": [name("T"), 4]}
    return {
        "format": "routefuse-graph", "version": 1, "name": name("graph"), "dims": [name("T"), name("S"), "__proto__"],
        "inputs": [
            {"name": name("x"), **typed("i32")},
            {"name": name("y"), "dtype": "i32", "shape": [name("S"), 2]},
            {"name": "constructor", "dtype": "i32", "shape": ["__proto__", 2]},
        ],
        "nodes": [
            {"name": name("sum"), "op": "add", "operands": [name("x"), name("x")], "type": typed("i32")},
            {"name": name("same"), "op": "add", "operands": [name("x"), name("x")], "type": typed("i32")},
            {"name": name("product"), "op": "mul", "operands": [name("sum"), name("same")], "type": typed("i32")},
            {"name": "__proto__", "op": "neg", "operands": ["constructor"], "type": {"dtype": "i32", "shape": ["__proto__", 2]}},
            {"name": "toString", "op": "neg", "operands": [name("y")], "type": {"dtype": "i32", "shape": [name("S"), 2]}},
        ],
        "outputs": [
            {"name": name("out"), "value": name("product"), "type": typed("i32")},
            {"name": "__proto__", "value": "__proto__", "type": {"dtype": "i32", "shape": ["__proto__", 2]}},
            {"name": "third", "value": "toString", "type": {"dtype": "i32", "shape": [name("S"), 2]}},
        ],
    }


def is_inert(page):
    assert page.locator("img").count() == 0 and page.locator("b b").count() == 0
    assert page.title() != "owned"
    for hidden in ["\u202e", "\u2028"]:
        assert hidden not in page.locator("body").inner_text()


@LOOKS
def test_names_of_everything_are_inert(tab, tmp_path, width, theme):
    source, out = tmp_path / "hostile.json", tmp_path / "report.html"
    source.write_text(json.dumps(hostile_graph(), indent=1))
    routefuse("report", str(source), "-o", str(out))
    page = tab(width=width, theme=theme).open(out)
    is_inert(page)
    assert page.locator("#title").text_content().startswith("graph</script><img")
    for value in documented(page)["values"]:
        page.locator("#values").select_option(value=str(value["id"]))
        assert page.locator("#value h3").text_content().startswith(value["name"])
    for dim in documented(page)["dims"][1:]:
        field = page.locator("[data-dim]").nth([d["name"] for d in documented(page)["dims"][1:]].index(dim["name"]))
        field.fill("9")
        field.press("Enter")
    page.locator("#find").fill("onerror")
    assert page.locator("#found .hit").count() > 3
    is_inert(page)
    assert "NaN" not in page.locator("body").inner_text()


def test_names_are_inert(tab, tmp_path):
    hostile = "</script><img src=x onerror=document.title='owned'><b>\u202e\u2028"
    text = (ROOT / "examples/c_pack.route").read_text().replace("graph @", f"# {hostile}\ngraph @", 1)
    source = tmp_path / "a<b onclick=x>.route"
    source.write_text(text)
    out = tmp_path / "report.html"
    routefuse("report", str(source), "-o", str(out))
    opened = tab()
    page = opened.open(out)
    opened.is_quiet(out.as_uri())
    assert page.locator("img").count() == 0
    assert "owned" not in page.title()
    assert "onerror=document.title" in page.locator(".pane").first.text_content()
    assert page.evaluate("getComputedStyle(document.querySelector('.src')).unicodeBidi") == "bidi-override"
