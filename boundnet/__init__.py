"""BoundNet: rigorous bounds on the rounding errors of trained networks.

``boundnet.analyze(model, inputs, arithmetic)`` bounds |computed - exact| of every output for every execution that
conforms to
the arithmetic.  Heavy parts load on first use, so that importing the package is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boundnet.errors import (
    BoundNetError,
    CheckpointError,
    FormatError,
    GraphError,
    InputError,
    ModelFileError,
    UnsupportedLayerError,
    WorkerError,
)

if TYPE_CHECKING:
    from boundnet.analysis.analyze import analyze
    from boundnet.analysis.execution.pool import processes
    from boundnet.arithmetic import Arithmetic
    from boundnet.arithmetic.formats import Format
    from boundnet.arithmetic.presets import build, preset
    from boundnet.frontends import load
    from boundnet.graph import LayerGraph
    from boundnet.results import Analysis

_WHERE = {
    "analyze": "boundnet.analysis.analyze",
    "Analysis": "boundnet.results",
    "Arithmetic": "boundnet.arithmetic",
    "Format": "boundnet.arithmetic.formats",
    "LayerGraph": "boundnet.graph",
    "build": "boundnet.arithmetic.presets",
    "load": "boundnet.frontends",
    "preset": "boundnet.arithmetic.presets",
    "processes": "boundnet.analysis.execution.pool",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'boundnet' has no attribute {name!r}")


__all__ = [
    "Analysis",
    "Arithmetic",
    "BoundNetError",
    "CheckpointError",
    "Format",
    "FormatError",
    "GraphError",
    "InputError",
    "LayerGraph",
    "ModelFileError",
    "UnsupportedLayerError",
    "WorkerError",
    "analyze",
    "build",
    "load",
    "preset",
    "processes",
]
