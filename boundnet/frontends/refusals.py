"""Layers that can't be lowered: one reason each, told all at once."""

from __future__ import annotations

from boundnet.errors import Refusal, UnsupportedLayerError


class Refused(Exception):
    """A layer can't be lowered; the message is the reason with what a user can do."""


class Refusals:
    """The refused layers of one model.

    Args:
        label: the model as people know it, usually its path.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._found: list[Refusal] = []

    def add(self, layer: str, kind: str, reason: str) -> None:
        """Note a layer, nested models with "/", its class and why it is refused."""
        self._found.append(Refusal(layer, kind, reason))

    def check(self) -> None:
        """Raises UnsupportedLayerError, which lists all of them, if there are any."""
        if self._found:
            raise UnsupportedLayerError(self._found, self._label)
