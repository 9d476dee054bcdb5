"""Bounding boxes here or on the workers of an executor: the same pieces, so the same numbers."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any, Protocol

from boundnet.boxes.bounder import Bounder, Bounds
from boundnet.rounding import Array


class Submits(Protocol):
    """A ``concurrent.futures.Executor``, or what looks like one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Run ``fn(*args)``; the result has ``result()`` and ``cancel()``."""


def evaluator(bounder: Bounder, executor: Submits | None) -> Callable[[Array, Array], Bounds]:
    """A function that bounds boxes (N, n) ``low`` to ``high`` in pieces of ``bounder.batch``.

    The result does not depend on the executor.  Process pools need a picklable graph.
    """
    if executor is None:

        def work(pieces: list[tuple[Array, Array]]) -> list[Bounds]:
            return [bounder.bound(*piece) for piece in pieces]
    else:
        packed = pickle.dumps(bounder)

        def work(pieces: list[tuple[Array, Array]]) -> list[Bounds]:
            futures = [executor.submit(_bound, packed, *piece) for piece in pieces]
            try:
                return [future.result() for future in futures]
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def bound(low: Array, high: Array) -> Bounds:
        size = bounder.batch
        return Bounds.joined(work([(low[i : i + size], high[i : i + size]) for i in range(0, len(low), size)]))

    return bound


@functools.lru_cache(maxsize=4)
def _restored(packed: bytes) -> Bounder:
    bounder: Bounder = pickle.loads(packed)
    return bounder


def _bound(packed: bytes, low: Array, high: Array) -> Bounds:
    return _restored(packed).bound(low, high)
