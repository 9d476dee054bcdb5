"""Files that the HDF5 library itself can't survive: damage inside can make it crash, or read in a circle for ever."""

from __future__ import annotations

from pathlib import Path

import h5py

from boundnet.frontends import read_isolated
from boundnet.frontends.isolation import SECONDS

_PLAIN = 1 << 24  # bytes of a dataset in chunks that are read; larger ones are opened only


def vet(path: Path, seconds: float = SECONDS) -> None:
    """Raise ModelFileError if reading the HDF5 file ``path`` crashes or does not end; all else is the reader's business."""
    read_isolated(path, _read_all, "the HDF5 library", seconds)


def _read_all(path: Path) -> None:
    """What a reader may touch."""
    with h5py.File(path, "r", locking=False) as file:
        _attributes(file)
        file.visititems(lambda name, item: _item(item))


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
