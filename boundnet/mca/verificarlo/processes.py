"""Many runs of one program at a time: with a limit in time, and none left behind."""

from __future__ import annotations

import os
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from boundnet.errors import ToolError
from boundnet.mca.verificarlo.groups import kill_group
from boundnet.mca.verificarlo.toolchain import Toolchain


@dataclass(frozen=True)
class Run:
    """One process: ``words`` in ``folder`` with these variables; ``what`` names it in messages."""

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    what: str


@dataclass(frozen=True)
class Output:
    """What it printed."""

    stdout: bytes
    stderr: str


class Pool:
    """Runs processes, at most ``workers`` at a time.  Leaving it, however that comes about, kills those that still run."""

    def __init__(self, toolchain: Toolchain, workers: int | None = None, limit: float = 600.0) -> None:
        self.toolchain, self.limit = toolchain, limit
        self.workers = workers or max(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 1)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def one(self, run: Run) -> Output:
        """Run and wait.

        Raises:
            ToolError: it can't be started, fails, is killed or takes too long.
        """
        name = f"boundnet-{uuid.uuid4().hex}"
        command = self.toolchain.command(run.words, run.folder, run.environment, name)
        with self._lock:
            if self._closed:
                raise ToolError(f"{run.what}: stopped")
            try:
                process = subprocess.Popen(
                    command, cwd=run.folder, env={**os.environ, **run.environment}, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise ToolError(f"{run.what}: {command[0]} can't be run ({error.strerror or error})") from None
            self._running[name] = process
        try:
            stdout, stderr = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            text = f"{run.what}: took more than {self.limit:g} s and was stopped; give it more with --timeout"
            raise ToolError(text) from None
        finally:
            self._end(name)
        text = stderr.decode(errors="replace")
        if process.returncode < 0:
            raise ToolError(f"{run.what}: killed by signal {-process.returncode} (9 may mean that memory ran out)")
        if process.returncode != 0:
            last = (text.strip().splitlines() or ["no message"])[-1]
            raise ToolError(f"{run.what}: exit code {process.returncode} ({last})")
        return Output(stdout, text)

    def all(self, runs: Sequence[Run]) -> Iterator[tuple[int, Output]]:
        """Outputs as they come, each with the place of its run in ``runs``.

        Raises as :meth:`one`; then, or if it is not read to the end, the rest is killed and the pool closed.
        """
        pending: dict[Future[Output], int] = {}
        queue = iter(enumerate(runs))
        with ThreadPoolExecutor(self.workers) as threads:
            try:
                for index, run in queue:
                    pending[threads.submit(self.one, run)] = index
                    if len(pending) < 2 * self.workers:
                        continue
                    yield from self._finished(pending)
                while pending:
                    yield from self._finished(pending)
            except BaseException:
                for future in pending:
                    future.cancel()
                self.close()
                raise

    @staticmethod
    def _finished(pending: dict[Future[Output], int]) -> Iterator[tuple[int, Output]]:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield pending.pop(future), future.result()

    def _end(self, name: str) -> None:
        with self._lock:
            process = self._running.pop(name, None)
        if process is None:
            return
        if process.poll() is None:
            kill_group(process)
            self.toolchain.stop(name)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()

    def kill(self) -> None:
        """Kill every process of this pool."""
        with self._lock:
            processes = list(self._running.items())
        for name, process in processes:
            if process.poll() is None:
                kill_group(process)
                self.toolchain.stop(name)

    def close(self) -> None:
        """Kill what still runs and start nothing more."""
        with self._lock:
            self._closed = True
        self.kill()
