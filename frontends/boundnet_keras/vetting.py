"""Files that the HDF5 library itself can't survive: damage inside can make it crash, or read in a circle for ever.

No exception comes out of either, so a process of its own reads the file first.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import h5py

from boundnet.errors import ModelFileError

SECONDS = 15.0
"""Time for reading what isn't plain data; model files take some milliseconds."""

_PLAIN = 1 << 24  # bytes of a dataset in chunks that are read; larger ones are opened only


def vet(path: Path, seconds: float = SECONDS) -> None:
    """Raise ModelFileError if reading the HDF5 file at ``path`` crashes or does not end; all else is the reader's business.

    Does nothing where processes can't fork.
    """
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        _read_all(path)
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
            f"{path}: reading it crashes the HDF5 library ({signal.Signals(os.WTERMSIG(status)).name}), the file is damaged "
            "inside; copy or save it again"
        )


def _read_all(path: Path) -> None:
    """What a reader may touch, in the child: never returns, and says nothing."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            _attributes(file)
            file.visititems(lambda name, item: _item(item))
    except BaseException:
        os._exit(0)
    os._exit(0)


def _attributes(item: h5py.Group | h5py.Dataset) -> None:
    for name in item.attrs:
        try:
            item.attrs[name]
        except Exception:  # an error that comes out is the reader's to tell
            continue


def _item(item: h5py.Group | h5py.Dataset) -> None:
    _attributes(item)
    if isinstance(item, h5py.Dataset) and item.chunks is not None and item.nbytes <= _PLAIN:
        item[()]
