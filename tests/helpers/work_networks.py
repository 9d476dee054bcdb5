"""Networks, executors and deadly operations for the tests of distributed work; importable by workers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boundnet
from boundnet import Analysis, LayerGraph, ops
from boundnet.functions import make
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.roundoff.rounder import Rounder


def classifier(middle: Op | None = None) -> LayerGraph:
    """8 -> 12 -> 3 with softmax; inputs of large norm bend its tanh enough to want affine forms."""
    rng = np.random.default_rng(3)
    graph = LayerGraph("classifier")
    node = graph.add("x", ops.Input((8,)))
    node = graph.add("a", ops.Dense(rng.normal(size=(8, 12)), rng.normal(size=12)), [node])
    node = graph.add("t", ops.Activation(make("tanh")), [node])
    if middle is not None:
        node = graph.add("middle", middle, [node])
    node = graph.add("b", ops.Dense(rng.normal(size=(12, 3)), None), [node])
    graph.set_outputs([graph.add("p", ops.Softmax(0), [node])])
    return graph


def images() -> LayerGraph:
    """A residual block on 8 x 8 x 2 images, max pooling, a dense layer."""
    rng = np.random.default_rng(4)
    graph = LayerGraph("images")
    node = graph.add("x", ops.Input((8, 8, 2)))
    first = graph.add("c", ops.Conv(rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4), padding=((1, 1), (1, 1))), [node])
    branch = graph.add("r", ops.Activation(make("relu")), [first])
    branch = graph.add("d", ops.Conv(rng.normal(size=(3, 3, 4, 4)), None, padding=((1, 1), (1, 1))), [branch])
    node = graph.add("s", ops.Add(), [first, branch])
    node = graph.add("m", ops.MaxPool((2, 2)), [node])
    node = graph.add("f", ops.Reshape((64,)), [node])
    graph.set_outputs([graph.add("y", ops.Dense(rng.normal(size=(64, 4)), rng.normal(size=4)), [node])])
    return graph


def points(graph: LayerGraph, count: int, seed: int = 0) -> Array:
    """Inputs of growing size."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, *graph.shape("x")))
    return x * np.linspace(0.1, 3.0, count).reshape(-1, *([1] * (x.ndim - 1)))


def facts(analysis: Analysis) -> dict[str, Any]:
    """All that a result says, but for how long it took; floats as text that tells every bit."""
    found = boundnet.Analysis.to_dict(analysis)
    del found["timings"]
    return found


class AnyOrder(Executor):
    """Runs calls one at a time in a thread, in random order."""

    def __init__(self, seed: int) -> None:
        self._random, self._calls = random.Random(seed), list[tuple[Future[Any], Callable[[], Any]]]()
        self._open = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.append((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._open = False
        self._thread.join()

    def _run(self) -> None:
        while self._open or self._calls:
            time.sleep(0.002)
            if self._calls:
                future, call = self._calls.pop(self._random.randrange(len(self._calls)))
                future.set_result(call())


@dataclass(frozen=True, eq=False)
class Deadly(Op):
    """The identity.  In another process than ``parent`` it kills that process, as long as ``deaths`` tokens are left."""

    parent: int
    tokens: str
    deaths: int

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def centre(self, *xs: Array) -> Array:
        if os.getpid() != self.parent:
            for number in range(self.deaths):
                token = Path(self.tokens) / str(number)
                if not token.exists():
                    token.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return xs[0]

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return xs[0]

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        return ops.Reshape(xs[0].centre.shape[1:]).local(rounder, *xs)


@dataclass(frozen=True, eq=False)
class Slow(Deadly):
    """The identity, after ``deaths`` hundredths of a second."""

    def centre(self, *xs: Array) -> Array:
        time.sleep(self.deaths / 100)
        return xs[0]


def double(x: int) -> int:
    return 2 * x


def die_once(token: Path) -> int:
    """The process's number, at the second try."""
    if not token.exists():
        token.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads_here() -> tuple[int, list[int]]:
    """Threads of the kernels and of BLAS inside a unit."""
    from threadpoolctl import threadpool_info

    from boundnet.kernels.threads import single_blas, threads

    with single_blas():
        return threads(), [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
