"""What pages look like, roughly: letters may differ from machine to machine, the layout may not.

Both pictures are made small until letters are grey, and compared in squares. `scripts/test-pages --screenshots` writes what is
compared with, and the pictures of the documents.
"""

from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image, ImageChops, ImageFilter, ImageStat

KEPT = Path(__file__).parent / "screenshots"

# A picture's width after it was made small, and by how many of 255 a square, and all of it, may differ.
WIDTH, SQUARE, ALL = 80, 40, 6


def small(picture):
    picture = picture.convert("RGB")
    height = round(picture.height * WIDTH / picture.width)
    return picture.resize((WIDTH, height), Image.Resampling.BOX).filter(ImageFilter.BoxBlur(1))


def differences(a, b):
    """The largest difference of any square, and the mean."""
    grey = ImageChops.difference(a, b).convert("L")
    return grey.getextrema()[1], ImageStat.Stat(grey).mean[0]


def shown(tab, file, width, theme):
    page = tab(width=width, theme=theme, height=800 if width > 500 else 1600).open(file)
    page.locator("#values").select_option(label="%masked")
    page.wait_for_timeout(150)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_pages_look_as_they_did(reports, tab, tmp_path, request, name, width, theme):
    file = tmp_path / "now.png"
    page = shown(tab, reports[name], width, theme)
    page.screenshot(path=file)
    looks_as_kept(file, f"{name}-{width}-{theme}", request)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["e_post_chain", "deepseek-v3-post"])
def test_whole_pages_look_as_they_did(reports, tab, tmp_path, request, name, width, theme):
    """From the header to the footer. What differs from run to run is hidden: how long compiles took, where they ran, and which part
    of a drawing is in sight after the window was made as high as the page."""
    file = tmp_path / "now.png"
    page = shown(tab, reports[name], width, theme)
    page.evaluate(STEADY)
    page.evaluate(NO_DRAWINGS)
    page.screenshot(path=file, full_page=True)
    looks_as_kept(file, f"{name}-{width}-{theme}-whole", request, all_of_it=True)


def test_paper_looks_as_it_did(reports, tab, tmp_path, request):
    file = tmp_path / "now.png"
    page = shown(tab, reports["e_post_chain"], 760, "light")
    page.emulate_media(media="print")
    page.wait_for_timeout(150)
    page.evaluate(STEADY)
    page.screenshot(path=file, full_page=True)
    # Drawings are on it, whichever part of them is in sight: no squares.
    looks_as_kept(file, "e_post_chain-paper", request, all_of_it=True, squares=False)


# Times of compiles and keys, and the command with its folder.
STEADY = """document.querySelectorAll('#numbers article:nth-of-type(n + 3), footer').forEach(part => { part.style.visibility = 'hidden'; })"""
# Drawings are in the pictures of a page's beginning.
NO_DRAWINGS = """document.querySelectorAll('.view .frame').forEach(part => { part.style.visibility = 'hidden'; })"""


def looks_as_kept(file, name, request, all_of_it=False, squares=True):
    now, kept = small(Image.open(file)), KEPT / f"{name}.png"
    if request.config.getoption("--screenshots"):
        KEPT.mkdir(exist_ok=True)
        now.save(kept, optimize=True)
    before = Image.open(kept).convert("RGB")
    assert now.width == before.width
    # Text of another length makes a whole page a little higher or lower: what both have is compared.
    assert abs(now.height - before.height) <= (before.height // 20 if all_of_it else 0), (now.size, before.size)
    both = (0, 0, now.width, min(now.height, before.height))
    worst, mean = differences(now.crop(both), before.crop(both))
    # Behind a line more, every square is another.
    squares = squares and now.height == before.height
    assert (worst <= SQUARE or not squares) and mean <= ALL, f"{name}: a square differs by {worst}, all by {mean:.1f}"


def test_a_broken_layout_is_seen(reports, tab, tmp_path):
    """The comparison itself: without its style sheet a page fails it."""
    file = tmp_path / "now.png"
    page = shown(tab, reports["e_post_chain"], 1280, "light")
    page.evaluate("document.querySelector('.views').style.display = 'block'")
    page.screenshot(path=file)
    worst, mean = differences(small(Image.open(file)), Image.open(KEPT / "e_post_chain-1280-light.png").convert("RGB"))
    assert worst > SQUARE or mean > ALL


# Pictures of the documents, and the report of which each is one.
PICTURES = {
    "remap": "a_remap_static", "append": "b_append_shared", "pack": "c_pack", "head-gate": "d_head_gate", "post-chain": "e_post_chain",
    "deepseek-v3-post": "deepseek-v3-post",
}


def test_pictures_of_the_documents_are_written(reports, tab, request):
    """And each is small enough for a repository."""
    folder = ROOT / "docs/pictures"
    for picture, name in PICTURES.items():
        file = folder / f"{picture}.png"
        if request.config.getoption("--screenshots"):
            folder.mkdir(exist_ok=True)
            page = tab().open(reports[name])
            values = page.locator("#values option").all_text_contents()
            page.locator("#values").select_option(label=next((v for v in ["%masked", "%physical"] if v in values), values[-1]))
            page.wait_for_timeout(150)
            page.screenshot(path=file)
            Image.open(file).convert("RGB").quantize(200, dither=Image.Dither.NONE).save(file, optimize=True)
        assert 0 < file.stat().st_size <= 150_000
