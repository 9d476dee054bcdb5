"""``boundnet report``: saved results, rendered again or side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from boundnet.cli.reports import find, write
from boundnet.cli.request import check_files
from boundnet.cli.session import silence, width
from boundnet.errors import InputError
from boundnet.results.files import unreadable
from boundnet.results.io import from_dict


def run(sources: Sequence[Path], files: Mapping[str, Path], quiet: bool) -> None:
    """Render the results in ``sources`` to ``files`` (report name -> destination) and, unless ``quiet``, to the console.

    Raises:
        BoundNetError: a file holds no result, or a destination can't be written; nothing has been written.
    """
    check_files(files, {"a result": sources})
    reports = {kind: find(kind) for kind in files}
    console = None if quiet else find("console")
    results = [read(path) for path in sources]
    shown = results[0] if len(results) == 1 else results
    written = write(shown, files, reports)
    try:
        if console is not None:
            console(shown, Console(width=width(), highlight=False))
        for line in () if quiet else written:
            print(line, flush=True)
    except (BrokenPipeError, SystemExit):  # the latter is how rich reports a broken pipe
        silence()


def read(path: Path) -> Any:
    """The result in the JSON file ``path``: of an analysis, a cross-check or sampling.

    Raises:
        InputError: there is no such file, or it holds no result; the message names it.
    """
    why = unreadable(path)
    if why is not None:
        raise InputError(f"{path}: {why}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a BoundNet result: no text; give a file written by --json") from None
    try:
        return _parse(text)
    except InputError as error:
        raise InputError(f"{path}: {error}; give a file written by --json") from None


def _parse(text: str) -> Any:
    from boundnet.crosscheck.results import crosscheck_from_json
    from boundnet.mca.results import sampled_from_json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a BoundNet result: no JSON ({error})") from None
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "crosscheck":
        return crosscheck_from_json(text)
    if kind == "sampled":
        return sampled_from_json(text)
    return from_dict(data)
