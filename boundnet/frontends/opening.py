"""Opening models: front ends are found through the entry-point group ``boundnet.frontends``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from boundnet.errors import ModelFileError, OpenShapeError
from boundnet.frontends.protocol import FrontEnd
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import shapes_of
from boundnet.results.files import unreadable


def vet(source: Any) -> None:
    """Let the front end of a file read it in a process of its own, so that damage can't crash or stop this one.

    Commands call this before :func:`load`, programs need not.

    Raises:
        ModelFileError: reading the file crashes or does not end.
    """
    if not isinstance(source, str | os.PathLike) or unreadable(Path(source)) is not None:
        return
    frontend = _that_accepts(source)
    if frontend is not None:
        frontend.vet(source)


def load(source: Any, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
    """Open a model file or lower a live model.

    Args:
        source: path of a .h5, .hdf5 or .keras file, a live ``keras.Model``, or a LayerGraph (returned as it is).
        input_shapes: shape without the batch axis by input name, for inputs whose shape the model leaves open.

    Raises:
        ModelFileError: there is no such file, or nothing installed can open it.
        UnsupportedLayerError: it has layers that can't be analysed; all are listed.
    """
    if isinstance(source, LayerGraph):
        return source
    why = unreadable(Path(source), folders=True) if isinstance(source, str | os.PathLike) else None
    if why is not None:
        raise ModelFileError(f"{os.fspath(source)}: {why}")
    try:
        frontend = _that_accepts(source)
        if frontend is not None:
            return frontend.load(source, input_shapes=input_shapes)
    except OSError as error:
        raise ModelFileError(f"{source}: can't be read ({error.strerror or error})") from error
    names = ", ".join(point.name for point in _installed()) or "none"
    raise ModelFileError(
        f"{source}: no installed front end opens this (installed: {names}); give a Keras .h5, .hdf5 or .keras file, "
        "or a live keras.Model"
    )


def load_for(source: Any, inputs: Any) -> LayerGraph:
    """:func:`load`, with the sizes that the model leaves open taken from ``inputs``, if there are any.

    Raises:
        ModelFileError, UnsupportedLayerError: see :func:`load`.
        InputError: the inputs don't fit the sizes that the model fixes.
    """
    try:
        return load(source)
    except OpenShapeError as error:
        if inputs is None:
            raise
        return load(source, shapes_of(error.shapes, inputs))


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group="boundnet.frontends"), key=lambda point: point.name)


def _that_accepts(source: object) -> FrontEnd | None:
    """The first installed front end that knows the kind of ``source``."""
    for point in _installed():
        frontend: FrontEnd = point.load()
        if frontend.accepts(source):
            return frontend
    return None
