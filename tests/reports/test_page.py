"""The pieces of the page: axes, the layered picture, words that must not promise too much."""

from __future__ import annotations

import dataclasses
import math
import random
from decimal import Decimal

import networkx as nx
import numpy as np
import pytest
from helpers.tiny_models import classifier
from hypothesis import given
from hypothesis import strategies as st

import boundnet
from boundnet.results import Analysis, Decision, Layer, Node
from boundnet_reports import html_page, markdown
from boundnet_reports.page.axes import LinearAxis, LogAxis, linear_axis, log_axis
from boundnet_reports.page.condense import picture
from boundnet_reports.page.decisions import ratio, why_not
from boundnet_reports.page.headline import meaning, word
from boundnet_reports.page.layer_words import Limits, headroom
from boundnet_reports.page.layout import Layout, Size, arrange
from boundnet_reports.page.network import shorten

NAN, INF = float("nan"), float("inf")
SIZE = Size(100, 40, 20, 16, 800)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    model = classifier(tmp_path_factory.mktemp("model") / "m.h5")
    return boundnet.analyze(model, np.array([[1.0, 0.0, 0.0], [0.0, 0.3, 1.0]]))


@given(st.lists(st.floats(), max_size=8))
def test_log_axes_hold_their_numbers(values: list[float]) -> None:
    axis = log_axis(values, most=700)
    usable = [value for value in values if 0.0 < value < INF]
    assert (axis is None) == (not usable)
    if axis is not None:
        positions = [axis.at(value) for value in sorted(usable)]
        assert positions == sorted(positions)
        for value in usable:
            assert Decimal(10) ** axis.low <= Decimal(value) * (1 + Decimal("1e-12"))
            assert Decimal(value) * (1 - Decimal("1e-12")) <= Decimal(10) ** axis.high
        assert all(0.0 <= at <= 1.0 for at, _ in axis.ticks())


@given(st.lists(st.floats(), max_size=8))
def test_linear_axes_hold_their_numbers(values: list[float]) -> None:
    axis = linear_axis(values)
    if axis is not None:
        assert all(axis.low <= value <= axis.high for value in values if math.isfinite(value))
        assert all(0.0 <= at <= 1.0 for at, _ in axis.ticks())


def test_ticks_are_round_numbers() -> None:
    assert [text for _, text in LinearAxis(-0.31, 1.02).ticks()] == ["0", "0.5", "1"]
    assert [text for _, text in LogAxis(-3, 1).ticks()] == ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]


def random_graph(count: int, seed: int) -> nx.DiGraph[str]:
    """A chain with branches and skips, as networks have them."""
    draw = random.Random(seed)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(f"n{n}" for n in range(count))
    for n in range(1, count):
        for _ in range(draw.choice((1, 1, 1, 2))):
            graph.add_edge(f"n{max(0, n - draw.choice((1, 1, 1, 2, 3, 7)))}", f"n{n}")
    return graph


def overlaps(layout: Layout, size: Size) -> list[tuple[str, str]]:
    found = []
    spots = sorted(layout.boxes.items(), key=lambda item: item[1])
    for at, (a, (x, y)) in enumerate(spots):
        for b, (left, top) in spots[at + 1 :]:
            if left < x + size.width and abs(top - y) < size.height:
                found.append((a, b))
    return found


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (2, 0), (5, 1), (30, 2), (90, 3), (400, 4)])
def test_boxes_stay_apart_and_inside(count: int, seed: int) -> None:
    graph = random_graph(count, seed)
    layout = arrange(graph, SIZE)
    assert set(layout.boxes) == set(graph)
    assert set(layout.edges) == set(graph.edges)
    assert overlaps(layout, SIZE) == []
    for x, y in layout.boxes.values():
        assert 0 <= x <= layout.width - SIZE.width
        assert 0 <= y <= layout.height - SIZE.height
    assert layout.width <= SIZE.wrap
    for edge, strokes in layout.edges.items():
        start, end = (layout.boxes[name] for name in edge)
        assert strokes[0][0] == (start[0] + SIZE.width, pytest.approx(start[1] + SIZE.height / 2))
        assert strokes[-1][-1] == (end[0], pytest.approx(end[1] + SIZE.height / 2))
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for stroke in strokes for x, y in stroke)


def test_arrows_lead_onwards() -> None:
    graph = random_graph(40, 5)
    layout = arrange(graph, SIZE)
    for a, b in graph.edges:
        (x, y), (right, below) = layout.boxes[a], layout.boxes[b]
        assert right > x or below > y


def node(name: str, layer: str, *inputs: str) -> Node:
    return Node(name, "Dense", "dense", layer, inputs, (3,))


def with_nodes(analysis: Analysis, *nodes: Node) -> Analysis:
    names = list(dict.fromkeys(n.layer for n in nodes))
    layers = tuple(
        dataclasses.replace(analysis.layers[0], name=name, nodes=tuple(n.name for n in nodes if n.layer == name))
        for name in names
    )
    return dataclasses.replace(analysis, nodes=nodes, layers=layers)


def test_nested_models_fold(analysis: Analysis) -> None:
    drawn = picture(
        with_nodes(analysis, node("i", "in"), node("a", "inner/a", "i"), node("b", "inner/b", "a"), node("o", "out", "b"))
    )
    assert drawn is not None
    assert [box.label for box in drawn.boxes.values()] == ["in", "inner", "out"]
    (inner,) = drawn.folded.values()
    assert [box.label for box in inner.boxes.values()] == ["a", "b"]


def test_a_layer_used_twice_is_drawn_twice(analysis: Analysis) -> None:
    drawn = picture(with_nodes(analysis, node("a", "shared"), node("b", "between", "a"), node("c", "shared", "b")))
    assert drawn is not None
    assert [box.label for box in drawn.boxes.values()] == ["shared", "between", "shared (2)"]
    assert nx.is_directed_acyclic_graph(drawn.graph)


def test_interleaved_layers_are_drawn_by_operation(analysis: Analysis) -> None:
    """p is read by q's operation and by p's own next one, which q's reads too: as boxes p and q would lead to each other."""
    nodes = node("p1", "p"), node("q1", "q", "p1"), node("p2", "p", "p1", "q1")
    drawn = picture(with_nodes(analysis, *nodes))
    assert drawn is not None
    assert nx.is_directed_acyclic_graph(drawn.graph)
    assert len(drawn.boxes) == 3


def test_no_network_no_picture(analysis: Analysis) -> None:
    old = dataclasses.replace(analysis, nodes=(), schema_version="1.0")
    assert picture(old) is None
    assert "This result holds no network to draw" in html_page.render(old)


@pytest.mark.parametrize(
    ("margin", "bound", "expected"),
    [(1.0, 0.5, 0.5), (1.0, INF, INF), (0.0, 0.5, INF), (-1.0, 0.0, INF), (1.0, 0.0, 0.0), (NAN, 1.0, NAN), (1.0, NAN, NAN),
     (INF, 1.0, NAN)],
)  # fmt: skip
def test_ratio(margin: float, bound: float, expected: float) -> None:
    found = ratio(Decision(0, 1, margin, bound, False))
    assert found == expected or found == pytest.approx(expected, nan_ok=True)
    assert not found < expected


def test_reasons(analysis: Analysis) -> None:
    assert "no finite values" in why_not(Decision(0, 1, NAN, 1.0, False), analysis)
    assert "no finite bound" in why_not(Decision(0, 1, 1.0, INF, False), analysis)
    assert "does not separate" in why_not(Decision(0, 1, 0.0, 1.0, False), analysis)
    assert "3 times the margin" in why_not(Decision(0, 1, 1.0, 2.91, False), analysis)
    assert "casting" in why_not(Decision(0, 1, 1.0, 0.99, False), analysis)


def layer(low: float, high: float, overflow: bool = False) -> Layer:
    return Layer("l", "Dense", (1,), 0.1, 0.5, overflow, 0.5, 0.0, low, high)


@pytest.mark.parametrize(
    ("low", "high", "overflow", "words"),
    [(-1.0, 2.0, False, "32000 times"), (0.0, 65504.0, False, "0.99 times"), (0.0, 1.0, True, "may overflow"),
     (-INF, 1.0, False, "none is proved"), (NAN, 1.0, False, "none is proved"), (0.0, 0.0, False, "all values are 0"),
     (0.0, 5e-324, False, "more than 1e308 times")],
)  # fmt: skip
def test_headroom_is_never_promised(low: float, high: float, overflow: bool, words: str) -> None:
    assert headroom(layer(low, high, overflow), Limits("binary16", 65504.0, 2.0**-14, 2.0**-24)) == words


def test_guarantees_keep_their_words(analysis: Analysis) -> None:
    assert word(analysis) == "proved"
    sketch = dataclasses.replace(analysis, guarantee="sketch", failure_probability=1e-10)
    for text in (html_page.render(sketch), markdown.render(sketch)):
        assert "except with probability at most 1e-10" in text
    assert "except with probability" not in html_page.render(analysis)
    assert meaning("sketch", 1e-9).startswith("a theorem that fails with probability at most 1e-09")
    for guarantee, called in (("probabilistic", "likely"), ("empirical", "not seen to change"), ("other", "claimed")):
        other = dataclasses.replace(analysis, guarantee=guarantee)
        assert word(other) == called
        page = html_page.render(dataclasses.replace(other, verdict="LIKELY: x"))
        for never in ("decisions proved", ", proved", "✓"):
            assert never not in page
        assert "✅" not in markdown.render(other)


@given(st.text(max_size=60), st.floats(4, 20))
def test_short_names(text: str, room: float) -> None:
    short = shorten(text, room)
    assert short == text or ("…" in short and len(short) < len(text))
    assert len(short) <= max(3, room / 0.35)


def test_names_that_fit_are_whole() -> None:
    assert shorten("conv_dw_1_relu", 10) == "conv_dw_1_relu"
    assert shorten("batch_normalization_12", 9).startswith("batch")
    assert shorten("batch_normalization_12", 9).endswith("_12")


@given(st.text(alphabet="a|`*_[]()<>@#\\&:/w.\n", max_size=30))
def test_markdown_is_inert(text: str) -> None:
    shown = markdown.escape(text)
    assert not set(shown.replace("&#", "")) & set("|`*_[]<>@#\\\n")
    assert "://" not in shown
    assert "www." not in shown
