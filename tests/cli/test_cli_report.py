"""``boundnet report``: saved results rendered again, alone and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.cli_run import Run

import boundnet


@pytest.fixture
def results(model: Path, tmp_path: Path) -> list[Path]:
    """The same inputs in two formats."""
    paths = []
    for name in ("binary32", "bfloat16"):
        path = tmp_path / f"{name}.json"
        path.write_text(boundnet.analyze(model, [[1.0, 0.0, 0.0], [0.0, 0.2, 0.9]], name).to_json())
        paths.append(path)
    return paths


def test_console_is_the_same_as_when_analysed(run: Run, model: Path, results: list[Path], tmp_path: Path) -> None:
    again = run("report", results[0])
    assert again.exit_code == 0
    assert again.stdout.startswith("PROVED: rounding in binary32")
    assert "dense_1" in again.stdout


def test_files_are_written(run: Run, results: list[Path], tmp_path: Path) -> None:
    html, markdown = tmp_path / "out.html", tmp_path / "out.md"
    done = run("report", results[0], "--html", html, "--markdown", markdown, "-q")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "PROVED" in html.read_text()
    assert markdown.read_text().startswith("### ✅ PROVED: model.h5")


def test_several_are_compared(run: Run, results: list[Path], tmp_path: Path) -> None:
    html, markdown = tmp_path / "out.html", tmp_path / "out.md"
    done = run("report", *results, "--html", html, "--markdown", markdown)
    assert done.exit_code == 0
    assert f"HTML written to {html}" in done.stdout
    for text in (done.stdout, html.read_text(), markdown.read_text()):
        assert "binary32" in text
        assert "bfloat16" in text
    assert "2 results compared" in html.read_text()


def test_markdown_of_an_analysis(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("analyze", model, "--markdown", tmp_path / "out.md", "-q")
    assert done.exit_code in (0, 1)
    text = (tmp_path / "out.md").read_text()
    assert "> **Warning** no inputs were given" in text
    assert "boundnet analyze" in text


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema_version": "9.0"}', b"\xff\xfe"])
def test_other_files_are_refused(run: Run, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("report", path, "--html", tmp_path / "out.html")
    assert done.exit_code == 2
    assert "other.json" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.html").exists()


def test_missing_file_and_overwriting(run: Run, results: list[Path], tmp_path: Path) -> None:
    missing = run("report", tmp_path / "no.json")
    assert (missing.exit_code, "no such file" in missing.stderr) == (2, True)
    over = run("report", results[0], "--html", results[0])
    assert (over.exit_code, "would overwrite a result" in over.stderr) == (2, True)
    assert results[0].read_text().startswith("{")
