"""The JSON report: everything, by the schema of docs/reference/results.md."""

from __future__ import annotations

import os

from boundnet.results import Analysis
from boundnet.results.files import replacing


def report(analysis: Analysis, destination: str | os.PathLike[str]) -> None:
    """Write ``analysis`` to the file ``destination``.

    Raises:
        OutputError: it can't be written; nothing changes.
    """
    with replacing(destination) as stream:
        stream.write(analysis.to_json())
        stream.write("\n")
