"""The object behind the entry point: which sources it takes and how each is read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from boundnet.errors import ModelFileError
from boundnet.graph import LayerGraph
from boundnet_keras.normalise import normalise
from boundnet_keras.read_h5 import read_h5
from boundnet_keras.read_keras import read_keras
from boundnet_keras.read_live import is_live_model, read_live
from boundnet_keras.source import Source
from boundnet_keras.topology import build
from boundnet_keras.vetting import vet

_SUFFIXES = (".h5", ".hdf5", ".keras")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_SAVED_MODEL = ("saved_model.pb", "keras_metadata.pb", "config.json")


class KerasFrontend:
    """Keras files and live Keras models."""

    name = "keras"

    def accepts(self, source: object) -> bool:
        """By suffix or content of a file, or by the class of a live model.  Never imports TensorFlow."""
        if not isinstance(source, (str, os.PathLike)):
            return is_live_model(source)
        path = Path(os.fspath(source))
        if path.suffix.lower() in _SUFFIXES:
            return True
        if path.is_dir():
            return any((path / name).exists() for name in _SAVED_MODEL)
        return path.is_file() and (_first_bytes(path).startswith(_HDF5) or _is_archive(path))

    def vet(self, source: object) -> None:
        """Read an HDF5 file in a process of its own.  Raises ModelFileError if that crashes or does not end."""
        path = Path(os.fspath(source))  # type: ignore[call-overload]
        if path.is_file() and _first_bytes(path).startswith(_HDF5):
            vet(path)

    def load(self, source: object, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
        """The layer graph of a model file or live model.

        ``input_shapes``: shape without the batch axis by input name, for inputs whose shape the model leaves open.

        Raises:
            ModelFileError: the file can't be read or is inconsistent; the message names it and the remedy.
            UnsupportedLayerError: some layers can't be analysed; the message lists all of them.
        """
        with _reader(source) as read:
            return build(normalise(read.config, read.major, read.label), read, input_shapes)


def _reader(source: Any) -> AbstractContextManager[Source]:
    """The reader for a source, told by content rather than by suffix."""
    if not isinstance(source, (str, os.PathLike)):
        return read_live(source)
    path = Path(os.fspath(source))
    if path.is_dir():
        raise ModelFileError(
            f"{path}: a folder, probably a TensorFlow SavedModel; load it in TensorFlow and save it as one file:"
            " tf.keras.models.load_model(folder).save('model.keras')"
        )
    if not path.exists():
        raise ModelFileError(f"{path}: no such file")
    try:
        first = _first_bytes(path)
    except OSError as error:
        raise ModelFileError(f"{path}: can't be read ({error.strerror})") from error
    if not first:
        raise ModelFileError(f"{path}: the file is empty; save the model again")
    if first.startswith(_ZIP):
        return read_keras(path)
    if first.startswith(_HDF5):
        return read_h5(path)
    if path.suffix.lower() == ".keras":
        raise ModelFileError(f"{path}: not a .keras archive (no zip file); copy or save it again")
    return read_h5(path)  # HDF5 may begin with a user block; anything else is named as not being HDF5


def _is_archive(path: Path) -> bool:
    """Whether a file of another name is a .keras archive; other formats are zip files, too."""
    if not _first_bytes(path).startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(8)
