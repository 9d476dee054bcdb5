"""The committed example: small, offline, made by today's schema, and with nothing of the machine that made it."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from test_reports import Tags

from boundnet.results import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "reference"


def test_example_report() -> None:
    page = (DOCS / "example-report.html").read_text()
    assert len(page.encode()) < 1e6
    text = Tags(page).text
    assert "297 of 297" in text
    assert f"result schema{SCHEMA_VERSION}" in text.replace("\n", "")
    assert not re.search(r"(/home|/root|/tmp|/work|/Users|file:|https?:)/", page)


def test_picture_of_the_readme() -> None:
    path = DOCS / "example-report.png"
    assert path.stat().st_size < 200e3
    with Image.open(path) as image:
        assert image.width > 1000
    assert "](docs/reference/example-report.png)" in (ROOT / "README.md").read_text()
