"""A checkpoint: what is done, unit by unit, in a file that only grows.

Each line is the first half of the SHA-256 of what follows it, and JSON.  The first line says what the analysis is about; the
others are outcomes, or say that another process has taken over.  A line that was cut off while it was written can only be
the last one, and is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from boundnet.analysis.execution.identity import digests
from boundnet.analysis.units import Job, Outcome, Unit
from boundnet.errors import CheckpointError, InputError
from boundnet.numerics.outward import Array
from boundnet.results.files import check_destination
from boundnet.results.io import build
from boundnet.results.to_json import plain

VERSION = 1
"""Of the file's form."""
_DIGITS = 32


class Journal:
    """An open checkpoint; see :class:`boundnet.analysis.execution.schedule.Checkpoint`."""

    def __init__(self, stream: BinaryIO, path: Path, known: Mapping[Unit, Outcome], sessions: int) -> None:
        self._stream, self._path, self._known, self.sessions = stream, path, known, sessions

    def outcomes(self) -> Mapping[Unit, Outcome]:
        """What was done when the file was opened."""
        return self._known

    def record(self, unit: Unit, outcome: Outcome) -> None:
        """Append an outcome; it is on the disk once this returns.

        Raises:
            CheckpointError: it can't be written.
        """
        _append(self._stream, self._path, {"unit": plain(unit), "outcome": plain(outcome)})


@contextmanager
def open_journal(
    path: str | os.PathLike[str], job: Job, values: Sequence[Array], versions: Mapping[str, str]
) -> Iterator[Journal]:  # fmt: skip
    """The checkpoint ``path`` of ``job`` on ``values``, made if absent.

    Raises:
        CheckpointError: it is no checkpoint, damaged, of another analysis, or in use by another process.
        OutputError: it can't be made there.
    """
    path = Path(path)
    check_destination(path, replaced=False)
    about = digests(job, values, versions)
    try:
        stream = path.open("a+b")
    except OSError as error:
        raise CheckpointError(f"{path}: the checkpoint can't be opened ({error.strerror or error})") from error
    with stream:
        _lock(stream, path)
        stream.seek(0)
        lines = stream.read().split(b"\n")
        known, sessions, whole = _read(lines, path, about)
        stream.truncate(whole)
        if whole == 0:
            _append(stream, path, {"boundnet checkpoint": VERSION, "about": about})
        else:
            _append(stream, path, {"session": sessions + 1})
        yield Journal(stream, path, known, sessions + 1)


def _read(lines: list[bytes], path: Path, about: Mapping[str, str]) -> tuple[dict[Unit, Outcome], int, int]:
    """The outcomes in ``lines``, how many processes wrote them, and how many bytes hold whole lines."""
    whole = sessions = 0
    known: dict[Unit, Outcome] = {}
    for number, line in enumerate(lines):
        last = number == len(lines) - 1  # what follows the last newline: nothing, or a line that was cut off
        if last:
            if number == 0 and line and not _begun(line):
                raise CheckpointError(f"{path}: no checkpoint; give a new file, or one that --checkpoint made")
            break
        record = _parse(line)
        if number == 0:
            _check(record, path, about)
            sessions = 1
        elif record is None:
            raise CheckpointError(f"{path}: the checkpoint is damaged in line {number + 1}; delete it and start again")
        elif isinstance(record, Mapping) and "session" in record:
            sessions += 1
        else:
            try:
                known[build(Unit, record["unit"], "unit")] = build(Outcome, record["outcome"], "outcome")
            except (InputError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"{path}: line {number + 1} holds no outcome ({error}); delete the checkpoint and start again"
                ) from error
        whole += len(line) + 1
    return known, sessions, whole


def _begun(line: bytes) -> bool:
    """Whether ``line`` may be the beginning of a checkpoint's first line."""
    first = b" " + json.dumps({"boundnet checkpoint": VERSION}).encode()[:-1]
    rest = line[_DIGITS:]
    return all(c in b"0123456789abcdef" for c in line[:_DIGITS]) and rest[: len(first)] == first[: len(rest)]


def _check(record: Any, path: Path, about: Mapping[str, str]) -> None:
    if (
        not isinstance(record, Mapping)
        or "boundnet checkpoint" not in record
        or not isinstance(record.get("about"), Mapping)
    ):
        raise CheckpointError(f"{path}: no checkpoint, or a damaged one; give a new file, or one that --checkpoint made")
    if record["boundnet checkpoint"] != VERSION:
        raise CheckpointError(f"{path}: a checkpoint of another version of BoundNet; give another file")
    other = [name for name in about if record["about"].get(name) != about[name]]
    if other:
        theirs = f" ({record['about'].get('version')}; this is {about['version']})" if other == ["version"] else ""
        raise CheckpointError(
            f"{path}: the checkpoint of another analysis: {', '.join(other)} differ{'' if len(other) > 1 else 's'}{theirs}; "
            "give another file, or delete this one"
        )


def _parse(line: bytes) -> Any:
    """What ``line`` holds, None where its digest says that it is damaged."""
    digest, _, text = line.partition(b" ")
    if digest.decode("ascii", "replace") != hashlib.sha256(text).hexdigest()[:_DIGITS]:
        return None
    return json.loads(text)


def _append(stream: BinaryIO, path: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, allow_nan=False).encode()
    try:
        stream.write(hashlib.sha256(text).hexdigest()[:_DIGITS].encode() + b" " + text + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    except OSError as error:
        raise CheckpointError(f"{path}: the checkpoint can't be written ({error.strerror or error})") from error


def _lock(stream: BinaryIO, path: Path) -> None:
    """One process at a time; the system releases the lock when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CheckpointError(
            f"{path}: the checkpoint is in use by another analysis; wait for it or give another file"
        ) from error
