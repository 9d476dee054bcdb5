"""Commands that are interrupted, or whose disk is full: one message, no half-written result, no process left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
COMMAND = [sys.executable, "-c", "from boundnet.cli import main; main()"]
LIMIT = 120.0


def start(*words: object, temporary: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({} if temporary is None else {"TMPDIR": str(temporary)})}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def await_(ready: object, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT
    while not ready():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("command", "sent"), [("crosscheck", signal.SIGINT), ("mca", signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_run_writes_nothing(command: str, sent: signal.Signals, model: Path, tmp_path: Path) -> None:
    """Enough samples for minutes; the meter says when they are being drawn."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(size=(20000, 3)))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "r.json").write_text("an older result")
    process = start(
        command, model, "--inputs", tmp_path / "x.npy", "--samples", 5000, "--mode", "mca", "--json", folder / "r.json",
        "--csv", folder / "r.csv",
    )  # fmt: skip
    assert process.stderr is not None
    assert "boundnet:" in process.stderr.readline()
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=LIMIT)
    word, code = ("interrupted", 130) if sent is signal.SIGINT else ("terminated", 143)
    assert process.returncode == code
    assert f"boundnet: error: {word}; nothing was written" in stderr
    assert stdout == ""
    assert [path.name for path in folder.iterdir()] == ["r.json"]
    assert (folder / "r.json").read_text() == "an older result"


@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_compiler_leaves_no_process(sent: signal.Signals, model: Path, tmp_path: Path) -> None:
    """What the compiler's driver has started dies with it, and the folder of the build is deleted."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    compiler, pids = tmp_path / "verificarlo-c", tmp_path / "pids"
    started = f"sleep 300 & echo $! >> {pids}; echo $$ >> {pids}; wait"
    compiler.write_text(f'#!/bin/sh\ncase "$1" in --version) echo verificarlo 2.4.0;; *) {started};; esac\n')
    compiler.chmod(0o755)
    process = start(
        "crosscheck", model, "--backend", "builtin,verificarlo", "--verificarlo", compiler, "--json", tmp_path / "r.json",
        temporary=temporary,
    )  # fmt: skip
    await_(lambda: pids.exists() and len(pids.read_text().split()) == 2, process)
    assert list(temporary.iterdir())
    process.send_signal(sent)
    process.communicate(timeout=LIMIT)
    assert process.returncode == (130 if sent is signal.SIGINT else 143)
    for pid in map(int, pids.read_text().split()):
        await_gone(pid)
    assert not list(temporary.iterdir())
    assert not (tmp_path / "r.json").exists()


def await_gone(pid: int) -> None:
    """Dead, or a zombie that nobody has waited for yet."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 KB."""
    place = tmp_path / "tiny"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kind", ["csv", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("json", "html"))])
def test_full_disk(kind: str, model: Path, tiny_disk: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(size=(400, 3)))
    old = tiny_disk / f"r.{kind}"
    old.write_text("an older result")
    process = start("mca", model, "--inputs", tmp_path / "x.npy", "--samples", 4, "--keep-samples", f"--{kind}", old)
    _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, stderr
    assert f"r.{kind}: can't be written (No space left on device)" in stderr
    assert [path.name for path in tiny_disk.iterdir()] == [old.name]
    assert old.read_text() == "an older result"


def test_full_device(model: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    process = start("crosscheck", model, "--first", 2, "--json", "/dev/full")
    _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 2
    assert "/dev/full: can't be written (No space left on device)" in stderr


def test_full_disk_for_temporary_files(model: Path, tiny_disk: Path, tmp_path: Path) -> None:
    """The emitted C does not fit: a message that says where, and nothing of it is left."""
    (tiny_disk / "ballast").write_bytes(b"x" * 20000)
    compiler = tmp_path / "verificarlo-c"
    compiler.write_text("#!/bin/sh\necho verificarlo 2.4.0\n")
    compiler.chmod(0o755)
    process = start(
        "crosscheck", model, "--backend", "verificarlo", "--verificarlo", compiler, "--json", tmp_path / "r.json",
        temporary=tiny_disk,
    )  # fmt: skip
    _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, stderr
    assert "can't be written (No space left on device); set TMPDIR" in stderr
    assert [path.name for path in tiny_disk.iterdir()] == ["ballast"]
    assert not (tmp_path / "r.json").exists()


def test_an_interrupted_subdivision_is_a_result(model: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the search; what is known by then is printed and written, and the result says so."""
    process = start("analyze", model, "--box", 0, 1, "--splits", 10**8, "--json", tmp_path / "r.json")
    assert process.stderr is not None
    assert " pieces, outputs within " in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, stderr
    assert "WARNING: box 0: interrupted at " in stdout
    result = json.loads((tmp_path / "r.json").read_text())
    box = result["samples"][0]["box"]
    assert box["stopped"] == "interrupted"
    assert box["pieces"] > 1
    assert result["summary"]["max_absolute_bound"] <= box["whole_bound"]
