"""Progress on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_EVERY = 10.0
"""Seconds between lines where there is no terminal."""


class Meter:
    """A context in which ``meter(stage, done, total)`` shows how far the work is; shows nothing if ``quiet``."""

    def __init__(self, quiet: bool = False) -> None:
        terminal = not quiet and sys.stderr.isatty()
        self._bar = _bar() if terminal else None
        self._task: TaskID | None = None
        self._lines = not quiet and not terminal
        self._last = time.monotonic()

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("opening the model", total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` are through ``stage``: samples, or what the stage names."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=stage, completed=done, total=total)
        now = time.monotonic()
        if self._lines and now - self._last >= _EVERY and done < total:
            print(f"boundnet: {stage}: {done} of {total}", file=sys.stderr, flush=True)
            self._last = now


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
