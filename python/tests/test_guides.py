"""What the documents show in Python runs: the blocks of a page are one program, in order.

A block of `python,torch` needs torch, and the page's blocks behind it run without it where there is none. One of `python,ignore` is
not run.
"""

from __future__ import annotations

import importlib.util
import pathlib
import re

import pytest
import routefuse

pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")

ROOT = pathlib.Path(__file__).parents[2]
BLOCK = re.compile(r"^```python(?P<kind>[,a-z]*)\n(?P<text>.*?)^```$", re.S | re.M)
PAGES = [p for p in sorted((ROOT / "docs").rglob("*.md")) if BLOCK.search(p.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=[p.stem for p in PAGES])
def test_page(page, tmp_path, monkeypatch):
    pytest.importorskip("numpy")
    has_torch = importlib.util.find_spec("torch") is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUTEFUSE_CACHE_DIR", str(tmp_path / "cache"))
    source = page.read_text(encoding="utf-8")
    names = {"__name__": "page"}
    ran = 0
    for block in BLOCK.finditer(source):
        if block["kind"] == ",ignore" or (block["kind"] == ",torch" and not has_torch):
            continue
        assert block["kind"] in ("", ",torch"), f"{page.name}: python{block['kind']}"
        # The line numbers of an error, and of what `capture` reads of a source, are the page's.
        before = source[: block.start("text")].count("\n")
        path = tmp_path / f"{page.stem}_{before}.py"
        path.write_text("\n" * before + block["text"], encoding="utf-8")
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
        ran += 1
    assert ran
