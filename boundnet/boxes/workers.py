"""Bounding boxes here or on the workers of an executor: the same pieces, so the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable

from boundnet.boxes.bounder import Bounder, Bounds
from boundnet.kernels.threads import single_blas
from boundnet.rounding import Array
from boundnet.work.executor import Submits, packed, unpacked


def evaluator(bounder: Bounder, executor: Submits | None) -> Callable[[Array, Array], Bounds]:
    """A function that bounds boxes (N, n) ``low`` to ``high`` in pieces of ``bounder.batch``.

    The result does not depend on the executor.  Process pools need a picklable graph.
    """
    if executor is None:

        def work(pieces: list[tuple[Array, Array]]) -> list[Bounds]:
            with single_blas():
                return [bounder.bound(*piece) for piece in pieces]
    else:
        payload = packed(bounder)

        def work(pieces: list[tuple[Array, Array]]) -> list[Bounds]:
            futures = [executor.submit(_bound, payload, *piece) for piece in pieces]
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
def _restored(payload: bytes) -> Bounder:
    bounder: Bounder = unpacked(payload)
    return bounder


def _bound(payload: bytes, low: Array, high: Array) -> Bounds:
    with single_blas():
        return _restored(payload).bound(low, high)
