"""Reading a file in a process of its own: libraries may crash on damage, or read in a circle for ever.

No exception comes out of either.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from boundnet.errors import ModelFileError

SECONDS = 15.0
"""Time for reading; model files take some milliseconds."""


def read_isolated(path: Path, read: Callable[[Path], object], library: str, seconds: float = SECONDS) -> None:
    """Raise ModelFileError if ``read(path)`` crashes its process or does not end; what it returns or raises is dropped.

    Does nothing where processes can't fork.

    Args:
        read: touches all that the reader may touch; runs in a child that has no other thread than this one.
        library: what is to be blamed for a crash, as in "reading it crashes the HDF5 library".
        seconds: time after which reading counts as endless.
    """
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        _run(path, read)
    until = time.monotonic() + seconds
    pause = 0.001
    done = 0
    try:
        while not done:
            done, status = os.waitpid(child, os.WNOHANG)
            if not done and time.monotonic() > until:
                raise ModelFileError(
                    f"{path}: reading it does not end within {seconds:g} s, the file is damaged inside or its disk is very "
                    "slow; copy it to another disk or save it again"
                )
            time.sleep(0.0 if done else pause)
            pause = min(2.0 * pause, 0.05)
    finally:
        if not done:  # also after Ctrl-C: a child that reads in a circle would stay
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise ModelFileError(
            f"{path}: reading it crashes {library} ({signal.Signals(os.WTERMSIG(status)).name}), the file is damaged "
            "inside; copy or save it again"
        )


def _run(path: Path, read: Callable[[Path], object]) -> None:
    """In the child: never returns, and says nothing."""
    try:
        read(path)
    except BaseException:
        os._exit(0)  # an error that comes out is the reader's to tell
    os._exit(0)
