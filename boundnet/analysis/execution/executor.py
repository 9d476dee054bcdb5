"""What is asked of an executor, and how things travel to its workers."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol

from boundnet.errors import WorkerError


class Submits(Protocol):
    """A ``concurrent.futures.Executor``, or what looks like one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Call ``fn(*args)`` some time, somewhere."""


def packed(what: Any) -> bytes:
    """``what``, which holds a network, as bytes.

    Raises:
        WorkerError: something in it belongs to this process alone.
    """
    try:
        return pickle.dumps(what, protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise WorkerError(
            f"this network can't be sent to other processes ({error}); define its operations at the top level of a module, "
            "or analyse it without an executor"
        ) from error


def unpacked(payload: bytes) -> Any:
    """What :func:`packed` packed.

    Raises:
        WorkerError: it needs code that this process can't import.
    """
    try:
        return pickle.loads(payload)
    except (ImportError, AttributeError) as error:
        raise WorkerError(
            f"a worker can't read the network ({error}); install what defines its operations where workers run"
        ) from error


def in_order(executor: Submits, calls: Iterable[tuple[Any, ...]], window: int = 64) -> Iterator[Any]:
    """Results of ``calls``, (function, *arguments) each, in their order; at most ``window`` are handed over at a time."""
    running: deque[Future[Any]] = deque()
    left = iter(calls)
    try:
        while True:
            while len(running) < window and (call := next(left, None)) is not None:
                running.append(executor.submit(*call))
            if not running:
                return
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
