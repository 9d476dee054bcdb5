"""The HTML report: one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from boundnet.crosscheck.results import CrossCheck
from boundnet.mca.results import Sampled
from boundnet.results import Analysis
from boundnet.results.files import replacing
from boundnet_reports import csv_file
from boundnet_reports.page import compare
from boundnet_reports.page.tables import MOST_SAMPLES
from boundnet_reports.page.views import Result, model_name, view

MOST_VALUES = 10_000
"""With more output values than these, or more samples than the page's table has, all numbers go to a file beside it."""

_TEMPLATES = Path(__file__).parent / "templates"


def report(results: Result | Sequence[Result], destination: str | os.PathLike[str]) -> list[Path]:
    """Write one result, or several side by side, to the file ``destination``.

    Returns:
        CSV files with every number of the results that are too large for the page, written beside it.

    Raises:
        OutputError: something can't be written; the page is unchanged then.
    """
    found = _several(results)
    beside = data_files(found, Path(destination))
    page = render(found, [path.name if path else None for path in beside])
    for result, path in zip(found, beside, strict=True):
        if path is not None and isinstance(result, Analysis):
            csv_file.report(result, path)
    with replacing(destination) as stream:
        stream.write(page)
    return [path for path in beside if path is not None]


def data_files(results: Sequence[Result], page: Path) -> list[Path | None]:
    """Where to write the numbers of each result that the page leaves out; None where it is small, or where another's file
    is in the way."""
    names = [f"{page.stem}.data{f'-{n + 1}' if len(results) > 1 else ''}.csv" for n in range(len(results))]
    regular = page.is_file() or not page.exists()
    found: list[Path | None] = []
    for result, name in zip(results, names, strict=True):
        path = page.with_name(name)
        found.append(path if regular and _large(result) and csv_file.may_replace(path) else None)
    return found


def _large(result: Result) -> bool:
    if not isinstance(result, Analysis):
        return False
    values = sum(output.value.size for sample in result.samples for output in sample.outputs)
    return values > MOST_VALUES or len(result.samples) > MOST_SAMPLES


def render(results: Result | Sequence[Result], data: Sequence[str | None] = ()) -> str:
    """The page.  Everything from the model is escaped: names in files can hold anything.

    Args:
        data: for each result the name of a file beside the page that holds every number, where there is one.
    """
    found = _several(results)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    analyses = [result for result in found if isinstance(result, Analysis)]
    names = _labels(found, analyses)
    compared = None
    if len(analyses) > 1:
        labels = [name for result, name in zip(found, names, strict=True) if isinstance(result, Analysis)]
        compared = SimpleNamespace(
            table=compare.comparison_table(analyses, labels), charts=compare.charts(analyses, labels),
            depth=compare.depth(analyses, labels),
        )  # fmt: skip
    files = list(data) or [None] * len(found)
    shown = [
        view(result, found, f"r{n + 1}-" if len(found) > 1 else "", name, file)
        for n, (result, name, file) in enumerate(zip(found, names, files, strict=True))
    ]
    models = sorted({model_name(result) for result in found})
    title = ", ".join(models[:3]) + (f": {len(found)} results compared" if len(found) > 1 else "")
    return environment.get_template("page.html").render(
        title=f"BoundNet: {title}",
        heading=title,
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        results=sorted(shown, key=lambda one: not one.get("violation_count")),
        compared=compared,
        version=found[0].versions.get("boundnet", ""),
    )


def _several(results: Result | Sequence[Result]) -> list[Result]:
    return [results] if isinstance(results, Analysis | CrossCheck | Sampled) else list(results)


def _labels(found: Sequence[Result], analyses: Sequence[Analysis]) -> list[str]:
    """What tells each result from the others."""
    bounds = iter(compare.labels(analyses) if len(analyses) > 1 else [f"Bounds for {model_name(one)}" for one in analyses])
    kinds = {CrossCheck: "Cross-check of", Sampled: "Samples of"}
    return [
        next(bounds) if isinstance(result, Analysis) else f"{kinds[type(result)]} {model_name(result)}" for result in found
    ]
