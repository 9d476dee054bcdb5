"""Pages that show what commands print: every command is run, and every line shown is printed, in that order.

``BOUNDNET_UPDATE_DOCS=1 pytest -n 0 tests/docs/test_commands.py`` writes new figures into the lines whose words stayed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from boundnet.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
UPDATE = bool(os.environ.get("BOUNDNET_UPDATE_DOCS"))
PAGES = ("README.md", "docs/tutorial/first-decision.md")
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")


def steps(page: str) -> Iterator[tuple[str, str, str]]:
    """(language, code, what is shown of its output) of every block that prepares something or shows what it prints."""
    for language, code, shown in _BLOCK.findall(page):
        if (language == "sh" and shown) or (language == "python" and not shown):
            yield language, code, shown


def missing(shown: str, printed: str) -> tuple[list[str], dict[str, str]]:
    """Lines of ``shown`` that are not printed in their order, and the printed lines that differ in figures only.

    A shown line may stop early, at the end of a sentence.
    """
    ahead = [line.rstrip() for line in printed.splitlines()]
    lost, changed = [], {}
    for line in shown.splitlines():
        if line == "..." or not line.strip():
            continue
        found = next((i for i, other in enumerate(ahead) if _same(line, other)), None)
        if found is None:
            lost.append(line)
            found = next((i for i, other in enumerate(ahead) if _same(_words(line), _words(other))), None)
            if found is not None:
                changed[line] = ahead[found] if not line.endswith(".") else _sentences(ahead[found], line)
        ahead = ahead if found is None else ahead[found + 1 :]
    return lost, changed


def _same(line: str, other: str) -> bool:
    return line == other or (line.endswith(".") and other.startswith(f"{line} "))


def _words(line: str) -> str:
    """A line without its figures, but with the number of its row."""
    row = re.match(r" *\d+(?= )", line)
    at = row.end() if row else 0
    return re.sub(r" +", " ", line[:at] + _NUMBER.sub("#", line[at:]))


def _sentences(printed: str, like: str) -> str:
    """As many sentences of ``printed`` as ``like`` has."""
    return ". ".join(printed.split(". ")[: like.count(". ") + 1]).rstrip(".") + "."


def run(language: str, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a block prints; commands of boundnet run in this process."""
    if language == "python":
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout
    monkeypatch.setenv("COLUMNS", "160")
    command, _, after = code.strip().removeprefix("uv run ").partition(" && ")
    words = shlex.split(command)
    assert words[0] == "boundnet"
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code in ((0,) if after else (0, 1)), result.output
    return result.stdout + (shlex.split(after)[1] if after else "")


@pytest.mark.parametrize("name", PAGES)
def test_commands_print_what_the_page_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    lost, changed = [], {}
    for language, code, shown in steps(page):
        gone, new = missing(shown, run(language, code, monkeypatch))
        lost += [f"{code.strip()}\n  does not print: {line}" for line in gone]
        changed |= new
    if UPDATE:
        for line, new_line in changed.items():
            page = page.replace(f"\n{line}\n", f"\n{new_line}\n")
        (ROOT / name).write_text(page, encoding="utf-8")
    assert not lost, "\n".join(lost)


def test_a_wrong_figure_is_found() -> None:
    printed = "bound 0.25 of binary32. More.\n sample 1   2.5e-3\n"
    assert missing("bound 0.25 of binary32.\n...\n sample 1   2.5e-3\n", printed) == ([], {})
    lost, changed = missing("bound 0.26 of binary32.\n", printed)
    assert lost == ["bound 0.26 of binary32."]
    assert changed == {"bound 0.26 of binary32.": "bound 0.25 of binary32."}
    assert missing("  1   2.5\n  2   3.5\n", "  1   2.25\n  2   3.25\n")[1] == {
        "  1   2.5": "  1   2.25",
        "  2   3.5": "  2   3.25",
    }
    assert missing("  2   3.5\n", "  1   2.25\n  2   3.25\n")[1] == {"  2   3.5": "  2   3.25"}
    assert missing(" sample 1   2.5e-3\nbound 0.25 of binary32.\n", printed)[0] == ["bound 0.25 of binary32."]
