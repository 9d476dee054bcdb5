"""Whatever is wrong: one clear message on stderr, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.cli_run import Run
from helpers.tiny_models import dense, plain, write_model, write_two_inputs


def refused(run: Run, tmp_path: Path, *words: object) -> str:
    """The message of a command that must fail; also asks for a result, which must not appear."""
    before = sorted(tmp_path.rglob("*"))
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("boundnet: error: ")
    assert done.stderr.count("boundnet: error: ") == 1
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    return done.stderr


@pytest.mark.parametrize("command", ["analyze", "graph"])
def test_missing_model(run: Run, tmp_path: Path, command: str) -> None:
    for name in ("nothing.h5", "nothing", "no/folder/model.keras"):
        message = refused(run, tmp_path, command, tmp_path / name, "--json", tmp_path / "out.json")
        assert message == f"boundnet: error: {tmp_path / name}: no such file\n"


def test_not_hdf5(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_text("x,y\n1,2\n")
    assert "not a readable HDF5 file" in refused(run, tmp_path, "analyze", tmp_path / "m.h5")


def test_unknown_suffix(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07")
    assert "give a Keras .h5, .hdf5 or .keras file" in refused(run, tmp_path, "analyze", tmp_path / "m.onnx")


def test_empty_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.h5").touch()
    assert "the file is empty" in refused(run, tmp_path, "analyze", tmp_path / "m.h5")


def test_weights_only(run: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"dense"])
        file.create_group("dense").attrs["weight_names"] = np.array([b"dense/kernel:0"])
    assert "holds weights only" in refused(run, tmp_path, "analyze", tmp_path / "w.h5")


def test_truncated(run: Run, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    for size in (len(content) - 100, len(content) // 2, 600, 20):
        model.write_bytes(content[:size])
        refused(run, tmp_path, "analyze", model, "--json", tmp_path / "out.json")


def test_unsupported_layers_are_all_listed(run: Run, tmp_path: Path) -> None:
    layers = (dense("good", np.eye(2), [0, 0]), plain("Mystery", "odd_one"), plain("Enigma", "odd_two"))
    message = refused(run, tmp_path, "analyze", write_model(tmp_path / "m.h5", *layers, shape=[2]))
    assert "2 layers are not supported" in message
    assert "odd_one (Mystery)" in message
    assert "odd_two (Enigma)" in message


def test_lambda(run: Run, tmp_path: Path) -> None:
    layer = plain("Lambda", "magic", function=["4wEAAAA=", None, None], function_type="lambda")
    message = refused(run, tmp_path, "analyze", write_model(tmp_path / "m.h5", layer, shape=[2]))
    assert "magic (Lambda)" in message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers(run: Run, tmp_path: Path, bad: float) -> None:
    message = refused(run, tmp_path, "analyze", write_model(tmp_path / "m.h5", dense("d", [[bad]], [0]), shape=[1]))
    assert "d" in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((4, 5)), "needs shape (samples, 3)"),
        (np.zeros((0, 3)), "there are no samples"),
        (np.array([["a", "b", "c"]]), "numbers are needed"),
        (np.zeros((2, 3), complex), "numbers are needed"),
        (np.array([[0, np.nan, 0]]), "NaN or infinity"),
        (np.array([[2**60 + 1, 0, 0]]), "int64 numbers that binary64 can't hold exactly"),
    ],
    ids=["shape", "empty", "text", "complex", "nan", "large integers"],
)  # fmt: skip
def test_inputs_that_do_not_fit(run: Run, model: Path, tmp_path: Path, values: np.ndarray, words: str) -> None:
    np.save(tmp_path / "x.npy", values)
    assert words in refused(run, tmp_path, "analyze", model, "--inputs", tmp_path / "x.npy", "--json", tmp_path / "out.json")


def test_input_files_that_cannot_be_read(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "whole.npy", np.zeros((20, 3)))
    (tmp_path / "short.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-50])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "junk.npz").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "text.npy").write_text("1,2,3")
    np.savez(tmp_path / "many.npz", a=np.zeros(3), b=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    (tmp_path / "x.dat").touch()
    expected = {
        "missing.npy": "no such file", "objects.npy": "never loaded", "short.npy": "truncated", "empty.npy": "empty",
        "junk.npz": "not a readable NumPy file", "text.npy": "never loaded", "many.npz": "(a, b)", "none.npz": "no arrays",
        "x.dat": "unknown kind of inputs", "many.npz:c": "no array 'c'",
    }  # fmt: skip
    for name, words in expected.items():
        assert words in refused(run, tmp_path, "analyze", model, "--inputs", tmp_path / name), name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no samples"), ("a,b,c\n", "no samples"), ("1,2\n", "line 1 has 2 numbers"),
        ("1,2,3\n4,x,6\n", "line 2, column 2: 'x'"),
    ],
)  # fmt: skip
def test_csv_that_is_wrong(run: Run, model: Path, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert words in refused(run, tmp_path, "analyze", model, "--inputs", tmp_path / "x.csv")


def test_inputs_of_several(run: Run, tmp_path: Path) -> None:
    model = write_two_inputs(tmp_path / "two.h5")
    np.save(tmp_path / "x.npy", np.zeros((1, 2)))
    np.savez(tmp_path / "x.npz", left=np.zeros((1, 2)))
    x = tmp_path / "x.npy"
    assert "left, right" in refused(run, tmp_path, "analyze", model, "--inputs", x)
    assert "'right'" in refused(run, tmp_path, "analyze", model, "--inputs", tmp_path / "x.npz")
    assert "no input 'middle'" in refused(run, tmp_path, "analyze", model, "--inputs", f"middle={x}")
    assert "'right'" in refused(run, tmp_path, "analyze", model, "--inputs", f"left={x}")


@pytest.mark.parametrize(
    "words",
    [
        ("--format", "binary33"), ("--arithmetic", "nonsense"), ("--accumulate", "float(99,2)"), ("--order", "random"),
        ("--arithmetic", "h100"), ("--format", "fixed(4,4)", "--accumulate", "binary32"), ("--samples", "0"),
        ("--input-range", "1", "0"), ("--input-range", "0", "inf"), ("--input-range", "nan", "1"), ("--seed", "-1"),
        ("--scale", "1/255"), ("--decision", "sign"), ("--input-shape", "x"), ("--effort", "-1"), ("--effort", "nan"),
        ("--box", "0", "1", "--effort", "2"),
    ],
)  # fmt: skip
def test_options_that_are_wrong(run: Run, model: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    refused(run, tmp_path, "analyze", model, *words, "--json", tmp_path / "out.json")


@pytest.mark.parametrize("kind", ["json", "csv", "html"])
def test_destinations_are_checked_first(
    run: Run, model: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boundnet.analyze", lambda *_, **__: pytest.fail("the analysis has started"), raising=False)
    assert "does not exist" in refused(run, tmp_path, "analyze", model, f"--{kind}", tmp_path / "missing" / "out")
    assert "a folder" in refused(run, tmp_path, "analyze", model, f"--{kind}", tmp_path)
    content = model.read_bytes()
    assert "would overwrite the model" in refused(run, tmp_path, "analyze", model, f"--{kind}", model)
    assert model.read_bytes() == content


def test_destinations_differ_from_each_other_and_the_inputs(run: Run, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3)))
    out = tmp_path / "out"
    assert "overwrite --json" in refused(run, tmp_path, "analyze", model, "--json", out, "--html", out)
    message = refused(run, tmp_path, "analyze", model, "--inputs", f"{tmp_path / 'x.npz'}:x", "--json", tmp_path / "x.npz")
    assert "overwrite the inputs" in message


@pytest.mark.parametrize("kind", ["graphml", "dot", "json"])
def test_graph_destinations(run: Run, model: Path, tmp_path: Path, kind: str) -> None:
    assert "does not exist" in refused(run, tmp_path, "graph", model, f"--{kind}", tmp_path / "missing" / "out")
