"""Units of work, one after the other or on an executor; what is done goes to a checkpoint at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, ThreadPoolExecutor, wait
from typing import Protocol

from boundnet.analysis.execution.executor import Submits, packed
from boundnet.analysis.execution.remote import compute, key_of
from boundnet.analysis.units import Bounder, Outcome, Part, Unit
from boundnet.errors import InputError, WorkerError
from boundnet.kernels.threads import single_blas
from boundnet.numerics.outward import Array

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

WINDOW = 64
"""Units handed to an executor at a time that does not say how many workers it has."""
IN_FLIGHT = 1 << 28
"""Bytes of job descriptions handed over at a time, but for the first few."""
PATIENCE = 1.0
"""Seconds between signs of life while all workers are busy."""


class Checkpoint(Protocol):
    """Keeps outcomes beyond the life of the process.

    Attributes:
        sessions: how many processes have worked on it, this one included.
    """

    @property
    def sessions(self) -> int: ...

    def outcomes(self) -> Mapping[Unit, Outcome]:
        """What is done already."""

    def record(self, unit: Unit, outcome: Outcome) -> None:
        """Keep an outcome: for good once this returns."""


def run_all(
    bounder: Bounder, values: Sequence[Array], progress: Progress | None = None, executor: Submits | None = None,
    checkpoint: Checkpoint | None = None,
) -> Generator[Part, None, None]:  # fmt: skip
    """Compute all units of the bounder's job; parts as they come, in no particular order.

    What a caller does with a part delays no worker; a caller that takes no more cancels the rest.

    Raises:
        InputError: ``executor`` is none.
        WorkerError: workers died or could not be reached.
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(
            f"executor: {type(executor).__name__} is no concurrent.futures.Executor; dask: client.get_executor()"
        )
    tally = _Tally(bounder, values, progress, checkpoint)
    with single_blas():
        yield from tally.here() if executor is None else tally.on(executor)


class _Tally:
    """Units that wait, and how many inputs are done."""

    def __init__(
        self, bounder: Bounder, values: Sequence[Array], progress: Progress | None, checkpoint: Checkpoint | None
    ) -> None:
        self.bounder, self.values, self.progress, self.checkpoint = bounder, values, progress, checkpoint
        self._known = {} if checkpoint is None else checkpoint.outcomes()
        self._waiting = deque(bounder.units())
        self._done, self._count = 0, bounder.job.count
        self._note()

    def here(self) -> Iterator[Part]:
        """All units in this thread."""
        while self._waiting:
            unit, known = self._next()
            if known is None:
                known = self._kept(unit, self.bounder.compute(unit, self._inputs(unit), self._inner))
            yield from self._taken(known)

    def on(self, executor: Submits) -> Iterator[Part]:
        """All units on ``executor``; those that have not begun are cancelled when this is left early."""
        submit, window = self._submitter(executor)
        running: dict[Future[Outcome], Unit] = {}
        try:
            while self._waiting or running:
                while self._waiting and len(running) < window:
                    unit, known = self._next()
                    if known is None:
                        running[submit(unit)] = unit
                    else:
                        yield from self._taken(known)
                for future in wait(running, PATIENCE, FIRST_COMPLETED).done:
                    unit = running.pop(future)
                    try:
                        outcome = future.result()
                    except WorkerError as error:
                        raise WorkerError(f"{_named(unit)}: {error}") from error
                    yield from self._taken(self._kept(unit, outcome))
                self._note()
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerError(
                f"the executor stopped before all inputs were analysed ({error or type(error).__name__}); "
                "boundnet.processes(N) goes on when a worker dies, and a checkpoint keeps what is done"
            ) from error
        finally:
            for future in running:
                future.cancel()

    def _submitter(self, executor: Submits) -> tuple[Callable[[Unit], Future[Outcome]], int]:
        """How to hand over a unit, and how many to hand over at a time."""
        workers = getattr(executor, "_max_workers", None)
        window = 2 * workers if isinstance(workers, int) else WINDOW
        if isinstance(executor, ThreadPoolExecutor):
            return lambda unit: executor.submit(self.bounder.compute, unit, self._inputs(unit)), window
        payload = packed(self.bounder.job)
        key = key_of(payload)
        window = min(window, max(8, IN_FLIGHT // len(payload)))
        return lambda unit: executor.submit(compute, key, payload, unit, self._inputs(unit)), window

    def _next(self) -> tuple[Unit, Outcome | None]:
        """The next unit, and its outcome if the checkpoint knows it."""
        unit = self._waiting.popleft()
        return unit, self._known.get(unit)

    def _kept(self, unit: Unit, outcome: Outcome) -> Outcome:
        if self.checkpoint is not None:
            self.checkpoint.record(unit, outcome)
        return outcome

    def _taken(self, outcome: Outcome) -> tuple[Part, ...]:
        self._waiting.extendleft(reversed(outcome.more))
        self._done += sum(len(part.samples) for part in outcome.parts)
        self._note()
        return outcome.parts

    def _inputs(self, unit: Unit) -> list[Array]:
        return [x[unit.start : unit.stop] for x in self.values]

    def _note(self) -> None:
        if self.progress is not None:
            self.progress("bounding", self._done, self._count)

    def _inner(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(f"bounding {self._done + 1} of {self._count}: {stage}", done, total)


def _named(unit: Unit) -> str:
    return f"input {unit.start}" if unit.stop == unit.start + 1 else f"inputs {unit.start} to {unit.stop - 1}"
