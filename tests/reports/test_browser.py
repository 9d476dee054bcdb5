"""The page in a real browser: it asks for nothing, draws everything, and can be used by mouse, keyboard and paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import Browser, start
from helpers.checked import cross_check, sampled, violation
from helpers.tiny_models import dense, write_model
from test_golden import nothing, odd
from test_reports import HOSTILE

import boundnet
from boundnet.results import Analysis, Decision, Layer, LogitBound, Node, OutputBound, Sample
from boundnet_reports import html_page

pytestmark = pytest.mark.xdist_group("browser")
MEGABYTE = 1e6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver = start()
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Four layers, one of a hostile name; 12 samples, some not proved."""
    rng = np.random.default_rng(1)
    sizes = [4, 6, 5, 3]
    names = ["first", HOSTILE.replace("/", "|"), "last"]
    layers = [
        dense(name, rng.normal(size=(a, b)), rng.normal(size=b), "softmax" if name == "last" else "relu")
        for name, a, b in zip(names, sizes, sizes[1:], strict=False)
    ]
    path = write_model(tmp_path_factory.mktemp("m") / "m.h5", *layers, shape=[4])
    return boundnet.analyze(path, rng.normal(size=(12, 4)), "bfloat16")


@pytest.fixture(scope="module")
def pages(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    other = dataclasses.replace(analysis, arithmetic={**analysis.arithmetic, "order": "sequential"})
    results = {
        "one": analysis,
        "compared": [analysis, other],
        "violated": cross_check(analysis, violation("first"), violation(HOSTILE, HOSTILE)),
        "all": [analysis, cross_check(analysis), sampled(analysis)],
        "odd": odd(),
        "nothing": nothing(),
        "large": mobilenet_like(analysis),
    }
    for name, result in results.items():
        html_page.report(result, folder / f"{name}.html")  # type: ignore[arg-type]
    return {name: folder / f"{name}.html" for name in results}


def mobilenet_like(analysis: Analysis) -> Analysis:
    """90 layers with a few branches, 1000 classes, 100 samples."""
    rng = np.random.default_rng(2)
    names = [f"conv_dw_{n}_bn" for n in range(90)]
    before = [[names[n - 1], *([names[n - 6]] if n % 9 == 8 else [])] if n else [] for n in range(90)]
    nodes = tuple(
        Node(name, "Convolution", "conv", name, tuple(b), (7, 7, 64)) for name, b in zip(names, before, strict=True)
    )
    layers = tuple(
        Layer(
            name,
            "DepthwiseConv2D",
            (7, 7, 64),
            1e-7 * 1.2**n,
            1 / 90,
            False,
            1 / 90,
            0.0,
            -3.0,
            6.0,
            (name,),
            6.0,
            1.0,
            1e-6,
            0.0,
        )
        for n, name in enumerate(names)
    )
    samples = []
    for index in range(100):
        value, bound = rng.normal(size=1000), rng.uniform(0.1, 0.2, 1000)
        output = OutputBound("probabilities", value, bound, bound, bound * 0, bound)
        first, second = np.argsort(-value)[:2]
        margin = float(value[first] - value[second])
        decision = Decision(int(first), int(second), margin, 0.3, margin > 0.3, True)
        samples.append(Sample(index, (output,), LogitBound(value, bound), decision))
    return dataclasses.replace(analysis, nodes=nodes, layers=layers, samples=tuple(samples))


PAGES = ["one", "compared", "violated", "all", "odd", "nothing", "large"]


@pytest.mark.parametrize("name", PAGES)
def test_quiet_offline_and_inside_the_window(browser: Browser, pages: dict[str, Path], name: str) -> None:
    for width, dark in ((1280, False), (400, True)):
        browser.open(pages[name], width=width, dark=dark)
        assert browser.complaints() == []
        assert browser.requests() == [pages[name].as_uri()]
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("[...document.querySelectorAll('.verdict')].every(e => e.offsetHeight > 30)")


def test_picture_and_plots_are_drawn(browser: Browser, pages: dict[str, Path], analysis: Analysis) -> None:
    browser.open(pages["one"])
    boxes = "[...document.querySelectorAll('.wide .box')].map(e => e.getBoundingClientRect().width)"
    assert len(browser.ask(boxes)) == len(analysis.layers)
    assert min(browser.ask(boxes)) > 50
    assert browser.ask("document.querySelectorAll('.wide .edges path').length") >= len(analysis.layers) - 1
    for selector in ("polyline.bound", "polygon.values", ".bars .track span", "rect.good, rect.bad", ".panel .exact"):
        size = browser.ask("(e => e && e.getBoundingClientRect().width + e.getBoundingClientRect().height)"
                           "(document.querySelector(arguments[0]))", selector)  # fmt: skip
        assert size, selector
    assert browser.ask("getComputedStyle(document.querySelector('.narrow')).display") == "none"


def test_sorting_by_mouse_and_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    heading = "[...document.querySelectorAll('.samples th')].find(e => e.textContent == 'margin')"
    column = f"[...{heading}.parentNode.children].indexOf({heading})"
    values = f"[...document.querySelectorAll('.samples tbody tr')].map(r => Number(r.cells[{column}].dataset.k))"
    browser.driver.execute_script(f"{heading}.querySelector('[role=button]').click()")
    assert browser.ask(values) == sorted(browser.ask(values))
    assert browser.ask(f"{heading}.getAttribute('aria-sort')") == "ascending"
    browser.driver.execute_script(f"{heading}.querySelector('[role=button]').focus()")
    browser.key("Enter")
    assert browser.ask(values) == sorted(browser.ask(values), reverse=True)
    assert browser.ask(f"{heading}.getAttribute('aria-sort')") == "descending"


def test_filter(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["large"])
    browser.driver.execute_script(
        "const i = document.querySelector('#layers input'); i.value = 'DW_12_'; i.dispatchEvent(new Event('input'))"
    )
    shown = browser.ask("[...document.querySelectorAll('.layers tbody tr')].filter(r => r.offsetHeight).map(r => r.id)")
    assert shown == ["layer-12"]


def test_hover_focus_and_following_a_box(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    browser.hover(".wide .box", 1)
    tip = "(t => t.hidden ? '' : t.textContent)(document.querySelector('#tip'))"
    assert "error bound: " in browser.ask(tip)
    assert "first" in browser.ask(tip)
    browser.hover("h1")
    assert browser.ask(tip) == ""
    browser.hover(".hit", 2)
    assert "range in every execution" in browser.ask(tip)
    browser.driver.execute_script("document.querySelector('.wide .box').focus()")
    browser.key("ArrowRight")
    assert "first" in browser.ask(tip)
    browser.key("Escape")
    assert browser.ask(tip) == ""
    browser.key("Enter")
    assert browser.ask("location.hash") == "#layer-1"
    row = "document.querySelector('#layer-1')"
    assert browser.ask(f"{row}.querySelector('details').open")
    assert browser.ask(f"(r => r.top >= 0 && r.bottom <= innerHeight)({row}.getBoundingClientRect())")


def test_one_stop_of_the_tab_key_for_the_picture(browser: Browser, pages: dict[str, Path]) -> None:
    found = 0
    for _ in range(3):  # the switch that allows scripts again after a page without may come after the page
        browser.open(pages["large"])
        found = browser.ask("document.querySelectorAll('.wide .box[tabindex=\"0\"]').length")
        if found:
            break
    assert found == 1


def test_hostile_names_stay_text(browser: Browser, pages: dict[str, Path]) -> None:
    for name in ("one", "violated", "all"):
        browser.open(pages[name])
        assert browser.ask("document.querySelectorAll('script').length") == 1
        assert "<script>alert(1)" in browser.ask("document.body.textContent")
        assert browser.complaints() == []


def test_choosing_a_sample(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    shown = "[...document.querySelectorAll('.panel')].filter(p => p.offsetHeight).map(p => p.querySelector('b').textContent)"
    first = browser.ask(shown)
    assert len(first) == 1
    browser.driver.execute_script(
        "const s = document.querySelector('select'); s.selectedIndex = 3; s.dispatchEvent(new Event('change'))"
    )
    assert browser.ask(shown) == [browser.ask("document.querySelector('select').selectedOptions[0].textContent")] != first


def test_without_scripts(browser: Browser, pages: dict[str, Path]) -> None:
    """The verdict, tables and drawings stay; CDP looks, because the page can't."""
    for name in ("one", "violated"):
        browser.open(pages[name], scripts=False)
        for selector in (".verdict .state", "table tbody tr", ".plot svg", ".tile"):
            assert browser.height(selector) > 5, selector


@pytest.mark.parametrize("name", ["one", "compared", "violated", "all", "large"])
def test_no_table_is_cut_on_paper(browser: Browser, pages: dict[str, Path], name: str) -> None:
    width = 688  # A4 less its margins
    browser.open(pages[name], width=width, media="print")
    browser.driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    cut = browser.ask(
        "[...document.querySelectorAll('table')].filter(t => t.offsetHeight && (t.getBoundingClientRect().right > innerWidth + 1"
        " || t.closest('.scroll').scrollHeight > t.closest('.scroll').clientHeight + 2)).map(t => t.textContent.slice(0, 40))"
    )
    assert cut == []
    assert browser.ask("document.querySelector('thead button')") is None  # Chromium would not repeat such a heading
    for selector in (".filter", "#tip", "nav"):
        assert browser.ask("[...document.querySelectorAll(arguments[0])].every(e => e.offsetHeight == 0)", selector)
    assert len(browser.tell("Page.printToPDF", preferCSSPageSize=True)["data"]) > 10_000


def test_large_results_open_fast_and_stay_small(browser: Browser, pages: dict[str, Path]) -> None:
    assert pages["large"].stat().st_size < 6 * MEGABYTE
    assert (pages["large"].parent / "large.data.csv").is_file()
    times = []
    for _ in range(3):
        browser.open(pages["large"])
        times.append(browser.ask("performance.timing.loadEventEnd - performance.timing.navigationStart"))
    assert min(times) < 2000
