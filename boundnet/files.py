"""Writing results: whole or not at all, and only where asked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from boundnet.errors import OutputError


def check_destination(path: Path) -> None:
    """Raise OutputError, naming ``path`` and the cause, unless a file can be written there."""
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"{path}: a folder; give the name of a file in it")
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {str(folder)!r} does not exist; make it first")
    if _is_special(path):
        return
    if not os.access(folder.resolve() if not path.is_symlink() else path.resolve().parent, os.W_OK):
        raise OutputError(f"{path}: the folder {str(folder)!r} can't be written to")


@contextmanager
def replacing(destination: str | os.PathLike[str]) -> Iterator[TextIO]:
    """A text stream that becomes ``destination`` once it is complete, in one step; on any error nothing changes.

    Raises:
        OutputError: the folder is missing or can't be written to, or the disk is full.
    """
    path = Path(destination)
    check_destination(path)
    try:
        if _is_special(path):
            with path.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        target = path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield stream
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror or error})") from error


def _is_special(path: Path) -> bool:
    """A device or pipe such as /dev/stdout, which is written to and not replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
