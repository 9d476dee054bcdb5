"""Damage that the HDF5 library does not survive: one clear error all the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import h5py
import pytest

from boundnet.errors import ModelFileError
from boundnet.frontends import isolation
from boundnet_keras import frontend, vetting


def endless(path: Path) -> Path:
    """A file whose text is kept in a heap with an object of size 0, which the library steps over for ever."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Sequential"}' + " " * 300
        file.create_group("model_weights")
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL")
    assert heap > 0
    data[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't fork here")
def test_reading_that_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"m\.h5.*does not end"):
        vetting.vet(endless(tmp_path / "m.h5"), 1.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't fork here")
def test_reading_that_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    monkeypatch.setattr(vetting, "_attributes", lambda item: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(ModelFileError, match=r"m\.h5.*SIGKILL"):
        vetting.vet(tmp_path / "m.h5")


def test_good_files_and_other_errors_pass(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file.create_group("g").create_dataset("d", data=[1.0, 2.0], chunks=(1,))
    frontend.vet(tmp_path / "m.h5")
    (tmp_path / "t.h5").write_bytes((tmp_path / "m.h5").read_bytes()[:900])
    frontend.vet(tmp_path / "t.h5")
    (tmp_path / "n.h5").write_bytes(b"not HDF5")
    frontend.vet(tmp_path / "n.h5")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't fork here")
def test_an_interruption_leaves_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a damaged file is read: the process that reads it goes, too."""
    children: list[int] = []
    fork = os.fork

    def forked() -> int:
        child = fork()
        if child:
            children.append(child)
        return child

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(isolation.os, "fork", forked)
    monkeypatch.setattr(isolation.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vetting.vet(endless(tmp_path / "m.h5"), 60.0)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)
