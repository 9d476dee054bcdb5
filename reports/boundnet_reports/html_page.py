"""The HTML report: one page that needs nothing else."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from boundnet.figures import printable, seconds_text
from boundnet.files import replacing
from boundnet.results import Analysis
from boundnet_reports.rows import facts, layer_rows, sample_rows, summary_lines

MOST_SAMPLES = 500


def report(analysis: Analysis, destination: str | os.PathLike[str]) -> None:
    """Write ``analysis`` to the file ``destination``.

    Raises:
        OutputError: it can't be written; nothing changes.
    """
    page = render(analysis)
    with replacing(destination) as stream:
        stream.write(page)


def render(analysis: Analysis) -> str:
    """The page.  Everything from the model is escaped: names in files can hold anything."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    samples, left = sample_rows(analysis, MOST_SAMPLES)
    shares = [layer.error_share if math.isfinite(layer.error_share) else 0.0 for layer in analysis.layers]
    return environment.get_template("analysis.html").render(
        analysis=analysis,
        verdict=printable(analysis.verdict),
        good=analysis.proved,
        facts=facts(analysis),
        summary=summary_lines(analysis),
        warnings=[printable(warning) for warning in analysis.warnings],
        layers=layer_rows(analysis),
        widths=[f"{100.0 * min(max(share, 0.0), 1.0):.2f}" for share in shares],
        samples=samples,
        left=left,
        command=printable(shlex.join(analysis.command)),
        timings={printable(key): seconds_text(value) for key, value in analysis.timings.items()},
        versions={printable(key): printable(value) for key, value in analysis.versions.items()},
    )
