"""``boundnet analyze --guarantee probabilistic``: words, files and exit codes of what is likely and not proved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from helpers.cli_run import Run

from boundnet.cli.session import NOT_PROVED

LIKELY = ("--guarantee", "probabilistic")


def test_likely_is_not_proved(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "html", "markdown", "csv")}
    given = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    done = run("analyze", model, "--inputs", tmp_path / "x.npy", *LIKELY, "--lambda", "9", *given)
    assert done.exit_code == NOT_PROVED
    assert done.stdout.startswith(
        "LIKELY: rounding in binary32 is unlikely to change the class of any of 2 inputs; fails with"
    )
    assert "decisions (argmax): 2 of 2 likely" in done.stdout
    assert "guarantee: probabilistic, fails with probability at most" in done.stdout
    data = json.loads(files["json"].read_text())
    assert data["chance"]["lambda"] == 9
    assert "--guarantee probabilistic --lambda 9.0" in " ".join(data["command"])
    page, notes = files["html"].read_text(), files["markdown"].read_text()
    assert "decisions likely" in page
    assert "decisions likely" in notes
    assert "decisions proved" not in page + notes
    rows = files["csv"].read_text().splitlines()
    assert rows[0].endswith("proved,likely")
    assert all(row.endswith("false,true") for row in rows[1:])
    again = run("report", files["json"])
    assert again.stdout.startswith("LIKELY: ")


def test_ties_are_not_likely(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    done = run("analyze", model, "--inputs", tmp_path / "x.npy", *LIKELY)
    assert done.exit_code == NOT_PROVED
    assert done.stdout.startswith(
        "NOT ALL LIKELY: rounding likely keeps the class for 1 of 2 inputs in binary32 (fails with "
    )


def test_bad_requests(run: Run, model: Path) -> None:
    for words, message in (
        (("--lambda", "8"), "--lambda is for --guarantee probabilistic"),
        ((*LIKELY, "--lambda", "-1"), "--lambda -1: give a positive number"),
        ((*LIKELY, "--lambda", "1"), "says nothing here"),
        ((*LIKELY, "--rounding", "toward_zero"), "is biased"),
    ):
        done = run("analyze", model, *words)
        assert done.exit_code == 2
        assert message in done.stderr
        assert done.stdout == ""
