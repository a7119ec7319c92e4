"""What a writer does with the editor, and what the server refuses."""

import json
import pathlib
import re
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, until
from test_report import HOSTILE, hostile_graph, is_inert

SETTLED = "document.querySelector('#editor-state').textContent === '' && document.querySelectorAll('.pane .line').length > 0"


# Both widths and both themes, in half of the time that all four pairs take.
LOOKS = pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])


def opened(tab, server, **how):
    made = tab(**how)
    page = made.open(server)
    until(page, SETTLED)
    return made, page


def launches(page):
    return page.locator('[data-figure="launches"] .after').text_content()


def write(page, text):
    page.locator("#text").fill(text)


def asked(server, what, body=b"{}", **headers):
    """The status of a question."""
    own = {"content-type": "application/json", "origin": server.split("/", 3)[0] + "//" + urlsplit(server).netloc}
    request = urllib.request.Request(server + what, data=body, headers=own | headers)
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).status
    except urllib.error.HTTPError as e:
        return e.code


@LOOKS
def test_an_op_that_is_typed_changes_the_graph(tab, server, width, theme):
    made, page = opened(tab, server, width=width, theme=theme)
    text = page.locator("#text").input_value()
    boxes = page.locator('.view[data-side="before"] .box')
    count = boxes.count()
    write(page, text.replace("  output packed", "  %twice = add %masked, %masked : i32[T, 9]\n  output twice = %twice : i32[T, 9]\n  output packed", 1))
    until(page, f"document.querySelectorAll('.view[data-side=before] .box').length === {count + 2}")
    assert page.locator('.view[data-side="before"]', has_text="twice").count() == 1
    until(page, SETTLED)
    # Machine code came after it, and the check has the new output.
    assert page.locator("#numbers", has_text="twice").count() == 1
    assert page.locator("#numbers .verdict.good").count() == 1
    assert made.said == []
    page.locator("#reset").click()
    until(page, f"document.querySelectorAll('.view[data-side=before] .box').length === {count}")
    assert page.locator("#text").input_value() == text


@LOOKS
def test_an_error_that_is_typed_is_underlined(tab, server, width, theme):
    made, page = opened(tab, server, width=width, theme=theme)
    text = page.locator("#text").input_value()
    write(page, text.replace("concat %scaled", "concatt %scaled", 1))
    underlined = page.locator("#layer .error")
    underlined.first.wait_for()
    assert underlined.first.text_content() == "concatt"
    assert "RF0107" in page.locator("#wrong").text_content() and "concat" in page.locator("#wrong .hint").first.text_content()
    note = page.locator("#layer .note")
    assert "RF0107" in note.text_content()
    assert note.bounding_box()["y"] >= underlined.first.bounding_box()["y"] + 10
    assert page.locator("#main.stale").count() == 1
    write(page, text)
    until(page, "document.querySelectorAll('#layer .error').length === 0 && !document.querySelector('#main.stale')")
    # The browser tells of answers that are no success; the page itself says nothing.
    assert [s for s in made.said if "422" not in s] == []


def questions(made, server):
    """What the page has asked of the server, by the last part of the address."""
    return [a.removeprefix(server) for a in made.asked if a.startswith(server) and a != server]


def layouts(answer):
    """How many drawings the server has laid out, as its answer says."""
    return int(re.search(r'layouts;desc="(\d+)"', answer.headers["server-timing"]).group(1))


def test_an_edit_is_three_questions_at_most_and_lays_out_only_what_is_new(tab, server):
    """No time is measured here: what makes an answer late is a layout, so layouts are counted."""
    made, page = opened(tab, server)
    text = page.locator("#text").input_value()

    def edit(new):
        """What an edit asks, and how many drawings were laid out for it."""
        made.asked.clear()
        with page.expect_response(lambda r: r.url.endswith("/document")) as first:
            write(page, new)
        with page.expect_response(lambda r: r.url.endswith("/code")) as last:
            pass
        until(page, SETTLED)
        return questions(made, server), layouts(last.value) - layouts(first.value)

    # Another constant has a box of the same size, and another name of a value nearly so: nothing is laid out.
    other = text.replace("value = 2.5", "value = 3.5", 1)
    assert other != text
    assert edit(other) == (["document", "code"], 0)
    assert edit(text.replace("%scaled", "%scales")) == (["document", "code"], 0)
    # Two operations more are other drawings; they come in an answer of their own, and are known from then on.
    ops = "  %once = neg %masked : i32[T, 9]\n  %again = neg %once : i32[T, 9]\n  output again = %again : i32[T, 9]\n"
    more = text.replace("  output packed", ops.replace("neg %once", "mul %once, %once") + "  output packed", 1)
    asked, laid_out = edit(more)
    assert asked == ["document", "drawing", "code"] and laid_out == 2
    assert edit(text) == (["document", "code"], 0)
    assert edit(more) == (["document", "code"], 0)
    # A text that is wrong is one question.
    made.asked.clear()
    with page.expect_response(lambda r: r.url.endswith("/document")):
        write(page, text.replace("concat %scaled", "concatt %scaled", 1))
    page.locator("#layer .error").first.wait_for()
    assert questions(made, server) == ["document"]


def test_an_edit_that_is_overtaken_is_given_up(tab, server):
    """However many keys are pressed, of all but the last nothing is compiled."""
    made, page = opened(tab, server)
    text = page.locator("#text").input_value()
    made.asked.clear()
    for i in range(12):
        write(page, text.replace("@post_chain", f"@edit_{i}"))
    until(page, "document.querySelector('#title').textContent === 'edit_11'")
    until(page, SETTLED)
    assert questions(made, server).count("code") == 1
    assert questions(made, server)[-1] == "code"


@LOOKS
def test_names_and_errors_of_what_is_typed_are_inert(tab, server, width, theme):
    made, page = opened(tab, server, width=width, theme=theme)
    write(page, json.dumps(hostile_graph()))
    until(page, "document.querySelector('#title').textContent.startsWith('graph</script>')")
    until(page, SETTLED)
    is_inert(page)
    # Errors name what is wrong: an operation, an operand, a type.
    for key, value in [("op", f"no{HOSTILE}"), ("operands", [f"none{HOSTILE}"]), ("type", {"dtype": f"i{HOSTILE}", "shape": []})]:
        graph = hostile_graph()
        graph["nodes"][0][key] = value
        write(page, json.dumps(graph, indent=1))
        until(page, "document.querySelectorAll('#wrong li').length > 0 && document.querySelector('#main.stale')")
        assert "onerror" in page.locator("#wrong").text_content()
        is_inert(page)
        write(page, json.dumps(hostile_graph()))
        until(page, "!document.querySelector('#main.stale')")
    assert [s for s in made.said if "422" not in s] == []


def test_of_two_edits_in_a_row_the_second_is_shown(tab, server):
    _, page = opened(tab, server)
    text = page.locator("#text").input_value()
    for name in ["first_edit", "second_edit"]:
        write(page, text.replace("@post_chain", f"@{name}"))
        page.wait_for_timeout(60)
    until(page, "document.querySelector('#title').textContent === 'second_edit'")
    until(page, SETTLED)
    assert page.locator("#title").text_content() == "second_edit"
    assert "first_edit" not in page.locator("#stages").inner_text()


def test_an_example_and_a_target_are_chosen(tab, server):
    _, page = opened(tab, server)
    page.locator("#example").select_option("c_pack")
    until(page, "document.querySelector('#title').textContent === 'pack'")
    page.locator("#machine").select_option("gfx942")
    until(page, "document.querySelector('#target').textContent === 'gfx942'")
    until(page, SETTLED)
    assert page.locator(".pane", has_text="s_endpgm").count() == 1


def test_text_and_report_are_downloaded(tab, server, tmp_path):
    made, page = opened(tab, server)
    with page.expect_download() as download:
        page.locator("#save-text").click()
    assert download.value.suggested_filename == "e_post_chain.route"
    assert download.value.path().read_text() == page.locator("#text").input_value()
    with page.expect_download() as download:
        page.locator("#save-report").click()
    assert download.value.suggested_filename == "e_post_chain.html"
    file = tmp_path / "report.html"
    download.value.save_as(file)
    alone = tab()
    alone.open(file)
    alone.is_quiet(file.as_uri())
    assert alone.page.locator("#title").text_content() == "post_chain" and alone.page.locator("#editor").is_hidden()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_editor_fits_and_is_accessible(tab, server, width, theme):
    _, page = opened(tab, server, width=width, theme=theme)
    write(page, page.locator("#text").input_value().replace("concat %scaled", "concatt %scaled", 1))
    page.locator("#layer .error").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_strangers_are_refused(server):
    good = json.dumps({"text": (ROOT / "examples/c_pack.route").read_text(), "name": "x", "target": "host"}).encode()
    assert asked(server, "document", good) == 200
    root = server[: server.index("/", 8) + 1]
    assert asked(root, "document", good, origin=root.rstrip("/")) == 403
    assert asked(root, "") == 403
    assert asked(server, "document", good, host="evil.example") == 403
    assert asked(server, "document", good, origin="http://evil.example") == 403
    assert asked(server, "document", good, **{"content-type": "text/plain"}) == 415
    assert asked(server, "elsewhere", good) == 404
    assert asked(server, "document", b"not json") == 400


def test_what_is_too_large_is_refused(server):
    assert asked(server, "document", json.dumps({"text": "x" * (1 << 20), "name": "x", "target": "host"}).encode()) == 413


def test_only_the_loopback_is_bound(server):
    port = urlsplit(server).port
    listening = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    own = [row[1] for row in listening if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    assert own == [f"0100007F:{port:04X}"]
    others = pathlib.Path("/proc/net/tcp6")
    lines = others.read_text().splitlines()[1:] if others.exists() else []
    assert not any(int(line.split()[1].split(":")[1], 16) == port for line in lines)
