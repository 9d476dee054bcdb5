"""Paths that people give: what keeps one from being read or written, in words; results are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from boundnet.errors import OutputError

_KINDS = {
    stat.S_IFIFO: "a named pipe, which may never end",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def unreadable(path: Path, folders: bool = False) -> str | None:
    """Why no file can be read at ``path``, with the remedy; None where one can.

    Nothing is opened: opening a pipe waits for whoever writes it.  Descriptors that this process was started with, such as
    /dev/stdin or a shell's ``<(...)``, are open already and are read.

    Args:
        folders: whether a folder will do.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        return _trouble(error)
    if stat.S_ISDIR(mode):
        return None if folders else "a folder; give a file in it"
    if not stat.S_ISREG(mode) and not _is_open_already(path):
        return f"{_KINDS.get(stat.S_IFMT(mode), 'no plain file')}; copy what it holds to a file and give that"
    return None if os.access(path, os.R_OK) else "can't be read (Permission denied)"


def check_destination(path: Path, replaced: bool = True) -> None:
    """Raise OutputError, naming ``path`` and the cause, unless a file can be written there.

    Args:
        replaced: written in one go, so that a device or an open descriptor will do; otherwise only a file.
    """
    folder = path.parent
    try:
        mode = _mode(path)
        place = path.resolve().parent
        known = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"{path}: {_trouble(error)}") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"{path}: a folder; give the name of a file in it")
    if not known:
        raise OutputError(f"{path}: the folder {str(folder)!r} does not exist; make it first")
    if mode is not None and not stat.S_ISREG(mode):
        waits = stat.S_ISFIFO(mode) and not _is_open_already(path)
        if waits or stat.S_ISSOCK(mode) or not replaced:
            what = _KINDS.get(stat.S_IFMT(mode), "no plain file").partition(",")[0]
            raise OutputError(f"{path}: {what}; give the name of a file")
        return
    if not os.access(folder.resolve() if not path.is_symlink() else place, os.W_OK):
        raise OutputError(f"{path}: the folder {str(folder)!r} can't be written to")


def resolved(path: Path) -> Path:
    """``path`` without links, as far as they lead; a loop of links stays as it is, for whoever opens it to name."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path.absolute()


def _mode(path: Path) -> int | None:
    """What is at ``path``, links followed; None where nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _trouble(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        return "no such file"
    if number == errno.ELOOP or isinstance(error, RuntimeError):  # the latter is how pathlib reports it before 3.13
        return "a loop of symbolic links; give the file that they should lead to"
    return f"can't be used ({error.strerror})" if isinstance(error, OSError) and error.strerror else f"no path ({error})"


def _is_open_already(path: Path) -> bool:
    """Whether the path names a descriptor of this process, as /dev/stdout does."""
    text = os.path.abspath(path)
    return text in ("/dev/stdin", "/dev/stdout", "/dev/stderr") or text.startswith(("/dev/fd/", "/proc/self/fd/"))


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
