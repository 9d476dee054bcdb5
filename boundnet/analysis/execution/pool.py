"""Processes that outlive the death of one of them and never outlive their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from boundnet.errors import InputError, WorkerError

DEATHS = 3
"""Workers that may die on one call before it is given up."""


@dataclass(eq=False)
class _Call:
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class ProcessPool(Executor):
    """An executor of ``workers`` processes for calls that take long.

    When a worker dies (a crash, the system's memory killer), what was running is run again in fresh processes, one call at
    a time, so that the one that kills is found; after ``DEATHS`` deaths its future holds a WorkerError.  Workers ignore
    Ctrl-C, which is the parent's business, and leave when the parent closes the pool or dies itself, however it dies.  The
    workers share the machine: each uses OMP_NUM_THREADS threads, but no more than its share of the cores.

    Args:
        workers: how many processes; they start with the first calls.

    Raises:
        InputError: ``workers`` is less than 1.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise InputError(f"{workers} processes: at least 1 is needed")
        self._max_workers = workers
        self._lock = threading.RLock()
        self._waiting: deque[_Call] = deque()
        self._suspects: deque[_Call] = deque()
        self._running: set[_Call] = set()
        self._crew: _Crew | None = None
        self._closed = False
        self._idle = threading.Condition(self._lock)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call ``fn(*args, **kwargs)`` in a worker; its future holds the result, the error or a WorkerError."""
        call = _Call(fn, args, kwargs)
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool of processes is closed")
            self._waiting.append(call)
            self._dispatch()
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; see :meth:`concurrent.futures.Executor.shutdown`."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                for call in (*self._waiting, *self._suspects):
                    call.future.cancel()
                self._waiting.clear()
                self._suspects.clear()
            while wait and (self._waiting or self._suspects or self._running):
                self._idle.wait()
            crew = self._crew
            idle = not (self._waiting or self._suspects or self._running)
        if crew is not None and idle:
            crew.leave()

    def kill(self) -> None:
        """End the workers now; what they were doing is lost, and its futures are cancelled."""
        with self._lock:
            self._closed = True
            crew, self._crew = self._crew, None
            left = (*self._waiting, *self._suspects, *self._running)
            self._waiting.clear()
            self._suspects.clear()
            self._running.clear()
            self._idle.notify_all()
        for call in left:
            if not call.future.cancel():
                with suppress(InvalidStateError):
                    call.future.set_exception(CancelledError())
        if crew is not None:
            crew.leave(now=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is None:
            self.shutdown()
        else:
            self.kill()
        return None

    def _dispatch(self) -> None:
        """Start what may start; called with the lock held."""
        while len(self._running) < self._max_workers:
            if self._suspects:
                if self._running:
                    return  # a suspect runs alone
                call = self._suspects.popleft()
            elif self._waiting and not any(call.deaths for call in self._running):
                call = self._waiting.popleft()
            else:
                return
            # A suspect's future is running already; a cancelled one is dropped.
            if call.deaths == 0 and not call.future.set_running_or_notify_cancel():
                continue
            self._running.add(call)
            if self._crew is None:
                self._crew = _Crew(self._max_workers)
            crew = self._crew
            try:
                inner = crew.submit(call)
            except BrokenExecutor:
                self._lost(call, crew)
                continue
            inner.add_done_callback(lambda found, call=call, crew=crew: self._finished(call, crew, found))  # type: ignore[misc]

    def _finished(self, call: _Call, crew: _Crew, found: Future[Any]) -> None:
        error = CancelledError() if found.cancelled() else found.exception()
        with self._lock:
            if call not in self._running:
                return  # killed meanwhile
            if isinstance(error, BrokenExecutor):
                self._lost(call, crew)
            else:
                self._running.discard(call)
                if error is None:
                    call.future.set_result(found.result())
                else:
                    call.future.set_exception(error)
            self._dispatch()
            if self._closed and not self._running and self._crew is not None:
                self._crew.dismiss()
            self._idle.notify_all()

    def _lost(self, call: _Call, crew: _Crew) -> None:
        """A worker died while ``call`` was running: maybe of it."""
        if self._crew is crew:
            self._crew = None
            crew.abandon()
        self._running.discard(call)
        call.deaths += 1
        if call.deaths < DEATHS:
            self._suspects.append(call)
            return
        call.future.set_exception(WorkerError(
            f"a worker process died {DEATHS} times on the same work; most often memory ran out: use fewer processes "
            "(in a script, start them below `if __name__ == '__main__':`)"
        ))  # fmt: skip


def processes(workers: int) -> ProcessPool:
    """An executor of ``workers`` processes on this machine, for ``boundnet.analyze(..., executor=...)``; close it, or use
    ``with``."""
    return ProcessPool(workers)


class _Crew:
    """Worker processes of one generation, tied to this process by a pipe that nobody writes to."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        reader, self._lifeline = context.Pipe(duplex=False)
        self._reader = reader
        self._pool = ProcessPoolExecutor(workers, context, _enter, (reader, share(workers)))

    def submit(self, call: _Call) -> Future[Any]:
        with _without_interrupts():
            return self._pool.submit(call.fn, *call.args, **call.kwargs)

    def abandon(self) -> None:
        """Let go of processes that are broken anyway; needs no waiting."""
        self._close()
        self.dismiss()

    def dismiss(self) -> None:
        """Let the processes end when they are idle; needs no waiting."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def leave(self, now: bool = False) -> None:
        """Wait until the processes have ended, which they do when they are idle, or ``now``."""
        if now:
            self._close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._close()

    def _close(self) -> None:
        self._lifeline.close()
        self._reader.close()


def share(workers: int) -> int:
    """Threads for each of ``workers`` processes: OMP_NUM_THREADS, but not more than their share of the cores."""
    from boundnet.kernels.threads import available, cores

    return max(1, min(available(), cores() // workers))


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that start here do not hear Ctrl-C, not even before they can say that they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _enter(lifeline: Connection, threads: int) -> None:
    """First thing in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    from boundnet.kernels.threads import set_threads

    set_threads(threads)


def _watch(lifeline: Connection) -> None:
    """Leave at once when the parent closes its end, on purpose or by dying."""
    with suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)
