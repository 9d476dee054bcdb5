"""The HTML report: one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from boundnet.figures import count_text, printable, seconds_text
from boundnet.files import replacing
from boundnet.results import Analysis
from boundnet_reports import csv_file
from boundnet_reports.page import compare
from boundnet_reports.page.decisions import spread
from boundnet_reports.page.depth import Legend, error_plot, headroom_plot, share_bars
from boundnet_reports.page.headline import (
    MARKS,
    facts,
    meaning,
    not_covered,
    reproduce,
    split_verdict,
    tiles,
    tone,
    word,
)
from boundnet_reports.page.layer_words import has_shares
from boundnet_reports.page.network import LEGEND, draw
from boundnet_reports.page.outputs import panels
from boundnet_reports.page.tables import MOST_SAMPLES, layer_table, sample_table

MOST_VALUES = 10_000
"""With more output values than these, or more samples than the page's table has, all numbers go to a file beside it."""

_TEMPLATES = Path(__file__).parent / "templates"


def report(results: Analysis | Sequence[Analysis], destination: str | os.PathLike[str]) -> list[Path]:
    """Write one result, or several side by side, to the file ``destination``.

    Returns:
        CSV files with every number of the results that are too large for the page, written beside it.

    Raises:
        OutputError: something can't be written; the page is unchanged then.
    """
    found = [results] if isinstance(results, Analysis) else list(results)
    beside = data_files(found, Path(destination))
    page = render(found, [path.name if path else None for path in beside])
    for result, path in zip(found, beside, strict=True):
        if path is not None:
            csv_file.report(result, path)
    with replacing(destination) as stream:
        stream.write(page)
    return [path for path in beside if path is not None]


def data_files(results: Sequence[Analysis], page: Path) -> list[Path | None]:
    """Where to write the numbers of each result that the page leaves out; None where it is small, or where another's file
    is in the way."""
    names = [f"{page.stem}.data{f'-{n + 1}' if len(results) > 1 else ''}.csv" for n in range(len(results))]
    regular = page.is_file() or not page.exists()
    found: list[Path | None] = []
    for result, name in zip(results, names, strict=True):
        path = page.with_name(name)
        values = sum(output.value.size for sample in result.samples for output in sample.outputs)
        large = values > MOST_VALUES or len(result.samples) > MOST_SAMPLES
        found.append(path if regular and large and csv_file.may_replace(path) else None)
    return found


def render(results: Analysis | Sequence[Analysis], data: Sequence[str | None] = ()) -> str:
    """The page.  Everything from the model is escaped: names in files can hold anything.

    Args:
        data: for each result the name of a file beside the page that holds every number, where there is one.
    """
    found = [results] if isinstance(results, Analysis) else list(results)
    files = list(data) or [None] * len(found)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    names = compare.labels(found) if len(found) > 1 else [""]
    compared = None
    if len(found) > 1:
        compared = SimpleNamespace(
            table=compare.comparison_table(found, names),
            charts=compare.charts(found, names),
            depth=compare.depth(found, names),
        )
    shown = [_result(result, f"r{n + 1}-" if len(found) > 1 else "", name, file)
             for n, (result, name, file) in enumerate(zip(found, names, files, strict=True))]  # fmt: skip
    models = {_model(result) for result in found}
    title = f"BoundNet: {', '.join(sorted(models)[:3])}" + (f": {len(found)} results compared" if compared else "")
    return environment.get_template("page.html").render(
        title=title,
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        results=shown,
        compared=compared,
        version=found[0].versions.get("boundnet", ""),
    )


def _model(analysis: Analysis) -> str:
    return printable(Path(analysis.model.path).name if analysis.model.path else analysis.model.name)


def _result(analysis: Analysis, prefix: str, label: str, data: str | None) -> dict[str, Any]:
    """What the template shows of one result."""
    state, sentence = split_verdict(analysis)
    drawn = panels(analysis, word(analysis))
    samples = sample_table(analysis)
    sections = [("network", "Network"), ("depth", "Depth"), ("layers", "Layers"), ("outputs", "Outputs")]
    return {
        "prefix": prefix,
        "label": label,
        "heading": _model(analysis),
        "tone": tone(analysis),
        "mark": MARKS[tone(analysis)],
        "state": state,
        "sentence": sentence,
        "guarantee": printable(analysis.guarantee),
        "meaning": meaning(analysis),
        "warnings": [printable(warning) for warning in analysis.warnings],
        "tiles": tiles(analysis),
        "facts": facts(analysis),
        "sections": sections,
        "assumptions": [printable(line) for line in analysis.assumptions],
        "not_covered": not_covered(analysis),
        "command": printable(shlex.join(analysis.command)),
        "reproduce": reproduce(analysis),
        "timings": {printable(key): seconds_text(value) for key, value in analysis.timings.items()},
        "drawings": draw(analysis, prefix),
        "shares": has_shares(analysis),
        "schema": analysis.schema_version,
        "colours": [Legend(f"s{n}", text) for n, text in enumerate(LEGEND)],
        "error_plot": error_plot(analysis),
        "bars": share_bars(analysis),
        "headroom_plot": headroom_plot(analysis),
        "layers": layer_table(analysis, prefix),
        "spread": spread(analysis, word(analysis)),
        "panels": drawn,
        "unshown": len(analysis.samples) - len(drawn),
        "samples": samples,
        "left": count_text(samples.left, "more sample") + (" is" if samples.left == 1 else " are"),
        "data": data,
    }
