"""The Markdown report, for a pull request: verdict first, the rest folded."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from boundnet.crosscheck.results import CrossCheck
from boundnet.mca.results import Sampled
from boundnet.results import Analysis, Sample
from boundnet.results.files import replacing
from boundnet.results.text import bound_text, count_text, floor_text, printable
from boundnet_reports.page import crosscheck, sampled
from boundnet_reports.page.compare import comparison_table, labels
from boundnet_reports.page.decisions import ratio, urgency, why_not
from boundnet_reports.page.headline import facts, meaning, not_covered, odds, reproduce, split_verdict, tiles, tone
from boundnet_reports.page.layer_words import share
from boundnet_reports.page.tables import Table, layer_table
from boundnet_reports.page.views import Result, model_name
from boundnet_reports.rows import compared, margin_headings, word

_MARKS = {"good": "✅", "likely": "\N{HEAVY MINUS SIGN}", "bad": "❌"}
MOST_LAYERS = 20
MOST_SAMPLES = 20
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@&$]|:(?=\S)|(?<=www)\.")


def report(results: Result | Sequence[Result], destination: str | os.PathLike[str]) -> None:
    """Write one result, or several side by side, to the file ``destination``.

    Raises:
        OutputError: it can't be written; nothing changes.
    """
    text = render(results)
    with replacing(destination) as stream:
        stream.write(text)


def render(results: Result | Sequence[Result]) -> str:
    """GitHub-flavoured Markdown.  Text from the model is escaped: it makes no markup, links, mentions or references."""
    found = [results] if isinstance(results, Analysis | CrossCheck | Sampled) else list(results)
    if len(found) == 1:
        return "\n".join([*_any(found[0]), ""])
    analyses = [result for result in found if isinstance(result, Analysis)]
    lines = [f"### BoundNet: {len(found)} results", ""]
    if len(analyses) > 1:
        lines += _whole(comparison_table(analyses, labels(analyses)))
    names = iter(labels(analyses) if len(analyses) > 1 else ["Bounds"])
    for result in found:
        kind = "Cross-check" if isinstance(result, CrossCheck) else "Samples"
        name = next(names) if isinstance(result, Analysis) else kind
        lines += ["", *_folded(escape(f"{name}: {split_verdict(result.verdict)[0]}"), _any(result))]
    return "\n".join([*lines, ""])


def _any(result: Result) -> list[str]:
    return _one(result) if isinstance(result, Analysis) else _executed(result)


def _executed(result: CrossCheck | Sampled) -> list[str]:
    """A cross-check, violations first, or samples."""
    state, sentence = split_verdict(result.verdict)
    name = model_name(result)
    mark = _MARKS[crosscheck.tone(result) if isinstance(result, CrossCheck) else "likely"]
    lines = [f"### {mark} {escape(f'{state}: {name}' if state else name)}", "", escape(sentence), ""]
    if isinstance(result, Sampled):
        lines += [f"Guarantee: {escape(result.guarantee)}, {escape(meaning(result.guarantee))}.", ""]
    if isinstance(result, CrossCheck) and result.violation_count:
        lines += ["#### Violations", "", *_whole(crosscheck.violations(result)), ""]
    found = crosscheck.tiles(result) if isinstance(result, CrossCheck) else sampled.tiles(result)
    lines += _table(["", ""], ([tile.name, f"{tile.figure}; {tile.note}"] for tile in found))
    if isinstance(result, Sampled):
        return [*lines, "", *_folded("Layers", _whole(sampled.layer_table(result)))]
    for check in crosscheck.checks(result):
        tables = [*_whole(check.outputs), "", *_whole(check.layers)]
        lines += ["", *_folded(escape(check.title), tables)]
    return lines


def _whole(table: Table) -> list[str]:
    return _table([heading.text for heading in table.headings], ([cell.text for cell in row.cells] for row in table.rows))


def escape(text: str) -> str:
    """``text`` as Markdown that shows it as it is, on one line."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", printable(text))


def _one(analysis: Analysis) -> list[str]:
    state, sentence = split_verdict(analysis.verdict)
    model = model_name(analysis)
    mark = _MARKS[tone(analysis)]
    head = f"{state} ({odds(analysis)})" if state and odds(analysis) else state
    lines = [f"### {mark} {escape(f'{head}: {model}' if head else model)}", "", escape(sentence), ""]
    lines += [f"> **Warning** {escape(warning)}\n" for warning in analysis.warnings]
    rows = [
        ["guarantee", f"{analysis.guarantee}, {meaning(analysis.guarantee, analysis.failure_probability, analysis.chance)}"]
    ]
    rows += [[tile.name, f"{tile.figure}; {tile.note}" if tile.note else tile.figure] for tile in tiles(analysis)]
    rows += [[key, value] for key, value in facts(analysis).items()]
    lines += _table(["", ""], rows)
    lines += ["", *_folded("Layers", _layers(analysis))]
    open_ = [sample for sample in analysis.samples if sample.decision is not None and not sample.decision.holds]
    if open_:
        summary = f"Not {word(analysis)}: {count_text(len(open_), 'sample')}"
        lines += ["", *_folded(summary, _open(analysis, open_))]
    covered = [f"- {escape(line)}" for line in analysis.assumptions]
    lines += ["", *_folded("This holds if", covered)]
    lines += ["", *_folded("It does not cover", [f"- {escape(line)}" for line in not_covered(analysis)])]
    return [*lines, "", *_folded("How to reproduce this", _reproduce(analysis))]


def _layers(analysis: Analysis) -> list[str]:
    table = layer_table(analysis, "")
    order = sorted(range(len(table.rows)), key=lambda n: -share(analysis.layers[n]))[:MOST_LAYERS]
    rows = ([cell.text for cell in table.rows[n].cells] for n in sorted(order))
    lines = _table([heading.text for heading in table.headings], rows)
    left = len(table.rows) - len(order)
    return [*lines, "", f"{count_text(left, 'more layer')} with smaller shares of the error left out."] if left else lines


def _open(analysis: Analysis, samples: Sequence[Sample]) -> list[str]:
    rows = []
    headings = margin_headings(analysis)
    for sample in sorted(samples, key=urgency)[:MOST_SAMPLES]:
        found = sample.decision
        if found is not None:
            pairs = compared(found) or ((found.margin, found.margin_bound),)
            numbers = [text for margin, bound in pairs for text in (floor_text(margin), bound_text(bound))]
            numbers += [""] * (len(headings) - len(numbers)) + [bound_text(ratio(found), 2)]
            rows.append([str(sample.index), str(found.class_index), *numbers, why_not(found, analysis)])
    lines = _table(["sample", "class", *headings, "bound / margin", "why"], rows)
    left = len(samples) - len(rows)
    return [*lines, "", f"{count_text(left, 'more sample')} left out."] if left else lines


def _reproduce(analysis: Analysis) -> list[str]:
    known: Mapping[str, str] = reproduce(analysis)
    lines = _table(["", ""], known.items())
    if not analysis.command:
        return ["Analysed from Python: there is no command line to repeat.", "", *lines]
    command = printable(shlex.join(analysis.command))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    return [fence + "sh", command, fence, "", *lines]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(map(escape, headings)) + " |", "|" + " --- |" * len(headings)]
    return lines + ["| " + " | ".join(map(escape, row)) + " |" for row in rows]


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *(lines or ["None."]), "", "</details>"]
