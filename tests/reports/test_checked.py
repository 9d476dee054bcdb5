"""Reports of cross-checks and sampling: violations first, and nothing claimed that was not compared."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.checked import NAN, check, compared, cross_check, sampled, violation
from helpers.tiny_models import classifier
from rich.console import Console
from test_reports import HOSTILE, Tags

import boundnet
from boundnet.cli.report import read
from boundnet.results import Analysis
from boundnet_reports import console, html_page, markdown
from boundnet_reports.page.crosscheck import observed, tone


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    model = classifier(tmp_path_factory.mktemp("model") / "m.h5")
    return boundnet.analyze(model, np.array([[1.0, 0.0, 0.0], [0.0, 0.3, 1.0]]))


def texts(result: Any) -> dict[str, str]:
    stream = io.StringIO()
    console.report(result, Console(file=stream, width=200))
    page = html_page.render(result)
    Tags(page)
    return {"console": stream.getvalue(), "html": page, "markdown": markdown.render(result)}


def test_violations_come_first(analysis: Analysis) -> None:
    found = texts(cross_check(analysis, violation("dense"), violation("dense_1")))
    for text in found.values():
        at = text.find("sample 3") if "sample 3" in text else text.find("1.25")
        assert 0 < at < text.find("keras float32")
        assert "VIOLATED" in text
    page = Tags(found["html"])
    assert ("tr", {"class": "bad"}) in page.seen
    assert "boundnet crosscheck m.h5 --seed 3" in page.text
    assert "✗ VIOLATED" in page.text


def test_violations_precede_proofs_on_one_page(analysis: Analysis) -> None:
    page = html_page.render([analysis, cross_check(analysis, violation("dense"))])
    assert page.index("Cross-check of m.h5") < page.index("Bounds for m.h5")


def test_nothing_compared_is_not_good(analysis: Analysis) -> None:
    nothing = dataclasses.replace(cross_check(analysis), checks=())
    assert tone(nothing) == "likely"
    page = texts(nothing)["html"]
    assert "No execution was compared: this says nothing." in page
    assert "✓" not in page
    empty = compared("dense", "Dense", 1.0, 0.0, compared=0)
    unknown = dataclasses.replace(check(analysis, "t"), layers=(empty,), outputs=())
    assert tone(dataclasses.replace(nothing, checks=(unknown,))) == "likely"


def test_observed_errors_stand_beside_bounds(analysis: Analysis) -> None:
    seen = observed(analysis, [cross_check(analysis)])
    assert [one.label for one in seen] == ["seen: keras float32, eager", "seen: builtin rr(24)"]
    text = Tags(html_page.render([analysis, cross_check(analysis)])).text
    assert "seen: builtin rr(24)" in text
    other = dataclasses.replace(analysis, arithmetic={**analysis.arithmetic, "order": "sequential"})
    assert observed(other, [cross_check(analysis)])[0].label.endswith("(in binary32)")
    elsewhere = dataclasses.replace(analysis, model=dataclasses.replace(analysis.model, sha256="0" * 64))
    assert observed(elsewhere, [cross_check(analysis)]) == []


def test_samples_inside_the_bound(analysis: Analysis) -> None:
    inside = Tags(html_page.render([analysis, sampled(analysis)])).text
    assert "Distance / bound of 120 values: 0 outside." in inside
    outside = html_page.render([analysis, sampled(analysis, inside=False)])
    assert "Distance / bound of 120 values: 4 outside." in outside
    assert "OUTSIDE THE BOUND" in outside
    assert "Distance / bound of 60 values: 2 outside." in outside  # each of the two values apart


@pytest.mark.parametrize("change", ["arithmetic", "inputs", "alone"])
def test_bounds_for_something_else_are_not_used(analysis: Analysis, change: str) -> None:
    other = {
        "arithmetic": dataclasses.replace(analysis, arithmetic={**analysis.arithmetic, "order": "sequential"}),
        "inputs": dataclasses.replace(analysis, inputs=dataclasses.replace(analysis.inputs, source="others")),
    }.get(change)
    page = html_page.render([result for result in (other, sampled(analysis)) if result is not None])
    assert "No bound for this arithmetic and these inputs was given." in page
    assert "Distance / bound" not in page


def test_samples_are_never_called_proved(analysis: Analysis) -> None:
    for name, text in texts(sampled(analysis, changed=0.0)).items():
        assert "empirical" in text, name
        assert "PROVED" not in text
    assert "says nothing about other runs" in html_page.render(sampled(analysis, changed=0.0))


def test_odd_numbers(analysis: Analysis) -> None:
    odd = compared("dense", "Dense", float("inf"), float("inf"), ratio=None, tightest=None, unbounded=7, low=NAN, high=NAN,
                   non_finite=3)  # fmt: skip
    result = cross_check(analysis)
    result = dataclasses.replace(result, checks=(dataclasses.replace(result.checks[0], layers=(odd,), outputs=(odd,)),))
    for text in texts(result).values():
        assert "3 values not finite" in text
    samples = sampled(analysis)
    strange = dataclasses.replace(
        samples.outputs[0], mean=samples.outputs[0].mean * NAN, samples=np.full((30, 2), NAN), digits={}
    )
    texts(dataclasses.replace(samples, outputs=(strange,), stability=(), layers=()))


def test_hostile_names_stay_text(analysis: Analysis) -> None:
    result = cross_check(analysis, violation(HOSTILE, HOSTILE))
    page = Tags(html_page.render(result))
    assert "alert" not in page.scripts
    assert HOSTILE in page.text
    text = markdown.render(result)
    assert "<script" not in text


def test_saved_ones_are_read_back(analysis: Analysis, tmp_path: Path) -> None:
    for n, result in enumerate((analysis, cross_check(analysis, violation("dense")), sampled(analysis))):
        path = tmp_path / f"{n}.json"
        path.write_text(result.to_json())
        assert html_page.render(read(path)) == html_page.render(result)
