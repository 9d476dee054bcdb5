"""What people see of one result, kept in files: a change shows in review.

``BOUNDNET_UPDATE_GOLDEN=1 pytest tests/reports/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.checked import cross_check, violation
from rich.console import Console

from boundnet.analysis.guarantee import DETERMINISTIC, Guarantee
from boundnet.analysis.verdict import verdict
from boundnet.arithmetic.presets import preset
from boundnet.results import Analysis, Decision
from boundnet.results.chance_info import ChanceInfo
from boundnet.results.io import from_json
from boundnet_reports import console, html_page, markdown
from boundnet_reports.page.views import Result

FOLDER = Path(__file__).parent / "golden"
NAN, INF = float("nan"), float("inf")


def plain() -> Analysis:
    """As schema 1.1 stores it, with one decision that is not proved."""
    return from_json((FOLDER / "analysis-1.1.json").read_text())


def odd() -> Analysis:
    """Everything that can be missing or not finite: NaN and infinity, two outputs, one of one class, no decision in one."""
    analysis = plain()
    first = analysis.samples[0].outputs[0]
    lost = replace(first, value=np.full(2, NAN), absolute_bound=np.full(2, INF), relative_bound=np.full(2, NAN))
    one = {
        part: np.full(1, 1.5)
        for part in ("value", "absolute_bound", "relative_bound", "representation_error", "rounding_bound")
    }
    single = replace(first, name="single", **one)
    samples = (
        replace(analysis.samples[0], outputs=(lost, single), logits=None, decision=Decision(0, None, NAN, INF, False)),
        replace(analysis.samples[1], outputs=(first, single), logits=None, decision=None),
    )
    layers = (
        *analysis.layers[:-1],
        replace(analysis.layers[-1], absolute_bound=INF, error_share=NAN, low=-INF, high=NAN, may_overflow=True, largest_value=INF,
                rms_value=INF, smallest_value=None, subnormal_share=None),
    )  # fmt: skip
    summary = replace(analysis.summary, max_absolute_bound=INF, max_absolute_bound_in_u=INF, proved=0, total=1)
    verdict = (
        "NO BOUND for 1 of 2 inputs in binary32: layer 'dense_1' may overflow; class proved for 0 of 1. Give smaller inputs."
    )
    return replace(
        analysis, samples=samples, layers=layers, summary=summary, verdict=verdict, warnings=("dense_1 may overflow",)
    )


def nothing() -> Analysis:
    """No sample was analysed."""
    analysis = plain()
    summary = replace(
        analysis.summary, max_absolute_bound=0.0, max_logit_bound=None, median_logit_bound=None, proved=0, total=0
    )
    return replace(analysis, samples=(), layers=(), summary=summary, verdict="BOUNDED: 0 inputs in binary32")


def rewritten(analysis: Analysis, arithmetic: str, guarantee: Guarantee = DETERMINISTIC) -> Analysis:
    """With the verdict that the figures have now."""
    a = analysis
    text = verdict(a.summary, a.layers, a.samples, a.inputs, preset(arithmetic), guarantee)
    return replace(
        a, verdict=text, guarantee=guarantee.name, failure_probability=guarantee.probability, chance=guarantee.chance
    )  # fmt: skip


def likely() -> Analysis:
    """One decision of two is likely; a theorem for stochastic rounding."""
    analysis = plain()
    decisions = [replace(s.decision, proved=False, likely=s.decision.proved) for s in analysis.samples if s.decision]
    samples = tuple(replace(s, decision=d) for s, d in zip(analysis.samples, decisions, strict=True))
    count = sum(d.likely for d in decisions)
    summary = replace(analysis.summary, proved=0, likely=count)
    claim = ChanceInfo(8.25, "theorem", 4321, 2.4e-12, 0.0)
    return rewritten(replace(analysis, samples=samples, summary=summary), "binary32", Guarantee.of(claim))


def vacuous() -> Analysis:
    """Bounds that say nothing from the second layer on."""
    analysis = plain()
    outputs = [replace(s.outputs[0], absolute_bound=np.full(s.outputs[0].value.shape, 30.0)) for s in analysis.samples]
    decisions = [replace(s.decision, proved=False, margin_bound=50.0) for s in analysis.samples if s.decision]
    samples = tuple(
        replace(s, outputs=(o,), decision=d) for s, o, d in zip(analysis.samples, outputs, decisions, strict=True)
    )
    layers = (analysis.layers[0], *(replace(x, absolute_bound=30.0, low=-31.0, high=33.0) for x in analysis.layers[1:]))
    summary = replace(analysis.summary, max_absolute_bound=30.0, max_absolute_bound_in_u=30.0 * 2**24, proved=0)
    return rewritten(replace(analysis, samples=samples, layers=layers, summary=summary), "binary32")


def ties() -> Analysis:
    """One class that holds on the logits only, with the margins that are compared."""
    analysis = plain()
    margins = {"exact_margin_bound": 1e-15, "cast_margin": 2.0, "cast_margin_bound": 0.25}
    decisions = [replace(s.decision, **margins) for s in analysis.samples if s.decision]
    first = replace(decisions[0], proved=False, logits_only=True, probabilities_separated=False)
    samples = [replace(s, decision=d) for s, d in zip(analysis.samples, (first, decisions[1]), strict=True)]
    return rewritten(
        replace(analysis, samples=tuple(samples), summary=replace(analysis.summary, proved=0, logits_only=1)), "binary32"
    )


RESULTS: dict[str, Callable[[], Result | list[Result]]] = {
    "plain": plain,
    "odd": odd,
    "ties": ties,
    "nothing": nothing,
    "likely": likely,
    "vacuous": vacuous,
    "compared": lambda: [plain(), replace(plain(), arithmetic={**plain().arithmetic, "order": "sequential"})],
    "violated": lambda: cross_check(plain(), violation("dense")),
}


def shown(result: Result | list[Result], kind: str) -> str:
    if kind == "md":
        return markdown.render(result)
    if kind == "txt":
        stream = io.StringIO()
        console.report(result, Console(file=stream, width=140))
        return stream.getvalue()
    page = html_page.render(result)
    page = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL)
    return re.sub(r"sha256-[^']+", "sha256-...", page)


@pytest.mark.parametrize("kind", ["txt", "md", "html"])
@pytest.mark.parametrize("name", RESULTS)
def test_golden(name: str, kind: str) -> None:
    text = shown(RESULTS[name](), kind)
    path = FOLDER / f"{name}.{kind}"
    if os.environ.get("BOUNDNET_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_odd_results_do_not_lie() -> None:
    """No proof, no number and no colour for what is not known."""
    for kind in ("txt", "md", "html"):
        text = shown(odd(), kind)
        assert not re.search(r"[^T] PROVED|✓|✅", text)
        assert "infinite" in text
        assert "undefined" in text
        text = shown(nothing(), kind)
        assert not re.search(r"[^T] PROVED|decisions proved|✓|✅|exact\\| *(<=|≤) *0\\b", text)
    page = shown(nothing(), "html")
    assert "No sample was analysed: nothing is shown about any output." in page
    assert "none known" in page
    for text in (shown(odd(), "html"), page):
        assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', text)


def test_likely_and_vacuous_results_prove_nothing() -> None:
    for kind in ("txt", "md", "html"):
        text = shown(likely(), kind)
        assert "NOT ALL LIKELY" in text
        assert "a theorem" in text
        assert "decisions proved" not in text
        text = shown(vacuous(), kind)
        for words in ("says nothing from layer", "What else can answer", "guarantee probabilistic", "boundnet mca"):
            assert words in text
