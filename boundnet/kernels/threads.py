"""How many threads work, and how work is spread over them.

Large linear maps are cut into independent pieces.  The pieces depend on the map and the data only, never on the number of
threads, so that results do not either.  While pieces run side by side each of them gets one BLAS thread.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

_lock = threading.RLock()
_count: int | None = None
_pool: ThreadPoolExecutor | None = None
_blas: Any = None
_inside = threading.local()
_asking = 0
_limit: AbstractContextManager[Any] = nullcontext()


def available() -> int:
    """Threads to use when nobody says: OMP_NUM_THREADS, else the cores this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return cores()


def cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def threads() -> int:
    """Number of threads that :func:`spread` uses."""
    return _count if _count is not None else available()


def set_threads(count: int | None) -> None:
    """Use ``count`` threads from now on; None returns to :func:`available`.

    Raises:
        ValueError: ``count`` is less than 1.
    """
    global _count  # noqa: PLW0603 - one number for the process, as with BLAS
    if count is not None and count < 1:
        raise ValueError(f"the number of threads must be at least 1, not {count}")
    with _lock:
        _count = count
        _forget()


def spread(work: Callable[[int, int], object], total: int, step: int = 1) -> None:
    """Call ``work(start, stop)`` so that the calls cover ``range(total)``, ``start`` a multiple of ``step``.

    The calls may run at the same time, so they must write to different places.  The first exception is raised.
    """
    count = 1 if getattr(_inside, "work", False) else threads()
    blocks = -(-total // step)
    if count == 1 or blocks <= 1:
        work(0, total)
        return
    # A few pieces a thread: others may use the machine, too.
    pieces = min(blocks, 4 * count)
    bounds = [min(blocks * i // pieces * step, total) for i in range(pieces + 1)]
    # Each piece in a copy of the caller's context, which holds NumPy's error state.
    contexts = [contextvars.copy_context() for _ in range(pieces)]
    with _one_blas_thread():
        for _ in _workers(count).map(lambda i: contexts[i].run(_alone, work, bounds[i], bounds[i + 1]), range(pieces)):
            pass


def _alone(work: Callable[[int, int], object], start: int, stop: int) -> None:
    _inside.work = True  # work that spreads work stays on its thread
    try:
        work(start, stop)
    finally:
        _inside.work = False


def _workers(count: int) -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603 - started on first use
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(count, thread_name_prefix="boundnet")
        return _pool


@contextmanager
def single_blas() -> Iterator[None]:
    """One BLAS thread for this process until the last who asked for it is done.

    How many threads share a product may change its last bits, and results must not depend on that.
    """
    global _asking, _limit  # noqa: PLW0603 - the number of BLAS threads belongs to the process
    with _lock:
        if _asking == 0:
            _limit = _one_blas_thread()
            _limit.__enter__()
        _asking += 1
    try:
        yield
    finally:
        with _lock:
            _asking -= 1
            if _asking == 0:
                _limit.__exit__(None, None, None)


def _one_blas_thread() -> AbstractContextManager[Any]:
    global _blas  # noqa: PLW0603 - found on first use
    with _lock:
        if _blas is None:
            from threadpoolctl import ThreadpoolController

            _blas = ThreadpoolController().select(user_api="blas")
    if all(library.num_threads == 1 for library in _blas.lib_controllers):
        return nullcontext()
    limit: AbstractContextManager[Any] = _blas.limit(limits=1)
    return limit


def _forget() -> None:
    """Start a new pool when one is needed next: after a change of the number, and in a forked child."""
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
