"""``boundnet graph`` and ``boundnet formats``."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
from helpers.cli_run import Run
from helpers.tiny_models import dense, write_model, write_two_inputs

from boundnet.arithmetic.formats import FORMATS
from boundnet.arithmetic.presets import PRESETS


def test_table(run: Run, model: Path) -> None:
    done = run("graph", model)
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["node", "op", "shape", "layer", "inputs", "parameters"] in rows
    assert any(row[:3] == ["dense/relu", "Activation(relu)", "4"] for row in rows)
    assert "6 nodes" not in done.stdout
    assert "26 parameters" in done.stdout
    assert "keras_version: 2.4.0" in done.stdout
    assert "sha256: " in done.stdout


def test_files_agree(run: Run, tmp_path: Path) -> None:
    model = write_two_inputs(tmp_path / "two.h5")
    paths = {kind: tmp_path / f"out.{kind}" for kind in ("graphml", "json", "dot")}
    assert run("graph", model, *(word for kind, path in paths.items() for word in (f"--{kind}", path))).exit_code == 0
    graphml = nx.read_graphml(paths["graphml"])
    data = json.loads(paths["json"].read_text())
    assert set(graphml.nodes) == {node["id"] for node in data["nodes"]} == {"left", "right", "sum"}
    assert set(graphml.edges) == {(edge["source"], edge["target"]) for edge in data["edges"]}
    assert graphml.edges["right", "sum"]["positions"] == "1"
    assert graphml.nodes["sum"]["shape"] == "2"
    dot = paths["dot"].read_text()
    assert '"left" -> "sum"' in dot
    assert dot.startswith('digraph "two" {')


def test_hostile_names(run: Run, tmp_path: Path) -> None:
    name = 'a"; b -> "c\\N<b>\x1b'
    model = write_model(tmp_path / "m.h5", dense(name, [[1.0]], [0.0]), shape=[1])
    paths = {kind: tmp_path / f"out.{kind}" for kind in ("graphml", "json", "dot")}
    assert run("graph", model, *(word for kind, path in paths.items() for word in (f"--{kind}", path))).exit_code == 0
    shown = name.replace("\x1b", "\\x1b")
    assert shown in nx.read_graphml(paths["graphml"])
    assert shown in {node["id"] for node in json.loads(paths["json"].read_text())["nodes"]}
    assert '"a\\"; b -> \\"c\\\\N<b>\\\\x1b"' in paths["dot"].read_text()


def test_formats(run: Run) -> None:
    done = run("formats")
    assert done.exit_code == 0
    for name in (*FORMATS, *PRESETS, "float(p,e)", "fixed(i,f)", "erf", "cuda-float32"):
        assert name in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["fp8_e4m3fn"])
    for cell in ("2^-4 = 0.0625", "2^-9 = 0.00195", "2^-6 = 0.0156", "448", "NaN"):
        assert cell in row
