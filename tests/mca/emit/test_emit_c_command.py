"""``boundnet emit-c``: the folder, the program that make builds of it, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.compiled_c import needs_cc
from helpers.tiny_models import classifier, write_two_inputs
from typer.testing import CliRunner

from boundnet import ops
from boundnet.cli.app import app
from boundnet.errors import OutputError, UnsupportedLayerError
from boundnet.frontends import load
from boundnet.graph import LayerGraph
from boundnet.mca.emit import emit, write

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on PATH")


def program(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["./network", *words], cwd=folder, capture_output=True, text=True, check=False)


def emitted_program(model: Path, folder: Path, *options: str) -> Path:
    done = CliRunner().invoke(app, ["emit-c", str(model), str(folder), *options])
    assert done.exit_code == 0, done.output
    built = subprocess.run(["make", "network"], cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@needs_cc
@needs_make
@pytest.mark.parametrize(("real", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_program_reads_and_writes_npy(real: str, dtype: type, tmp_path: Path) -> None:
    model = classifier(tmp_path / "m.h5")
    folder = emitted_program(model, tmp_path / "out", "--type", real)
    x = np.random.default_rng(1).normal(size=(5, 3))
    np.save(folder / "x.npy", x)
    done = program(folder, "x.npy", "-o", "y.npy", "--repeat", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    y = np.load(folder / "y.npy")
    assert y.dtype == dtype
    assert y.shape == (2, 5, 2)
    graph = load(str(model))
    exact = graph.evaluate([x])[graph.outputs[0]]
    np.testing.assert_allclose(y[0], exact, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(y[0], y[1])
    stream = subprocess.run(
        ["./network", "--stream", "--nodes", "x.npy"], cwd=folder, capture_output=True, check=True
    ).stdout
    emitted = emit(graph, real)  # type: ignore[arg-type]
    values = np.frombuffer(stream, dtype).reshape(5, -1)
    np.testing.assert_array_equal(values[:, emitted.nodes[-1].offset :], y[0])
    np.save(folder / "one.npy", x[0].astype(np.float32))
    assert program(folder, "one.npy").stdout.startswith("dense_1/softmax: 0.")


@needs_cc
@needs_make
def test_several_inputs(tmp_path: Path) -> None:
    folder = emitted_program(write_two_inputs(tmp_path / "two.h5"), tmp_path / "out")
    np.save(folder / "a.npy", np.array([[1.0, 2.0]]))
    np.save(folder / "b.npy", np.array([[3, 5]], dtype=np.uint8))
    assert program(folder, "a.npy", "b.npy").stdout == "sum: 4 7\n"
    assert program(folder, "a.npy").returncode == 2


@needs_cc
@needs_make
def test_program_refuses_bad_files(tmp_path: Path) -> None:
    folder = emitted_program(classifier(tmp_path / "m.h5"), tmp_path / "out")
    bad = {
        "missing.npy": None, "empty.npy": b"", "text.npy": b"hello world, no array here", "short.npy": b"\x93NUMPY\x01\x00v\x00{",
    }  # fmt: skip
    for name, contents in bad.items():
        if contents is not None:
            (folder / name).write_bytes(contents)
    np.save(folder / "shape.npy", np.zeros((2, 4)))
    np.save(folder / "int.npy", np.zeros((2, 3), dtype=np.int64))
    np.save(folder / "order.npy", np.asfortranarray(np.zeros((2, 3))))
    np.save(folder / "cut.npy", np.zeros((2, 3)))
    (folder / "cut.npy").write_bytes((folder / "cut.npy").read_bytes()[:-1])
    for name in [*bad, "shape.npy", "int.npy", "order.npy", "cut.npy"]:
        done = program(folder, name, "-o", "y.npy")
        assert done.returncode == 2, name
        assert name in done.stderr
        assert not (folder / "y.npy").exists()
    np.save(folder / "x.npy", np.zeros((2, 3)))
    weights = bytearray((folder / "weights.bin").read_bytes())
    weights[40] ^= 1
    for changed in (bytes(weights), bytes(weights[:-4]), b"", bytes(8) + bytes(weights[8:])):
        (folder / "other.bin").write_bytes(changed)
        done = program(folder, "--weights", "other.bin", "x.npy")
        assert done.returncode == 2
        assert "other.bin" in done.stderr


class Strange(ops.Dense):
    """A subclass may compute anything."""


def test_unknown_ops_are_refused_by_name(tmp_path: Path) -> None:
    graph = LayerGraph("odd")
    x = graph.add("x", ops.Input((2,)))
    graph.set_outputs([graph.add("mine", Strange(np.eye(2)), [x], layer="block/mine", kind="MyLayer")])
    with pytest.raises(UnsupportedLayerError, match=r"block/mine \(MyLayer\).*Strange"):
        emit(graph)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emitted = emit(load(str(classifier(tmp_path / "m.h5"))))
    for taken in (tmp_path / "m.h5", tmp_path / "none" / "out", tmp_path):
        with pytest.raises(OutputError, match=taken.name):
            write(emitted, taken)
    written = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "weights.bin":
            raise OSError(28, "No space left on device")
        return written(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"out: can't be written \(No space left on device\)"):
        write(emitted, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.h5"]
    monkeypatch.undo()
    (tmp_path / "out").mkdir()
    assert write(emitted, tmp_path / "out") == tmp_path / "out"
    assert "weights.bin" in {path.name for path in (tmp_path / "out").iterdir()}


def test_names_stay_data(tmp_path: Path) -> None:
    graph = LayerGraph('*/ evil "name" ??/')
    x = graph.add('*/ int x; /* "', ops.Input((2,)))
    graph.set_outputs([graph.add("\u00fc\n#error", ops.Dense(np.eye(2)), [x], layer="*/ #error ??/")])
    text = emit(graph).files["network.c"].decode("ascii")
    assert "\n#error" not in text.replace('\n#error "', "")
    assert text.count("/*") == text.count("*/")
    assert "??" not in text


def test_shared_weights_are_stored_once() -> None:
    graph, shared = LayerGraph("shared"), ops.Dense(np.ones((3, 3)))
    x = graph.add("x", ops.Input((3,)))
    graph.set_outputs([graph.add("b", shared, [graph.add("a", shared, [x])])])
    assert len(emit(graph).files["weights.bin"]) == 32 + 4 * 9


def test_command_errors(tmp_path: Path) -> None:
    model = classifier(tmp_path / "m.h5")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for words in ([str(model), str(tmp_path / "full")], [str(tmp_path / "no.h5"), str(tmp_path / "out")]):
        done = CliRunner().invoke(app, ["emit-c", *words])
        assert done.exit_code == 2
        assert not (tmp_path / "out").exists()
