"""Reader for whole models in HDF5 (.h5, .hdf5), as written by Keras 1, 2 and, on request, 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py

from boundnet.errors import ModelFileError
from boundnet_keras import hdf5
from boundnet_keras.layers import holds_weights
from boundnet_keras.model import LayerSpec, ModelSpec
from boundnet_keras.source import Source, file_metadata, parse_json
from boundnet_keras.weights import Path as LayerPath
from boundnet_keras.weights import Weight

_KERAS1_VARIABLE = re.compile(r"_(W\d*|b\d*|bias|gamma|beta|running_mean|running_std|alphas?|(?:depth|point)wise_kernel)$")


@contextmanager
def read_h5(path: Path) -> Iterator[Source]:
    """Configuration and weights of an HDF5 model file.  Raises ModelFileError naming the file and a remedy."""
    label = str(path)
    with hdf5.open_file(path, label) as file:
        yield _source(file, path, label)


def _source(file: h5py.File, path: Path, label: str) -> Source:
    config = hdf5.attribute(file, "model_config", label)
    if config is None:
        if hdf5.names(file, "layer_names", label) or hdf5.child(file, "layers", label) is not None:
            what = "holds weights only, without the network they belong to"
        else:
            what = "is an HDF5 file, but not a Keras model: it has no 'model_config'"
        raise ModelFileError(f"{label}: {what}; rebuild the model, load the weights into it and use model.save")
    group = hdf5.subgroup(file, "model_weights", label)
    if group is None:
        raise ModelFileError(f"{label}: has a configuration but no weights; save the whole model with model.save")
    version, backend = (
        hdf5.attribute(file, name, label) or hdf5.attribute(group, name, label) for name in ("keras_version", "backend")
    )
    store = partial(H5Weights, group, label)
    return Source(parse_json(config, label), version or "1", backend or "", store, label, file_metadata(path, "h5"))


class H5Weights:
    """Weights by layer name.  A nested model keeps those of all its layers in its own group, in one list."""

    def __init__(self, group: h5py.Group, label: str, model: ModelSpec) -> None:
        self._group, self._label = group, label
        self._layers = {layer.name: layer for layer in model.layers}

    def of(self, path: LayerPath) -> list[Weight]:
        group = hdf5.subgroup(self._group, path[0], self._label)
        if group is None:
            return []
        stored = hdf5.names(group, "weight_names", self._label)
        nested = self._layers[path[0]].model
        chosen = stored if nested is None else _of_nested(stored, nested, path)
        return [Weight(name, partial(hdf5.read, group, name, self._label)) for name in chosen]


def _of_nested(stored: Sequence[str], model: ModelSpec, path: LayerPath) -> list[str]:
    """Those of a nested model's weights that belong to the layer at ``path``.

    By the layer's name in the weights' names if that tells the layers apart (it does unless layers were renamed);
    else by order, which is the order of the layers: a change of prefix begins the next layer.
    """
    leaves = [(leaf_path, leaf) for leaf_path, leaf in model.leaves(path[:1]) if holds_weights(leaf)]
    prefixes = {name: _prefix(name) for name in stored}
    by_path = {leaf_path: _match(leaf_path, prefixes, leaves) for leaf_path, _ in leaves}
    if all(by_path.values()) and sum(map(len, by_path.values())) == len(stored):
        return by_path.get(path, [])
    groups: dict[str, list[str]] = {}
    for name, prefix in prefixes.items():
        groups.setdefault(prefix, []).append(name)
    if len(groups) != len(leaves):
        raise ModelFileError(
            f"layer {'/'.join(path)!r}: the weights of the nested model {path[0]!r} can't be told apart"
            f" ({len(groups)} groups for {len(leaves)} layers); save the model again as .keras"
        )
    order = [leaf_path for leaf_path, _ in leaves]
    return list(groups.values())[order.index(path)] if path in order else []


def _match(path: LayerPath, prefixes: dict[str, str], leaves: Sequence[tuple[LayerPath, LayerSpec]]) -> list[str]:
    """Stored names whose prefix ends like the layer's path, in as many names as tell it from other layers."""
    for length in range(1, len(path) + 1):
        end = "/".join(path[-length:])
        if sum("/".join(other[-length:]) == end for other, _ in leaves) == 1:
            found = [name for name, prefix in prefixes.items() if f"/{prefix}".endswith(f"/{end}")]
            # Cells and wrapped layers have prefixes of their own below their layer's.
            return found or [name for name, prefix in prefixes.items() if f"/{end}/" in f"/{prefix}/"]
    return []


def _prefix(name: str) -> str:
    """'inner/dense/kernel:0' -> 'inner/dense'; Keras 1: 'dense_1_W' -> 'dense_1'."""
    name = name.split(":", 1)[0]
    return name.rsplit("/", 1)[0] if "/" in name else _KERAS1_VARIABLE.sub("", name)
