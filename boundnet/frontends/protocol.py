"""The contract of a front end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from boundnet.graph import LayerGraph


class FrontEnd(Protocol):
    """What an entry point of ``boundnet.frontends`` must be.  Everything that is called is declared here."""

    def accepts(self, source: object) -> bool:
        """Whether this front end knows the kind of ``source`` (a path or a live model); must be quick, must not raise."""

    def vet(self, source: object) -> None:
        """Read the file ``source`` in a process of its own, where the library that reads it may crash on damage.

        Called by commands before :meth:`load`, with the path of a regular file that :meth:`accepts`.  A front end whose
        reader can't crash does nothing; :func:`boundnet.frontends.read_isolated` serves the others.

        Raises:
            ModelFileError: reading crashes or does not end; the message names the file.
        """

    def load(self, source: object, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
        """Lower ``source`` to a graph.

        Args:
            input_shapes: shape without the batch axis by input name, for inputs whose shape ``source`` leaves open.

        Raises:
            ModelFileError: the file is damaged or inconsistent; the message names it and says what to do.
            UnsupportedLayerError: some layers can't be lowered; all are listed.
            OpenShapeError: sizes are left open and ``input_shapes`` doesn't fix them.
        """
