"""``boundnet analyze``: what people see, the exit codes, the files."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_run import Run
from helpers.tiny_models import classifier, dense, plain, regressor, write_model, write_two_inputs

from boundnet.results.io import from_json

PROVABLE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
TIE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def save(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


def test_proved(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", PROVABLE))
    assert done.exit_code == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("PROVED: rounding in binary32 can't change the class of any of 2 inputs; outputs within ")
    assert "WARNING" not in done.stdout


def test_sections_come_in_order(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", PROVABLE))
    tables = ["layer ", "dense ", "dense_1 ", "sample "]
    order = ["PROVED", "guarantee: deterministic", *tables, "This holds if:", "domain: ", "time: "]
    places = [done.stdout.index(text) for text in order]
    assert places == sorted(places)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["layer", "kind", "shape", "range", "error", "bound", "share", "overflow"] in rows
    shown = "sample class margin float64 bound cast margin rounding bound proved output error bound"
    assert shown.split() in rows
    found = [(row[0], row[1], row[6]) for row in rows if row[:1] in (["0"], ["1"])]
    assert found == [("0", "0", "yes"), ("1", "1", "yes")]


def test_not_proved(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", TIE))
    assert done.exit_code == 1
    assert done.stdout.startswith("NOT PROVED: class proved for 1 of 2 inputs in binary32, the rest may or may not change; ")


def test_no_decision(run: Run, tmp_path: Path) -> None:
    done = run("analyze", regressor(tmp_path / "m.h5"))
    assert done.exit_code == 0
    assert done.stdout.startswith("BOUNDED: 8 random inputs in binary32, outputs within ")
    assert "no decision to prove" in done.stdout.splitlines()[0]


def test_overflow_names_the_layer(run: Run, tmp_path: Path) -> None:
    path = regressor(tmp_path / "m.h5", weight=3e4)
    done = run("analyze", path, "--arithmetic", "pure-binary16", "--input-range", 2, 3)
    assert done.exit_code == 1
    first, *rest = done.stdout.splitlines()
    assert first.startswith(
        "NO BOUND for 8 of 8 random inputs in pure-binary16: layer 'dense' overflows (values reach 172000, which takes 6 exponent bits)"
    )
    assert any(line.startswith("WARNING: overflow in") for line in rest)


def test_random_inputs_are_announced(run: Run, model: Path) -> None:
    done = run("analyze", model, "--samples", 3, "--seed", 5, "--input-range", -1, 1)
    assert "3 random inputs" in done.stdout.splitlines()[0]
    warning = next(line for line in done.stdout.splitlines() if line.startswith("WARNING"))
    assert "--inputs FILE" in warning
    assert "[-1, 1]" in warning
    assert "seed 5" in warning


def test_seed_decides(run: Run, model: Path, tmp_path: Path) -> None:
    values = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("analyze", model, "--seed", seed, "--json", tmp_path / name)
        data = json.loads((tmp_path / name).read_text())
        values.append([output["value"] for sample in data["samples"] for output in sample["outputs"]])
    assert values[0] == values[1] != values[2]


def test_quiet(run: Run, model: Path) -> None:
    done = run("analyze", model, "--quiet")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_rows_are_capped(run: Run, model: Path, tmp_path: Path) -> None:
    inputs = np.vstack([np.tile(PROVABLE[0], (30, 1)), TIE[1:]])
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", inputs))
    assert "11 more samples left out here, those not proved first" in done.stdout
    assert any(line.split()[:1] == ["30"] and "NO" in line for line in done.stdout.splitlines())


def test_samples_takes_the_first(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", TIE), "--samples", 1)
    assert done.exit_code == 0
    assert "the 1 input;" in done.stdout.splitlines()[0]


def test_files(run: Run, model: Path, tmp_path: Path) -> None:
    out = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "html")}
    words = [word for kind, path in out.items() for word in (f"--{kind}", path)]
    done = run("analyze", model, "--inputs", save(tmp_path / "x.npy", PROVABLE), "--order", "sequential", *words)
    assert done.exit_code == 0
    analysis = from_json(out["json"].read_text())
    assert analysis.verdict == done.stdout.splitlines()[0]
    assert analysis.arithmetic["order"] == "sequential"
    expected = ("boundnet", "analyze", str(model), "--inputs", str(tmp_path / "x.npy"), "--order", "sequential")
    assert analysis.command == expected
    with out["csv"].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = [(row["index"], row["element"], row["class"]) for row in rows]
    assert found == [("0", "0", "0"), ("0", "1", "0"), ("1", "0", "1"), ("1", "1", "1")]
    assert "<h1" in out["html"].read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.h5", "out.csv", "out.html", "out.json", "x.npy"]


def test_file_modes_follow_the_umask(run: Run, model: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run("analyze", model, "--json", tmp_path / "out.json")
    finally:
        os.umask(before)
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o640


def test_several_inputs(run: Run, tmp_path: Path) -> None:
    model = write_two_inputs(tmp_path / "two.h5")
    left, right = save(tmp_path / "l.npy", np.ones((3, 2))), save(tmp_path / "r.npy", np.full((3, 2), 0.1))
    assert run("analyze", model, "--inputs", f"left={left}", "--inputs", f"right={right}").exit_code == 0
    np.savez(tmp_path / "both.npz", left=np.ones((3, 2)), right=np.ones((3, 2)))
    assert run("analyze", model, "--inputs", tmp_path / "both.npz").exit_code == 0


def test_open_shapes(run: Run, tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.h5", plain("GlobalAveragePooling1D", "mean"), shape=[None, 2])  # type: ignore[list-item]
    refused = run("analyze", model)
    assert refused.exit_code == 2
    assert "--input-shape" in refused.stderr
    name = refused.stderr.split("'")[1]
    assert run("analyze", model, "--input-shape", f"{name}=5,2").exit_code == 0
    assert run("analyze", model, "--input-shape", "5;2").exit_code == 2
    # Inputs have sizes of their own, in whatever file they come.
    values = np.arange(10.0).reshape(1, 5, 2) / 8.0
    (tmp_path / "x.csv").write_text(",".join(map(repr, values.ravel().tolist())) + "\n")
    for text in (save(tmp_path / "x.npy", values), f"{name}={tmp_path / 'x.npy'}", tmp_path / "x.csv"):
        for command in (("analyze",), ("mca", "--samples", 2), ("crosscheck", "--samples", 2)):
            assert run(command[0], model, *command[1:], "--inputs", text).exit_code == 0
    assert run("analyze", model, "--inputs", tmp_path / "x.npy", "--radius", "0.1").exit_code == 0
    short = save(tmp_path / "short.npy", values[:, :3])
    together = run("analyze", model, "--inputs", tmp_path / "x.npy", "--inputs", short)
    assert together.exit_code == 2
    assert "another shape" in together.stderr
    for given in (np.ones((2, 5, 3)), np.ones(4)):
        odd = run("analyze", model, "--inputs", save(tmp_path / "odd.npy", given))
        assert odd.exit_code == 2
        assert "(samples, any, 2)" in odd.stderr
    (tmp_path / "x.csv").write_text("1,2,3\n")
    assert run("analyze", model, "--inputs", tmp_path / "x.csv").exit_code == 2


def test_model_in_a_read_only_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    model = classifier(folder / "model.h5")
    model.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert run("analyze", model, "--json", tmp_path / "out.json").exit_code in (0, 1)
        assert run("graph", model).exit_code == 0
        assert [path.name for path in folder.iterdir()] == ["model.h5"]
    finally:
        folder.chmod(0o755)


def test_names_are_never_markup_or_escapes(run: Run, tmp_path: Path) -> None:
    name = "[red]\x1b[31m[/nonsense]"
    done = run("analyze", write_model(tmp_path / "m.h5", dense(name, [[1.0]], [0.0]), shape=[1]))
    assert done.exit_code == 0
    assert "[red]\\x1b[31m[/nonsense]" in done.stdout
    assert "\x1b" not in done.stdout


def test_interrupt_leaves_nothing(run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("boundnet.analyze", interrupted, raising=False)
    done = run("analyze", model, "--json", tmp_path / "out.json")
    assert done.exit_code == 130
    assert done.stderr == "boundnet: error: interrupted; nothing was written\n"
    assert not (tmp_path / "out.json").exists()


def test_internal_errors_are_not_verdicts(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("boundnet.analyze", broken, raising=False)
    done = run("analyze", model)
    assert done.exit_code == 4
    assert "please report it" in done.stderr


def test_a_closed_pipe_changes_nothing(model: Path, tmp_path: Path) -> None:
    inputs, out = save(tmp_path / "x.npy", PROVABLE), tmp_path / "out.json"
    words = [sys.executable, "-m", "boundnet.cli", "analyze", str(model), "--inputs", str(inputs), "--json", str(out)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert errors == ""
    assert out.exists()
