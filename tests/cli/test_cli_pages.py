"""Pages of the commands that execute networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_run import Run


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.npy"
    np.save(path, [[1.0, 0.0, 0.0], [0.0, 0.25, 0.9]])
    return path


def test_samples_stand_within_bounds_for_their_arithmetic(run: Run, model: Path, inputs: Path, tmp_path: Path) -> None:
    html, saved = tmp_path / "out.html", tmp_path / "out.json"
    done = run("mca", model, "--inputs", inputs, "--samples", 5, "--html", html, "--json", saved, "-q")
    assert done.exit_code == 0, done.stderr
    page = html.read_text()
    assert "Distance / bound of 20 values: 0 outside." in page
    assert "rr(24)" in page
    assert all(output["samples"] is None for output in json.loads(saved.read_text())["outputs"])


def test_page_of_a_crosscheck(run: Run, model: Path, inputs: Path, tmp_path: Path) -> None:
    html, markdown = tmp_path / "out.html", tmp_path / "out.md"
    done = run("crosscheck", model, "--inputs", inputs, "--html", html, "--markdown", markdown, "-q")
    assert done.exit_code == 0, done.stderr
    for text in (html.read_text(), markdown.read_text()):
        assert "CONFIRMED" in text
        assert "dense" in text


def test_analysis_with_executions_shows_both(run: Run, model: Path, inputs: Path, tmp_path: Path) -> None:
    html = tmp_path / "out.html"
    done = run("analyze", model, "--inputs", inputs, "--mca", 4, "--html", html, "-q")
    assert done.exit_code == 0, done.stderr
    page = html.read_text()
    assert "seen: builtin binary32" in page
    assert "CONFIRMED" in page
