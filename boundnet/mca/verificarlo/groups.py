"""Processes with all that they start: a compiler's driver starts compilers, a shell starts programs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session of its own, and its descendants."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def run_group(
    command: Sequence[str], folder: Path, limit: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` with captured text; a time limit or Ctrl-C kills the descendants, too.

    Args:
        environment: variables beside this process's own.

    Raises:
        OSError: it can't be started.
        subprocess.TimeoutExpired: it took longer than ``limit`` seconds.
    """
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", start_new_session=True, env={**os.environ, **(environment or {})},
    ) as process:  # fmt: skip
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except BaseException:
            kill_group(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
