"""Errors that a user can cause.  Each message stands alone: it names the culprit and says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class BoundNetError(Exception):
    """Base of every error that is the caller's to mend; the command line prints it and exits with code 2."""


class ModelFileError(BoundNetError):
    """The model file is missing, unreadable, incomplete or holds values that no analysis can start from."""


class OpenShapeError(ModelFileError):
    """The model leaves sizes of its inputs open, and bounds need fixed ones.

    Attributes:
        shapes: of all inputs, without the batch axis, by name; None where a size is open.
    """

    def __init__(self, message: str, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
        super().__init__(message)
        self.shapes = dict(shapes)


class InputError(BoundNetError):
    """The inputs given for analysis don't fit the network or can't be read."""


class FormatError(BoundNetError):
    """Unknown or impossible floating-point format, arithmetic or order."""


class PlanError(BoundNetError):
    """A plan is damaged or doesn't fit the network; the message names the file or the entry."""


class GraphError(BoundNetError):
    """The graph is inconsistent, for example two shapes that do not fit; the message names the node."""


class ToolError(BoundNetError):
    """A program that BoundNet runs, such as a compiler, is missing, failed or took too long."""


class ExtensionError(BoundNetError):
    """A rule that an extension registered is wrong; the message names it and the layer it failed on."""


class WorkerError(BoundNetError):
    """Processes that were to do the work died, or could not be reached."""


class CheckpointError(BoundNetError):
    """A checkpoint is damaged, belongs to another analysis or is in use."""


class OutputError(BoundNetError):
    """A result can't be written where it was asked for."""


class Refusal(NamedTuple):
    """One layer that can't be analysed: its name, its class and the reason with a remedy."""

    layer: str
    kind: str
    reason: str


class UnsupportedLayerError(BoundNetError):
    """The model has layers that BoundNet refuses; ``layers`` lists all of them, not only the first."""

    def __init__(self, layers: Sequence[Refusal], source: str = "") -> None:
        self.layers = tuple(Refusal(*layer) for layer in layers)
        lines = [f"  {item.layer} ({item.kind}): {item.reason}" for item in self.layers]
        where = f"{source}: " if source else ""
        noun = "layer is" if len(lines) == 1 else "layers are"
        super().__init__(f"{where}{len(lines)} {noun} not supported:\n" + "\n".join(lines))
