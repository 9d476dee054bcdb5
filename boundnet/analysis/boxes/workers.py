"""Bounding boxes here or on the workers of an executor: the same pieces, so the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from typing import Any

from boundnet.analysis.boxes.bounder import Bounder, Bounds
from boundnet.analysis.execution.executor import Submits, packed, unpacked
from boundnet.errors import InputError, WorkerError
from boundnet.kernels.threads import single_blas
from boundnet.numerics.outward import Array, check_gradual_underflow

Piece = tuple[Array, Array]


def evaluator(bounder: Bounder, executor: Submits | None) -> Callable[[Array, Array], Bounds]:
    """A function that bounds boxes (N, n) ``low`` to ``high`` in pieces of ``bounder.batch``.

    The result does not depend on the executor.

    Raises:
        InputError: ``executor`` is none.
        WorkerError: the network can't travel to its workers; from the function, where these are lost.
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(
            f"executor: {type(executor).__name__} is no concurrent.futures.Executor; dask: client.get_executor()"
        )
    submit = None if executor is None else _submitter(bounder, executor)

    def bound(low: Array, high: Array) -> Bounds:
        size = bounder.batch
        pieces = [(low[i : i + size], high[i : i + size]) for i in range(0, len(low), size)]
        if submit is None or len(pieces) == 1:
            with single_blas():
                return Bounds.joined([bounder.bound(*piece) for piece in pieces])
        return Bounds.joined(_gathered([submit(piece) for piece in pieces]))

    return bound


def _submitter(bounder: Bounder, executor: Submits) -> Callable[[Piece], Future[Bounds]]:
    if isinstance(executor, ThreadPoolExecutor):
        return lambda piece: executor.submit(bounder.bound, *piece)
    payload = packed(bounder)
    return lambda piece: executor.submit(_bound, payload, *piece)


def _gathered(futures: list[Future[Any]]) -> list[Bounds]:
    try:
        return [future.result() for future in futures]
    except (BrokenExecutor, CancelledError) as error:
        raise WorkerError(
            f"the executor stopped before all boxes were bounded ({error or type(error).__name__}); "
            "boundnet.processes(N) goes on when a worker dies"
        ) from error
    finally:
        for future in futures:
            future.cancel()


@functools.lru_cache(maxsize=2)
def _restored(payload: bytes) -> Bounder:
    check_gradual_underflow()
    bounder: Bounder = unpacked(payload)
    return bounder


def _bound(payload: bytes, low: Array, high: Array) -> Bounds:
    with single_blas():
        return _restored(payload).bound(low, high)
