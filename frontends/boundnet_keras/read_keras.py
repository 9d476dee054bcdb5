"""Reader for .keras archives (Keras 2.12 and later): config.json, metadata.json and model.weights.h5 in a zip file."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from boundnet.errors import ModelFileError
from boundnet_keras import hdf5
from boundnet_keras.layers import rule_of
from boundnet_keras.model import OPERATION, LayerSpec, ModelSpec
from boundnet_keras.parts import parts, snake_case
from boundnet_keras.source import Source, file_metadata, parse_json
from boundnet_keras.weights import Path as LayerPath
from boundnet_keras.weights import Weight

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeError)
_LARGE = 1 << 28  # bytes; members below are read without further ado
_MAX_EXPANSION = 100  # Keras stores members uncompressed: more than this is a decompression bomb


@contextmanager
def read_keras(path: Path) -> Iterator[Source]:
    """Configuration and weights of a .keras archive.  Raises ModelFileError naming the file and a remedy."""
    label = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config, metadata, weights = _members(archive, label)
    except _DAMAGED as error:
        raise ModelFileError(f"{label}: not a readable .keras archive ({error}); copy or save it again") from error
    version = str(metadata.get("keras_version", "3")) if isinstance(metadata, Mapping) else "3"
    with hdf5.open_file(io.BytesIO(weights), label) as file:
        yield Source(config, version, "", partial(KerasWeights, file, label), label, file_metadata(path, "keras"))


def _members(archive: zipfile.ZipFile, label: str) -> tuple[Any, Any, bytes]:
    """Configuration, metadata and the bytes of the weights' file."""
    members = set(archive.namelist())
    if "config.json" not in members:
        raise ModelFileError(f"{label}: a zip file without config.json is no Keras model; save it with model.save")
    config = parse_json(_member(archive, "config.json", label), label)
    metadata = parse_json(_member(archive, "metadata.json", label), label) if "metadata.json" in members else {}
    return config, metadata, _weights_file(archive, members, label)


def _member(archive: zipfile.ZipFile, name: str, label: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _LARGE and info.file_size > _MAX_EXPANSION * max(info.compress_size, 1):
        raise ModelFileError(f"{label}: {name} unfolds to {info.file_size} bytes out of {info.compress_size}; refused")
    return archive.read(name)


def _weights_file(archive: zipfile.ZipFile, members: set[str], label: str) -> bytes:
    if "model.weights.h5" in members:
        return _member(archive, "model.weights.h5", label)
    if "model.weights.npz" in members:  # each entry is a pickle: reading it would run code from the file
        raise ModelFileError(f"{label}: weights in .npz are pickled, which is refused; save with weights_format='h5'")
    if "model.weights.json" in members:
        raise ModelFileError(f"{label}: weights split over several files aren't supported; save without max_shard_size")
    raise ModelFileError(f"{label}: the archive holds no model.weights.h5; save the whole model with model.save")


class KerasWeights:
    """Weights by position: layer number n of a class in its container is 'layers/<snake_case_class>_<n>'."""

    def __init__(self, file: h5py.File, label: str, model: ModelSpec) -> None:
        self._file, self._label = file, label
        self._groups = dict(_group_names(model, (), ""))

    def of(self, path: LayerPath) -> list[Weight]:
        place, layer = self._groups[path]
        found = []
        rule = rule_of(layer)
        own = None if rule is None else rule.parts
        for part in parts(layer.kind, layer.config) if own is None else own:
            group = self._variables(place, part)
            if group is None:
                continue
            with hdf5.damage(self._label):
                count = len(group)
            found += [Weight("", partial(hdf5.read, group, str(index), self._label)) for index in range(count)]
        return found

    def _variables(self, place: str, part: str) -> h5py.Group | None:
        # Attributes with and without an underscore, and groups as Keras 2.12 and 2.13 named them.
        *outer, last = part.split("/")
        for name in (last, f"_{last}") if part else ("",):
            inner = "/".join([place, *outer, name]).rstrip("/")
            for spelling in (inner, inner.replace("layers", "_layer_checkpoint_dependencies")):
                group = hdf5.subgroup(self._file, f"{spelling}/vars", self._label)
                if group is not None:
                    return group
        return None


def _group_names(model: ModelSpec, path: LayerPath, container: str) -> Iterator[tuple[LayerPath, tuple[str, LayerSpec]]]:
    """Path of names -> HDF5 group and layer, as Keras's saving library counts them (operations aren't layers)."""
    used: dict[str, int] = {}
    for layer in model.layers:
        if layer.kind.startswith(OPERATION):
            continue
        name = snake_case(layer.kind)
        used[name] = used.get(name, -1) + 1
        place = f"{container}layers/{name}" + (f"_{used[name]}" if used[name] else "")
        here = (*path, layer.name)
        yield here, (place, layer)
        if layer.model is not None:
            yield from _group_names(layer.model, here, f"{place}/")
