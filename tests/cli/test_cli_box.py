"""Boxes of inputs on the command line: what is accepted, what is refused, what comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli_run import Run
from helpers.tiny_models import write_two_inputs

from boundnet.cli.box_option import joined


def result(run: Run, tmp_path: Path, *words: object) -> dict[str, Any]:
    """The only sample of an analysis, with what the analysis says of its inputs."""
    done = run("analyze", *words, "--json", tmp_path / "out.json")
    assert done.exit_code in (0, 1), done.output
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["inputs"]["box"] is True
    sample: dict[str, Any] = data["samples"][0]
    return sample | {"inputs": data["inputs"], "count": len(data["samples"]), "command": data["command"]}


def test_words_are_joined() -> None:
    assert joined(["m", "--box", "-1", "1", "-q"]) == ["m", "--box=-1 1", "-q"]
    assert joined(["--box", "x=0", "1e-3", "--box", "y=f.csv", "m"]) == ["--box=x=0 1e-3", "--box=y=f.csv", "m"]
    assert joined(["--box=0", "1", "m"]) == ["--box=0 1", "m"]
    assert joined(["--box", "f.csv", "2"]) == ["--box=f.csv", "2"]
    assert joined(["--box", "0", "m.h5"]) == ["--box=0", "m.h5"]
    assert joined(["--", "--box", "0", "1"]) == ["--", "--box", "0", "1"]
    assert joined(["--box"]) == ["--box"]


def test_two_numbers_and_a_file_mean_the_same(run: Run, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "ends.csv"
    file.write_text("lo,hi\n-0.5,0.25\n-0.5,0.25\n-0.5,0.25\n")
    numbers = result(run, tmp_path, model, "--box", -0.5, 0.25)
    ends = result(run, tmp_path, model, "--box", file)
    assert numbers["outputs"] == ends["outputs"]
    assert numbers["box"]["low"] == [-0.5] * 3
    assert numbers["box"]["high"] == [0.25] * 3
    assert numbers["box"]["pieces"] == 1
    assert numbers["box"]["stopped"] == "whole"
    assert numbers["command"][3:6] == ["--box", "-0.5", "0.25"]


def test_subdivision_tightens_and_says_so(run: Run, model: Path, tmp_path: Path) -> None:
    whole = result(run, tmp_path, model, "--box", -0.5, 1)
    done = run(
        "analyze", model, "--box", "-0.5", "1", "--splits", "20", "--inputs-exact", "yes", "--json", tmp_path / "b.json"
    )
    cut = json.loads((tmp_path / "b.json").read_text())["samples"][0]
    assert cut["box"]["inputs_exact"] is True
    assert 1 < cut["box"]["pieces"] <= 21
    assert max(cut["outputs"][0]["absolute_bound"]) < max(whole["outputs"][0]["absolute_bound"])
    assert max(cut["outputs"][0]["absolute_bound"]) <= cut["box"]["whole_bound"]
    assert "pieces: " in done.stdout
    assert "largest bound in: [" in done.stdout
    assert "--splits 20" in " ".join(json.loads((tmp_path / "b.json").read_text())["command"])


def test_a_box_around_each_input(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    sample = result(run, tmp_path, model, "--inputs", tmp_path / "x.npy", "--radius", 0.25, "--splits", 3)
    assert sample["count"] == 2
    assert np.all(np.array(sample["box"]["low"]) <= [0.75, -0.25, -0.25])
    assert np.all(np.array(sample["box"]["high"]) >= [1.25, 0.25, 0.25])
    assert sample["decision"]["proved"] is True
    assert sample["box"]["proved_share"] == 1.0


def test_where_the_class_changes(run: Run, model: Path, tmp_path: Path) -> None:
    done = run(
        "analyze", model, "--box", 0, 1, "--splits", 300, "--markdown", tmp_path / "r.md", "--html", tmp_path / "r.html"
    )
    assert done.exit_code == 1
    assert done.stdout.startswith("NOT PROVED: rounding can't change the class in ")
    for name in ("r.md", "r.html"):
        assert "% of the box" in (tmp_path / name).read_text()
        assert "pieces" in (tmp_path / name).read_text()


def test_several_inputs(run: Run, tmp_path: Path) -> None:
    model = write_two_inputs(tmp_path / "two.h5")
    (tmp_path / "r.csv").write_text("lo,hi\n1,2\n3,4\n")
    sample = result(run, tmp_path, model, "--box", "left=0", "1", "--box", f"right={tmp_path / 'r.csv'}")
    assert sample["box"]["low"] == [0.0, 0.0, 1.0, 3.0]
    assert sample["outputs"][0]["low"][1] <= 3.0
    assert sample["outputs"][0]["high"][1] >= 5.0
    (tmp_path / "all.csv").write_text("lo,hi\n0,1\n0,1\n1,2\n3,4\n")
    assert result(run, tmp_path, model, "--box", tmp_path / "all.csv")["outputs"] == sample["outputs"]


BAD: list[tuple[list[str], str]] = [
    (["--box", "1", "0"], "--box 1 0: the lower end 1 is above the upper end 0"),
    (["--box", "nan", "1"], "--box nan 1: 'nan' is not a finite number"),
    (["--box", "0", "inf"], "'inf' is not a finite number"),
    (["--box", "0"], "--box 0: give two numbers, LO HI, or a file"),
    (["--box", "none.csv"], "none.csv: no such file"),
    (["--box", "0", "1", "--inputs", "x.npy"], "--box and --inputs: give one of them"),
    (["--box", "0", "1", "--radius", "1"], "--box and --radius"),
    (["--box", "0", "1", "--box", "0", "1"], "give one box, or NAME=LO HI"),
    (["--box", "0", "1", "--samples", "2"], "--samples is for single inputs"),
    (["--box", "0", "1", "--reference", "arb"], "--reference is for single inputs"),
    (["--box", "0", "1", "--mca", "2"], "--mca is for single inputs"),
    (["--box", "0", "1", "--input-range", "0", "1"], "--input-range is for single inputs"),
    (["--box", "0", "1", "--domain", "sketch"], "--domain sketch is for single inputs"),
    (["--box", "0", "1", "--splits", "-1"], "--splits -1"),
    (["--box", "0", "1", "--time-limit", "0"], "--time-limit 0: give a positive number"),
    (["--box", "0", "1", "--time-limit", "nan"], "--time-limit nan: give a positive number"),
    (["--radius", "0.1"], "--radius: give the inputs in the middle"),
    (["--inputs", "x.npy", "--radius", "-1"], "--radius -1: give a finite number"),
    (["--splits", "3"], "--splits is for boxes"),
    (["--time-limit", "3"], "--time-limit is for boxes"),
    (["--inputs-exact", "yes"], "--inputs-exact is for boxes"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_use(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((1, 3)))
    done = run("analyze", model, *words, "--json", "out.json")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("out.json").exists()


FILES = {
    "0,1\n0,1\n0,1\n": "the first line must be lo,hi",
    "": "the first line must be lo,hi",
    "lo,hi\n0,1\n": "1 lines of ends; the model's input has 3 elements",
    "lo,hi\n0,1\n0,1\n2,1\n": "line 4: the lower end 2 is above the upper end 1",
    "lo,hi\n0,1\nnan,1\n0,1\n": "line 3: 'nan' is not a finite number",
    "lo,hi\n0,1\n0,x\n0,1\n": "line 3: 'x' is not a finite number",
    "lo,hi\n0,1\n0\n0,1\n": "line 3 has 1 numbers",
    "lo,hi\n0,1\n0,1,2\n0,1\n": "line 3 has 3 numbers",
}


@pytest.mark.parametrize("text", FILES)
def test_bad_files(run: Run, model: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "ends.csv"
    file.write_text(text)
    done = run("analyze", model, "--box", file)
    assert done.exit_code == 2
    assert FILES[text] in done.stderr
    assert str(file) in done.stderr
