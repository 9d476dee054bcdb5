"""Careful reading of HDF5: read-only, no links out of the file, no datasets that unfold to more than is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from boundnet.errors import ModelFileError

_LARGE = 1 << 28  # bytes; smaller datasets need no check
_MAX_EXPANSION = 1000  # a dataset of mostly fill values is no trained weight


def open_file(source: Path | BinaryIO, label: str) -> h5py.File:
    """Open read-only and without a lock, so that read-only folders work.  Raises ModelFileError."""
    try:
        return h5py.File(source, "r", locking=False)
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{label}: not a readable HDF5 file ({_first_line(error)}); it may be truncated, copy or save it again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown error"])[0]


@contextmanager
def damage(label: str) -> Iterator[None]:
    """h5py raises all of these where a file is damaged inside."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise ModelFileError(f"{label}: the file is damaged ({_first_line(error)}); copy or save it again") from error


def attribute(holder: h5py.Group, name: str, label: str) -> str | None:
    """An attribute as text, or None."""
    with damage(label):
        return text(holder.attrs[name]) if name in holder.attrs else None


def text(value: Any) -> str:
    """An attribute as str: files hold bytes, str or arrays of one of either."""
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else b"".join(value.tolist())
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def names(group: h5py.Group, attribute: str, label: str) -> list[str]:
    """A list of names; attributes too large for one header are split into ``attribute0``, ``attribute1``, ..."""
    with damage(label):
        if attribute in group.attrs:
            return [text(item) for item in np.atleast_1d(group.attrs[attribute])]
        found: list[str] = []
        for chunk in count():
            if f"{attribute}{chunk}" not in group.attrs:
                break
            found += [text(item) for item in np.atleast_1d(group.attrs[f"{attribute}{chunk}"])]
        return found


def child(group: h5py.Group, path: str, label: str) -> h5py.Group | h5py.Dataset | None:
    """The member at ``path`` or None.  Links, which could point to other files, are refused."""
    current: h5py.Group | h5py.Dataset = group
    with damage(label):
        for part in path.strip("/").split("/"):
            if not isinstance(current, h5py.Group) or part not in current:
                return None
            if isinstance(current.get(part, getlink=True), (h5py.ExternalLink, h5py.SoftLink)):
                raise ModelFileError(f"{label}: {path!r} is a link, which model files don't use; save the model again")
            current = current[part]
    return current


def subgroup(group: h5py.Group, path: str, label: str) -> h5py.Group | None:
    found = child(group, path, label)
    return found if isinstance(found, h5py.Group) else None


def read(group: h5py.Group, path: str, label: str) -> NDArray[np.generic]:
    """The dataset at ``path``.  bfloat16, which HDF5 lacks, is stored as two opaque bytes and widened to float32."""
    dataset = child(group, path, label)
    if not isinstance(dataset, h5py.Dataset):
        raise ModelFileError(f"{label}: weight {path!r} is missing; the file is incomplete, save the model again")
    with damage(label):
        if dataset.external or dataset.is_virtual:
            raise ModelFileError(f"{label}: weight {path!r} is kept in another file; save the model with model.save")
        declared = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        if declared > _LARGE and declared > _MAX_EXPANSION * dataset.id.get_storage_size():
            raise ModelFileError(f"{label}: weight {path!r} declares {declared} bytes but stores almost none; refused")
        values: NDArray[np.generic] = np.asarray(dataset[()])
    if values.dtype.kind == "V" and values.dtype.itemsize == 2:
        bits = np.frombuffer(values.tobytes(), dtype="<u2").astype(np.uint32) << np.uint32(16)
        values = bits.view(np.float32).reshape(values.shape)
    return values
