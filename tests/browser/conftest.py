"""A browser, the reports of all graphs, and a server of `routefuse explore`, each once for all tests."""

import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ROUTEFUSE = os.environ.get("ROUTEFUSE", str(ROOT / "target/debug/routefuse"))
CHROMIUM = os.environ.get("ROUTEFUSE_CHROMIUM", "/usr/bin/chromium")

# Chromium asks its maker for updates and the like unless it is told not to.
ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none", "--hide-scrollbars",
]

# As root Chromium has no sandbox; as anybody else it shall have one.
if hasattr(os, "geteuid") and os.geteuid() == 0:
    ARGUMENTS.append("--no-sandbox")

# Machine code of a GPU, which has several variants and marks; the others are for the host, which compiles fastest.
FOR_GPU = {"e_post_chain": "sm_90", "deepseek-v3-post": "sm_90", "c_pack": "gfx942"}


def routefuse(*arguments):
    """What the program prints."""
    done = subprocess.run([ROUTEFUSE, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, f"routefuse {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="write what screenshots are compared with")


def graphs():
    """Every example and every preset: a name, and the arguments that mean it."""
    files = sorted((ROOT / "examples").glob("*.route"))
    found = {f.stem: [str(f.relative_to(ROOT))] for f in files}
    found |= {m["name"]: ["--model", m["name"]] for m in json.loads(routefuse("models", "--json"))}
    found["deepseek-v3-post"] = ["examples/models/deepseek-v3-post.route"]
    return found


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """The report of each graph, as a file."""
    folder = tmp_path_factory.mktemp("reports")

    def write(item):
        name, arguments = item
        out = folder / f"{name}.html"
        routefuse("report", *arguments, "--target", FOR_GPU.get(name, "host"), "-o", str(out))
        return name, out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(write, graphs().items()))


LONG = 3000


@pytest.fixture(scope="session")
def long_report(tmp_path_factory):
    """The report of a graph of 3,000 operations: too much for a page, so that something is left out."""
    folder = tmp_path_factory.mktemp("long")
    ops = ["add", "mul", "xor", "min"]
    lines = [f"  %v{i} = {ops[i % 4]} %{f'v{i - 1}' if i else 'x'}, %{f'v{i - 7}' if i > 7 else 'x'} : i32[T, 8]" for i in range(LONG)]
    source = folder / "long.route"
    text = ["route 1", "graph @long {", "  dim T", "  input %x : i32[T, 8]", *lines, f"  output out = %v{LONG - 1} : i32[T, 8]", "}", ""]
    source.write_text("\n".join(text))
    out = folder / "long.html"
    routefuse("report", str(source), "--dim", "T=4", "-o", str(out))
    return out


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


def until(page, expression, seconds=60):
    """Waits. The driver's own way evaluates text inside the page, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)


def read_line(stream, seconds=60):
    """A line of a program's output, in time: a program that says nothing must not hold up all tests."""
    found = queue.Queue()
    threading.Thread(target=lambda: found.put(stream.readline()), daemon=True).start()
    try:
        return found.get(timeout=seconds)
    except queue.Empty:
        raise AssertionError(f"nothing was said in {seconds} seconds") from None


class Tab:
    """A page with all that it said and asked for."""

    def __init__(self, page):
        self.page = page
        self.opened = None
        self.said, self.asked, self.answered = [], [], []
        page.on("console", lambda m: self.said.append(m.text))
        page.on("pageerror", lambda e: self.said.append(str(e)))
        page.on("request", lambda r: self.asked.append(r.url))
        page.on("requestfinished", lambda r: self.answered.append(r.url))

    def open(self, address):
        self.opened = address if isinstance(address, str) else address.as_uri()
        self.page.goto(self.opened)
        return self.page

    def is_quiet(self, own):
        """It said nothing, and asked for nothing but its own address and the empty icon."""
        assert self.said == []
        assert [a for a in self.asked if a != own and not a.startswith(("data:", own + "#"))] == []


@pytest.fixture
def tab(browser):
    """Makes tabs: `tab(width=390, theme="dark")`. What was opened by `open` is quiet to the end of the test, if it is a file."""
    contexts, tabs = [], []

    def make(width=1280, theme="light", height=800, scale=1):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", device_scale_factor=scale
        )
        context.set_default_timeout(15000)
        contexts.append(context)
        tabs.append(Tab(context.new_page()))
        return tabs[-1]

    yield make
    # After all that the test did with it, too.
    for made in tabs:
        if made.opened and made.opened.startswith("file:"):
            made.is_quiet(made.opened)
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def server():
    """The address of a server of `routefuse explore`; it ends by Ctrl-C."""
    child = subprocess.Popen([ROUTEFUSE, "explore", "--no-browser"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        address = read_line(child.stdout).strip()
    except AssertionError:
        child.kill()
        raise
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{32}/", address)
    yield address
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 0
