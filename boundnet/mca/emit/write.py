"""Writing an emitted network: the whole folder or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from boundnet.errors import OutputError
from boundnet.mca.emit.network import Emitted


def check_folder(folder: Path) -> None:
    """Raise OutputError, naming ``folder``, unless a new folder can be made there; an empty one may exist."""
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise OutputError(f"{folder}: a file is there; give the name of a new folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(f"{folder}: the folder is not empty; give a new one, or remove it first")
    except OSError as error:
        raise OutputError(f"{folder}: can't be read ({error.strerror})") from error
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise OutputError(f"{folder}: the folder {str(folder.parent)!r} does not exist; make it first")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"{folder}: the folder {str(folder.parent)!r} can't be written to")


def write(emitted: Emitted, destination: str | os.PathLike[str]) -> Path:
    """Make folder ``destination`` with all files, in one step; on any error nothing is left.

    Raises:
        OutputError: it exists and is not empty, or can't be written.
    """
    folder = Path(destination)
    check_folder(folder)
    target = folder.resolve()
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{target.name[:50]}.", suffix=".part", dir=target.parent))
        try:
            for name, contents in emitted.files.items():
                (part / name).write_bytes(contents)
            umask = os.umask(0)
            os.umask(umask)
            part.chmod(0o777 & ~umask)
            os.replace(part, target)  # onto an empty folder, too
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error})") from error
    return folder
