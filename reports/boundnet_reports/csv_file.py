"""The CSV report: a row for every output value of every sample, numbers with all their digits."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from boundnet.results import Analysis, Sample
from boundnet.results.files import replacing, unreadable

COLUMNS = (
    "index", "output", "element", "value", "absolute_bound", "relative_bound", "representation_error", "rounding_bound",
    "class", "margin", "margin_bound", "proved", "likely",
)  # fmt: skip


def report(analysis: Analysis, destination: str | os.PathLike[str]) -> None:
    """Write ``analysis`` to the file ``destination``; ``element`` is the index within the output, axes apart by spaces.

    Raises:
        OutputError: it can't be written; nothing changes.
    """
    with replacing(destination) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for sample in analysis.samples:
            writer.writerows(_rows(sample))


def may_replace(path: Path) -> bool:
    """Whether ``path`` is free, or holds such a table and nothing else."""
    if not path.exists():
        return not path.is_symlink()
    if unreadable(path) is not None:
        return False
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\r\n") == ",".join(COLUMNS)
    except (OSError, UnicodeDecodeError):
        return False


def _rows(sample: Sample) -> Iterator[tuple[object, ...]]:
    found = sample.decision
    decided: tuple[object, ...] = ("", "", "", "", "")
    if found is not None:
        states = (str(state).lower() for state in (found.proved, found.likely))
        decided = (found.class_index, repr(found.margin), repr(found.margin_bound), *states)
    for output in sample.outputs:
        bounds = (output.absolute_bound, output.relative_bound, output.representation_error, output.rounding_bound)
        for at in np.ndindex(output.value.shape):
            numbers = (repr(float(part[at])) for part in (output.value, *bounds))
            yield (sample.index, output.name, " ".join(map(str, at)), *numbers, *decided)
