"""Work spread over threads: complete, once, with errors passed on, whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from boundnet import ops
from boundnet.kernels import threads
from boundnet.kernels.threads import available, set_threads, spread


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    set_threads(None)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("total", "step"), [(0, 1), (1, 4), (7, 7), (100, 7), (101, 1)])
def test_every_index_once(count: int, total: int, step: int) -> None:
    set_threads(count)
    seen = np.zeros(total, dtype=int)

    def work(start: int, stop: int) -> None:
        assert start % step == 0
        seen[start:stop] += 1

    spread(work, total, step)
    assert np.all(seen == 1)


def test_an_error_is_raised_and_the_pool_survives() -> None:
    set_threads(2)

    def work(start: int, stop: int) -> None:
        raise ZeroDivisionError(f"{start}")

    with pytest.raises(ZeroDivisionError):
        spread(work, 10)
    done: list[int] = []
    spread(lambda i, j: done.extend(range(i, j)), 10)
    assert sorted(done) == list(range(10))


def test_work_inside_work_stays_on_its_thread() -> None:
    set_threads(2)
    names: list[tuple[str, str]] = []

    def work(start: int, stop: int) -> None:
        outer = threading.current_thread().name
        spread(lambda i, j: names.append((outer, threading.current_thread().name)), 4)

    spread(work, 2)
    assert len(names) == 2
    assert all(outer == inner for outer, inner in names)


def test_one_blas_thread_each_while_pieces_run() -> None:
    def blas() -> list[int]:
        libraries = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
        own = [lib for lib in libraries if "numpy" in lib["filepath"]]  # others may bring a BLAS of their own
        return [lib["num_threads"] for lib in own or libraries]

    set_threads(2)
    seen: list[int] = []
    with threadpool_limits(2, user_api="blas"):
        before = blas()
        spread(lambda i, j: seen.extend(blas()), 2)
        assert blas() == before
    assert set(seen) == {1}


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, expected in (("3", 3), ("4,2", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert available() == expected
    for text in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert available() == len(os.sched_getaffinity(0))
    with pytest.raises(ValueError, match="at least 1"):
        set_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_pool() -> None:
    code = (
        "import os, sys\nfrom boundnet.kernels.threads import set_threads, spread\n"
        "set_threads(2); spread(lambda i, j: None, 8)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    done = []; spread(lambda i, j: done.append(j - i), 8); os._exit(0 if sum(done) == 8 else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("name", ["conv", "strided", "groups", "depthwise", "dense", "1x1"])
def test_results_do_not_depend_on_the_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from boundnet.kernels import products

    monkeypatch.setattr(products, "BUFFER", 200)
    monkeypatch.setattr(products, "ROWS", 16)
    monkeypatch.setattr(products, "PIECE", 1)
    rng = np.random.default_rng(0)
    pads = ((1, 1), (1, 1))
    op, shape = {
        "conv": (ops.Conv(rng.normal(size=(3, 3, 4, 5)), padding=pads), (9, 8, 4)),
        "strided": (ops.Conv(rng.normal(size=(3, 3, 4, 5)), strides=(2, 3), padding=pads), (9, 8, 4)),
        "groups": (ops.Conv(rng.normal(size=(3, 3, 2, 6)), groups=2, padding=pads), (9, 8, 4)),
        "depthwise": (ops.Conv(rng.normal(size=(3, 3, 1, 4)), groups=4, padding=pads), (9, 8, 4)),
        "dense": (ops.Dense(rng.normal(size=(300, 200))), (300,)),
        "1x1": (ops.Conv(rng.normal(size=(1, 1, 4, 5))), (9, 8, 4)),
    }[name]
    linear = op.linear(shape)
    x, y = rng.normal(size=(5, 2, *linear.input_shape)), rng.normal(size=(5, 2, *linear.output_shape))
    results = []
    for count in (1, 2, 3):
        set_threads(count)
        assert threads.threads() == count
        results.append((linear.apply(x), linear.transpose(y), linear.absolute(np.abs(x))))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)
