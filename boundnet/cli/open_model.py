"""Opening the model of a command: a damaged file must not take the command with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boundnet import frontends
from boundnet.graph import LayerGraph


def load(source: Any, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
    """:func:`boundnet.frontends.load`, with the file read by a process of its own first where its front end can do that."""
    frontends.vet(source)
    return frontends.load(source, input_shapes)
