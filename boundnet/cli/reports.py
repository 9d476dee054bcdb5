"""Reports by name, as installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from boundnet.errors import OutputError

Report = Callable[[Any, Any], Sequence[Path] | None]
"""Renders one result or a list of them to a destination; returns what else it wrote beside it."""


def find(kind: str) -> Report:
    """The report of that name, from the entry points ``boundnet.reports``.

    Raises:
        OutputError: none is installed.
    """
    for point in entry_points(group="boundnet.reports", name=kind):
        report: Report = point.load()
        return report
    raise OutputError(f"no {kind} report is installed; install BoundNet again (pip install .)")


def write(result: Any, files: Mapping[str, Path], reports: Mapping[str, Report]) -> list[str]:
    """Write ``result`` to every file; a line for each one written."""
    lines = []
    for kind, path in files.items():
        others = reports[kind](result, path) or ()
        lines.append(f"{kind.upper()} written to {path}")
        lines += [f"its numbers written to {other}" for other in others]
    return lines
