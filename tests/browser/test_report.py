"""What a reader does with a report."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, routefuse

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


@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3"])
def test_the_slider_shows_what_explain_counts(reports, tab, name):
    arguments = ["--model", name] if name.startswith("deepseek") else [f"examples/{name}.route"]
    report = json.loads(routefuse("explain", *arguments, "--json"))
    page = tab().open(reports[name])

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


def test_the_slider_names_the_variant_that_a_launch_takes(reports, tab):
    page = tab().open(reports["deepseek-v3-post"])
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


@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_a_click_on_a_value_lights_three_panes(reports, tab, name):
    page = tab(height=1400).open(reports[name])
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


def test_a_value_is_chosen_by_keyboard(reports, tab):
    page = tab().open(reports["e_post_chain"])
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


def test_stages_toggle(reports, tab):
    page = tab().open(reports["e_post_chain"])
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


def test_machine_code_has_marks_registers_and_counts(reports, tab):
    page = tab().open(reports["e_post_chain"])
    pane = page.locator(".pane").nth(2)
    assert pane.locator(".mark.load").count() >= 4 and pane.locator(".mark.store").count() >= 3
    assert pane.locator(".live:not(:empty)").count() > 10
    assert "instructions" in pane.locator(".counts").text_content()


def test_search_finds_in_every_stage(reports, tab):
    page = tab().open(reports["e_post_chain"])
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


def test_schedules_show_lanes_and_explain_their_notation(reports, tab):
    page = tab().open(reports["deepseek-v3-post"])
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_nothing_serious_is_inaccessible(reports, tab, name, theme):
    page = tab(theme=theme).open(reports[name])
    page.locator("#values").select_option(index=3)
    page.locator("#find").fill("cast")
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:300]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []


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
