"""An interrupted analysis goes on where it stopped; a checkpoint of something else, or a damaged one, is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_models import classifier as classifier_file
from helpers.work_networks import Slow, classifier, facts, images, points

import boundnet
from boundnet.analysis import units
from boundnet.analysis.execution.pool import ProcessPool
from boundnet.analysis.units import Bounder
from boundnet.errors import CheckpointError, InputError, OutputError

pytestmark = pytest.mark.xdist_group("work")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def lines(path: Path) -> list[Any]:
    return [json.loads(line.split(b" ", 1)[1]) for line in path.read_bytes().splitlines()]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Units that were really computed here."""
    done: list[tuple[int, int]] = []
    compute = units.Bounder.compute

    def watched(self: Bounder, unit: units.Unit, *rest: Any) -> units.Outcome:
        done.append((unit.start, unit.stop))
        return compute(self, unit, *rest)

    monkeypatch.setattr(units.Bounder, "compute", watched)
    return done


@pytest.mark.parametrize("options", [{"arithmetic": "pure-bfloat16"}, {"domain": "sketch", "coins": 3}])
def test_a_finished_one_holds_everything(options: dict[str, Any], path: Path, computed: list[tuple[int, int]]) -> None:
    graph = classifier()
    x = points(graph, 70)[:: 1 if "arithmetic" in options else 20]
    whole = facts(boundnet.analyze(graph, x, **options))
    assert facts(boundnet.analyze(graph, x, checkpoint=path, **options)) == whole
    computed.clear()
    assert facts(boundnet.analyze(graph, x, checkpoint=path, **options)) == whole
    assert computed == []


def test_the_rest_alone_is_computed(path: Path, computed: list[tuple[int, int]]) -> None:
    graph = classifier()
    x = points(graph, 70)
    whole = facts(boundnet.analyze(graph, x, "pure-bfloat16", checkpoint=path))
    first = [unit for unit in computed if unit[1] - unit[0] > 1]
    everything = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(everything[:3]) + everything[3][:-40])  # cut off while the third outcome was written
    computed.clear()
    assert facts(boundnet.analyze(graph, x, "pure-bfloat16", checkpoint=path)) == whole
    assert first[0] not in computed
    assert len(computed) == len(everything) - 3


def test_with_processes(path: Path, pool: ProcessPool) -> None:
    graph = images()
    x = points(graph, 70)
    whole = facts(boundnet.analyze(graph, x))
    assert facts(boundnet.analyze(graph, x, executor=pool, checkpoint=path)) == whole
    cut = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(cut[:2]))
    assert facts(boundnet.analyze(graph, x, checkpoint=path)) == whole


def test_sessions_count_in_the_probability(path: Path) -> None:
    graph = images()
    x = points(graph, 2)
    once = boundnet.analyze(graph, x, domain="sketch", checkpoint=path)
    again = boundnet.analyze(graph, x, domain="sketch", checkpoint=path)
    assert once.failure_probability is not None
    assert again.failure_probability == 2 * once.failure_probability < 1e-9
    given = boundnet.analyze(graph, x, domain="sketch", coins=1, checkpoint=path.with_name("given"))
    repeated = boundnet.analyze(graph, x, domain="sketch", coins=1, checkpoint=path.with_name("given"))
    assert given.failure_probability == repeated.failure_probability


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("inputs differs", {"inputs": np.ones((3, 8))}),
        ("arithmetic differs", {"arithmetic": "bfloat16"}),
        ("options differs", {"domain": "affine"}),
        ("options differs", {"decision": "none"}),
        ("model differs", {"model": classifier(Slow(0, "", 0))}),
        ("inputs, options differ", {"inputs": np.ones((2, 8))}),
    ],
)
def test_a_foreign_one_is_refused_and_left_alone(what: str, change: dict[str, Any], path: Path) -> None:
    given: dict[str, Any] = {"model": classifier(), "inputs": np.zeros((3, 8)), "arithmetic": "binary32"}
    boundnet.analyze(**given, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"kept: the checkpoint of another analysis: {what}"):
        boundnet.analyze(**{**given, **change}, checkpoint=path)
    assert path.read_bytes() == before


def test_one_weight_in_its_last_bit_is_another_model(path: Path) -> None:
    graph = classifier()
    boundnet.analyze(graph, np.zeros((1, 8)), checkpoint=path)
    kernel = graph.op("a").kernel  # type: ignore[attr-defined]
    kernel[3, 4] = np.nextafter(kernel[3, 4], 9.0)
    with pytest.raises(CheckpointError, match="model differs"):
        boundnet.analyze(graph, np.zeros((1, 8)), checkpoint=path)


def test_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)
    monkeypatch.setattr("boundnet.analysis.analyze.versions", lambda: {"boundnet": "99", "numpy": "1", "python": "3"})
    with pytest.raises(CheckpointError, match=r"version differs \(boundnet .*; this is boundnet 99, numpy 1, python 3\)"):
        boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)


def test_damage_is_refused_and_the_file_left_alone(path: Path) -> None:
    graph = classifier()
    boundnet.analyze(graph, points(graph, 70), checkpoint=path)
    good = path.read_bytes()
    for at in (0, 40, len(good) // 2):
        bad = bytearray(good)
        bad[at] ^= 1
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="damaged"):
            boundnet.analyze(graph, points(graph, 70), checkpoint=path)
        assert path.read_bytes() == bad


@pytest.mark.parametrize("text", [b"dear diary", b"dear diary\n", b"\x00\xff\x00", b"{}\n{}\n", b"0" * 32 + b" x"])
def test_other_files_are_refused_and_left_alone(text: bytes, path: Path) -> None:
    path.write_bytes(text)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)
    assert path.read_bytes() == text


def test_a_first_line_that_was_cut_off_is_written_again(path: Path) -> None:
    boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)
    whole = path.read_bytes()
    for cut in (0, 10, 45, 100):
        path.write_bytes(whole[:cut])
        boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)
        assert len(lines(path)) == 2


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder"):
        boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=tmp_path / "nowhere" / "kept")
    with pytest.raises(InputError, match="checkpoint: boxes"):
        boundnet.analyze(classifier(), box=(np.zeros(8), np.ones(8)), checkpoint=tmp_path / "kept")


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import boundnet
from helpers.work_networks import Slow, classifier, points
if __name__ == "__main__":
    graph = classifier(Slow(0, "", 8))
    with boundnet.processes({jobs}) as pool:
        boundnet.analyze(graph, points(graph, 12), domain="affine", executor=pool if {jobs} > 1 else None, checkpoint=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGKILL, 1), (signal.SIGINT, 2), (signal.SIGKILL, 2)]
)
def test_killed_and_resumed(number: int, jobs: int, tmp_path: Path, path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(SCRIPT.format(paths=[p for p in sys.path if p], jobs=jobs))
    with subprocess.Popen([sys.executable, script, path], stderr=subprocess.PIPE, start_new_session=True) as work:
        while not path.exists() or path.read_bytes().count(b"\n") < 4:
            assert work.poll() is None, work.stderr and work.stderr.read()
            time.sleep(0.01)
        with pytest.raises(CheckpointError, match="in use by another analysis"):
            boundnet.analyze(classifier(), np.zeros((1, 8)), checkpoint=path)
        (os.killpg if number == signal.SIGINT else os.kill)(work.pid, number)
        work.communicate(timeout=60)
    done = path.read_bytes().count(b"\n")
    assert 4 <= done < 13
    graph = classifier(Slow(0, "", 8))
    resumed = boundnet.analyze(graph, points(graph, 12), domain="affine", checkpoint=path)
    assert path.read_bytes().count(b"\n") == 14
    assert facts(resumed) == facts(boundnet.analyze(graph, points(graph, 12), domain="affine"))


def test_the_command_line(tmp_path: Path, path: Path) -> None:
    """Ctrl-C: exit code 130, nothing but the checkpoint, and the same command goes on from there."""
    from typer.testing import CliRunner

    from boundnet.cli.app import app

    model = classifier_file(tmp_path / "model.h5")
    words = ["analyze", str(model), "--seed", "3", "--samples", "70", "--quiet", "--checkpoint", str(path)]
    plain = CliRunner().invoke(app, [*words[:-2]])
    json_file = tmp_path / "out.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bounder, "compute", _interrupted)
        stopped = CliRunner().invoke(app, [*words, "--json", str(json_file)])
    assert stopped.exit_code == 130
    assert f"{path} keeps what is done; the same command goes on from there" in stopped.stderr
    assert not json_file.exists()
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (plain.exit_code, plain.stdout)
    clash = CliRunner().invoke(app, [*words, "--json", str(path)])
    assert clash.exit_code == 2
    assert "--json would overwrite the checkpoint" in clash.stderr
    clash = CliRunner().invoke(app, [*words[:-1], str(model)])
    assert clash.exit_code == 2
    assert "--checkpoint would overwrite the model" in clash.stderr
    none = CliRunner().invoke(app, [*words, "--jobs", "0"])
    assert none.exit_code == 2
    assert "--jobs 0: at least 1 process is needed" in none.stderr
    two = CliRunner().invoke(app, [*words[:-2], "--jobs", "2"])
    assert (two.exit_code, two.stdout) == (plain.exit_code, plain.stdout)


_compute = Bounder.compute


def _interrupted(self: Bounder, unit: units.Unit, *rest: Any) -> units.Outcome:
    if unit.start:
        raise KeyboardInterrupt
    return _compute(self, unit, *rest)
