"""Processes die, and the work goes on; the parent dies, and no process stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from helpers.work_networks import Deadly, classifier, die, die_once, double, facts, points, threads_here

import boundnet
from boundnet.analysis.execution.pool import ProcessPool, share
from boundnet.errors import InputError, WorkerError
from boundnet.kernels.threads import cores

pytestmark = pytest.mark.xdist_group("work")


def test_a_call_whose_worker_dies_runs_again(pool: ProcessPool, tmp_path: Path) -> None:
    others = [pool.submit(double, i) for i in range(6)]
    found = pool.submit(die_once, tmp_path / "token")
    others += [pool.submit(double, i) for i in range(6, 12)]
    assert found.result(60) != os.getpid()
    assert [future.result(60) for future in others] == [2 * i for i in range(12)]


def test_a_call_that_always_kills_is_given_up(pool: ProcessPool) -> None:
    bad = pool.submit(die)
    good = [pool.submit(double, i) for i in range(4)]
    with pytest.raises(WorkerError, match=r"died 3 times on the same work; most often memory ran out"):
        bad.result(120)
    assert [future.result(60) for future in good] == [0, 2, 4, 6]


def test_errors_are_passed_on(pool: ProcessPool) -> None:
    with pytest.raises(TypeError):
        pool.submit(double).result(60)
    assert pool.submit(double, 4).result(60) == 8


def test_an_analysis_survives_a_dead_worker(pool: ProcessPool, tmp_path: Path) -> None:
    graph = classifier(Deadly(os.getpid(), str(tmp_path), 1))
    x = points(graph, 40)
    assert facts(boundnet.analyze(graph, x, executor=pool)) == facts(boundnet.analyze(graph, x))
    assert len(list(tmp_path.iterdir())) == 1


def test_an_analysis_that_always_kills_ends_with_a_clear_error(pool: ProcessPool, tmp_path: Path) -> None:
    graph = classifier(Deadly(os.getpid(), str(tmp_path), 100))
    with pytest.raises(WorkerError, match=r"inputs 0 to 3: a worker process died 3 times"):
        boundnet.analyze(graph, points(graph, 4), executor=pool)


def test_closing() -> None:
    pool = boundnet.processes(1)
    assert pool.submit(double, 1).result(60) == 2
    pool.shutdown()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(double, 1)
    pool.shutdown()
    with pytest.raises(InputError, match="0 processes"):
        boundnet.processes(0)


def test_an_error_in_the_context_ends_workers_at_once() -> None:
    started = time.monotonic()
    pool = boundnet.processes(1)
    worker = pool.submit(os.getpid).result(60)
    left = pool.submit(time.sleep, 600)
    pool.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert left.exception() is not None
    assert time.monotonic() - started < 300
    assert gone(worker)


def test_threads_are_shared_out(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share(1) == cores()
    assert share(2) == max(1, cores() // 2)
    assert share(1000) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert share(1) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert share(2) == max(1, cores() // 2)
    kernels, blas = pool.submit(threads_here).result(60)
    assert kernels <= max(1, cores() // 2)
    assert set(blas) == {1}


PARENT = """
import os, sys, time
import boundnet
if __name__ == "__main__":
    with boundnet.processes(2) as pool:
        workers = {pool.submit(os.getpid).result() for _ in range(4)}
        pool.submit(time.sleep, 600)
        print(*workers, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(number: int, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as parent:  # fmt: skip
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert workers
        # As a terminal does: Ctrl-C reaches the whole group.
        (os.killpg if number == signal.SIGINT else os.kill)(parent.pid, number)
        _, errors = parent.communicate(timeout=60)
    assert all(map(gone, workers))
    assert errors.count("Traceback") <= (number == signal.SIGINT), errors


def gone(process: int) -> bool:
    """Whether the process ends within some seconds."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_another_pool_that_breaks_is_told_with_what_to_do(tmp_path: Path) -> None:
    graph = classifier(Deadly(os.getpid(), str(tmp_path), 100))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as other, pytest.raises(WorkerError, match=r"boundnet\.processes\(N\) goes on"):
        boundnet.analyze(graph, points(graph, 4), executor=other)
