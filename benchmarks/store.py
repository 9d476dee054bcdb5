"""Figures of earlier runs, and files that are there as a whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read_rows(path: Path | None, key: str) -> list[dict[str, Any]]:
    """The list under ``key`` of a JSON file; empty where there is no file."""
    if path is None or not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[key]
    return rows


def write_text(path: Path, text: str) -> None:
    """Write ``text`` under another name first."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
