"""Paths that lead to no file: links in a circle, pipes, sockets, devices, folders, names too long.  One error each, at once."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from helpers.cli_run import Run

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

KINDS = {
    "loop": "a loop of symbolic links",
    "pipe": "a named pipe",
    "socket": "a socket",
    "device": "a device",
    "folder": "a folder",
    "long": "name too long",
}


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """Opening a pipe that nobody writes to or reads from never ends."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("still waiting after 30 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds one path of each kind, under every suffix; the test runs in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(kind: str, suffix: str) -> str:
    """A path of that kind in the current folder."""
    name = f"{kind}{suffix}"
    if kind == "loop":
        os.symlink(name, name)
    elif kind == "pipe":
        os.mkfifo(name)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "device":
        os.symlink("/dev/zero", name)
    elif kind == "folder":
        os.mkdir(name)
    else:
        name = "n" * 300 + suffix
    return name


def refused(run: Run, *words: object) -> str:
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.count("boundnet: error: ") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


WAYS = [("analyze", ".h5"), ("analyze", ".keras"), ("graph", ""), ("mca", ".h5"), ("crosscheck", ".h5"), ("emit-c", ".h5")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("command", "suffix"), WAYS)
def test_models(run: Run, odd: Path, command: str, kind: str, suffix: str) -> None:
    if (kind, suffix) == ("folder", ""):
        suffix = ".hdf5"  # what a folder without a suffix may be is the front end's to say
    path = make(kind, suffix)
    message = refused(run, command, path, *(["out"] if command == "emit-c" else []))
    assert path in message
    assert KINDS[kind].lower() in message.lower()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])  # a folder of images is an input
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".png"])
def test_inputs(run: Run, model: Path, odd: Path, kind: str, suffix: str) -> None:
    message = refused(run, "analyze", model, "--inputs", make(kind, suffix))
    assert KINDS[kind].lower() in message.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_boxes(run: Run, model: Path, odd: Path, kind: str) -> None:
    assert KINDS[kind].lower() in refused(run, "analyze", model, "--box", make(kind, ".csv")).lower()


@pytest.mark.parametrize("kind", KINDS)
def test_saved_results(run: Run, odd: Path, kind: str) -> None:
    assert KINDS[kind].lower() in refused(run, "report", make(kind, ".json")).lower()


OUTPUTS = [(option, kind) for option in ("--json", "--html", "--csv", "--markdown") for kind in KINDS if kind != "device"]


@pytest.mark.parametrize(("option", "kind"), [*OUTPUTS, *(("--checkpoint", kind) for kind in KINDS)])
def test_destinations(run: Run, model: Path, odd: Path, option: str, kind: str) -> None:
    message = refused(run, "analyze", model, option, make(kind, ".out"))
    assert KINDS[kind].lower() in message.lower()


@pytest.mark.parametrize("kind", ["loop", "pipe", "socket", "device", "long"])
def test_new_folders(run: Run, model: Path, odd: Path, kind: str) -> None:
    message = refused(run, "emit-c", model, make(kind, ""))
    assert "give the name of a new folder" in message or KINDS[kind].lower() in message.lower()


def test_a_pipe_beside_the_page_is_left_alone(odd: Path) -> None:
    from boundnet_reports.csv_file import may_replace

    for kind in KINDS:
        if kind != "long":
            assert not may_replace(Path(make(kind, ".data.csv")))
    assert may_replace(Path("free.data.csv"))


def test_a_descriptor_that_is_open_already_is_read_and_written(odd: Path) -> None:
    from boundnet.results.files import check_destination, unreadable

    reading, writing = os.pipe()
    try:
        assert unreadable(Path(f"/dev/fd/{reading}")) is None
        check_destination(Path(f"/dev/fd/{writing}"))
    finally:
        os.close(reading)
        os.close(writing)
