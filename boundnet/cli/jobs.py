"""``--jobs N``: a pool of processes where more than one is wanted."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from boundnet.analysis.execution.pool import ProcessPool, processes


def pool(jobs: int) -> AbstractContextManager[ProcessPool | None]:
    """``jobs`` processes for as long as the context lasts; None for one, which is this process."""
    return nullcontext() if jobs == 1 else processes(jobs)
