"""The network and the inputs that a command line names."""

from __future__ import annotations

from collections.abc import Mapping

from boundnet.cli.open_model import load
from boundnet.cli.request import Request
from boundnet.errors import OpenShapeError
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import shapes_of
from boundnet.inputs.files import Loaded, load_inputs
from boundnet.inputs.images import Pixels, parse_number


class _Open:
    """The inputs of a model that leaves sizes open, as :func:`load_inputs` asks for them."""

    def __init__(self, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
        self._shapes = shapes
        self.inputs = list(shapes)

    def shape(self, name: str) -> tuple[int | None, ...]:
        return self._shapes[name]


def open_model(request: Request) -> tuple[LayerGraph, Loaded | None]:
    """The graph and the inputs that ``request`` names; sizes left open by the model and ``--input-shape`` are the inputs'.

    Raises:
        BoundNetError: the model or the inputs can't be read, or do not fit each other.
    """
    scale, offset = parse_number(request.scale or "1", "--scale"), parse_number(request.offset or "0", "--offset")
    pixels = Pixels(request.resize, scale, offset)
    try:
        graph = load(request.model, request.shapes())
    except OpenShapeError as error:
        if not request.inputs:
            raise
        loaded = load_inputs(_Open(error.shapes), request.inputs, pixels)
        return load(request.model, shapes_of(error.shapes, loaded.inputs, "--inputs")), loaded
    return graph, load_inputs(graph, request.inputs, pixels) if request.inputs else None
