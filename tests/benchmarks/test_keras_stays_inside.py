"""No float32 run of Keras leaves its bound: the release check of ``benchmarks.networks_table``, on small networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ("digits", "mini_xception", "resnet8")


def run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_no_keras_run_leaves_its_bound(tmp_path: Path) -> None:
    """MobileNetV1-0.25 as built here, and the trained networks of the collection where there is one; ten images each."""
    pytest.importorskip("tensorflow", reason="TensorFlow isn't installed: nothing to compare with")
    run("benchmarks.networks", "mobilenet_025", "--out", str(tmp_path))
    run("benchmarks.agreement", "mobilenet_025", "--nets", str(tmp_path), "--float64")
    shared = ROOT.parent / "shared" / "models"
    names = ["example", *(TRAINED if shared.is_dir() else ()), "mobilenet_025"]
    table = tmp_path / "table.json"
    run("benchmarks.networks_table", *names, "--nets", str(tmp_path), "--images", "10", "--json", str(table))
    rows = json.loads(table.read_text(encoding="utf-8"))["networks"]
    assert [row["network"] for row in rows] == names
    assert all("error" not in row and "keras" not in row for row in rows), rows
    assert all(row["outside"] == 0 and row["compared"] >= 2 * 3 * 10 * 7 for row in rows)
