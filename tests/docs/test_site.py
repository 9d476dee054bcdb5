"""What the site adds to the pages: its navigation, the reference of the command line, docstrings as they are meant."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer

from boundnet.cli.app import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def conf() -> Iterator[ModuleType]:
    """docs/conf.py as a module."""
    pytest.importorskip("docutils", reason="the group docs isn't installed: no site to build")
    spec = importlib.util.spec_from_file_location("conf", ROOT / "docs" / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


def test_every_page_is_in_the_navigation(conf: ModuleType) -> None:
    index = ROOT / "docs" / "index.md"
    found = re.findall(r"<([^<>]+)>$", conf.navigation(index.read_text(encoding="utf-8")), re.MULTILINE)
    pages = {(index.parent / f"{name}.md").resolve() for name in found}
    assert len(pages) == len(found)
    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} <= pages
    assert {ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"} <= pages


def test_every_option_is_in_the_reference(conf: ModuleType) -> None:
    text = conf.reference()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 6
    for name, command in commands.items():
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert section is not None, name
        for parameter in command.params:
            option = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
            assert re.search(rf"^\| `[^`]*{re.escape(option)}(?!\w)", section[1], re.MULTILINE), (name, option)
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in section[1].splitlines() if line.startswith("|")}
        assert cells <= {3}, name


def test_mathematics_is_no_markup(conf: ModuleType) -> None:
    assert conf.mathematics("|x| <= 2**p of x_ in ``|y|`` and :func:`up`") == (
        r"\|x\| <= 2\*\*p of x\_ in ``|y|`` and :func:`up`"
    )


def test_attributes_that_share_a_line_are_told_apart(conf: ModuleType) -> None:
    lines = ["A box.", "", "Attributes:", "    low, high: ends,", "        both.", "    pieces: of it, all."]
    assert conf.apart(lines) == [
        "A box.", "", "Attributes:", "    low: ends,", "        both.", "    high: ends,", "        both.", "    pieces: of it, all.",
    ]  # fmt: skip
    assert conf.apart(["Ends low, high: of a box"]) == ["Ends low, high: of a box"]


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
