"""Stored weights, looked up by the path of a layer, as exact float64 arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from boundnet.errors import ModelFileError
from boundnet.numerics.conversion import to_float64

Array = NDArray[np.float64]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Weight:
    """One stored array: ``name`` as stored ('' where files hold weights by position), ``read`` gives its values."""

    name: str
    read: Callable[[], NDArray[np.generic]]


class WeightStore(Protocol):
    """Where weights come from: an HDF5 file, a .keras archive or a live model."""

    def of(self, path: Path) -> list[Weight]:
        """Weights of the layer with this path of names, in the order of ``layer.get_weights()``; [] if none."""
        ...


def variable_name(stored: str) -> str:
    """'dense_1/kernel:0' -> 'kernel'; 'dense_1/kernel' -> 'kernel'."""
    return stored.split(":", 1)[0].rsplit("/", 1)[-1]


def exact(values: NDArray[np.generic], layer: str, weight: str) -> Array:
    """float64 copy of stored weights; refuses values that float64 doesn't hold exactly, NaN and infinity."""
    kind = values.dtype
    narrow = kind.kind == "f" and kind.itemsize <= 8
    small_integer = kind.kind in "biu" and kind.itemsize <= 4
    if not (narrow or small_integer or kind.name in ("bfloat16", "int64", "uint64") or kind.name.startswith("float8")):
        raise ModelFileError(f"layer {layer!r}: weight {weight!r} has dtype {kind.name}, which isn't supported")
    array, changed = to_float64(values)
    if changed.any():
        raise ModelFileError(
            f"layer {layer!r}: weight {weight!r} holds {values[changed][0]} ({kind.name}), which binary64 can't hold;"
            " train or export the model with weights of 32 bits"
        )
    if not np.all(np.isfinite(array)):
        bad = int(np.sum(~np.isfinite(array)))
        raise ModelFileError(
            f"layer {layer!r}: weight {weight!r} holds {bad} NaN or infinite value(s), so the network has no exact"
            " result; train or export the model again"
        )
    return array


def collect(
    layer: str, stored: Sequence[Weight], shapes: Mapping[str, tuple[int, ...]], optional: Sequence[str] = ()
) -> dict[str, Array]:
    """The weights ``shapes`` names, read from ``stored`` and checked against the shapes the configuration implies.

    Stored names decide where they are the expected ones, the order decides otherwise (Keras 1 names, renamed
    layers, .keras files).  ``optional`` weights may follow the expected ones and are ignored.
    """
    wanted = list(shapes)
    if len(stored) < len(wanted):
        found = ", ".join(variable_name(weight.name) or "?" for weight in stored) or "none"
        raise ModelFileError(
            f"layer {layer!r}: weights {', '.join(wanted)} are expected, but the model holds {found};"
            " build the model and save it again with model.save"
        )
    if len(stored) > len(wanted) + len(optional):
        raise ModelFileError(
            f"layer {layer!r}: {len(wanted)} weight(s) ({', '.join(wanted) or 'none'}) are expected,"
            f" but the model holds {len(stored)}; configuration and weights don't belong together"
        )
    by_name = {variable_name(weight.name): weight for weight in stored}
    named = len(by_name) == len(stored) and all(name in by_name for name in wanted)
    arrays: dict[str, Array] = {}
    for position, (name, shape) in enumerate(shapes.items()):
        source = by_name[name] if named else stored[position]
        array = exact(source.read(), layer, name)
        if array.shape != tuple(shape):
            raise ModelFileError(
                f"layer {layer!r}: weight {name!r} has shape {array.shape}, but its configuration asks for"
                f" {tuple(shape)}; configuration and weights don't belong together"
            )
        arrays[name] = array
    return arrays
