"""The command line, run in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli_run import Run
from helpers.tiny_models import classifier
from typer.testing import CliRunner

from boundnet.cli.app import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("analyze", ...)``: exit code, stdout and stderr of a command."""
    monkeypatch.setenv("COLUMNS", "140")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A classifier of 3 inputs into 2 classes."""
    return classifier(tmp_path / "model.h5")
