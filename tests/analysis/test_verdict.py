"""The verdict says no more than was proved, and where it was lost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_models import classifier

import boundnet
from boundnet.analysis.guarantee import DETERMINISTIC, Guarantee
from boundnet.analysis.verdict import overflow_text, verdict
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import float_format
from boundnet.arithmetic.presets import preset
from boundnet.results import Analysis, Layer, OutputBound, Sample
from boundnet.results.chance_info import ChanceInfo
from boundnet.results.digits import certain_digits

INF = float("inf")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return boundnet.analyze(classifier(tmp_path_factory.mktemp("m") / "m.h5"), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))


def again(
    analysis: Analysis, arithmetic: str | Arithmetic = "binary32", *, bound: float | None = None, layers: tuple[Layer, ...] | None = None,
    guarantee: Guarantee = DETERMINISTIC, **summary: float,
) -> str:  # fmt: skip
    """The verdict with other figures."""
    samples = analysis.samples
    if bound is not None:
        outputs = [replace(s.outputs[0], absolute_bound=np.full(s.outputs[0].value.shape, bound)) for s in samples]
        samples = tuple(replace(s, outputs=(o,)) for s, o in zip(samples, outputs, strict=True))
        summary["max_absolute_bound"] = bound
    figures = replace(analysis.summary, **summary)  # type: ignore[arg-type]
    rules = preset(arithmetic) if isinstance(arithmetic, str) else arithmetic
    return verdict(figures, layers or analysis.layers, samples, analysis.inputs, rules, guarantee)


def test_proved_only_if_all_are(analysis: Analysis) -> None:
    assert again(analysis).startswith("PROVED")
    assert again(analysis, proved=1).startswith("NOT PROVED: class proved for 1 of 2 inputs")
    assert again(analysis, proved=0, bound=INF).startswith("NO BOUND for 2 of 2 inputs")
    assert again(analysis, proved=0, bound=float("nan")).startswith("NO BOUND")
    assert again(analysis, proved=0, total=0).startswith("BOUNDED")


def test_proved_with_unbounded_outputs_says_so(analysis: Analysis) -> None:
    text = again(analysis, bound=INF, layers=(replace(analysis.layers[1], may_overflow=True, high=1e6),))
    assert text.startswith("PROVED")
    assert "but layer 'dense' may overflow (values up to 1000000)" in text


def test_names_where_error_outgrows_values(analysis: Analysis) -> None:
    lost = replace(analysis.layers[1], absolute_bound=5.0, low=-5.0, high=6.0)
    text = again(analysis, "bfloat16", bound=3.0, proved=0, layers=(analysis.layers[0], lost, analysis.layers[2]))
    assert "no digit of the outputs certain" in text
    assert "The bound says nothing from layer 'dense' on, where it outgrows the values." in text
    some = again(analysis, "bfloat16", bound=3.0, proved=1, layers=(analysis.layers[0], lost, analysis.layers[2]))
    assert "no digit of the outputs certain" in some
    assert "says nothing" not in some, "it kept the class of one input"


@pytest.mark.parametrize(
    ("arithmetic", "remedies"),
    [
        ("binary32", "a wider --format, a wider --accumulate or a known --order."),
        ("bfloat16", "a wider --format, a known --order or --stores all (if the program stores every tensor)."),
        ("c-binary32", "a wider --format or a wider --accumulate."),
        ("binary64", "a known --order."),
    ],
)
def test_remedies_are_those_left(analysis: Analysis, arithmetic: str, remedies: str) -> None:
    text = again(analysis, arithmetic, proved=0)
    assert f"To tighten: {remedies} What else can answer: --guarantee probabilistic (likely, with its probability)" in text
    assert text.endswith("and boundnet mca (what happens in sampled runs, without proof).")


def test_what_else_can_answer_depends_on_the_machine(analysis: Analysis) -> None:
    biased = boundnet.build("binary32", rounding="toward_zero")
    assert "probabilistic" not in again(analysis, biased, proved=0)
    assert "boundnet mca" in again(analysis, biased, proved=0)
    chance = Guarantee.of(ChanceInfo(8.0, "model", 1000, 2.6e-11, 0.0))
    likely = again(analysis, guarantee=chance, proved=0, likely=1)
    assert likely.startswith("NOT ALL LIKELY: rounding likely keeps the class for 1 of 2 inputs in binary32 (fails with ")
    assert "--guarantee" not in likely
    boxed = replace(analysis, inputs=replace(analysis.inputs, box=True))
    assert "What else" not in again(boxed, proved=0)


def test_likely_is_never_proved(analysis: Analysis) -> None:
    for model, words in (("model", "under a model of rounding errors"), ("theorem", "a theorem for stochastic rounding")):
        chance = Guarantee.of(ChanceInfo(8.0, model, 1000, 2.6e-11, 1e-12))
        text = again(analysis, guarantee=chance, proved=0, likely=2)
        assert text.startswith(
            "LIKELY: rounding in binary32 is unlikely to change the class of any of 2 inputs; fails with "
        )
        assert f"probability at most 2.8e-11, {words}; outputs within" in text
        assert "proved" not in text.lower()


def sample(value: float, bound: float) -> Sample:
    one, many = np.array([value, value / 7]), np.array([bound, 0.0])
    return Sample(0, (OutputBound("y", one, many, many, many, many),), None, None)


@pytest.mark.parametrize(
    ("value", "bound", "digits"),
    [(1.0, 0.5, 1), (1.0, 0.51, 0), (1.0, 0.05, 1), (1.0, 0.049, 2), (9.9, 0.049, 2), (0.99, 0.049, 1),
     (-123.4, 0.049, 4), (1.0, 0.0, None), (0.0, 1e-9, 0), (1.0, INF, 0), (float("nan"), 1.0, 0),
     (5e-324, 5e-324, 0), (1e308, 1e300, 8)],
)  # fmt: skip
def test_certain_digits(value: float, bound: float, digits: int | None) -> None:
    assert certain_digits([sample(value, bound)]) == digits


def test_digits_are_the_fewest_of_all() -> None:
    assert certain_digits([sample(1.0, 0.0), sample(1.0, 0.00049), sample(1.0, 0.000049)]) == 4


def test_written_result_keeps_its_verdict(analysis: Analysis, tmp_path: Path) -> None:
    assert again(analysis) == analysis.verdict


@pytest.mark.parametrize(
    ("largest", "low", "high", "said"),
    [
        (70000.0, -70000.0, 5.0, "layer 'd' overflows (values reach 70000, which takes 6 exponent bits)"),
        (60000.0, -60000.0, 66000.0, "layer 'd' may overflow (values up to 66000, which takes 6 exponent bits)"),
        (1e5, 0.0, 1e5, "layer 'd' overflows (values reach 100000, which takes 6 exponent bits)"),
        (1e12, 0.0, 1e12, "layer 'd' overflows (values reach 1e+12, which takes 7 exponent bits)"),
        (10.0, 0.0, 11.0, "layer 'd' may overflow (values up to 11)"),
        (10.0, -np.inf, np.inf, "layer 'd' may overflow"),
        (None, 0.0, 1e6, "layer 'd' may overflow (values up to 1000000, which takes 6 exponent bits)"),
    ],
)
def test_overflow_is_certain_or_possible(largest: float | None, low: float, high: float, said: str) -> None:
    layer = Layer("d", "Dense", (3,), np.inf, 0.0, True, 0.0, 0.0, low, high, largest_value=largest)
    assert overflow_text(layer, boundnet.build("binary16")) == said


@pytest.mark.parametrize(("value", "bits"), [(65504.0, 5), (65536.0, 6), (2.0**127, 8), (2.0**128, 9), (3.0, 2), (5.0, 3)])
def test_exponent_bits_hold_the_value(value: float, bits: int) -> None:
    """A format with e bits holds 2**(2**(e - 1)) (1 - u): checked against the formats themselves."""
    layer = Layer("d", "Dense", (3,), np.inf, 0.0, True, 0.0, 0.0, 0.0, value, largest_value=None)
    narrow = boundnet.build(storage="float(4,2)", accumulate="binary32")
    told = re.search(r"takes (\d+) exponent bits", overflow_text(layer, narrow))
    wide, less = float_format(24, bits), float_format(24, max(bits - 1, 2))
    assert wide.largest >= value
    assert bits == 2 or less.largest < value
    assert (told is None and value <= narrow.storage.largest) or (told is not None and int(told[1]) == bits)
