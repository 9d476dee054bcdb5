"""What the templates show of one result, by kind."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boundnet.crosscheck.results import CrossCheck
from boundnet.mca.results import Sampled
from boundnet.results import Analysis
from boundnet.results.text import count_text, printable, seconds_text
from boundnet_reports.page import crosscheck, sampled
from boundnet_reports.page.decisions import spread
from boundnet_reports.page.depth import Legend, error_plot, headroom_plot, share_bars
from boundnet_reports.page.headline import (
    MARKS,
    facts,
    meaning,
    not_covered,
    odds,
    reproduce,
    split_verdict,
    tiles,
    tone,
)
from boundnet_reports.page.layer_words import has_shares
from boundnet_reports.page.network import LEGEND, draw
from boundnet_reports.page.outputs import panels
from boundnet_reports.page.tables import layer_table, sample_table
from boundnet_reports.rows import word

Result = Analysis | CrossCheck | Sampled
View = dict[str, Any]


def model_name(result: Result) -> str:
    """The model's file, or its own name."""
    return printable(Path(result.model.path).name if result.model.path else result.model.name)


def view(result: Result, others: Sequence[Result], prefix: str, label: str, data: str | None) -> View:
    """Everything that the result's template reads.

    Args:
        others: all results of the page, which may tell more about this one.
        prefix: of element ids.
        label: what tells this result from the others.
        data: name of a file beside the page with all its numbers.
    """
    state, sentence = split_verdict(result.verdict)
    common = {
        "prefix": prefix,
        "label": label,
        "heading": model_name(result),
        "state": state,
        "sentence": sentence,
        "command": printable(shlex.join(result.command)),
        "reproduce": reproduce(result),
        "timings": {printable(k): seconds_text(v) for k, v in getattr(result, "timings", {}).items()},
        "data": data,
    }
    if isinstance(result, CrossCheck):
        return {**common, **_crosscheck(result)}
    if isinstance(result, Sampled):
        return {**common, **_sampled(result, [other for other in others if isinstance(other, Analysis)])}
    return {**common, **_analysis(result, [other for other in others if isinstance(other, CrossCheck)], prefix)}


def _analysis(analysis: Analysis, checks: Sequence[CrossCheck], prefix: str) -> View:
    drawn = panels(analysis, word(analysis))
    samples = sample_table(analysis)
    seen = crosscheck.observed(analysis, checks)
    return {
        "template": "result.html",
        "tone": tone(analysis),
        "mark": MARKS[tone(analysis)],
        "odds": odds(analysis),
        "guarantee": printable(analysis.guarantee),
        "meaning": meaning(analysis.guarantee, analysis.failure_probability, analysis.chance),
        "warnings": [printable(warning) for warning in analysis.warnings],
        "tiles": tiles(analysis),
        "facts": facts(analysis),
        "sections": [("network", "Network"), ("depth", "Depth"), ("layers", "Layers"), ("outputs", "Outputs")],
        "assumptions": [printable(line) for line in analysis.assumptions],
        "not_covered": not_covered(analysis),
        "drawings": draw(analysis, prefix),
        "shares": has_shares(analysis),
        "schema": printable(analysis.schema_version),
        "colours": [Legend(f"s{n}", text) for n, text in enumerate(LEGEND)],
        "error_plot": error_plot(analysis, seen),
        "bars": share_bars(analysis),
        "headroom_plot": headroom_plot(analysis),
        "layers": layer_table(analysis, prefix, seen),
        "spread": spread(analysis, word(analysis)),
        "panels": drawn,
        "unshown": len(analysis.samples) - len(drawn),
        "samples": samples,
        "left": count_text(samples.left, "more sample") + (" is" if samples.left == 1 else " are"),
    }


def _crosscheck(result: CrossCheck) -> View:
    table = crosscheck.violations(result)
    count = f"{result.violation_count:,} " + ("value lies" if result.violation_count == 1 else "values lie")
    shown = f"; {len(table.rows):,} are listed" if len(table.rows) < result.violation_count else ""
    return {
        "template": "crosscheck.html",
        "tone": crosscheck.tone(result),
        "mark": MARKS[crosscheck.tone(result)],
        "tiles": crosscheck.tiles(result),
        "facts": {
            "inputs": printable(f"{result.inputs.count} from {result.inputs.source}"),
            "reference": printable(result.reference),
        },
        "violation_count": result.violation_count,
        "violation_words": f"{count} outside the bound for the arithmetic of its execution{shown}.",
        "violations": table,
        "checks": crosscheck.checks(result),
    }


def _sampled(result: Sampled, analyses: Sequence[Analysis]) -> View:
    return {
        "template": "sampled.html",
        "tone": "likely",
        "mark": MARKS["likely"],
        "guarantee": printable(result.guarantee),
        "meaning": meaning(result.guarantee),
        "tiles": sampled.tiles(result),
        "facts": sampled.facts(result),
        "notes": [printable(note) for note in result.notes],
        "histograms": sampled.histograms(result, analyses),
        "outputs": sampled.output_table(result),
        "plot": sampled.layer_plot(result),
        "layers": sampled.layer_table(result),
    }


__all__ = ["Result", "model_name", "view"]
